"""What could not be read, or contradicts: kept with its reason and without secrets, replayable after a mend."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.raw import text_without_secrets, without_secrets
from shared.domain.trades import Unreadable
from shared.storage.values import Db, json_text, millis


class Item(Struct, frozen=True, kw_only=True):
    """Something to keep. `raw` is what came, as plain JSON values, text or bytes; secrets are not kept."""

    connection_id: UUID | None
    exchange: str | None
    source: str
    reason: str
    raw: Any
    identity: str | None = None

    @classmethod
    def of_row(cls, row: Any, *, source: str, reason: str) -> "Item":
        """A row that could not be stored, whatever it is."""
        known = row if isinstance(row, Mapping) else {}
        identity = known.get("identity")
        return cls(
            connection_id=_uuid(known.get("connection_id")),
            exchange=None,
            source=source,
            reason=reason,
            raw=row,
            identity=identity if isinstance(identity, str) and "\x00" not in identity else None,
        )


class Kept(Struct, frozen=True, kw_only=True):
    """One item of the quarantine. `raw` is its JSON text."""

    id: int
    connection_id: UUID | None
    exchange: str | None
    source: str
    reason: str
    identity: str | None
    raw: str
    seen: int
    first_seen_ms: int
    last_seen_ms: int
    is_resolved: bool


def unreadable(rows: Iterable[Unreadable], *, connection_id: UUID | None, exchange: str, source: str) -> list[Item]:
    """Unreadable rows of one connection as items."""
    return [
        Item(connection_id=connection_id, exchange=exchange, source=source, reason=row.reason, raw=row.raw)
        for row in rows
    ]


def record(db: Db, items: Iterable[Item]) -> int:
    """Keep items; the same thing again only raises its count. Gives how many were given."""
    count = 0
    with db.transaction():
        for item in items:
            count += 1
            text = _raw_text(item.raw)
            db.execute(
                """
                INSERT INTO quarantine (connection_id, exchange, source, reason, identity, raw, fingerprint)
                SELECT c.id, coalesce(%(exchange)s, c.exchange_name), %(source)s, %(reason)s, %(identity)s,
                       %(raw)s::json, %(fingerprint)s
                FROM (SELECT) AS always LEFT JOIN user_exchange_connections c ON c.id = %(connection_id)s
                ON CONFLICT (connection_id, fingerprint)
                DO UPDATE SET seen = quarantine.seen + 1, last_seen_at = now(), reason = EXCLUDED.reason
                """,
                {
                    "connection_id": item.connection_id,
                    "exchange": item.exchange,
                    "source": item.source,
                    "reason": item.reason.replace("\x00", "␀"),
                    "identity": item.identity,
                    "raw": text,
                    "fingerprint": sha256(f"{item.source}:{text}".encode()).digest(),
                },
            )
    return count


def listed(
    db: Db,
    *,
    user_id: UUID | None = None,
    connection_id: UUID | None = None,
    include_resolved: bool = False,
    limit: int = 100,
) -> list[Kept]:
    """The newest items, of one user or connection where given."""
    rows = db.execute(
        """
        SELECT q.id, q.connection_id, q.exchange, q.source, q.reason, q.identity, q.raw::text, q.seen,
               q.first_seen_at, q.last_seen_at, q.resolved_at IS NOT NULL
        FROM quarantine q LEFT JOIN user_exchange_connections c ON c.id = q.connection_id
        WHERE (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s)
          AND (%(connection_id)s::uuid IS NULL OR q.connection_id = %(connection_id)s)
          AND (%(include_resolved)s OR q.resolved_at IS NULL)
        ORDER BY q.last_seen_at DESC, q.id DESC LIMIT %(limit)s
        """,
        {
            "user_id": user_id,
            "connection_id": connection_id,
            "include_resolved": include_resolved,
            "limit": limit,
        },
    ).fetchall()
    return [
        Kept(
            id=row[0],
            connection_id=row[1],
            exchange=row[2],
            source=row[3],
            reason=row[4],
            identity=row[5],
            raw=row[6],
            seen=row[7],
            first_seen_ms=millis(row[8]),
            last_seen_ms=millis(row[9]),
            is_resolved=row[10],
        )
        for row in rows
    ]


def heard(db: Db, connection_id: UUID, *, limit: int = 100) -> list[tuple[int, str | None, str]]:
    """Id, identity and raw of the newest unresolved items of a stream. A contradiction is for a person to judge."""
    rows = db.execute(
        """
        SELECT id, identity, raw::text FROM quarantine
        WHERE connection_id = %s AND source = 'stream' AND resolved_at IS NULL AND reason NOT LIKE 'contradicted: %%'
        ORDER BY id DESC LIMIT %s
        """,
        (connection_id, limit),
    ).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def resolve_confirmed(db: Db, item_id: int, connection_id: UUID, identities: Sequence[str]) -> bool:
    """Mark an item as dealt with if REST has confirmed all these trades of this connection."""
    found = db.execute(
        """
        UPDATE quarantine SET resolved_at = now()
        WHERE id = %s AND resolved_at IS NULL AND NOT EXISTS (
            SELECT FROM unnest(%s::text[]) AS told (identity)
            LEFT JOIN trades t ON t.connection_id = %s AND t.identity = told.identity
            WHERE t.confirmed_at IS NULL)
        """,
        (item_id, list(identities), connection_id),
    )
    return found.rowcount == 1


def resolve(db: Db, item_id: int) -> bool:
    """Mark an item as dealt with; False when there is none such or it was already."""
    found = db.execute("UPDATE quarantine SET resolved_at = now() WHERE id = %s AND resolved_at IS NULL", (item_id,))
    return found.rowcount == 1


def _raw_text(raw: Any) -> str:
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "backslashreplace")
    kept = text_without_secrets(raw) if isinstance(raw, str) else without_secrets(raw)
    try:
        return json_text(kept)
    except (TypeError, ValueError):
        return json_text(text_without_secrets(repr(kept)).encode("utf-8", "backslashreplace").decode())


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
