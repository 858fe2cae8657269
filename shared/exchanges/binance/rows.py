"""Binance's raw rows as trades: myTrades and userTrades (REST), executionReport and ORDER_TRADE_UPDATE (sockets).

REST `id` and the socket's `t` are the same number, unique per symbol within a product only; a self-trade shows
one id with two orders. Spot and futures share raw symbols.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit import numbers
from shared.exchanges.kit.contract import Due, Feed, Heard
from shared.exchanges.kit.fields import (
    Row,
    millis,
    optional_decimal,
    optional_text,
    positive,
    row_of,
    text,
    truth,
    whole,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.reading import fee_lines, read_each, side

# Execution types of both sockets (docs: User Data Streams, read 2026-11); only TRADE is a fill.
_NO_FILL = frozenset(
    {
        "NEW",
        "CANCELED",
        "REPLACED",
        "REJECTED",
        "EXPIRED",
        "TRADE_PREVENTION",
        "AMENDMENT",
        "PENDING_NEW",
        "PENDING_CANCEL",
    }
)
# Orders that the exchange itself made carry these client ids.
_KINDS = (
    ("autoclose-", Kind.LIQUIDATION),
    ("adl_autoclose", Kind.ADL),
    ("settlement_autoclose-", Kind.SETTLEMENT),
    ("delivery_autoclose-", Kind.DELIVERY),
)
_SPOT = (Product.SPOT, Product.MARGIN)
_FUTURES = (Product.LINEAR, Product.INVERSE)


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """One socket message in any of its envelopes. Whatever is no order report holds no trade."""
    rows = message if isinstance(message, list) else [message]
    heard = [_read_event(event_of(row), markets, product) for row in rows]
    return Heard(
        trades=tuple(trade for one in heard for trade in one.trades),
        unreadable=tuple(row for one in heard for row in one.unreadable),
        history_due=tuple(due for one in heard for due in one.history_due),
    )


def event_of(message: Any) -> Row:
    """The event inside its envelope: bare, `{stream, data}` or `{subscriptionId, event}`."""
    event = row_of(message, "the message")
    for inner in ("event", "data"):
        if "e" not in event and isinstance(event.get(inner), Mapping):
            event = event[inner]
    return event


def _read_event(event: Row, markets: Markets, product: Product | None) -> Heard:
    if not is_order_report(event):
        return Heard()
    try:
        due = _only_says_filled(event, markets, product)
        trade = None if due else trade_from_event(event, markets, product)
    except UnreadableRow as error:
        return Heard(unreadable=(Unreadable(reason=error.sentence, raw=event),))
    return Heard(trades=(trade,) if trade else (), history_due=(Due(due),) if due else ())


def is_order_report(event: Row) -> bool:
    """Whether this event may hold a fill; an event we do not know counts as one when it says TRADE."""
    if event.get("e") in ("executionReport", "ORDER_TRADE_UPDATE"):
        return True
    inner = event.get("o")
    return event.get("x") == "TRADE" or (isinstance(inner, Mapping) and inner.get("x") == "TRADE")


def trade_from_event(event: Row, markets: Markets, product: Product | None) -> Trade | None:
    """The fill that an order report holds, None when it reports something else."""
    kind = event.get("e")
    if kind == "executionReport":
        return _trade_from_execution(event, markets, product)
    if kind == "ORDER_TRADE_UPDATE":
        return _trade_from_order_update(event, markets, product)
    raise UnreadableRow(f"the event type {kind!r} is unknown")


def _trade_from_execution(row: Row, markets: Markets, product: Product | None) -> Trade | None:
    """Spot: a fill says x=TRADE and t >= 0; a or b mark an allocation of smart order routing, with its own ids."""
    if not _is_fill(row):
        return None
    allocation = optional_text(row, "a")
    if allocation is None and whole(row, "t") < 0:
        return None
    market = _market(markets, text(row, "s"), _SPOT, product)
    price, amount = positive(row, "L"), positive(row, "l")
    fees, is_known = _stream_fees(row)
    return _trade(
        row,
        market,
        product or Product.SPOT,
        trade_id=text(row, "t") if allocation is None else f"alloc:{allocation}",
        order_id=text(row, "i"),
        side=side(row, "S"),
        price=price,
        quantity=amount,
        cost=_cost(row, "Y", price, amount),
        fees=fees,
        taker_or_maker=_role(row, "m"),
        timestamp_ms=millis(row, "T"),
        client_order_id=optional_text(row, "c"),
        provisional=not is_known,
    )


def _trade_from_order_update(event: Row, markets: Markets, product: Product | None) -> Trade | None:
    """Futures: a fill says x=TRADE and t > 0; n and N are missing where there was no fee."""
    row = row_of(event.get("o"), "the field 'o'")
    if not _is_fill(row) or whole(row, "t") <= 0:
        return None
    market = _market(markets, text(row, "s"), _FUTURES, product)
    price, quantity = positive(row, "L"), positive(row, "l")
    fees, is_known = _stream_fees(row)
    client_id = optional_text(row, "c")
    return _trade(
        row,
        market,
        product or market.product,
        trade_id=text(row, "t"),
        order_id=text(row, "i"),
        side=side(row, "S"),
        price=price,
        quantity=quantity,
        cost=None,
        fees=fees,
        taker_or_maker=_role(row, "m"),
        timestamp_ms=millis(row, "T"),
        client_order_id=client_id,
        kind=_kind(client_id),
        provisional=not is_known,
        raw=event,
    )


def read_rest(body: Any, markets: Markets, product: Product | None) -> Heard:
    """One REST response: a list of fills. Other answers hold no trade; an error answer cannot be read."""
    if isinstance(body, Mapping):
        # Errors bear a negative code, refusals of a whole country zero; a good answer of few words says 200.
        code = body.get("code")
        if isinstance(code, int) and (code < 0 or (code == 0 and "msg" in body)):
            raise UnreadableRow(f"an error answer: {code} {optional_text(body, 'msg') or ''}".rstrip())
        rows = body.get("result") if isinstance(body.get("result"), list) else [body]
    elif isinstance(body, list):
        rows = body
    else:
        raise UnreadableRow("the response is neither a list nor an object")
    trades, unreadable = read_each(
        (row for row in rows or () if not _is_something_else(row)), lambda row: trade_from_row(row, markets, product)
    )
    return Heard(trades=trades, unreadable=unreadable)


# Any of these makes a row a fill, or one that wants to be; orders, balances and income have none.
_FILL_FIELDS = frozenset({"qty", "quoteQty", "commission", "isBuyer", "isMaker", "buyer", "maker", "realizedPnl"})


def _is_something_else(row: Any) -> bool:
    return isinstance(row, Mapping) and ("origQty" in row or not _FILL_FIELDS & row.keys())


def trade_from_row(row: Row, markets: Markets, product: Product | None) -> Trade:
    """A fill of myTrades, myAllocations (both say isBuyer) or userTrades (says side).

    Fills of margin accounts are spot's with `isIsolated` (docs, Query Margin Account's Trade List).
    """
    is_spot = "isBuyer" in row
    if product is None and is_spot and "isIsolated" in row:
        product = Product.MARGIN
    market = _market(markets, text(row, "symbol"), _SPOT if is_spot else _FUTURES, product)
    allocation = optional_text(row, "allocationId")
    price, quantity = positive(row, "price"), positive(row, "qty")
    whose = (Side.BUY if truth(row, "isBuyer") else Side.SELL) if is_spot else side(row, "side")
    return _trade(
        row,
        market,
        product or market.product,
        trade_id=str(whole(row, "id")) if allocation is None else f"alloc:{allocation}",
        order_id=text(row, "orderId"),
        side=whose,
        price=price,
        quantity=quantity,
        cost=_cost(row, "quoteQty", price, quantity),
        fees=fee_lines((optional_decimal(row, "commission"), optional_text(row, "commissionAsset"))),
        taker_or_maker=_role(row, "isMaker" if is_spot else "maker"),
        timestamp_ms=millis(row, "time"),
    )


def _trade(
    row: Row,
    market: Market,
    product: Product,
    *,
    trade_id: str,
    order_id: str,
    side: Side,
    price: Decimal,
    quantity: Decimal,
    cost: Decimal | None,
    fees: tuple[Fee, ...],
    taker_or_maker: TakerOrMaker | None,
    timestamp_ms: int,
    client_order_id: str | None = None,
    kind: Kind = Kind.TRADE,
    provisional: bool = False,
    raw: Any = None,
) -> Trade:
    """The trade, its quantity in the base coin: coin-margined futures count contracts of so many dollars."""
    amount, contracts = quantity, None
    if product is Product.INVERSE:
        if market.contract_size is None:
            raise UnreadableRow(f"the contract size of {market.symbol} is unknown")
        contracts, cost = quantity, numbers.product(quantity, market.contract_size)
        amount = optional_decimal(row, "baseQty") or numbers.quotient(cost, price)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=product,
        exchange_trade_id=trade_id,
        identity=identity(product, market.id, trade_id, order_id, side),
        order_id=order_id,
        client_order_id=client_order_id,
        side=side,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=numbers.product(price, amount) if cost is None else cost,
        fees=fees,
        taker_or_maker=taker_or_maker,
        timestamp_ms=timestamp_ms,
        kind=kind,
        provisional=provisional,
        raw=row if raw is None else raw,
    )


def _is_fill(row: Row) -> bool:
    execution = text(row, "x")
    if execution != "TRADE" and execution not in _NO_FILL:
        raise UnreadableRow(f"the execution type {execution!r} is unknown")
    return execution == "TRADE"


def _only_says_filled(event: Row, markets: Markets, product: Product | None) -> Feed | None:
    """A futures report of x=CALCULATED: a liquidation was settled, and its fills are told by REST only."""
    row = event.get("o")
    if not isinstance(row, Mapping) or row.get("x") != "CALCULATED":
        return None
    market = _market(markets, text(row, "s"), _FUTURES, product)
    return Feed(market.product, market.id)


def _market(markets: Markets, market_id: str, likely: tuple[Product, ...], product: Product | None) -> Market:
    """The market of a row whose shape says which products it can be of."""
    if product is not None and product not in likely:
        raise UnreadableRow(f"the row has the shape of a {likely[0]} trade, not of a {product} one")
    candidates = likely if product is None else (product,)
    for candidate in candidates:
        market = markets.find(candidate, market_id)
        if market is not None:
            return market
    raise UnreadableRow(f"the market {market_id!r} ({candidates[0]}) is not in the market list")


def _stream_fees(row: Row) -> tuple[tuple[Fee, ...], bool]:
    """The fee of a socket row, and whether it is told: no amount, or zero of no asset, is a fee of none."""
    amount, asset = optional_decimal(row, "n"), optional_text(row, "N")
    if amount is not None and amount != 0 and asset is None:
        return (), False
    return fee_lines((amount, asset)), True


def _cost(row: Row, name: str, price: Decimal, amount: Decimal) -> Decimal:
    told = optional_decimal(row, name)
    return told if told is not None and told > 0 else numbers.product(price, amount)


def _role(row: Row, name: str) -> TakerOrMaker | None:
    if row.get(name) is None:
        return None
    return TakerOrMaker.MAKER if truth(row, name) else TakerOrMaker.TAKER


def _kind(client_id: str | None) -> Kind:
    for beginning, kind in _KINDS:
        if client_id is not None and client_id.startswith(beginning):
            return kind
    return Kind.TRADE
