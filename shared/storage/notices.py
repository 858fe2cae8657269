"""What owners are told before it hurts: keys that expire soon. Each notice is given once."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, millis

DAYS_BEFORE = (14, 7, 1)


class KeyExpires(Struct, frozen=True, kw_only=True):
    """A key that expires within so many days."""

    connection_id: UUID
    user_id: UUID
    expires_ms: int
    days: int


def take_expiring_keys(db: Db, days_before: Sequence[int] = DAYS_BEFORE) -> list[KeyExpires]:
    """The keys that have come nearer to their end than one of these days, each once; the notice is on record.

    A key that is renewed and nears its end again is told of again.
    """
    rows = db.execute(
        """
        WITH near AS (
            SELECT c.id, c.user_id, c.key_expires_at, min(days) AS days
            FROM user_exchange_connections c CROSS JOIN unnest(%s::int[]) AS days
            WHERE c.is_active AND c.removed_at IS NULL AND c.key_expires_at > now()
              AND c.key_expires_at <= now() + days * interval '1 day'
            GROUP BY c.id
        ),
        told AS (
            INSERT INTO events (name, connection_id, fields)
            SELECT 'key.expires', near.id,
                   jsonb_build_object('days', near.days, 'expires_at', to_jsonb(near.key_expires_at))
            FROM near
            WHERE NOT EXISTS (
                SELECT FROM events e
                WHERE e.connection_id = near.id AND e.name = 'key.expires'
                  AND (e.fields ->> 'days')::int <= near.days
                  AND e.fields -> 'expires_at' = to_jsonb(near.key_expires_at)
            )
            RETURNING connection_id
        )
        SELECT near.id, near.user_id, near.key_expires_at, near.days
        FROM near JOIN told ON told.connection_id = near.id ORDER BY near.key_expires_at
        """,
        (list(days_before),),
    ).fetchall()
    return [KeyExpires(connection_id=row[0], user_id=row[1], expires_ms=millis(row[2]), days=row[3]) for row in rows]


class Open(Struct, frozen=True):
    """Jobs on record that are not over: `all` of them, and those `in_vain`, sent long ago and begun by nobody."""

    all: int
    in_vain: int


def count_open(db: Db, older_than: timedelta) -> Open:
    """How many jobs are open; `older_than` says when one that was sent waits in vain."""
    row = db.execute(
        """
        SELECT count(*), count(*) FILTER (WHERE state = 'queued' AND sent_at < now() - %s)
        FROM jobs WHERE state IN ('queued', 'running')
        """,
        (older_than,),
    ).fetchone()
    return Open(*row) if row else Open(0, 0)
