"""History: which feeds an account has, and how each is read.

| Feed | Endpoint | Asks for | Pages by |
|---|---|---|---|
| `spot:BTC-USDT`, classic | hf/fills | a symbol, at most 7 days; serves about the last 7 days | lastId |
| `spot::old`, classic | fills | at most 7 days; fills from before the migration, years of them | page numbers |
| `linear`, classic | futures fills | at most 7 days, both ends; serves 3 months | page numbers |
| `spot:BTC-USDT`, unified | order/execution | a symbol, at most 7 days | lastId |
| `linear`, unified | order/execution | at most 7 days | lastId |

A page by lastId that is shorter than asked is no end: the end is an empty one. Inverse contracts come in the
linear feed. Docs: https://www.kucoin.com/docs-new, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, PageStuck
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer, Endpoint, Feed, Page, Request, Slice
from shared.exchanges.kit.paging import DAY_MS, next_window, older_id
from shared.exchanges.kucoin.messages import read_rest
from shared.exchanges.kucoin.rest import EXECUTIONS, FILLS, FUTURES_FILLS, OLD_FILLS, UNIFIED

OLD = Feed(Product.SPOT, part="old")
FUTURES = Feed(Product.LINEAR)

_LONGEST_MS = 7 * DAY_MS
_SPOT_REACH_MS = 7 * DAY_MS
_FUTURES_REACH_MS = 90 * DAY_MS
_FIRST_OLD_MS = 1_550_448_000_000  # 2019-02-18: nothing older is served
# What is asked for at the very edge has fallen off when the question arrives, and is cut without a word.
_EDGE_MS = 60_000

_PAGE_SIZES: Mapping[Endpoint, int] = {FILLS: 100, OLD_FILLS: 500, FUTURES_FILLS: 1_000, EXECUTIONS: 200}


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """The feeds known without asking: futures need no symbol; old spot fills where the account has some."""
    del markets
    known = []
    if Product.SPOT in account.products and account.mode != UNIFIED and account.details.get("has_old_fills"):
        known.append(OLD)
    if wants_futures(account):
        known.append(FUTURES)
    return tuple(known)


def wants_futures(account: Account) -> bool:
    """Whether contracts are read at all: linear and inverse ones come together."""
    return Product.LINEAR in account.products or Product.INVERSE in account.products


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    return FUTURES if product in {Product.LINEAR, Product.INVERSE} else Feed(Product.SPOT, market_id)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest readable moment. How long unified accounts keep theirs is not documented: as futures do."""
    if feed == OLD:
        return _FIRST_OLD_MS
    is_short = feed.product is not Product.LINEAR and account.mode != UNIFIED
    return now_ms - (_SPOT_REACH_MS if is_short else _FUTURES_REACH_MS) + _EDGE_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most 7 days."""
    del memory
    # What the old list serves does not fall out of reach.
    headroom_ms = 0 if feed == OLD else DAY_MS
    return Slice(next_window(gap, _LONGEST_MS, reach(feed, account, now_ms), headroom_ms=headroom_ms))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. Both ends are always given: alone, each of them means another stretch than one would think."""
    endpoint = _endpoint(feed, account)
    params: dict[str, Any] = {"startAt": slice_.window.since, "endAt": slice_.window.until}
    if endpoint is FILLS:
        params |= {"symbol": feed.market_id, "limit": _PAGE_SIZES[endpoint]}
    elif endpoint is EXECUTIONS:
        params |= {"accountMode": UNIFIED, "pageSize": _PAGE_SIZES[endpoint]}
        params |= {"tradeType": "FUTURES"} if feed == FUTURES else {"tradeType": "SPOT", "symbol": feed.market_id}
    else:
        params |= {"pageSize": _PAGE_SIZES[endpoint], "currentPage": 1}
    return Request(endpoint, params | (cursor or {}))


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """One page, read. The window is proven by its last page only: rows of one instant may stand on two pages."""
    data = answer.data.get("data") if isinstance(answer.data, Mapping) else None
    items = data.get("items") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(items, list):
        raise ContractBroken("The exchange answers a question for fills without a list of them.")
    endpoint = _endpoint(feed, account)
    if endpoint in {FILLS, EXECUTIONS}:
        following = _after_last_id(data, items, cursor, _PAGE_SIZES[endpoint])
    else:
        following = _after_page(data, items, cursor)
    heard = read_rest(answer.data, markets, None)
    return Page(
        trades=heard.trades,
        unreadable=heard.unreadable,
        next=following,
        proven=slice_.window if following is None else None,
    )


def _endpoint(feed: Feed, account: Account) -> Endpoint:
    if account.mode == UNIFIED:
        return EXECUTIONS
    if feed == OLD:
        return OLD_FILLS
    return FUTURES_FILLS if feed == FUTURES else FILLS


def _after_last_id(data: Mapping[str, Any], items: list[Any], cursor: Any, page_size: int) -> Any:
    """`lastId` leads to strictly older rows; no rows are the end, few rows are not."""
    if not items:
        return None
    last_id = data.get("lastId")
    if last_id is None and len(items) < page_size:
        return None
    return {"lastId": older_id(last_id, cursor["lastId"] if cursor else None)}


def _after_page(data: Mapping[str, Any], items: list[Any], cursor: Any) -> Any:
    """Pages have numbers, and the answer tells how many there are now."""
    page, pages = data.get("currentPage"), data.get("totalPage")
    if isinstance(page, bool) or not isinstance(page, int) or isinstance(pages, bool) or not isinstance(pages, int):
        raise ContractBroken("The exchange gives a page of fills without its number.")
    if page != (cursor["currentPage"] if cursor else 1):
        raise PageStuck
    if page >= pages:
        return None
    if not items:
        raise ContractBroken("The exchange gives an empty page of fills before the last one.")
    return {"currentPage": page + 1}
