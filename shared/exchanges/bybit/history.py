"""History: every execution of a product by time, in windows of seven days, two years back.

No symbol is asked for. The cursor is good for its own query only, and an empty one is the end; neither a short nor an
empty page is. Docs, Get Trade History and Get Pre-upgrade Trade History, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.bybit.rest import EXECUTIONS, OLD_EXECUTIONS
from shared.exchanges.bybit.rows import category_of, read_rows
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.paging import DAY_MS, after_token, next_window

PRODUCTS = (Product.SPOT, Product.LINEAR, Product.INVERSE)
OLD = "pre-upgrade"
_WINDOW_MS = 7 * DAY_MS
# Two years, and ten minutes inside them: a window that begins a second too early is refused as a whole.
_REACH_MS = 730 * DAY_MS - 600_000
_PAGE = 100


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed a product; what an account did before it was unified lies in a list of its own."""
    del markets
    wanted = tuple(product for product in PRODUCTS if product in account.products)
    now = tuple(Feed(product) for product in wanted)
    old = tuple(Feed(product, part=OLD) for product in wanted) if account.details.get("has_old_history") else ()
    return now + old


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    del market_id
    return Feed(product)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that may be asked for."""
    del feed, account
    return now_ms - _REACH_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most seven days."""
    del memory
    return Slice(next_window(gap, _WINDOW_MS, reach(feed, account, now_ms)))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. Both ends of the window are included in what the exchange answers, so the last one is one less."""
    del account
    params: dict[str, Any] = {
        "category": feed.product.value,
        "startTime": slice_.window.since,
        "endTime": slice_.window.until - 1,
        "limit": _PAGE,
    }
    if cursor:
        params["cursor"] = cursor
    return Request(OLD_EXECUTIONS if feed.part == OLD else EXECUTIONS, params)


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and the next cursor. Only an empty cursor proves the window.

    Raises `PageStuck` when the cursor does not move on, `ContractBroken` when the answer is not a page of this feed.
    """
    del account
    result = answer.data.get("result") if isinstance(answer.data, Mapping) else None
    rows = result.get("list") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or not isinstance(rows, list) or result.get("nextPageCursor") is None:
        raise ContractBroken("A page of history is not a list of executions with a cursor.")
    if category_of(result) not in {feed.product, None}:
        raise ContractBroken(f"A page of history of {feed.product} holds {result['category']}.")
    following = after_token(result["nextPageCursor"], cursor)
    trades, unreadable = read_rows(rows, feed.product, markets, is_final=True)
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=following,
        proven=slice_.window if following is None else None,
    )


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read)
