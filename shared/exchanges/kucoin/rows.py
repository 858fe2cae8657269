"""Rows: one execution, as each of the account models tells it, becomes a `Trade`.

There are five shapes: history of classic spot, of classic futures and of unified accounts; the order channel of the
classic sockets, and the execution channel of the unified one. A row's own fields tell which it is. Trade ids are the
same on REST and sockets (written as a number or as a text) and unique within a market; docs read 2026-11.
"""

from decimal import Decimal

from msgspec import Struct

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, TakerOrMaker, Trade
from shared.exchanges.kit.fields import (
    Row,
    choice,
    millis,
    optional_decimal,
    optional_text,
    positive,
    text,
    whole,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import quotient
from shared.exchanges.kit.reading import fee_lines, market_of, side

_FUTURES = (Product.LINEAR, Product.INVERSE)
_ROLES = {"taker": TakerOrMaker.TAKER, "maker": TakerOrMaker.MAKER}
_FEE_TYPES = {"takerFee": TakerOrMaker.TAKER, "makerFee": TakerOrMaker.MAKER}
_SPOT_TYPES = {
    "TRADE": Product.SPOT,
    "MARGIN_TRADE": Product.MARGIN,
    "MARGIN_ISOLATED_TRADE": Product.MARGIN,
    # The unified accounts' words for the same, which stand once around all rows of an answer.
    "SPOT": Product.SPOT,
    "MARGIN": Product.MARGIN,
    "CROSS": Product.MARGIN,
    "ISOLATED": Product.MARGIN,
}
_FUTURES_KINDS = {
    "trade": Kind.TRADE,
    "cancel": Kind.TRADE,  # the executed part of an order that was cancelled afterwards
    "liquid": Kind.LIQUIDATION,
    "liquidation": Kind.LIQUIDATION,
    "adl": Kind.ADL,
    "settlement": Kind.SETTLEMENT,
}
_UNIFIED_KINDS = {
    "NORMAL": Kind.TRADE,
    "LIQUID": Kind.LIQUIDATION,
    "ADL": Kind.ADL,
    "SETTLEMENT": Kind.SETTLEMENT,
    "RECONCILIATION": Kind.ADJUSTMENT,
}

# ccxt's names for coins whose tickers mean another coin elsewhere; markets bring theirs along, fees and wallets not.
_COINS = {
    "XBT": "BTC",
    "BCHSV": "BSV",
    "BIFI": "BIFIF",
    "VAI": "VAIOT",
    "WAX": "WAXP",
    "ALT": "APTOSLAUNCHTOKEN",
    "KALT": "ALT",
    "FUD": "FTX Users' Debt",
}


def coin(name: str) -> str:
    """Our name for one of the exchange's coins."""
    return _COINS.get(name, name)


class _Names(Struct, frozen=True, kw_only=True):
    """What a shape calls the parts that all shapes have; "" for what it does not tell."""

    symbol: str = "symbol"
    trade_id: str = "tradeId"
    order_id: str = "orderId"
    client_order_id: str = "clientOid"
    side: str = "side"
    price: str = "price"
    size: str = "size"
    cost: str = ""
    role: str = "liquidity"
    fee_type: str = ""
    moment: str


_SPOT_FILL = _Names(cost="funds", moment="createdAt")
# `createdAt` of a futures fill is when the order was made.
_FUTURES_FILL = _Names(cost="value", moment="tradeTime")
_UNIFIED_EXECUTION = _Names(cost="value", role="liquidityRole", moment="executionTime")
_MATCH = _Names(price="matchPrice", size="matchSize", fee_type="feeType", moment="ts")
_TOLD_FILL = _Names(moment="time")
_TOLD_EXECUTION = _Names(
    symbol="s",
    trade_id="ti",
    order_id="oi",
    client_order_id="ci",
    side="S",
    price="p",
    size="q",
    role="lR",
    moment="E",
)


def trade_from_spot_fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of classic spot or margin history. The exchange's own word tells margin from spot."""
    own = choice(row, "tradeType", _SPOT_TYPES) if row.get("tradeType") else product or Product.SPOT
    market = markets.get(own, text(row, _SPOT_FILL.symbol))
    return _trade(row, _SPOT_FILL, market, own, fees=_history_fees(row))


def trade_from_futures_fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of classic futures history."""
    market = _futures_market(row, product, markets)
    kind = choice({"tradeType": _lower(row, "tradeType")}, "tradeType", _FUTURES_KINDS)
    return _trade(row, _FUTURES_FILL, market, fees=_history_fees(row, market.settle), kind=kind)


def trade_from_unified_execution(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of a unified account's history. `tradeType` is put there by whoever read what stood around it."""
    own = _SPOT_TYPES.get(str(row.get("tradeType")), product)
    return _trade(
        row,
        _UNIFIED_EXECUTION,
        _unified_market(row, _UNIFIED_EXECUTION, own, markets),
        own,
        fees=_history_fees(row),
        kind=choice(row, "fillType", _UNIFIED_KINDS),
        is_unified=True,
    )


def trade_from_match(data: Row, product: Product | None, markets: Markets, *, is_futures: bool) -> Trade:
    """A match told by a classic order channel: fee and fee currency are never in it, so REST completes it."""
    if is_futures:
        market = _futures_market(data, product, markets)
        kind = choice({"tradeType": _lower(data, "tradeType")}, "tradeType", _FUTURES_KINDS | {"": Kind.TRADE})
        return _trade(data, _MATCH, market, fees=(), kind=kind, provisional=True)
    market = markets.get(Product.SPOT, text(data, _MATCH.symbol))
    return _trade(data, _MATCH, market, product, fees=(), provisional=True)


def trade_from_told_fill(data: Row, markets: Markets) -> Trade:
    """A fill told by the old, undocumented `/spot/tradeFills` topic: with its fee, without its role (ccxt 4.5.90)."""
    market = markets.get(Product.SPOT, text(data, _TOLD_FILL.symbol))
    fees = _history_fees(data)
    return _trade(data, _TOLD_FILL, market, fees=fees, provisional=not fees)


def trade_from_told_execution(data: Row, product: Product | None, markets: Markets) -> Trade:
    """An execution told by a unified account's socket. The `execution.lite` channel leaves kind and fee out."""
    fee = optional_decimal(data, "f")
    return _trade(
        data,
        _TOLD_EXECUTION,
        _unified_market(data, _TOLD_EXECUTION, product, markets),
        product,
        fees=fee_lines((fee, _coin_in(data, "fC"))),
        kind=choice(data, "fT", _UNIFIED_KINDS) if "fT" in data else Kind.TRADE,
        provisional=fee is None or "fT" not in data,
        is_unified=True,
    )


def _trade(
    row: Row,
    names: _Names,
    market: Market,
    own: Product | None = None,
    *,
    fees: tuple[Fee, ...],
    kind: Kind = Kind.TRADE,
    provisional: bool = False,
    is_unified: bool = False,
) -> Trade:
    """A row of this shape as a trade. `own` is the product it is known to be of: margin trades in the spot market."""
    trade_id, own_side = text(row, names.trade_id), side(row, names.side)
    order_id = _order_id(row, names.order_id)
    price, size = positive(row, names.price), positive(row, names.size)
    amount, contracts, worth = _amounts(market, price, size)
    cost = optional_decimal(row, names.cost) if names.cost and not market.inverse else None
    # `liquidity` may call the maker's side of a hidden order taker: the type of the fee is what is paid.
    has_fee_type = bool(row.get(names.fee_type))
    role = choice(row, names.fee_type, _FEE_TYPES) if has_fee_type else _role(row, names.role)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.MARGIN if own is Product.MARGIN else market.product,
        exchange_trade_id=trade_id,
        # Margin orders trade in the spot book, and the sockets do not tell them apart: one shelf for both. A
        # unified account's socket knows no order for liquidations and the like, so only its trades name theirs.
        identity=identity(
            "futures" if contracts is not None else "spot",
            market.id,
            trade_id,
            "" if is_unified and kind is not Kind.TRADE else order_id or "",
            own_side,
        ),
        order_id=order_id,
        client_order_id=optional_text(row, names.client_order_id),
        side=own_side,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=worth if cost is None else cost,
        fees=fees,
        taker_or_maker=role,
        timestamp_ms=moment(row, names.moment),
        kind=kind,
        provisional=provisional,
        raw=row,
    )


