"""Binance's past: by trade id, symbol by symbol.

Trade ids of a symbol rise with time, so `fromId` walks forward without windows, ties or clock skew. What a
feed remembers are marks, pairs of (moment, id) seen on the way: a stretch is read from the last mark before it,
or from the very beginning. A short young stretch is asked for by time instead: one page that is not full proves
it. Futures have no beginning to walk from (only three months are served), so there the first trade is looked for
in windows of seven days.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import PageStuck, TradeSyncError, Transient, UnreadableRow, UserActionNeeded
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges.binance.endpoints import (
    FUTURES_ACCOUNT,
    FUTURES_TRADES,
    INCOME,
    SPOT_ACCOUNT,
    SPOT_OPEN_ORDERS,
    SPOT_ORDER_LISTS,
    SPOT_TRADES,
    TIME,
)
from shared.exchanges.binance.rows import trade_from_row
from shared.exchanges.kit.contract import Answer, Feed, Found, History, Page, Request, Slice, Steps
from shared.exchanges.kit.fields import Row, optional_text, row_of, rows_of, whole
from shared.exchanges.kit.reading import read_each

PAGE = 1_000
DAY = 86_400_000
_FIRST_TRADE_MS = 1_498_867_200_000  # 1 July 2017: Binance opened two weeks later
_WEEK = 7 * DAY
_MONTH = 30 * DAY
# "The last 3 months": ninety days, a little less so that a request made a moment later is still inside.
_FUTURES_REACH = 90 * DAY - 300_000
# Two trades whose ids and times stand in different orders are at most this far apart.
_SLACK = 60_000
_NEAR = 600_000
_INCOME_PAGES = 20


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    """None is known without asking: every market is a feed of its own."""
    del account, markets
    return ()


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to."""
    return Feed(product, market_id)


def reach(feed: Feed, account: Account, now_ms: int) -> int:
    """Spot is served from the beginning, futures for three months."""
    del account
    return now_ms - _FUTURES_REACH if feed.product is Product.LINEAR else _FIRST_TRADE_MS


