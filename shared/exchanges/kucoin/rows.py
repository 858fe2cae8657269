"""Rows: one execution, as each of the account models tells it, becomes a `Trade`.

There are five shapes: history of classic spot, of classic futures and of unified accounts; the order channel of the
classic sockets, and the execution channel of the unified one. A row's own fields tell which it is. Trade ids are the
same on REST and sockets (written as a number or as a text) and unique within a market; docs read 2026-11.
"""

from decimal import Decimal

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


def trade_from_spot_fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of classic spot or margin history. The exchange's own word tells margin from spot."""
    own = choice(row, "tradeType", _SPOT_TYPES) if row.get("tradeType") else product or Product.SPOT
    market = markets.get(own, text(row, "symbol"))
    price, size = positive(row, "price"), positive(row, "size")
    funds = optional_decimal(row, "funds")
    return _trade(
        row,
        market,
        product=own if own is Product.MARGIN else market.product,
        trade_id=text(row, "tradeId"),
        order_id=_order_id(row, "orderId"),
        client_order_id=optional_text(row, "clientOid"),
        side_field="side",
        price=price,
        size=size,
        cost=funds,
        fees=_history_fees(row),
        taker_or_maker=_role(row, "liquidity"),
        timestamp_ms=millis(row, "createdAt"),
    )


def trade_from_futures_fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of classic futures history. `createdAt` is when the order was made, `tradeTime` when it was executed."""
    market = _futures_market(row, "symbol", product, markets)
    return _trade(
        row,
        market,
        product=market.product,
        trade_id=text(row, "tradeId"),
        order_id=_order_id(row, "orderId"),
        client_order_id=optional_text(row, "clientOid"),
        side_field="side",
        price=positive(row, "price"),
        size=positive(row, "size"),
        cost=None if market.inverse else optional_decimal(row, "value"),
        fees=_history_fees(row, market.settle),
        taker_or_maker=_role(row, "liquidity"),
        timestamp_ms=moment(row, "tradeTime"),
        kind=choice({"tradeType": _lower(row, "tradeType")}, "tradeType", _FUTURES_KINDS),
    )


def trade_from_unified_execution(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of a unified account's history. `tradeType` is put there by whoever read what stood around it."""
    own = _SPOT_TYPES.get(str(row.get("tradeType")), product)
    market = market_of(markets, text(row, "symbol"), (Product.SPOT, *_FUTURES), _shelf(own))
    return _trade(
        row,
        market,
        product=Product.MARGIN if own is Product.MARGIN else market.product,
        trade_id=text(row, "tradeId"),
        order_id=_order_id(row, "orderId"),
        client_order_id=optional_text(row, "clientOid"),
        side_field="side",
        price=positive(row, "price"),
        size=positive(row, "size"),
        cost=None if market.inverse else optional_decimal(row, "value"),
        fees=_history_fees(row),
        taker_or_maker=_role(row, "liquidityRole"),
        timestamp_ms=moment(row, "executionTime"),
        kind=choice(row, "fillType", _UNIFIED_KINDS),
        is_unified=True,
    )


def trade_from_match(data: Row, product: Product | None, markets: Markets, *, is_futures: bool) -> Trade:
    """A match told by a classic order channel: fee and fee currency are never in it, so REST completes it."""
    if is_futures:
        market = _futures_market(data, "symbol", product, markets)
        kind = choice({"tradeType": _lower(data, "tradeType")}, "tradeType", _FUTURES_KINDS | {"": Kind.TRADE})
    else:
        market, kind = markets.get(Product.SPOT, text(data, "symbol")), Kind.TRADE
    return _trade(
        data,
        market,
        product=Product.MARGIN if product is Product.MARGIN and not is_futures else market.product,
        trade_id=text(data, "tradeId"),
        order_id=_order_id(data, "orderId"),
        client_order_id=optional_text(data, "clientOid"),
        side_field="side",
        price=positive(data, "matchPrice"),
        size=positive(data, "matchSize"),
        cost=None,
        fees=(),
        taker_or_maker=_matched_as(data),
        timestamp_ms=moment(data, "ts"),
        kind=kind,
        provisional=True,
    )


