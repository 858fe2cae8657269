"""Who did what to a connection, a user or a key."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, jsonb, millis


class Entry(Struct, frozen=True, kw_only=True):
    """One deed. `actor` is a user's e-mail, `cli:<system user>` or a process."""

    id: int
    at_ms: int
    actor: str
    action: str
    user_id: UUID | None
    connection_id: UUID | None
    details: Mapping[str, Any]


def record_deed(
    db: Db,
    actor: str,
    action: str,
    *,
    user_id: UUID | None = None,
    connection_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Keep a deed: `connection.added`, `key.opened`, `keys.rotated`. Nothing secret in its details."""
    db.execute(
        "INSERT INTO audit_log (actor, action, user_id, connection_id, details) VALUES (%s, %s, %s, %s, %s)",
        (actor, action, user_id, connection_id, jsonb(details or {})),
    )


def deeds(db: Db, *, user_id: UUID | None = None, connection_id: UUID | None = None, limit: int = 100) -> list[Entry]:
    """The newest deeds, about one user or connection where given."""
    rows = db.execute(
        """
        SELECT id, at, actor, action, user_id, connection_id, details FROM audit_log
        WHERE (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
          AND (%(connection_id)s::uuid IS NULL OR connection_id = %(connection_id)s)
        ORDER BY at DESC, id DESC LIMIT %(limit)s
        """,
        {"user_id": user_id, "connection_id": connection_id, "limit": limit},
    ).fetchall()
    return [
        Entry(
            id=row[0],
            at_ms=millis(row[1]),
            actor=row[2],
            action=row[3],
            user_id=row[4],
            connection_id=row[5],
            details=row[6],
        )
        for row in rows
    ]
