"""A ticker: the latest price of one symbol at one exchange."""

from decimal import Decimal

from msgspec import Struct


class Ticker(Struct, frozen=True, kw_only=True):
    """Prices are None where the exchange's channel does not carry them."""

    symbol: str
    last: Decimal | None
    bid: Decimal | None = None
    ask: Decimal | None = None
    timestamp_ms: int | None = None