def trade_from_told_fill(data: Row, markets: Markets) -> Trade:
    """A fill told by the old, undocumented `/spot/tradeFills` topic: with its fee, without its role (ccxt 4.5.90)."""
    market = markets.get(Product.SPOT, text(data, "symbol"))
    fees = _history_fees(data)
    return _trade(
        data,
        market,
        product=market.product,
        trade_id=text(data, "tradeId"),
        order_id=_order_id(data, "orderId"),
        client_order_id=optional_text(data, "clientOid"),
        side_field="side",
        price=positive(data, "price"),
        size=positive(data, "size"),
        cost=None,
        fees=fees,
        taker_or_maker=_role(data, "liquidity"),
        timestamp_ms=moment(data, "time"),
        provisional=not fees,
    )


def trade_from_told_execution(data: Row, product: Product | None, markets: Markets) -> Trade:
    """An execution told by a unified account's socket. The `execution.lite` channel leaves kind and fee out."""
    market = market_of(markets, text(data, "s"), (Product.SPOT, *_FUTURES), _shelf(product))
    fees = fee_lines((optional_decimal(data, "f"), _coin_in(data, "fC")))
    return _trade(
        data,
        market,
        product=Product.MARGIN if product is Product.MARGIN else market.product,
        trade_id=text(data, "ti"),
        order_id=_order_id(data, "oi"),
        client_order_id=optional_text(data, "ci"),
        side_field="S",
        price=positive(data, "p"),
        size=positive(data, "q"),
        cost=None,
        fees=fees,
        taker_or_maker=_role(data, "lR"),
        timestamp_ms=moment(data, "E"),
        kind=choice(data, "fT", _UNIFIED_KINDS) if "fT" in data else Kind.TRADE,
        provisional=optional_decimal(data, "f") is None or "fT" not in data,
        is_unified=True,
    )


def _trade(
    row: Row,
    market: Market,
    *,
    product: Product,
    trade_id: str,
    order_id: str | None,
    client_order_id: str | None,
    side_field: str,
    price: Decimal,
    size: Decimal,
    cost: Decimal | None,
    fees: tuple[Fee, ...],
    taker_or_maker: TakerOrMaker | None,
    timestamp_ms: int,
    kind: Kind = Kind.TRADE,
    provisional: bool = False,
    is_unified: bool = False,
) -> Trade:
    own_side = side(row, side_field)
    amount, contracts, worth = _amounts(market, price, size)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=product,
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
        client_order_id=client_order_id,
        side=own_side,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=worth if cost is None else cost,
        fees=fees,
        taker_or_maker=taker_or_maker,
        timestamp_ms=timestamp_ms,
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


def _shelf(product: Product | None) -> Product | None:
    """Where to look a market up: linear and inverse contracts come together, and only the market tells."""
    return None if product in _FUTURES else product


def _futures_market(row: Row, name: str, product: Product | None, markets: Markets) -> Market:
    if product is not None and product not in _FUTURES:
        return markets.get(product, text(row, name))
    return market_of(markets, text(row, name), _FUTURES)


def _order_id(row: Row, name: str) -> str | None:
    """The order, None where there was none: the exchange then writes nothing or 0."""
    order_id = optional_text(row, name)
    return None if order_id == "0" else order_id


def _lower(row: Row, name: str) -> str:
    return (optional_text(row, name) or "").lower()


def _role(row: Row, name: str) -> TakerOrMaker | None:
    written = _lower(row, name)
    return choice({name: written}, name, _ROLES) if written else None


def _matched_as(data: Row) -> TakerOrMaker | None:
    """`liquidity` may call the maker's side of a hidden order taker: `feeType` is what is paid."""
    return choice(data, "feeType", _FEE_TYPES) if data.get("feeType") else _role(data, "liquidity")


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
