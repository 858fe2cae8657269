"""What owners are told before it hurts: keys that expire soon. Each notice is given once."""

from collections.abc import Sequence
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


def count_waiting_in_vain(db: Db, seconds: float) -> int:
    """How many jobs are on record as queued and were handed to the queue longer ago than this."""
    row = db.execute(
        "SELECT count(*) FROM jobs WHERE state = 'queued' AND sent_at < now() - %s * interval '1 second'", (seconds,)
    ).fetchone()
    return int(row[0]) if row else 0
