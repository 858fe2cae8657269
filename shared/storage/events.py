"""What operators should know and metrics are made of: gaps opened and closed, streams lost, bans, duties run."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, jsonb, millis


class Event(Struct, frozen=True, kw_only=True):
    """One happening: `area.happening`, with its fields."""

    id: int
    at_ms: int
    connection_id: UUID | None
    name: str
    fields: Mapping[str, Any]


def record_event(
    db: Db, name: str, *, connection_id: UUID | None = None, fields: Mapping[str, Any] | None = None
) -> None:
    """Keep a happening. Nothing secret in its fields."""
    db.execute(
        "INSERT INTO events (name, connection_id, fields) VALUES (%s, %s, %s)",
        (name, connection_id, jsonb(fields or {})),
    )


def latest(
    db: Db,
    *,
    connection_id: UUID | None = None,
    user_id: UUID | None = None,
    name: str | None = None,
    limit: int = 100,
) -> list[Event]:
    """The newest happenings, of one connection, user or name where given."""
    rows = db.execute(
        """
        SELECT e.id, e.at, e.connection_id, e.name, e.fields
        FROM events e LEFT JOIN user_exchange_connections c ON c.id = e.connection_id
        WHERE (%(connection_id)s::uuid IS NULL OR e.connection_id = %(connection_id)s)
          AND (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s)
          AND (%(name)s::text IS NULL OR e.name = %(name)s)
        ORDER BY e.at DESC, e.id DESC LIMIT %(limit)s
        """,
        {"connection_id": connection_id, "user_id": user_id, "name": name, "limit": limit},
    ).fetchall()
    return [Event(id=row[0], at_ms=millis(row[1]), connection_id=row[2], name=row[3], fields=row[4]) for row in rows]


def counts(db: Db, within: timedelta) -> dict[str, int]:
    """How often each happened in the last while."""
    rows = db.execute("SELECT name, count(*) FROM events WHERE at > now() - %s::interval GROUP BY name", (within,))
    return dict(rows.fetchall())
