"""Trades that a stream told and REST has not shown yet: what catch-up is still waiting for."""

from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.storage.values import Db, millis, moment


class Waiting(Struct, frozen=True):
    """A market of a connection with provisional rows, and since when the oldest of them is stored (epoch ms)."""

    product: Product
    market_id: str
    since_ms: int


class Doubted(Struct, frozen=True):
    """A market of a connection, and the window in which trades wait for their proof too long."""

    product: Product
    market_id: str
    window: Window


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


def doubted(db: Db, connection_id: UUID, *, younger_than: timedelta, settle: timedelta) -> list[Doubted]:
    """Where the stream told trades that REST should have shown by now, of those stored lately.

    They lie in what is proven already, if the exchange stamped them late: nothing else would ever read it again.
    """
    rows = db.execute(
        """
        SELECT product, market_id, min(exchange_timestamp), max(exchange_timestamp) FROM trades
        WHERE connection_id = %s AND confirmed_at IS NULL
          AND sync_timestamp BETWEEN now() - %s::interval AND now() - 2 * %s::interval
        GROUP BY product, market_id
        """,
        (connection_id, younger_than, settle),
    ).fetchall()
    return [Doubted(Product(row[0]), row[1], Window(millis(row[2]), millis(row[3]) + 1)) for row in rows]


def confirmed_of_order(db: Db, user_id: UUID, connection_id: UUID, order_id: str, since_ms: int) -> int:
    """How many trades of this order, executed since that moment (epoch ms), REST has shown."""
    row = db.execute(
        """
        SELECT count(*) FROM trades
        WHERE user_id = %s AND exchange_timestamp >= %s AND connection_id = %s AND order_id = %s
          AND confirmed_at IS NOT NULL
        """,
        (user_id, moment(since_ms), connection_id, order_id),
    ).fetchone()
    return int(row[0]) if row else 0