def slice_(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    """By id from a mark shortly before the gap; by time where the gap is short and young; else by id from afar.

    Old windows of time are not trusted on spot: there are reports of empty ones where ids find trades.
    """
    is_spot = feed.product is Product.SPOT
    marks = _marks(memory)
    before = max((mark for mark in marks if mark[0] < gap.since - _SLACK), default=None)
    span = gap.until - gap.since
    is_near = before is not None and gap.since - before[0] <= max(_NEAR, span)
    is_short = span <= DAY and gap.since > now_ms - _MONTH if is_spot else span <= _WEEK
    if is_short and not is_near:
        return Slice(gap, {"from": None, "marks": marks})
    if before is not None:
        return Slice(gap, {"from": before[1], "marks": marks})
    if is_spot:
        return Slice(gap, {"from": 0, "marks": marks})
    since = min(max(gap.since, reach(feed, account, now_ms)), gap.until - 1)
    return Slice(Window(since, min(gap.until, since + _WEEK)), {"from": None, "marks": marks})


def ask(feed: Feed, part: Slice, cursor: Any, account: Account) -> Request:
    """The next page of a slice."""
    del account
    endpoint = SPOT_TRADES if feed.product is Product.SPOT else FUTURES_TRADES
    params: dict[str, Any] = {"symbol": feed.market_id, "limit": PAGE}
    if cursor["from"] is None:
        # endTime is inclusive (docs, Account Trade List), our windows are half-open.
        params |= {"startTime": part.window.since, "endTime": part.window.until - 1}
    else:
        params["fromId"] = cursor["from"]
    return Request(endpoint, params)


def read(feed: Feed, part: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    """The page's trades, and what it proves: everything up to its last row, or the whole slice at the end.

    The end is a page that is not full, or a row beyond the window: ids rise with time.
    """
    del account
    rows = rows_of(answer.data, "the page")
    trades, unreadable = read_each(rows, lambda row: trade_from_row(row, markets, feed.product))
    seen = sorted(mark for mark in map(_mark, rows) if mark is not None)
    marks = _thinned([*cursor["marks"], *seen[:1], *seen[-1:]])
    memory = {"marks": marks}
    if len(rows) < PAGE:
        return Page(trades=trades, unreadable=unreadable, proven=part.window, memory=memory)
    if cursor["from"] is None:
        # A full window: which of its trades are missing is not documented, so it is read in halves.
        return Page(trades=trades, unreadable=unreadable, memory=memory, is_saturated=True)
    if not seen:
        raise PageStuck("A full page of trades holds no id to go on from.")
    first, last = min(number for _, number in seen), max(number for _, number in seen)
    if first < cursor["from"]:
        raise PageStuck(f"A page from id {cursor['from']} on holds the older id {first}.")
    newest = max(moment for moment, _ in seen)
    if newest >= part.window.until + _SLACK:
        return Page(trades=trades, unreadable=unreadable, proven=part.window, memory=memory)
    until = min(newest - _SLACK, part.window.until)
    proven = Window(part.window.since, until) if until > part.window.since else None
    return Page(
        trades=trades,
        unreadable=unreadable,
        next={"from": last + 1, "marks": marks},
        proven=proven,
        memory=memory,
    )


def _marks(memory: Mapping[str, Any]) -> list[list[int]]:
    return [[int(moment), int(number)] for moment, number in memory.get("marks", ())]


def _mark(raw: Any) -> tuple[int, int] | None:
    try:
        row = row_of(raw, "the row")
        return whole(row, "time"), whole(row, "id")
    except UnreadableRow:
        return None


def _thinned(marks: list[Any]) -> list[list[int]]:
    """Few marks, closer together the younger they are: a stretch is read again from near its beginning."""
    kept: list[list[int]] = []
    ordered = sorted((int(moment), int(number)) for moment, number in marks)
    for moment, number in ordered:
        age = ordered[-1][0] - moment
        if not kept or moment - kept[-1][0] > age // 4:
            kept.append([moment, number])
    return kept


def discover(account: Account, markets: Markets) -> Steps[Found]:
    """Symbols of the held coins, of open orders and order lists, of futures commissions; the rest is swept."""
    found: set[Feed] = set()
    if Product.SPOT in account.products:
        found |= yield from _spot_symbols(markets)
    if Product.LINEAR in account.products:
        found |= yield from _futures_symbols()
    everything = {
        Feed(market.product, market.id) for market in markets.all if market.product in set(account.products) & _OURS
    }
    known = found & everything
    return Found(tuple(sorted(known, key=_by_key)), tuple(sorted(everything - known, key=_by_key)))


_OURS = {Product.SPOT, Product.LINEAR}


def _by_key(feed: Feed) -> str:
    return feed.key


def _spot_symbols(markets: Markets) -> Steps[set[Feed]]:
    body = yield Request(SPOT_ACCOUNT, {"omitZeroBalances": "true"})
    held = {
        asset
        for row in rows_of(row_of(body.data, "the account").get("balances"), "the balances")
        if (asset := optional_text(row_of(row, "the asset"), "asset"))
    }
    # Simple-Earn positions: LDBTC is BTC.
    held |= {asset[2:] for asset in held if asset.startswith("LD") and len(asset) > 3}
    spot = markets.of(Product.SPOT)
    symbols = {market.id for market in spot if market.base in held}
    for endpoint in (SPOT_OPEN_ORDERS, SPOT_ORDER_LISTS):
        for row in (yield from _rows(Request(endpoint))):
            symbols.add(str(row.get("symbol")))
    return {Feed(Product.SPOT, symbol) for symbol in symbols}


def _futures_symbols() -> Steps[set[Feed]]:
    """Nearly every fill pays commission, and the income list tells its symbol: three months in few pages."""
    symbols = set()
    account = (yield Request(FUTURES_ACCOUNT)).data
    positions = account.get("positions") if isinstance(account, Mapping) else None
    for row in positions if isinstance(positions, list) else ():
        if isinstance(row, Mapping):
            symbols.add(str(row.get("symbol")))
    now_ms = whole(row_of((yield Request(TIME)).data, "the time"), "serverTime")
    since, pages = now_ms - _FUTURES_REACH, 0
    while since < now_ms and pages < _INCOME_PAGES:
        until = min(since + _MONTH, now_ms)
        rows = yield from _rows(
            Request(INCOME, {"incomeType": "COMMISSION", "startTime": since, "endTime": until, "limit": PAGE})
        )
        pages += 1
        symbols |= {str(row.get("symbol")) for row in rows}
        times = [row["time"] for row in rows if isinstance(row.get("time"), int)]
        is_full = len(rows) >= PAGE and times
        since = max(*times, since + 1) if is_full else until
    return {Feed(Product.LINEAR, symbol) for symbol in symbols}


def _rows(request: Request) -> Steps[list[Row]]:
    """A list that helps but is not needed: refused or unreadable, it holds nothing."""
    try:
        body = (yield request).data
    except (Transient, UserActionNeeded):
        raise
    except TradeSyncError:
        return []
    return [row for row in body if isinstance(row, Mapping)] if isinstance(body, list) else []


HISTORY = History(
    feeds=feeds,
    feed_of=feed_of,
    reach=reach,
    slice=slice_,
    ask=ask,
    read=read,
    discover=discover,
    settle_lag_ms=10_000,
    recheck_ms=DAY,
    smallest_ms=1_000,
)
