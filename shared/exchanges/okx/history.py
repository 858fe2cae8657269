"""History: every fill of one kind of instrument, newest first, three months back.

| What | Endpoint | Serves | Calls |
|---|---|---|---|
| the last two days | trade/fills | 3 days | 60 in 2 s |
| before | trade/fills-history | 3 months | 10 in 2 s |

No symbol is asked for. Pages go by the id of the bill that booked a fill, and only an empty page is the end. The
filters `begin` and `end` go by the time of booking (`ts`), which is a little after the trade (`fillTime`). `before`
is not used: it gives the newest page above an id, not the next one. Docs, Get transaction details (last 3 days and
last 3 months), read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.fields import row_of
from shared.exchanges.kit.paging import DAY_MS, next_window, older_id
from shared.exchanges.okx.rest import FILLS, FILLS_HISTORY, rows_in
from shared.exchanges.okx.rows import read_rest

PRODUCTS = (Product.SPOT, Product.MARGIN, Product.LINEAR, Product.INVERSE)
SPOT, MARGIN = Feed(Product.SPOT), Feed(Product.MARGIN)
SWAP, FUTURES = Feed(Product.LINEAR, part="swap"), Feed(Product.LINEAR, part="futures")
"""Linear and inverse contracts come together."""
_KINDS: Mapping[Feed, str] = {SPOT: "SPOT", MARGIN: "MARGIN", SWAP: "SWAP", FUTURES: "FUTURES"}

_WINDOW_MS = 30 * DAY_MS
_RECENT_MS = 2 * DAY_MS  # a day less than is served: a page may be asked for long after its slice was made
# The shortest three months of a calendar; and what is asked for at the edge may fall off meanwhile.
_REACH_MS = 89 * DAY_MS - 600_000
_EARLY_MS, _LATE_MS = 1_000, 600_000  # a fill is booked no sooner before, and no later after, than this
_PAGE = 100


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed a kind of instrument. A pair traded on margin has rows of its own."""
    del markets
    wanted = set(account.products)
    spot = (SPOT, MARGIN) if wanted & {Product.SPOT, Product.MARGIN} else ()
    return spot + ((SWAP, FUTURES) if wanted & {Product.LINEAR, Product.INVERSE} else ())


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    if product is Product.MARGIN:
        return MARGIN
    if product is Product.SPOT:
        return SPOT
    return SWAP if market_id.endswith("-SWAP") else FUTURES


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that is surely served."""
    del feed, account
    return now_ms - _REACH_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most 30 days."""
    del memory
    reach_ms = reach(feed, account, now_ms)
    window = next_window(gap, _WINDOW_MS, reach_ms)
    return Slice(window, {"recent": window.since >= now_ms - _RECENT_MS, "oldest": window.since <= reach_ms})


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. The oldest window has no beginning: should more than three months be served, they come along."""
    del account
    params: dict[str, Any] = {
        "instType": _KINDS[feed],
        "end": slice_.window.until + _LATE_MS,
        "limit": _PAGE,
    }
    if not cursor["oldest"]:
        params["begin"] = slice_.window.since - _EARLY_MS
    if "after" in cursor:
        params["after"] = cursor["after"]
    return Request(FILLS if cursor["recent"] else FILLS_HISTORY, params)


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades. Only an empty page proves the window.

    Raises `PageStuck` when the page does not lead to older ones, `ContractBroken` when it does not lead on at all.
    """
    del account
    rows = rows_in(answer.data)
    if not rows:
        return Page(proven=slice_.window)
    heard = read_rest(rows, markets, None if feed.part else feed.product)
    following = older_id(row_of(rows[-1], "the fill").get("billId"), cursor.get("after"))
    return Page(trades=heard.trades, unreadable=heard.unreadable, next={**cursor, "after": following})


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read)
