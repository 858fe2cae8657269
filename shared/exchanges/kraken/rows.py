"""Rows: one execution, as history and the private socket tell it, becomes a `Trade`.

The txid that history files a trade under is the `exec_id` of the socket. Docs, Get Trades History and Executions
(WebSocket v2), read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import UNTOLD_MS, Fee, Kind, Product, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    decimal,
    instant,
    millis,
    optional_decimal,
    optional_text,
    positive,
    row_of,
    rows_of,
    text,
    truth,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import total as exact_total
from shared.exchanges.kit.reading import fee_lines, read_each, side
from shared.exchanges.kraken.names import coin, market_of_pair, market_on_socket
from shared.exchanges.kraken.trouble import refusals_in

TXID = "txid"  # where a row of history keeps the key that it was filed under
_ROLES = {"m": TakerOrMaker.MAKER, "t": TakerOrMaker.TAKER}
# What else happens to orders (docs, Executions: exec_type), and is no fill.
_NO_FILLS = frozenset(
    ("pending_new", "new", "filled", "canceled", "expired", "amended", "restated", "iceberg_refill", "status")
)


def trade_from_history(row: Row, markets: Markets) -> Trade:
    """The trade of one row of history. Its fee is in the quote coin: there is no field that says so."""
    market = market_of_pair(markets, text(row, "pair"))
    price, amount = positive(row, "price"), positive(row, "vol")
    told_cost = optional_decimal(row, "cost")
    is_margin = (optional_decimal(row, "margin") or 0) > 0 or "closing" in (optional_text(row, "misc") or "")
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.MARGIN if is_margin else Product.SPOT,
        exchange_trade_id=text(row, TXID),
        identity=identity("spot", text(row, TXID)),
        order_id=optional_text(row, "ordertxid"),
        side=side(row, "type"),
        price=price,
        amount=amount,
        cost=exact_product(price, amount) if told_cost is None else told_cost,
        fees=fee_lines((optional_decimal(row, "fee"), market.quote)),
        taker_or_maker=_role(row),
        timestamp_ms=millis({"time": int(exact_product(decimal(row, "time"), Decimal(1000)))}, "time"),
        raw=row,
    )


def _role(row: Row) -> TakerOrMaker | None:
    if row.get("maker") is None:
        return None
    return TakerOrMaker.MAKER if truth(row, "maker") else TakerOrMaker.TAKER


def trade_from_execution(row: Row, markets: Markets, now: int | None = None) -> Trade | None:
    """The trade of one row of the socket, None for what else happens to an order.

    A row without its fee or its moment is provisional: history tells them. Until then it happened when it was heard,
    `now`; a row that is read by itself has no moment (`UNTOLD_MS`).
    """
    if row.get("exec_type") != "trade":
        choice(row, "exec_type", dict.fromkeys(_NO_FILLS))
        return None
    market = market_on_socket(markets, text(row, "symbol"))
    price, amount = positive(row, "last_price"), positive(row, "last_qty")
    told_cost = optional_decimal(row, "cost")
    is_timed = optional_text(row, "timestamp") is not None
    is_margin = row.get("margin") is True or row.get("position_status") is not None
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.MARGIN if is_margin else Product.SPOT,
        exchange_trade_id=text(row, "exec_id"),
        identity=identity("spot", text(row, "exec_id")),
        order_id=optional_text(row, "order_id"),
        client_order_id=optional_text(row, "cl_ord_id"),
        side=side(row, "side"),
        price=price,
        amount=amount,
        cost=exact_product(price, amount) if told_cost is None else told_cost,
        fees=_fees(row),
        taker_or_maker=None if row.get("liquidity_ind") is None else choice(row, "liquidity_ind", _ROLES),
        timestamp_ms=instant(row, "timestamp") if is_timed else UNTOLD_MS if now is None else now,
        kind=Kind.LIQUIDATION if row.get("liquidated") is True else Kind.TRADE,
        provisional=row.get("fees") is None or not is_timed,
        raw=row,
    )


def _fees(row: Row) -> tuple[Fee, ...]:
    """One line for each coin: there may be several entries of one."""
    sums: dict[str, Decimal] = {}
    for entry in rows_of(row.get("fees") or [], "'fees'"):
        line = row_of(entry, "a line of 'fees'")
        name = coin(text(line, "asset"))
        sums[name] = exact_total(sums.get(name, Decimal(0)), decimal(line, "qty"))
    return fee_lines(*((amount, name) for name, amount in sums.items()))


def read_stream(message: Any, markets: Markets, product: Product | None, now: int | None = None) -> Heard:
    """The trades of one frame of the private socket, or one row of it; a snapshot holds orders among them.

    Other frames hold none.
    """
    del product
    frame = row_of(message, "the message")
    if "exec_type" not in frame and frame.get("channel") != "executions":
        return Heard()
    rows = [frame] if "exec_type" in frame else rows_of(frame.get("data"), "'data'")
    trades, unreadable = read_each(rows, partial(trade_from_execution, markets=markets, now=now), "the execution")
    return Heard(trades=trades, unreadable=unreadable)


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: the whole envelope, its result, its trades, or one row with its txid.

    Trades that were asked for by their txids stand in the result itself (docs, Query Trades Info).
    """
    del product
    found = row_of(response, "the response")
    if refused := refusals_in(found):
        raise UnreadableRow(f"the exchange answered with an error: {'; '.join(refused)}")
    result = row_of(found.get("result", found), "'result'")
    rows = [result] if TXID in result else filed(row_of(result.get("trades", _asked_for(result)), "'trades'"))
    trades, unreadable = read_rows(rows, markets)
    return Heard(trades=trades, unreadable=unreadable)


def _asked_for(result: Row) -> Row:
    return {txid: row for txid, row in result.items() if isinstance(row, Mapping) and "ordertxid" in row}


def filed(trades: Mapping[str, Any]) -> list[Any]:
    """The rows of a page, each with the txid that it is filed under, so that what is kept of it can be read again."""
    return [{TXID: txid, **row} if isinstance(row, Mapping) else row for txid, row in trades.items()]


def read_rows(rows: list[Any], markets: Markets) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Each row of history by itself."""
    return read_each(rows, partial(trade_from_history, markets=markets), "the trade")
