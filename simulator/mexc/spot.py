"""The spot interface, `/api/v3`: fills by symbol without a cursor, a hundred at most, a month back."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from simulator.dialect import DAY_MS, Call
from simulator.mexc import rows
from simulator.mexc.errors import missing, refusal
from simulator.mexc.orders import orders_between
from simulator.truth import SPOT, Fill, Market, plain

WALLET = "spot"
REACH_MS = 30 * DAY_MS
MOST_TRADES = 100
ORDERS_REACH_MS = 7 * DAY_MS
USUAL_ORDERS, MOST_ORDERS = 500, 1000


def server_time(call: Call) -> Any:
    return {"serverTime": call.now_ms}


def trades(call: Call) -> Any:
    """GET /api/v3/myTrades: the newest of a window, newest first; older rows than a month are not told.

    Both ends are compared with the whole seconds that rows tell; the end itself is outside, as klines have it.
    """
    market, limit = _market(call), limit_of(call, MOST_TRADES, MOST_TRADES)
    start, end = whole(call, "startTime"), whole(call, "endTime")
    if start is not None and end is not None and end < start:
        raise refusal(-1128)
    first = -(-max(start or 0, call.now_ms - REACH_MS) // 1000) * 1000
    last = call.now_ms if end is None else (end - 1) // 1000 * 1000 + 999
    order_id = call.params.get("orderId", "")
    found = _of_order(call, order_id) if order_id else _between(call, market, first, last)
    wanted = (fill for fill in found if fill.market is market and first <= fill.timestamp_ms <= last)
    return [rows.spot_trade(fill) for fill in islice(wanted, limit)]


def _between(call: Call, market: Market, since: int, until: int) -> Iterable[Fill]:
    return call.account.read_fills(
        call.now_ms, product=SPOT, market_id=market.id, since_ms=since, until_ms=until, newest_first=True
    )


def _of_order(call: Call, order_id: str) -> Iterable[Fill]:
    """The fills of one order, which lie between its first and its last moment."""
    order = call.account.orders.get(order_id)
    if order is None:
        return ()
    between = _between(call, order.market, order.created_ms, order.updated_ms)
    return (fill for fill in between if fill.order is order)


def all_orders(call: Call) -> Any:
    """GET /api/v3/allOrders: the last day, or a window of seven days at most; nothing older."""
    market, limit = _market(call), limit_of(call, USUAL_ORDERS, MOST_ORDERS)
    start, end = whole(call, "startTime"), whole(call, "endTime")
    until = call.now_ms if end is None else end
    since = until - DAY_MS if start is None else start
    if not 0 <= until - since <= ORDERS_REACH_MS:
        raise refusal(-1128)
    since = max(since, call.now_ms - ORDERS_REACH_MS)
    found = orders_between(call.account, SPOT, market.id, since, until)
    return [rows.spot_order(order) for order in found[:limit]]


def open_orders(call: Call) -> Any:
    """GET /api/v3/openOrders."""
    market = _market(call)
    return [rows.spot_order(order) for order in call.account.open_orders.values() if order.market is market]


def account(call: Call) -> Any:
    """GET /api/v3/account: what is not zero. The three powers are the account's, whatever the key may do."""
    balances = [
        {"asset": coin, "free": plain(held.free), "locked": plain(held.locked)}
        for coin, held in call.account.wallets.get(WALLET, {}).items()
        if held.free or held.locked
    ]
    return {
        "canTrade": True,
        "canWithdraw": True,
        "canDeposit": True,
        "updateTime": None,
        "accountType": "SPOT",
        "balances": balances,
        "permissions": ["SPOT"],
    }


# Parameters.


def _market(call: Call) -> Market:
    """The market that `symbol` must name; a delisted one still has its history."""
    symbol = call.params.get("symbol", "")
    if not symbol:
        raise missing("symbol")
    market = call.exchange.markets.get((SPOT, symbol))
    if market is None:
        raise refusal(-1121)
    return market


def whole(call: Call, name: str) -> int | None:
    """A whole number, None where it was not sent; raises 700008."""
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise refusal(700008)
    return int(written)


def limit_of(call: Call, usual: int, most: int) -> int:
    """How many rows; whoever wants more than there may be gets no complaint, but less."""
    return min(max(whole(call, "limit") or usual, 1), most)
