"""History: every fill of a product by time, ninety days back. No symbol is asked for.

| Mode | Feeds | Window | Pages by |
|---|---|---|---|
| classic | spot | 30 days (90 are allowed) | `idLessThan`, the smallest id of a page |
| classic | linear, inverse | 7 days (documented once as three months, seen as seven days) | the same |
| unified | all | 30 days | `cursor` |

Linear contracts are two lists, of USDT and of USDC, and so are spot and margin of a unified account: a slice reads
one after the other, and is proven after the last. Only an empty page or an empty cursor is an end. Docs, Get Fills,
Get Order Fills and Get Fill History, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.bitget.rest import CONTRACT_FILLS, SPOT_FILLS, UNIFIED, UNIFIED_FILLS
from shared.exchanges.bitget.rows import read_rows
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.paging import DAY_MS, after_token, next_window, older_id

PRODUCTS = (Product.SPOT, Product.LINEAR, Product.INVERSE)
LISTS: Mapping[Product, tuple[str, ...]] = {
    Product.SPOT: ("SPOT",),
    Product.LINEAR: ("USDT-FUTURES", "USDC-FUTURES"),
    Product.INVERSE: ("COIN-FUTURES",),
}
_PAGE = 100
# What is asked for at the very edge has fallen off when the question arrives, and is refused as a whole.
_REACH_MS = 90 * DAY_MS - 600_000
# A span must be shorter than its limit, and the question is one millisecond wider than the window.
_HEADROOM_MS = 60_000
_LEAD_TRADER_WEIGHT = 10  # who leads copy traders may ask once where others may ten times


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed a product."""
    del markets
    return tuple(Feed(product) for product in PRODUCTS if product in account.products)


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to: margin is read with spot."""
    del market_id
    return Feed(Product.SPOT if product is Product.MARGIN else product)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that may be asked for."""
    del feed, account
    return now_ms - _REACH_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most seven days of a classic account's contracts, thirty of all else."""
    del memory
    days = 7 if account.mode != UNIFIED and feed.product is not Product.SPOT else 30
    return Slice(next_window(gap, days * DAY_MS - _HEADROOM_MS, reach(feed, account, now_ms)))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. Whether the ends of a window belong to it is not documented: both are asked for as if they did not."""
    window, name = slice_.window, _list_of(feed, cursor, account)
    params: dict[str, Any] = {"startTime": window.since - 1, "endTime": window.until, "limit": _PAGE}
    if account.mode == UNIFIED:
        return Request(UNIFIED_FILLS, params | {"category": name} | _after(cursor, "cursor"))
    weight = _LEAD_TRADER_WEIGHT if account.details.get("is_lead_trader") else None
    if feed.product is Product.SPOT:
        return Request(SPOT_FILLS, params | _after(cursor, "idLessThan"), weight)
    return Request(CONTRACT_FILLS, params | {"productType": name} | _after(cursor, "idLessThan"), weight)


def _after(cursor: Any, name: str) -> dict[str, str]:
    return {name: cursor["after"]} if cursor and cursor["after"] else {}


def _lists(feed: Feed, account: Account) -> tuple[str, ...]:
    if account.mode == UNIFIED and feed.product is Product.SPOT:
        return ("SPOT", "MARGIN")
    return LISTS[feed.product]


def _list_of(feed: Feed, cursor: Any, account: Account) -> str:
    return str(cursor["list"]) if cursor else _lists(feed, account)[0]


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and where to go on: in this list, in the next one, or nowhere, which proves the window.

    Raises `PageStuck` when the pages do not move on, `ContractBroken` when the answer is not a page.
    """
    name, lists = _list_of(feed, cursor, account), _lists(feed, account)
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    rows = _rows_in(data, feed, account)
    before = cursor["after"] if cursor else None
    is_saturated = False
    if account.mode == UNIFIED:
        after = _next_cursor(data, rows, before)
        is_saturated = after is None and len(rows) >= _PAGE
    else:
        after = _next_id(rows, before, slice_.window)
        is_saturated = len(rows) >= _PAGE and not _rise(rows)
    following: Any = {"list": name, "after": after}
    if after is None:
        left = lists[lists.index(name) + 1 :]
        following = {"list": left[0], "after": None} if left else None
    trades, unreadable = read_rows(rows, name, None, markets, is_final=True)
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=None if is_saturated else following,
        proven=slice_.window if following is None and not is_saturated else None,
        is_saturated=is_saturated,
    )


def _rows_in(data: Any, feed: Feed, account: Account) -> list[Any]:
    rows = data
    if account.mode == UNIFIED or feed.product is not Product.SPOT:
        name = "list" if account.mode == UNIFIED else "fillList"
        rows = (data[name] or []) if isinstance(data, Mapping) and name in data else None
    if not isinstance(rows, list):
        raise ContractBroken("A page of history is not a list of fills.")
    return rows


def _next_cursor(data: Any, rows: list[Any], before: str | None) -> str | None:
    """A unified list's next cursor. An empty page may repeat the one that led to it."""
    following = data.get("cursor") if isinstance(data, Mapping) else None
    if not rows and following == before:
        return None
    return after_token(following, before)


def _next_id(rows: list[Any], before: str | None, window: Window) -> str | None:
    """The smallest id of a classic page leads to strictly older rows.

    Whether a window bounds them then is not documented: rows from before it are an end as well.
    """
    placed = _placed(rows)
    newest = max((moment for _, moment in placed), default=window.since)
    if not rows or newest < window.since - 1:
        return None
    return older_id(min((number for number, _ in placed), default=""), before)


def _rise(rows: list[Any]) -> bool:
    """Whether the ids of a page rise with the time. Where they do not, smaller ids are not all that is older."""
    moments = [moment for _, moment in sorted(_placed(rows))]
    return moments == sorted(moments)


def _placed(rows: list[Any]) -> list[tuple[int, int]]:
    """Id and moment of each row that has both."""
    told = [(str(row.get("tradeId")), str(row.get("cTime"))) for row in rows if isinstance(row, Mapping)]
    return [(int(number), int(moment)) for number, moment in told if number.isdecimal() and moment.isdecimal()]


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read, smallest_ms=1)
