"""History: every fill of a product by time, page by page; of spot also what open orders have filled so far.

Time means the end of the order on spot: what an open order has filled stands in no window until the order ends, and
then in the window of its end, with its own older time. So whoever reads up to now first asks for the open orders, then
for the fills of each, and then for a window that ends later than that. Rows older than their window are kept.

Both ends of a window are whole seconds and belong to it. A page shorter than asked is the end. At most 30 days may be
asked for at once, and no row beyond the first 101,000: whoever meets them halves the window.
Docs: https://www.gate.com/docs/developers/apiv4 (List personal trading history, List all open orders, and the same by
time range for futures), read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.gate.hosts import FUTURES_SOCKETS
from shared.exchanges.gate.rest import FILLS, FUTURES_FILLS, OPEN_ORDERS
from shared.exchanges.gate.rows import read_rows
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.fields import Row, optional_decimal, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, next_window

PRODUCTS = (Product.SPOT, Product.LINEAR)
_WINDOW_MS = 28 * DAY_MS
# Nothing tells how far back the exchange keeps fills; it opened in April 2013, its perpetuals in December 2018.
_FIRST_MS: Mapping[Product, int] = {Product.SPOT: 1_364_774_400_000, Product.LINEAR: 1_543_622_400_000}
_PAGE, _PAGES = 1_000, 101
_ORDERS_PAGE = 100  # of each market
_RECENT_MS = 600_000
_AHEAD_S = 60


def products_of(account: Account) -> tuple[Product, ...]:
    """The products that are read: some entities offer no contracts."""
    return tuple(
        product
        for product in PRODUCTS
        if product in account.products and (product is Product.SPOT or account.region in FUTURES_SOCKETS)
    )


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed a product."""
    del markets
    return tuple(Feed(product) for product in products_of(account))


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    del market_id
    return Feed(product)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that is worth asking for."""
    del account, now_ms
    return _FIRST_MS[feed.product]


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most 28 days. What ends now begins with the open orders, and asks beyond the moment they are asked for."""
    del memory
    window = next_window(gap, _WINDOW_MS, reach(feed, account, now_ms), headroom_ms=0)
    if feed.product is not Product.SPOT or window.until < now_ms - _RECENT_MS:
        return Slice(window)
    return Slice(window, {"open_page": 1, "orders": [], "to": now_ms // 1_000 + _AHEAD_S})


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page: of the open orders, of one order's fills, or of the window.

    Without an account named, both answer for all of them: spot, unified and isolated margin.
    """
    del account
    at = cursor or {}
    if "open_page" in at:
        return Request(OPEN_ORDERS, {"page": at["open_page"], "limit": _ORDERS_PAGE})
    page = at.get("page", 1)
    if at.get("orders"):
        market_id, order_id = at["orders"][0]
        return Request(FILLS, {"currency_pair": market_id, "order_id": order_id, "limit": _PAGE, "page": page})
    window = {"from": slice_.window.since // 1_000, "to": at.get("to") or -(-slice_.window.until // 1_000)}
    if feed.product is Product.SPOT:
        return Request(FILLS, {**window, "limit": _PAGE, "page": page})
    return Request(FUTURES_FILLS, {"settle": "usdt", **window, "limit": _PAGE, "offset": (page - 1) * _PAGE})


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and what is next. The last page of the window proves it.

    Raises `ContractBroken` when the answer is not a list.
    """
    del feed, account
    at = dict(cursor or {})
    if not isinstance(answer.data, list):
        raise ContractBroken("A page of history is not a list.")
    if "open_page" in at:
        return Page(next=_after_open_orders(answer.data, at))
    trades, unreadable = read_rows(answer.data, markets, is_final=True)
    page, following = at.get("page", 1), None
    if len(answer.data) >= _PAGE:
        following = {**at, "page": page + 1}
    elif at.get("orders"):
        following = {**at, "orders": at["orders"][1:], "page": 1}
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=following,
        proven=slice_.window if following is None else None,
        is_saturated=len(answer.data) >= _PAGE and page >= _PAGES,
    )


def _after_open_orders(data: list[Any], at: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cursor with the orders of this page that have filled. Pages count the orders of each market by itself."""
    groups = [row_of(group, "a market's open orders") for group in data]
    listed = [(group, rows_of(group.get("orders"), "'orders'")) for group in groups]
    filled = [
        [text(group, "currency_pair"), text(order, "id")]
        for group, orders in listed
        for order in (row_of(one, "an open order") for one in orders)
        if _has_filled(order)
    ]
    rest = {"orders": [*at["orders"], *filled], "to": at["to"]}
    is_last = all(len(orders) < _ORDERS_PAGE for _, orders in listed)
    return rest if is_last else {**rest, "open_page": at["open_page"] + 1}


def _has_filled(order: Row) -> bool:
    """By what was filled in quote: `left` is in quote too for buys at the market. Not told: it may have."""
    return optional_decimal(order, "filled_total") != 0


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read)
