"""Pauses that an exchange asked for. They stand here because they must outlive a restart of Redis."""

from msgspec import Struct

from shared.storage.values import Db, millis, moment


class Ban(Struct, frozen=True, kw_only=True):
    """A pause. `scope` is `address:<egress>` or `account:<connection>`."""

    exchange: str
    scope: str
    until_ms: int
    reason: str


def record_ban(db: Db, exchange: str, scope: str, until_ms: int, reason: str) -> None:
    """Keep a pause; a longer one that is there already stays."""
    db.execute(
        """
        INSERT INTO bans (exchange, scope, until, reason) VALUES (%s, %s, %s, %s)
        ON CONFLICT (exchange, scope) DO UPDATE
        SET until = greatest(bans.until, EXCLUDED.until),
            reason = CASE WHEN EXCLUDED.until > bans.until THEN EXCLUDED.reason ELSE bans.reason END
        """,
        (exchange, scope, moment(until_ms), reason),
    )


def standing(db: Db) -> list[Ban]:
    """The pauses that have not ended."""
    rows = db.execute("SELECT exchange, scope, until, reason FROM bans WHERE until > now() ORDER BY until DESC")
    return [Ban(exchange=row[0], scope=row[1], until_ms=millis(row[2]), reason=row[3]) for row in rows]


def lift_ban(db: Db, exchange: str, scope: str) -> bool:
    """End a pause early, on an operator's word."""
    return db.execute("DELETE FROM bans WHERE exchange = %s AND scope = %s", (exchange, scope)).rowcount == 1
