"""History: every fill of the portfolio by time, newest first, without a market being asked for.

The cursor is opaque, and only an empty one is the end: pages in the middle may be empty or half full. How far back it
reads is not documented. Windows of a month, so that a reading that broke off begins a month again and not all of it.

The exchange cuts windows by a time of its own ledger, a millisecond or more beside the trade's (the documents' own
example is a minute off), so every window is asked for a little wider than what it proves.
Docs, List Fills, read 2026-11.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.coinbase.rest import FILLS
from shared.exchanges.coinbase.rows import read_fills
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.paging import DAY_MS, after_token, next_window

FEED = Feed(Product.SPOT)
_WINDOW_MS = 30 * DAY_MS
_FIRST_MS = 1_420_070_400_000  # 2015-01-01: the exchange opened in that month
_ASIDE_MS = 90_000
_PAGE = 250  # more is cut without a word


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed for the whole portfolio."""
    del markets
    return (FEED,) if Product.SPOT in account.products else ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    del product, market_id
    return FEED


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that may hold a trade: no limit of history is documented."""
    del feed, account, now_ms
    return _FIRST_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """At most a month."""
    del feed, memory, account, now_ms
    return Slice(next_window(gap, _WINDOW_MS, _FIRST_MS, headroom_ms=0))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. Markets are never named: the exchange passes over the parameter that ccxt writes them in."""
    del feed, account
    params: dict[str, Any] = {
        "start_sequence_timestamp": _written(slice_.window.since - _ASIDE_MS),
        "end_sequence_timestamp": _written(slice_.window.until + _ASIDE_MS),
        "limit": _PAGE,
    }
    if cursor:
        params["cursor"] = cursor
    return Request(FILLS, params)


def _written(moment: int) -> str:
    """RFC 3339 in milliseconds."""
    seconds, millis = divmod(moment, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03}Z"


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and the next cursor. Only an empty cursor proves the window.

    Raises `PageStuck` when the cursor does not move on, `ContractBroken` when the answer is not a page of fills.
    """
    del feed, account
    body = answer.data if isinstance(answer.data, Mapping) else {}
    fills = body.get("fills")
    if not isinstance(fills, list) or body.get("cursor") is None:
        raise ContractBroken("A page of history is not a list of fills with a cursor.")
    following = after_token(body["cursor"], cursor)
    trades, unreadable = read_fills(fills, markets)
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=following,
        proven=slice_.window if following is None else None,
    )


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read)
