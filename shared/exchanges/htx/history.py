"""History: spot by time, contracts contract by contract, in windows of nearly two days.

| Feed | Endpoint | Page | Readable for |
|---|---|---|---|
| `spot` | /v1/order/matchresults | 500 | 120 days |
| `spot:btcusdt`, where the exchange wants a symbol named | the same | 500 | 120 days |
| `linear:BTC-USDT`, V5 | /v5/trade/order/details | 100 | 3 days; older rows are missing without a word |
| the same and `linear:BTC-USDT:isolated`, before V5 | swap_cross_matchresults, swap_matchresults | ? | 90 days |

A page goes on from its last row's own id, and begins with that row again. A page that is not full is the window's end,
where it is known how much a full one holds. An empty window is no end of history. Docs read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.htx.messages import read_rest
from shared.exchanges.htx.rest import DETAILS, LEGACY, MATCHES, OLD_CROSS, OLD_ISOLATED
from shared.exchanges.kit.contract import Answer, Feed, Page, Request, Slice
from shared.exchanges.kit.paging import DAY_MS, next_window

PRODUCTS = (Product.SPOT, Product.LINEAR)
ISOLATED = "isolated"

LONGEST_MS = 2 * DAY_MS - 60_000
_OVERLAP_MS = 1_000  # whether bounds are included is not said
_EDGE_MS = 600_000  # a window that begins a moment too early is refused as a whole
_PAGE_SIZES = {Product.SPOT: 500, Product.LINEAR: 100}


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """Spot needs no symbol; all others are discovered."""
    del markets
    is_whole = Product.SPOT in account.products and not account.details.get("needs_symbol")
    return (Feed(Product.SPOT),) if is_whole else ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    return Feed(Product.LINEAR, market_id) if product is Product.LINEAR else Feed(Product.SPOT)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest readable moment (epoch ms)."""
    if feed.product is Product.SPOT:
        return now_ms - 120 * DAY_MS + _EDGE_MS
    days = 90 if account.mode == LEGACY else 3
    return now_ms - days * DAY_MS + _EDGE_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most 48 hours, overlaps included."""
    del memory
    return Slice(next_window(gap, LONGEST_MS, reach(feed, account, now_ms)))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. Both ends are always given: alone, each means another stretch than one would think."""
    since, until = slice_.window.since - _OVERLAP_MS, slice_.window.until + _OVERLAP_MS
    if feed.product is Product.SPOT:
        params: dict[str, Any] = {"start-time": since, "end-time": until, "size": _PAGE_SIZES[Product.SPOT]}
        if feed.market_id:
            params["symbol"] = feed.market_id
        return Request(MATCHES, params | ({"from": cursor, "direct": "next"} if cursor else {}))
    params = {"start_time": since, "end_time": until}
    if account.mode == LEGACY:
        params |= {"contract": feed.market_id, "trade_type": 0, "direct": "prev"}
        return Request(
            OLD_ISOLATED if feed.part == ISOLATED else OLD_CROSS, params | ({"from_id": cursor} if cursor else {})
        )
    params |= {"contract_code": feed.market_id, "limit": _PAGE_SIZES[Product.LINEAR]}
    return Request(DETAILS, params | ({"from": cursor, "direct": "next"} if cursor else {}))


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """One page, read. One that brings no unseen row although there must be more is `is_saturated`."""
    rows = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    if not isinstance(rows, list):
        raise ContractBroken("The exchange answers a question for fills without a list of them.")
    heard = read_rest(rows, markets, None)
    ids = [
        _id_of(row, "query_id" if account.mode == LEGACY and feed.product is Product.LINEAR else "id") for row in rows
    ]
    has_news = any(one != cursor for one in ids)
    if account.mode == LEGACY and feed.product is Product.LINEAR:
        is_end = not has_news  # how much a full page holds is not said
        is_stuck = not is_end and ids[-1] == cursor
    else:
        is_end = len(rows) < _PAGE_SIZES[feed.product]
        is_stuck = not is_end and (not has_news or ids[-1] == cursor)
    return Page(
        trades=heard.trades,
        unreadable=heard.unreadable,
        next=None if is_end or is_stuck else ids[-1],
        proven=slice_.window if is_end else None,
        is_saturated=is_stuck,
    )


def _id_of(row: Any, name: str) -> str:
    """What a page goes on from: a number of 63 bits that rises or falls in no order."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | str) or not value:
        raise ContractBroken("The exchange gives a row of history without the id to go on from.")
    return str(value)
