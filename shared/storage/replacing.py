"""A connection gets a new key: what still runs with the old one ends without a word, and everything is due."""

from uuid import UUID

from msgspec import Struct

from shared.domain.connections import KeyReport
from shared.domain.trades import Product
from shared.storage import connections
from shared.storage.values import Db, millis


class Known(Struct, frozen=True, kw_only=True):
    """A trade by which an account is known again."""

    product: Product
    market_id: str
    identity: str
    at_ms: int


def replace_key(
    db: Db, connection_id: UUID, *, credentials: bytes, key_version: str, key_fingerprint: bytes, report: KeyReport
) -> None:
    """Give a connection its new key, and wake it. Raises `BadInput` when another connection has key or account.

    Jobs that run with the old key lose their leases, so that none of them says of the new one what was the old
    one's trouble; streams are opened anew because the key is another.
    """
    with db.transaction():
        connections.set_credentials(
            db, connection_id, credentials=credentials, key_version=key_version, key_fingerprint=key_fingerprint
        )
        connections.record_key_report(db, connection_id, report)
        db.execute(
            """
            UPDATE jobs SET state = 'failed', fence = fence + 1, finished_at = now(), leased_until = NULL, again = '[]',
                            error_code = 'key_replaced', error_message = 'The connection got a new key meanwhile.'
            WHERE connection_id = %s AND state = 'running'
            """,
            (connection_id,),
        )
        connections.resume(db, connection_id)


def newest_trade(db: Db, connection_id: UUID) -> Known | None:
    """The newest trade that history has shown, or None."""
    row = db.execute(
        """
        SELECT product, market_id, identity, exchange_timestamp FROM trades
        WHERE connection_id = %s AND confirmed_at IS NOT NULL ORDER BY exchange_timestamp DESC LIMIT 1
        """,
        (connection_id,),
    ).fetchone()
    if row is None:
        return None
    return Known(product=Product(row[0]), market_id=row[1], identity=row[2], at_ms=millis(row[3]))
