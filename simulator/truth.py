"""What really happened on a simulated exchange: markets, accounts, orders, fills and balances.

Dialects render it, tests compare with it. Amounts are Decimal, times epoch milliseconds of the exchange's clock.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any

from msgspec import Struct, field

ZERO = Decimal(0)

SPOT = "spot"
LINEAR = "linear"
INVERSE = "inverse"


def plain(value: Decimal) -> str:
    """A decimal without exponent and without zeros at its end."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"", "-0"} else text


class Market(Struct, kw_only=True, eq=False):
    """One market of one exchange. `id` is the exchange's name for it, unique within a product only.

    `step` is the smallest size in the unit the exchange trades it in: base coin, or contracts where
    `contract_size` says how much base coin (inverse: quote coin) one contract is.
    """

    product: str
    id: str
    symbol: str
    base: str
    quote: str
    settle: str = ""
    tick: Decimal
    step: Decimal
    contract_size: Decimal = Decimal(1)
    start_price: Decimal
    status: str = "trading"
    """trading, halted (listed but closed) or delisted."""
    listed_ms: int = 1_577_836_800_000
    rest_grain_ms: int = 1
    """REST tells moments cut to so many milliseconds."""
    details: dict[str, Any] = field(default_factory=dict)
    """Whatever the dialect wants to remember of this market."""

    # What moves while the exchange is open.
    price: Decimal = ZERO
    """Of the last trade here."""
    shown: Decimal = ZERO
    """What tickers show: the price, wandering a little by itself."""
    last_id: int = 0
    open_24h: Decimal = ZERO
    high_24h: Decimal = ZERO
    low_24h: Decimal = ZERO
    volume_24h: Decimal = ZERO
    turnover_24h: Decimal = ZERO

    @property
    def key(self) -> tuple[str, str]:
        return self.product, self.id

    @property
    def bid(self) -> Decimal:
        return self.shown - self.tick

    @property
    def ask(self) -> Decimal:
        return self.shown

    def base_amount(self, size: Decimal, price: Decimal) -> Decimal:
        """What `size` (in the exchange's unit) is in base coin."""
        if self.product == INVERSE:
            return size * self.contract_size / price
        return size * self.contract_size

    def quote_cost(self, size: Decimal, price: Decimal) -> Decimal:
        """What `size` costs: in quote coin (inverse: in base coin, as it is settled)."""
        if self.product == INVERSE:
            return size * self.contract_size / price
        return size * self.contract_size * price


class Fee(Struct, frozen=True, gc=False):
    """Paid is positive, a rebate negative."""

    amount: Decimal
    currency: str


class Order(Struct, kw_only=True, eq=False, gc=False):
    """One order; sizes are in the exchange's unit. `status`: open, filled, canceled, expired.

    `on_margin`: made on a spot market with borrowed coins, which truth calls the product margin.
    """

    id: str
    client_id: str
    market: Market
    side: str
    type: str
    price: Decimal
    size: Decimal
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    status: str = "open"
    kind: str = "trade"
    created_ms: int
    updated_ms: int
    locked: Decimal = ZERO
    on_margin: bool = False

    @property
    def left(self) -> Decimal:
        return self.size - self.filled


