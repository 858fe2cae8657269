"""Trades that a stream told and REST has not shown yet: what catch-up is still waiting for."""

from uuid import UUID

from msgspec import Struct

from shared.domain.trades import Product
from shared.storage.values import Db, millis


class Waiting(Struct, frozen=True):
    """A market of a connection with provisional rows, and since when the oldest of them is stored (epoch ms)."""

    product: Product
    market_id: str
    since_ms: int


def provisional_markets(db: Db, connection_id: UUID) -> list[Waiting]:
    """The markets whose stored rows lack what only REST can tell."""
    rows = db.execute(
        """
        SELECT product, market_id, min(sync_timestamp) FROM trades
        WHERE connection_id = %s AND confirmed_at IS NULL AND provisional
        GROUP BY product, market_id
        """,
        (connection_id,),
    ).fetchall()
    return [Waiting(Product(row[0]), row[1], millis(row[2])) for row in rows]


def is_order_confirmed(db: Db, connection_id: UUID, order_id: str, since_ms: int) -> bool:
    """Whether REST has shown a trade of this order since that moment, and none of it waits."""
    row = db.execute(
        """
        SELECT coalesce(bool_and(confirmed_at IS NOT NULL), false)
               AND coalesce(max(confirmed_at) >= to_timestamp(%s / 1000.0), false)
        FROM trades WHERE connection_id = %s AND order_id = %s
        """,
        (since_ms, connection_id, order_id),
    ).fetchone()
    return bool(row and row[0])
