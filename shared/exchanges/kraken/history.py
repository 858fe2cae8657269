"""History: all trades of the account by time, back to its beginning, fifty a page, newest first.

Pages are counted from the newest row of the window, so a row that turns up late shifts all behind it, and one may slip
through between two pages. So windows are closed before they are read and kept small; every page tells how many rows
its window has: when that changes the window is read again, and it is proven when so many different rows were seen.
Docs, Get Trades History, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.paging import next_window
from shared.exchanges.kraken.rest import TRADES
from shared.exchanges.kraken.rows import filed, read_rows

SPOT = Feed(Product.SPOT)
_OPENED_MS = 1_309_478_400_000  # 1 July 2011: the exchange was founded; accounts are read to their opening
_MOST_ROWS = 500  # of a window: more are split, so that pages stay near the newest row
_SMALLEST_MS = 1_000  # times are asked for in seconds
_MOST_TRIES = 5


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed: no pair is asked for."""
    del markets
    return (SPOT,) if {Product.SPOT, Product.MARGIN} & set(account.products) else ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    del product, market_id
    return SPOT


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The account's beginning, or the moment that the key's owner has limited it to."""
    del feed, now_ms
    limit = account.details.get("query_from_ms")
    return max(limit, _OPENED_MS) if isinstance(limit, int) else _OPENED_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """All of it: what holds too many rows is halved."""
    del memory
    return Slice(next_window(gap, gap.until - gap.since, reach(feed, account, now_ms)))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. The start is left out of what the exchange answers and the end is in it, to the second."""
    del feed, account
    return Request(
        TRADES,
        {
            "start": slice_.window.since // 1_000 - 1,
            "end": -(-slice_.window.until // 1_000),
            "ofs": cursor["offset"] if cursor else 0,
        },
    )


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and where to go on. The cursor keeps what was seen of the window since its first page.

    Where no count is told, only an empty page is the end. Raises `ContractBroken` for an answer that is no page, and
    for a window that does not come to rest.
    """
    del feed, account
    result = answer.data.get("result") if isinstance(answer.data, Mapping) else None
    filed_trades = result.get("trades") if isinstance(result, Mapping) else None
    count = result.get("count") if isinstance(result, Mapping) else None
    if not isinstance(filed_trades, Mapping) or isinstance(count, bool) or not isinstance(count, int | None):
        raise ContractBroken("A page of history is not a list of trades with their count.")
    trades, unreadable = read_rows(filed(filed_trades), markets)
    window = slice_.window
    if (count or 0) > _MOST_ROWS and window.until - window.since > _SMALLEST_MS:
        return Page(trades=trades, unreadable=unreadable, is_saturated=True)
    following = _following(cursor, count, list(filed_trades))
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=following,
        proven=window if following is None else None,
    )


def _following(cursor: Any, count: int | None, txids: list[str]) -> Mapping[str, Any] | None:
    """None when as many different rows were seen as the window has. Else the next page, or the first one again."""
    before = cursor or {"offset": 0, "count": count, "seen": [], "tries": 1}
    known = set(before["seen"])
    seen = [*before["seen"], *(txid for txid in txids if txid not in known)]
    is_calm = count == before["count"]
    is_end = not txids if count is None else len(seen) == count
    if is_calm and is_end:
        return None
    offset = before["offset"] + len(txids)
    if is_calm and txids and (count is None or offset < count):
        return {**before, "offset": offset, "seen": seen}
    if before["tries"] == _MOST_TRIES:
        raise ContractBroken("A window of history does not come to rest: its count of trades changes all the time.")
    return {"offset": 0, "count": count, "seen": [], "tries": before["tries"] + 1}


HISTORY = History(
    feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read, smallest_ms=_SMALLEST_MS
)