class Fill(Struct, kw_only=True, eq=False, gc=False):
    """One execution of one order.

    `size` is in the exchange's unit, `amount` in base coin. `visible_ms` is when REST begins to show it.
    `sequence` rises over all fills of the exchange; `filled` and `filled_cost` are the order's sums after it.
    """

    sequence: int
    trade_id: str
    order: Order
    market: Market
    side: str
    price: Decimal
    size: Decimal
    amount: Decimal
    cost: Decimal
    fees: tuple[Fee, ...]
    maker: bool
    timestamp_ms: int
    visible_ms: int
    kind: str = "trade"
    realized: Decimal = ZERO
    filled: Decimal = ZERO
    filled_cost: Decimal = ZERO
    self_trade: bool = False

    def as_truth(self) -> dict[str, Any]:
        """The trade as `GET /truth` tells it. Coins go by the names that `symbol` has for them."""
        market = self.market
        names = {market.base: market.symbol.partition("/")[0]}
        grain_ms = market.rest_grain_ms
        coarse = {"rest_timestamp_ms": self.timestamp_ms // grain_ms * grain_ms} if grain_ms > 1 else {}
        return {
            "product": "margin" if self.order.on_margin else market.product,
            "market_id": market.id,
            "symbol": market.symbol,
            "exchange_trade_id": self.trade_id,
            "order_id": self.order.id,
            "client_order_id": self.order.client_id,
            "side": self.side,
            "price": plain(self.price),
            "amount": plain(self.amount),
            "contracts": None if market.product == SPOT else plain(self.size),
            "cost": plain(self.cost),
            "fees": [
                {"amount": plain(fee.amount), "currency": names.get(fee.currency, fee.currency)}
                for fee in self.fees
                if fee.amount
            ],
            "taker_or_maker": "maker" if self.maker else "taker",
            "timestamp_ms": self.timestamp_ms,
            **coarse,
            "kind": self.kind,
        }


class Holding(Struct):
    """What an account has of one asset in one wallet."""

    free: Decimal = ZERO
    locked: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


class Position(Struct):
    """An open position: signed size in contracts, and its average price."""

    size: Decimal = ZERO
    entry: Decimal = ZERO


_time = attrgetter("timestamp_ms")
_order_of_rows = attrgetter("timestamp_ms", "sequence")


class Account(Struct, kw_only=True, eq=False):
    """One account of one exchange, and the one key it is read with.

    `permissions` are of: read, trade, withdraw, transfer, futures, margin. `mode` is a word of the dialect.
    `addresses` binds the key to addresses (empty: any). `expires_ms` None: the key never expires.
    """

    exchange: str
    name: str
    uid: str
    api_key: str
    secret: str
    passphrase: str = ""
    mode: str = ""
    permissions: set[str] = field(default_factory=lambda: {"read"})
    products: tuple[str, ...] = (SPOT, LINEAR)
    addresses: list[str] = field(default_factory=list)
    created_ms: int = 0
    expires_ms: int | None = None
    revoked: bool = False
    keys_made: int = 1
    was_put_back: bool = False
    """A fill was stamped before one that was made earlier: ids and sequence do not rise with the time any more."""
    frozen: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    """Whatever the dialect wants to remember of this account."""

    fills: dict[tuple[str, str], list[Fill]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    wallets: dict[str, dict[str, Holding]] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    deposits: list[tuple[int, str, str, Decimal]] = field(default_factory=list)
    """What was paid in (negative: out): time, wallet, asset, amount. Wallets are these plus all fills."""

    def refusal_of_key(self, now_ms: int, address: str) -> str | None:
        """Why the key may not be used at all: revoked, expired, address, frozen; None when it may."""
        if self.revoked:
            return "revoked"
        if self.expires_ms is not None and now_ms >= self.expires_ms:
            return "expired"
        if self.addresses and address not in self.addresses:
            return "address"
        return "frozen" if self.frozen else None

    def holding(self, wallet: str, asset: str) -> Holding:
        """What stands in `wallet` of `asset`, made empty when it is not there."""
        held = self.wallets.setdefault(wallet, {})
        if asset not in held:
            held[asset] = Holding()
        return held[asset]

    def record(self, fill: Fill) -> None:
        """Keeps a fill where every question finds it quickly, in the order of time."""
        product, market_id = fill.market.key
        for key in (("", ""), (product, ""), (product, market_id)):
            rows = self.fills.get(key)
            if rows is None:
                self.fills[key] = [fill]
            elif rows[-1].timestamp_ms <= fill.timestamp_ms:
                rows.append(fill)
            else:
                insort(rows, fill, key=_order_of_rows)
                self.was_put_back = True

    def read_fills(
        self,
        now_ms: int,
        *,
        product: str = "",
        market_id: str = "",
        since_ms: int | None = None,
        until_ms: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Fill]:
        """What REST shows at `now_ms`: fills with `since_ms <= time <= until_ms`, by time and then by sequence.

        Lazy, so that a page of 100 out of 100,000 costs a page. `product` alone reads all its markets,
        neither reads everything.
        """
        rows = self.fills.get((product, market_id), [])
        start = 0 if since_ms is None else bisect_left(rows, since_ms, key=_time)
        stop = len(rows) if until_ms is None else bisect_right(rows, until_ms, key=_time)
        places = range(stop - 1, start - 1, -1) if newest_first else range(start, stop)
        for place in places:
            fill = rows[place]
            if fill.visible_ms <= now_ms:
                yield fill

    def read_fills_from(self, now_ms: int, product: str, market_id: str, trade_id: int) -> Iterator[Fill]:
        """What REST shows of one market from a numeric trade id on, ascending."""
        rows = self.fills.get((product, market_id), [])
        if self.was_put_back:
            rows = sorted(rows, key=lambda fill: int(fill.trade_id))
        start = bisect_left(rows, trade_id, key=lambda fill: int(fill.trade_id))
        for place in range(start, len(rows)):
            if rows[place].visible_ms <= now_ms:
                yield rows[place]

    def all_fills(self) -> list[Fill]:
        return self.fills.get(("", ""), [])

    def as_truth(self, names: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The account's trades and balances as `GET /truth` tells them. `names`: what clients call a coin."""
        called = names or {}
        return {
            "exchange": self.exchange,
            "account": self.name,
            "uid": self.uid,
            "trades": [fill.as_truth() for fill in self.all_fills()],
            "balances": [
                {
                    "wallet": wallet,
                    "asset": called.get(asset, asset),
                    "free": plain(held.free),
                    "locked": plain(held.locked),
                }
                for wallet, assets in self.wallets.items()
                for asset, held in assets.items()
                if held.total or held.locked
            ],
            "deposits": [
                {"timestamp_ms": when, "wallet": wallet, "asset": called.get(asset, asset), "amount": plain(amount)}
                for when, wallet, asset, amount in self.deposits
            ],
        }

    def as_credentials(self) -> dict[str, Any]:
        """The account as `GET /accounts` tells it, its key included: these keys open nothing real."""
        return {
            "exchange": self.exchange,
            "name": self.name,
            "uid": self.uid,
            "api_key": self.api_key,
            "secret": self.secret,
            "passphrase": self.passphrase,
            "mode": self.mode,
            "permissions": sorted(self.permissions),
            "products": list(self.products),
            "addresses": self.addresses,
            "expires_ms": self.expires_ms,
            "revoked": self.revoked,
            "trades": len(self.all_fills()),
        }
