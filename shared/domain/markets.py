"""A market as ccxt's table describes it, and how a raw id finds one."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from shared.domain.errors import UnreadableRow
from shared.domain.trades import Product

MarketType = Literal["spot", "swap", "future", "option"]


class Market(Struct, frozen=True):
    """One market. `id` is the exchange's name for it, `symbol` ccxt's unified name."""

    id: str
    symbol: str
    type: MarketType
    base: str
    quote: str
    settle: str | None = None
    contract_size: Decimal | None = None
    linear: bool | None = None
    inverse: bool | None = None
    active: bool | None = None

    @property
    def product(self) -> Product:
        """The product a trade on this market belongs to, margin apart: that is a property of the order."""
        if self.type == "spot":
            return Product.SPOT
        if self.type == "option":
            return Product.OPTION
        return Product.INVERSE if self.inverse else Product.LINEAR


class Markets:
    """Every market of one exchange, found by product and raw id, or by symbol.

    A raw id alone identifies nothing: spot and perpetuals often share it.
    """

    def __init__(self, markets: Iterable[Market]) -> None:
        self.all = tuple(markets)
        self._by_id = {(_shelf(market.product), market.id): market for market in self.all}
        self._by_symbol = {market.symbol: market for market in self.all}

    def find(self, product: Product, market_id: str) -> Market | None:
        """The market, or None. Margin trades happen on the spot market."""
        return self._by_id.get((_shelf(product), market_id))

    def get(self, product: Product, market_id: str) -> Market:
        """The market. Raises `UnreadableRow` when it is unknown: its symbol is never guessed."""
        market = self.find(product, market_id)
        if market is None:
            raise UnreadableRow(f"the market {market_id!r} ({product}) is not in the market list")
        return market

    def find_symbol(self, symbol: str) -> Market | None:
        """The market with this unified symbol, or None."""
        return self._by_symbol.get(symbol)

    def of(self, product: Product) -> tuple[Market, ...]:
        """All markets of one product."""
        return tuple(market for market in self.all if market.product == product)

    def products_of(self, market_id: str) -> tuple[Product, ...]:
        """The products that have a market of this raw id; the reader decides when there is exactly one."""
        return tuple(market.product for market in self.all if market.id == market_id)


def _shelf(product: Product) -> Product:
    return Product.SPOT if product is Product.MARGIN else product
