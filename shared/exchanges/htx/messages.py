"""Messages: frames unzipped, and the trades in what sockets say and REST answers.

Contract and price sockets zip every frame, spot's private one none. Docs, Data Compression, read 2026-11.
"""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Trade
from shared.exchanges.htx.rows import (
    trade_from_clearing,
    trade_from_execution,
    trade_from_match,
    trade_from_old_match,
    trade_from_order,
)
from shared.exchanges.kit.contract import Frame, Heard
from shared.exchanges.kit.fields import Row, row_of, rows_of
from shared.exchanges.kit.reading import read_each
from shared.exchanges.kit.wire import decode_json

CLEARING = "trade.clearing"
EXECUTIONS = "trade"
OLD_ORDERS = ("orders_cross", "orders")
# What else tells trades, sooner and without their fees: it is read, not subscribed to.
_SPOT_ORDERS = "orders"
_OLD_MATCHES = ("matchOrders_cross", "matchOrders")
_OF_THE_ORDER = ("contract_code", "direction", "order_id", "order_id_str", "order_type", "order_source")

_ZIPPED = b"\x1f\x8b"
_MOST_BYTES = 16 * 1024 * 1024


def decode(frame: Frame) -> Any:
    """The JSON value of a frame, zipped or not. Raises `UnreadableRow` for anything else."""
    if not isinstance(frame, bytes) or not frame.startswith(_ZIPPED):
        return decode_json(frame)
    unzip = zlib.decompressobj(wbits=31)
    try:
        content = unzip.decompress(frame, _MOST_BYTES)
    except zlib.error as error:
        raise UnreadableRow(f"a frame that cannot be unzipped: {error}") from None
    if not unzip.eof:
        raise UnreadableRow("half a zipped frame, or one that is far too long")
    return decode_json(content)


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one frame of any private socket. Everything else holds none.

    A push is known by its channel: not every one says that it is a push. Its shape tells the product.
    """
    del product
    frame = row_of(message, "the message")
    if frame.get("op") == "notify":
        return _contract_news(frame, markets)
    channel = str(frame.get("ch", ""))
    reads = {CLEARING: trade_from_clearing, _SPOT_ORDERS: trade_from_order}
    read = next((read for name, read in reads.items() if channel.startswith(name)), None)
    if read is None or frame.get("action") == "sub":
        return Heard()
    return _heard([frame.get("data")], partial(read, markets=markets))


def _contract_news(frame: Row, markets: Markets) -> Heard:
    topic = str(frame.get("topic", "")).partition(".")[0]
    if topic == EXECUTIONS:
        rows = _placed(frame.get("data"), frame, ("contract_code",))
        return _heard(rows, partial(trade_from_execution, markets=markets))
    if topic in (*OLD_ORDERS, *_OLD_MATCHES) and frame.get("trade"):
        rows = _placed(frame["trade"], frame, _OF_THE_ORDER)
        return _heard(rows, partial(trade_from_old_match, markets=markets))
    return Heard()


def _placed(rows: Any, frame: Row, names: tuple[str, ...]) -> list[Any]:
    """Each row with what stands around all of them, so that it can be read again by itself."""
    around = {name: frame[name] for name in names if name in frame}
    return [{**around, **row} if isinstance(row, Mapping) else row for row in rows_of(rows, "the rows")]


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: the envelope, its list, or one row."""
    del product
    if isinstance(response, list):
        rows = response
    else:
        found = row_of(response, "the response")
        if found.get("status") == "error" or found.get("code") not in (None, 200, "200"):
            said = found.get("err-code") or found.get("err_code") or found.get("code")
            raise UnreadableRow(f"the exchange answered with an error: {said}")
        data = found.get("data", found)
        if isinstance(data, Mapping) and isinstance(data.get("trades"), list):  # a page, or one order's
            data = _placed(data["trades"], data, _OF_THE_ORDER)
        rows = data if isinstance(data, list) else [data]
    fills = [row for row in rows if not isinstance(row, Mapping) or _is_fill(row)]
    return _heard(fills, partial(_trade, markets=markets))


def _is_fill(row: Row) -> bool:
    """Wallets, orders and bills have none of a fill's fields."""
    return any(
        name in row
        for name in ("trade-id", "match-id", "filled-fees", "trade_id", "match_id", "trade_price", "tradeId")
    )


def _trade(row: Row, *, markets: Markets) -> Trade | None:
    """Any row that is a fill by its looks. One that a socket told is kept without its envelope."""
    if "tradeId" in row:
        return trade_from_clearing(row, markets)
    if "contract_code" not in row:
        return trade_from_match(row, markets)
    is_old = any(name in row for name in ("fee_asset", "match_id", "create_date", "created_at"))
    return (trade_from_old_match if is_old else trade_from_execution)(row, markets)


def _heard(rows: list[Any], read: Callable[[Row], Trade | None]) -> Heard:
    trades, unreadable = read_each(rows, read, "the execution")
    return Heard(trades=trades, unreadable=unreadable)
