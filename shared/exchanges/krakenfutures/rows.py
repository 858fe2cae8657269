"""Rows: one execution as history tells it, one fill as the socket and the list of last fills tell it.

The id of a fill is the same on the socket and in that list. Whether it is also the `uid` of the execution in history is
not documented: `account.py` finds it out for each account. Docs, Get Execution Events, Get Fills and Fills (WebSocket),
read 2026-11.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec import Struct

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    instant,
    millis,
    optional_decimal,
    optional_text,
    positive,
    row_of,
    rows_of,
    text,
    truth,
    word,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import quotient
from shared.exchanges.kit.reading import fee_lines, read_each, side
from shared.exchanges.krakenfutures.trouble import refusal_in

_Reader = Callable[[Row, Markets, Product | None], Trade]

_COINS = {"XBT": "BTC"}
# How an execution came about: the account's part in it, and its kind where it was forced.
_TYPES: dict[str, tuple[TakerOrMaker | None, Kind]] = {
    "maker": (TakerOrMaker.MAKER, Kind.TRADE),
    "taker": (TakerOrMaker.TAKER, Kind.TRADE),
    "takerafteredit": (TakerOrMaker.TAKER, Kind.TRADE),
    "liquidation": (None, Kind.LIQUIDATION),
    "assignor": (None, Kind.LIQUIDATION),  # the position was given away before it went bankrupt
    "unwindbankrupt": (None, Kind.LIQUIDATION),
    "assignee": (None, Kind.ADL),  # and somebody got it
    "unwindcounterparty": (None, Kind.ADL),
}


class _Told(Struct, frozen=True, kw_only=True):
    """What a row says, whichever form it has."""

    trade_id: str
    order_id: str | None
    client_order_id: str | None
    market_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    fees: tuple[Fee, ...] | None  # None: the row has no place for it
    how: str
    timestamp_ms: int


def coin(name: str) -> str:
    """The market list's name of an asset, which comes in either case."""
    return _COINS.get(name.upper(), name.upper())


def market_of(markets: Markets, market_id: str, product: Product | None = None) -> Market:
    """The market of a contract's id, which comes in either case. Raises `UnreadableRow` for an unknown one."""
    for product_ in (Product.LINEAR, Product.INVERSE) if product is None else (product,):
        for written in (market_id, market_id.upper(), market_id.lower()):
            if (market := markets.find(product_, written)) is not None:
                return market
    raise UnreadableRow(f"the market {market_id!r} is not in the market list")


def trade_from_execution(row: Row, markets: Markets, product: Product | None = None) -> Trade:
    """The trade of one element of history."""
    event = row_of(_either(row, "event"), "'event'")
    execution = row_of(_either(row_of(_either(event, "execution"), "'Execution'"), "execution"), "'execution'")
    order = row_of(execution.get("order"), "'order'")
    market = market_of(markets, text(order, "tradeable"), product)
    data = execution.get("orderData")
    fee = optional_decimal(row_of(data, "'orderData'"), "fee") if data is not None else None
    told = _Told(
        trade_id=text(execution, "uid"),
        order_id=optional_text(order, "uid"),
        client_order_id=optional_text(order, "clientId"),
        market_id=market.id,
        side=side(order, "direction"),
        price=positive(execution, "price"),
        quantity=positive(execution, "quantity"),
        fees=None if fee is None else fee_lines((fee, market.settle)),
        how=text(execution, "executionType"),
        timestamp_ms=millis(execution, "timestamp"),
    )
    return _trade(told, market, row)


def _either(row: Row, name: str) -> Any:
    """A field whose name begins with a small letter or, in some answers, a capital one."""
    return row.get(name, row.get(name.capitalize()))


def trade_from_fill(row: Row, markets: Markets, product: Product | None = None) -> Trade:
    """The trade of one fill of the socket."""
    market = market_of(markets, text(row, "instrument"), product)
    fee = optional_decimal(row, "fee_paid")
    currency = optional_text(row, "fee_currency")
    told = _Told(
        trade_id=text(row, "fill_id"),
        order_id=optional_text(row, "order_id"),
        client_order_id=optional_text(row, "cli_ord_id"),
        market_id=market.id,
        side=Side.BUY if truth(row, "buy") else Side.SELL,
        price=positive(row, "price"),
        quantity=positive(row, "qty"),
        fees=None if fee is None else fee_lines((fee, coin(currency) if currency else market.settle)),
        how=text(row, "fill_type"),
        timestamp_ms=millis(row, "time"),
    )
    return _trade(told, market, row)


def trade_from_last_fill(row: Row, markets: Markets, product: Product | None = None) -> Trade:
    """The trade of one row of the list of last fills, which tells no fee."""
    market = market_of(markets, text(row, "symbol"), product)
    told = _Told(
        trade_id=text(row, "fill_id"),
        order_id=optional_text(row, "order_id"),
        client_order_id=optional_text(row, "cliOrdId"),
        market_id=market.id,
        side=side(row, "side"),
        price=positive(row, "price"),
        quantity=positive(row, "size"),
        fees=None,
        how=text(row, "fillType"),
        timestamp_ms=instant(row, "fillTime"),
    )
    return _trade(told, market, row)


def _trade(told: _Told, market: Market, raw: Row) -> Trade:
    size = market.contract_size or Decimal(1)
    count = exact_product(told.quantity, size)
    # Inverse contracts are of so many dollars each, the others of base coin.
    amount, cost = (quotient(count, told.price), count) if market.inverse else (count, exact_product(told.price, count))
    taker_or_maker, kind = choice({"type": told.how.lower()}, "type", _TYPES)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=told.trade_id,
        identity=identity("futures", told.trade_id, told.side),
        order_id=told.order_id,
        client_order_id=told.client_order_id,
        side=told.side,
        price=told.price,
        amount=amount,
        contracts=told.quantity if market.inverse else None,
        cost=cost,
        fees=told.fees or (),
        taker_or_maker=taker_or_maker,
        timestamp_ms=told.timestamp_ms,
        kind=kind,
        provisional=told.fees is None,
        raw=raw,
    )


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one frame of the private socket (new fills, or the last ones), or one fill. Others hold none."""
    frame = row_of(message, "the message")
    if "fill_id" in frame:
        return _read([frame], trade_from_fill, markets, product, "the fill")
    if word(frame, "feed") not in {"fills", "fills_snapshot"} or "event" in frame:
        return Heard()
    return _read(frame.get("fills"), trade_from_fill, markets, product, "the fill")


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response: of history, of the list of last fills, or one row of either."""
    found = row_of(response, "the response")
    if refused := refusal_in(found):
        raise UnreadableRow(f"the exchange answered with an error: {refused}")
    if "fills" in found or "fill_id" in found:
        return _read(found.get("fills", [found]), trade_from_last_fill, markets, product, "the fill")
    rows = [found] if _either(found, "event") is not None else found.get("elements", [])
    return _read(rows, trade_from_execution, markets, product, "the execution")


def _read(rows: Any, read: _Reader, markets: Markets, product: Product | None, what: str) -> Heard:
    trades, unreadable = read_each(rows_of(rows, "the rows"), lambda row: read(row, markets, product), what)
    return Heard(trades=trades, unreadable=unreadable)