def _amounts(market: Market, price: Decimal, size: Decimal) -> tuple[Decimal, Decimal | None, Decimal]:
    """Amount in base, contracts, cost in quote. Futures count contracts; an inverse one is worth so many USD."""
    if market.type == "spot":
        return size, None, exact_product(price, size)
    if market.contract_size is None:
        raise UnreadableRow(f"the market list does not tell how much one contract of {market.id!r} is")
    worth = exact_product(size, market.contract_size)
    if market.inverse:
        return quotient(worth, price, digits=18), size, worth
    return worth, size, exact_product(price, worth)


def _unified_market(row: Row, names: _Names, product: Product | None, markets: Markets) -> Market:
    """Linear and inverse contracts come together, and only the market tells one from the other."""
    shelf = None if product in _FUTURES else product
    return market_of(markets, text(row, names.symbol), (Product.SPOT, *_FUTURES), shelf)


def _futures_market(row: Row, product: Product | None, markets: Markets) -> Market:
    if product is not None and product not in _FUTURES:
        return markets.get(product, text(row, "symbol"))
    return market_of(markets, text(row, "symbol"), _FUTURES)


def _order_id(row: Row, name: str) -> str | None:
    """The order, None where there was none: the exchange then writes nothing or 0."""
    order_id = optional_text(row, name)
    return None if order_id == "0" else order_id


def _lower(row: Row, name: str) -> str:
    return (optional_text(row, name) or "").lower()


def _role(row: Row, name: str) -> TakerOrMaker | None:
    written = _lower(row, name)
    return choice({name: written}, name, _ROLES) if written else None


def _history_fees(row: Row, otherwise: str | None = None) -> tuple[Fee, ...]:
    """The fee, and the tax that some countries ask for beside it."""
    currency = _coin_in(row, "feeCurrency") or otherwise
    tax = optional_decimal(row, "tax")
    taxes = [(tax, _coin_in(row, "taxCurrency") or currency)] if tax else []
    return fee_lines((optional_decimal(row, "fee"), currency), *taxes)


def _coin_in(row: Row, name: str) -> str | None:
    written = optional_text(row, name)
    return coin(written) if written else None


# No moment in milliseconds reads as one in nanoseconds: between 2009 and 2100 they are six digits apart.
_FIRST_NANOSECOND = 10**17


def moment(row: Row, name: str) -> int:
    """A moment in nanoseconds, or in milliseconds as the same fields were filled before 2026."""
    written = whole(row, name)
    return millis({name: written // 1_000_000 if written >= _FIRST_NANOSECOND else written}, name)
