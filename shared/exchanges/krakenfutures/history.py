"""History: every execution of all contracts by time, back to the account's beginning.

Oldest first, so that each page proves what lies before its last row. A missing continuation token is the only end.
Docs, Get Execution Events, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer, Feed, History, Page, Request, Slice
from shared.exchanges.kit.fields import millis, row_of
from shared.exchanges.kit.paging import DAY_MS, after_token, next_window
from shared.exchanges.krakenfutures.rest import EXECUTIONS
from shared.exchanges.krakenfutures.rows import read_rest

FUTURES = Feed(Product.LINEAR)  # inverse contracts come in the same list
_OPENED_MS = 1_420_070_400_000  # 1 January 2015: the exchange, then under another name, opened
_WINDOW_MS = 365 * DAY_MS
_PAGE = 500
_TOKENS = ("continuationToken", "ContinuationToken", "continuation_token")
_TOKEN_HEADER = "next-continuation-token"  # noqa: S105 — the name of a cursor


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """One feed: no contract is asked for."""
    del markets
    return (FUTURES,) if {Product.LINEAR, Product.INVERSE} & set(account.products) else ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    del product, market_id
    return FUTURES


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The exchange's beginning."""
    del feed, account, now_ms
    return _OPENED_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """A year at most. Nothing falls out of reach."""
    del memory
    return Slice(next_window(gap, _WINDOW_MS, reach(feed, account, now_ms), headroom_ms=0))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page. The exchange includes the beginning of a window and leaves out its end, as we do."""
    del feed, account
    params: dict[str, Any] = {
        "since": slice_.window.since,
        "before": slice_.window.until,
        "sort": "asc",
        "count": _PAGE,
    }
    if cursor:
        params["continuation_token"] = cursor
    return Request(EXECUTIONS, params)


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades and the next token.

    Raises `PageStuck` when the token does not move on, `ContractBroken` for an answer that is no page.
    """
    del feed, account
    data, window = answer.data, slice_.window
    rows = data.get("elements") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(rows, list):
        raise ContractBroken("A page of history is not a list of executions.")
    told = (*(data.get(name) for name in _TOKENS), answer.headers.get(_TOKEN_HEADER))
    following = after_token(next((token for token in told if token), None), cursor)
    heard = read_rest(data, markets, None)
    return Page(
        trades=heard.trades,
        unreadable=heard.unreadable,
        next=following,
        proven=window if following is None else _before_last(window, rows),
    )


def _before_last(window: Window, rows: list[Any]) -> Window | None:
    """What lies before the last row: others of its moment may stand on the next page."""
    try:
        last_ms = millis(row_of(rows[-1], "the last row"), "timestamp") if rows else window.since
    except UnreadableRow:
        return None
    return Window(window.since, last_ms) if window.since < last_ms <= window.until else None


HISTORY = History(feeds=feeds, feed_of=feed_of, reach=reach, slice=slice_of, ask=ask, read=read)
