"""Whole messages and responses: which of their parts are executions, and which reader reads them.

The shape decides: a topic names the kind of account and market, a row's own fields its place in history.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Trade
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.fields import Row, optional_text, row_of, rows_of, text
from shared.exchanges.kit.reading import read_each
from shared.exchanges.kucoin.rows import (
    trade_from_futures_fill,
    trade_from_match,
    trade_from_spot_fill,
    trade_from_told_execution,
    trade_from_told_fill,
    trade_from_unified_execution,
)

_SPOT_ORDERS = "/spotMarket/tradeOrders"
_FUTURES_ORDERS = "/contractMarket/tradeOrders"
_SPOT_FILLS = "/spot/tradeFills"


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trade of one frame of a private socket, classic or unified. All that is no execution holds none.

    A frame is kept whole with its trade: the shape of what is in it depends on its topic.
    """
    frame = row_of(message, "the message")
    topic = str(frame.get("T") or frame.get("topic") or "")
    if "T" in frame:
        if not topic.startswith("execution"):
            return Heard()
        trades, unreadable = read_each(
            [frame.get("d")], partial(trade_from_told_execution, product=product, markets=markets), "'d'"
        )
    elif topic.startswith((_SPOT_ORDERS, _FUTURES_ORDERS)):
        is_futures = topic.startswith(_FUTURES_ORDERS)
        trades, unreadable = read_each(
            [frame.get("data")], partial(_match, product=product, markets=markets, is_futures=is_futures), "'data'"
        )
    elif topic.startswith(_SPOT_FILLS):
        trades, unreadable = read_each([frame.get("data")], partial(trade_from_told_fill, markets=markets), "'data'")
    else:
        return Heard()
    return Heard(trades=tuple(replace(trade, raw=message) for trade in trades), unreadable=unreadable)


def _match(data: Row, product: Product | None, markets: Markets, *, is_futures: bool) -> Trade | None:
    """The match of an order event, None for the others: `filled` repeats no quantity that was not matched before."""
    if text(data, "type") != "match":
        return None
    return trade_from_match(data, product, markets, is_futures=is_futures)


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: the whole envelope, what is in it, a list, or one row."""
    rows, trade_type = _rows(response)
    trades, unreadable = read_each(
        (_placed(row, trade_type) for row in rows if not _is_wallet(row)),
        partial(_fill, product=product, markets=markets),
        "the fill",
    )
    return Heard(trades=trades, unreadable=unreadable)


def _rows(response: Any) -> tuple[list[Any], str | None]:
    """The rows of a response, and the trade type that stands once around them."""
    if isinstance(response, list):
        return response, None
    found = row_of(response, "the response")
    if "code" in found and str(found["code"]) != "200000":
        raise UnreadableRow(f"the response is an error: {found['code']} {found.get('msg') or ''}".rstrip())
    if "data" in found:
        return _rows(found["data"]) if found["data"] is not None else ([], None)
    if "items" in found:
        return rows_of(found["items"], "'items'"), optional_text(found, "tradeType")
    return ([found] if "tradeId" in found else []), None


def _is_wallet(row: Any) -> bool:
    """Wallets and ledgers come in lists too; they are of a currency, not of a symbol."""
    return isinstance(row, Mapping) and "currency" in row and "symbol" not in row and "tradeId" not in row


def _placed(row: Any, trade_type: str | None) -> Any:
    """The row with its trade type in it, so that what is kept of it can be read again by itself."""
    if trade_type is None or not isinstance(row, Mapping) or "tradeType" in row:
        return row
    return {**row, "tradeType": trade_type}


def _fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    """One row of history, whichever shape it has."""
    if "executionTime" in row or "liquidityRole" in row:
        return trade_from_unified_execution(row, product, markets)
    if "tradeTime" in row or "settleCurrency" in row:
        return trade_from_futures_fill(row, product, markets)
    return trade_from_spot_fill(row, product, markets)
