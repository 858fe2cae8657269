"""History: every market is a feed of its own, for the exchange wants a symbol with each question.

| Feed | Endpoint | Reaches | Pages by |
|---|---|---|---|
| `spot:BTCUSDT` | myTrades | 30 days; older rows are left out without a word | nothing: 100 rows, no cursor |
| `linear:BTC_USDT`, `inverse:BTC_USD` | order_deals | 90 days, and no longer window | page numbers, to a short page |

A full spot answer is halved by whoever reads it, down to one second. There the orders of the last seven days name
those that filled, and each is asked for by itself. Docs: https://www.mexc.com/api-docs, Account Trade List, All Orders,
Get all transaction details of the user's order, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, PageStuck
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.fields import optional_text, row_of, rows_of
from shared.exchanges.kit.paging import DAY_MS, next_window
from shared.exchanges.mexc.discovery import discover
from shared.exchanges.mexc.rest import FUTURES_DEALS, SPOT_ORDERS, SPOT_TRADES
from shared.exchanges.mexc.rows import FUTURES, read_rest

# "The last month" and "90 days", a little less: what is asked for at the very edge has fallen off when the question
# arrives.
_EDGE_MS = 600_000
_SPOT_REACH_MS = 30 * DAY_MS - _EDGE_MS
_FUTURES_REACH_MS = 90 * DAY_MS - _EDGE_MS
_ORDERS_REACH_MS = 7 * DAY_MS - _EDGE_MS
_PAGE, _ORDERS_PAGE = 100, 1_000
_SMALLEST_MS = 1_000  # spot's rows know no finer times


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """None is known without asking."""
    del account, markets
    return ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    return Feed(product, market_id)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that may be asked for."""
    del account
    return now_ms - (_FUTURES_REACH_MS if feed.product in FUTURES else _SPOT_REACH_MS)


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """All that is in reach at once: a market that was idle costs one call."""
    del memory
    earliest = reach(feed, account, now_ms)
    return Slice(next_window(gap, now_ms - earliest, earliest))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page."""
    del account
    window = slice_.window
    if feed.product in FUTURES:
        page = {"page_num": cursor or 1, "page_size": _PAGE}
        times = {"start_time": window.since, "end_time": window.until - 1}  # both are inside
        return Request(FUTURES_DEALS, {"symbol": feed.market_id, **times, **page})
    if cursor is None:
        return Request(SPOT_TRADES, {"symbol": feed.market_id, **_seconds(window), "limit": _PAGE})
    if cursor["orders"]:
        return Request(SPOT_TRADES, {"symbol": feed.market_id, "orderId": cursor["orders"][0], "limit": _PAGE})
    # By the moment when they were made: what fills now may have been made days ago.
    made = {"startTime": window.until - _ORDERS_REACH_MS, "endTime": window.until}
    return Request(SPOT_ORDERS, {"symbol": feed.market_id, **made, "limit": _ORDERS_PAGE})


def _seconds(window: Window) -> dict[str, int]:
    """A window in whole seconds that holds it, whether times are cut before they are compared or after.

    The docs do not say whether the ends belong to it: one more millisecond before it, and an end that may be one too
    many.
    """
    return {"startTime": window.since // 1_000 * 1_000 - 1, "endTime": -(-window.until // 1_000) * 1_000}


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page, read. A short one is the end of spot's window and of the contracts' pages."""
    if feed.product in FUTURES:
        return _read_futures(slice_, cursor or 1, answer, markets)
    if cursor is not None and not cursor["orders"]:
        return _read_orders(slice_, cursor, answer)
    rows = rows_of(answer.data, "the response")
    heard = read_rest(rows, markets, None)
    is_full = len(rows) >= _PAGE
    following: Any = None
    if cursor is not None:
        following = {"orders": cursor["orders"][1:], "is_listed": True} if len(cursor["orders"]) > 1 else None
    elif is_full and _may_list_orders(slice_.window, answer.received_ms, account):
        orders = {optional_text(row_of(row, "the fill"), "orderId") for row in rows}
        following, is_full = {"orders": [], "known": sorted(filter(None, orders))}, False
    return Page(
        trades=heard.trades,
        unreadable=heard.unreadable,
        next=None if is_full else following,
        proven=slice_.window if following is None and not is_full else None,
        is_saturated=is_full,
    )


def _may_list_orders(window: Window, now_ms: int, account: Account) -> bool:
    """Whether orders can help: in the smallest window only, where the exchange still lists them to this key."""
    is_smallest = window.until - window.since <= _SMALLEST_MS
    is_near = window.since > now_ms - _ORDERS_REACH_MS
    return is_smallest and is_near and account.details.get("lists_orders") is True


def _read_orders(slice_: Slice, cursor: Any, answer: Answer) -> Page:
    """Which orders may have filled in this second: those whose last change is not before it."""
    orders = [row_of(row, "the order") for row in rows_of(answer.data, "the response")]
    if len(orders) >= _ORDERS_PAGE:
        return Page(is_saturated=True)
    since = slice_.window.since // 1_000 * 1_000
    later = {
        optional_text(order, "orderId")
        for order in orders
        if not isinstance(order.get("updateTime"), int) or order["updateTime"] >= since
    }
    return Page(next={"orders": sorted({*cursor["known"], *filter(None, later)}), "is_listed": True})


def _read_futures(slice_: Slice, page: int, answer: Answer, markets: Markets) -> Page:
    """Pages have numbers; some answers tell how many there are, else a short one is the last."""
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    around = data if isinstance(data, Mapping) else {}
    rows = around.get("resultList") if around else data
    if not isinstance(rows, list):
        raise ContractBroken("The exchange answers a question for fills without a list of them.")
    if around and around.get("currentPage", page) != page:
        raise PageStuck
    pages = around.get("totalPage")
    is_last = page >= pages if isinstance(pages, int) else len(rows) < _PAGE
    if not is_last and not rows:
        raise ContractBroken("The exchange gives an empty page of fills before the last one.")
    heard = read_rest(rows, markets, None)
    return Page(
        trades=heard.trades,
        unreadable=heard.unreadable,
        next=None if is_last else page + 1,
        proven=slice_.window if is_last else None,
    )


HISTORY = History(
    feeds=feeds,
    feed_of=feed_of,
    reach=reach,
    slice=slice_of,
    ask=ask,
    read=read,
    discover=discover,
    smallest_ms=_SMALLEST_MS,
    sweep_ms=7 * DAY_MS,  # well within the month that spot serves
)
