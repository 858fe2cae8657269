"""A trade: one execution of one of the user's orders, with everything the table `trades` keeps of it."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Product(StrEnum):
    """What kind of market a trade happened on."""

    SPOT = "spot"
    MARGIN = "margin"
    LINEAR = "linear"
    INVERSE = "inverse"
    OPTION = "option"


class Side(StrEnum):
    """The user's side. There is no default: an unknown side is quarantined."""

    BUY = "buy"
    SELL = "sell"


class TakerOrMaker(StrEnum):
    """Whether the user's order took liquidity or made it."""

    TAKER = "taker"
    MAKER = "maker"


class Kind(StrEnum):
    """Why the execution happened. Funding and transfers are not trades."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    SETTLEMENT = "settlement"
    DELIVERY = "delivery"
    BLOCK = "block"
    CONVERSION = "conversion"
    ADJUSTMENT = "adjustment"


class Source(StrEnum):
    """Which way a row came. REST is proof, the stream is speed."""

    STREAM = "stream"
    REST = "rest"


UNTOLD_MS = 0
"""The moment of a provisional trade whose message tells none, where nobody was there to hear it."""


class Fee(Struct, frozen=True):
    """One fee line. Paid is positive, a rebate negative."""

    amount: Decimal
    currency: str


class Trade(Struct, frozen=True, kw_only=True):
    """One execution. `identity` is made from the exchange's own ids only; values are never part of it.

    `amount` is in the base currency, `contracts` is the exchange's own count where it trades contracts,
    `cost` is in the quote currency (inverse contracts: in USD, the quote). `timestamp_ms` is the moment of
    the execution. A `provisional` row lacks something (usually the fee) that only REST can tell.
    """

    symbol: str
    market_id: str
    product: Product
    exchange_trade_id: str
    identity: str
    order_id: str | None
    client_order_id: str | None = None
    side: Side
    price: Decimal
    amount: Decimal
    contracts: Decimal | None = None
    cost: Decimal
    fees: tuple[Fee, ...] = ()
    taker_or_maker: TakerOrMaker | None
    timestamp_ms: int
    kind: Kind = Kind.TRADE
    provisional: bool = False
    raw: Any = None

    @property
    def fee(self) -> Decimal | None:
        """The first fee line's amount, as the column `fee` keeps it."""
        return self.fees[0].amount if self.fees else None

    @property
    def fee_currency(self) -> str | None:
        """The first fee line's currency."""
        return self.fees[0].currency if self.fees else None


class Unreadable(Struct, frozen=True, kw_only=True):
    """A row or message that could not be read: it goes to quarantine, whole, with the reason."""

    reason: str
    raw: Any
