"""History: the fills of one market by descending trade id, and which markets have any.

`after` of the page's headers leads to older fills, and only an empty page is the end; a page that reaches beyond the
window is enough. Whether dates are taken to the day or to the moment is not documented, so windows are asked for
with a day to spare on both sides. Docs, Pagination and Get all fills, read 2026-11.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.coinbaseexchange.rest import ACCOUNTS, FILLS, LEDGER
from shared.exchanges.coinbaseexchange.rows import coin, feed_of, read_fills
from shared.exchanges.kit.contract import Answer, Feed, Found, History, Page, Request, Slice, Steps
from shared.exchanges.kit.fields import decimal, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, after_token

_FIRST_MS = 1_420_070_400_000  # 2015-01-01: the exchange opened in that month
PAGE = 1_000
_LEDGER_DAYS = 3
# Ledgers only hint at markets: of an account so busy that these do not hold its days, the other markets are swept.
_MOST_LEDGER_PAGES = 20


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """None are known without asking."""
    del account, markets
    return ()


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """The earliest moment (epoch ms) that may hold a trade: no limit of history is documented."""
    del feed, account, now_ms
    return _FIRST_MS


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """The whole gap: a market that never traded costs one empty page."""
    del feed, memory, account, now_ms
    return Slice(Window(min(max(gap.since, _FIRST_MS), gap.until - 1), gap.until))


def ask(feed: Feed, slice_: Slice, cursor: Any, account: Account) -> Request:
    """One page of one market: the exchange answers nothing about all of them."""
    del account
    params = {"product_id": feed.market_id, "limit": PAGE, **_dates(slice_.window)}
    return Request(FILLS, params | ({"after": cursor} if cursor else {}))


def _dates(window: Window) -> dict[str, str]:
    return {"start_date": written(window.since - DAY_MS), "end_date": written(window.until + DAY_MS)}


def written(moment: int) -> str:
    """RFC 3339 in seconds."""
    return f"{datetime.fromtimestamp(moment // 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def read(feed: Feed, slice_: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and the cursor of older ones.

    Raises `PageStuck` when the cursor does not move on, `ContractBroken` when the answer is not a page of fills.
    """
    del feed, account
    if not isinstance(answer.data, list):
        raise ContractBroken("A page of history is not a list of fills.")
    trades, unreadable = read_fills(answer.data, markets)
    # By the oldest row alone: ids rise, but times fall where the exchange's clock was put back.
    is_end = not answer.data or (trades != () and trades[-1].timestamp_ms < slice_.window.since)
    return Page(
        trades=trades,
        unreadable=unreadable,
        next=None if is_end else older(answer, cursor),
        proven=slice_.window if is_end else None,
    )


def older(answer: Answer, cursor: Any) -> str:
    """The cursor of older rows. Raises `ContractBroken` where there is none, `PageStuck` where it stands still."""
    following = after_token(answer.headers.get("cb-after"), cursor)
    if following is None:
        raise ContractBroken("The exchange gives a page of rows without a cursor to older ones.")
    return following


# ── Discovery ─────────────────────────────────────────────────────────────────────────────────────────


def discover(account: Account, markets: Markets) -> Steps[Found]:
    """The markets of held coins and of the last days' ledgers; all others as a sweep.

    Every match moves the account of its market's quote: their ledgers name all markets.
    """
    if Product.SPOT not in account.products:
        return Found()
    answer = yield Request(ACCOUNTS)
    rows = [row_of(row, "the account") for row in rows_of(answer.data, "the list of accounts")]
    held = {coin(text(row, "currency")) for row in rows if decimal(row, "balance")}
    quotes = {market.quote for market in markets.of(Product.SPOT)}
    days = Window(answer.received_ms - _LEDGER_DAYS * DAY_MS, answer.received_ms)
    traded: set[str] = set()
    for row in rows:
        if coin(text(row, "currency")) in quotes:
            traded |= yield from _traded_in_ledger(text(row, "id"), days)
    likely = traded | {market.id for market in markets.of(Product.SPOT) if market.base in held}
    every = {market.id for market in markets.of(Product.SPOT)}
    return Found(feeds=_feeds(likely), sweep=_feeds(every - likely))


def _feeds(market_ids: set[str]) -> tuple[Feed, ...]:
    return tuple(feed_of(Product.SPOT, market_id) for market_id in sorted(market_ids))


def _traded_in_ledger(account_id: str, days: Window) -> Steps[set[str]]:
    """The markets in one account's ledger. Without dates it would tell the last day only."""
    traded: set[str] = set()
    cursor = None
    for _ in range(_MOST_LEDGER_PAGES):
        params = {"id": account_id, "limit": PAGE, **_dates(days)}
        answer = yield Request(LEDGER, params | ({"after": cursor} if cursor else {}))
        rows = rows_of(answer.data, "the ledger")
        if not rows:
            break
        traded |= set(_products_in(rows))
        cursor = older(answer, cursor)
    return traded


def _products_in(rows: Sequence[Any]) -> Sequence[str]:
    details = [row.get("details") for row in rows if isinstance(row, Mapping)]
    return [str(each["product_id"]) for each in details if isinstance(each, Mapping) and each.get("product_id")]


HISTORY = History(
    feeds=feeds,
    feed_of=feed_of,
    reach=reach,
    slice=slice_of,
    ask=ask,
    read=read,
    discover=discover,
)
