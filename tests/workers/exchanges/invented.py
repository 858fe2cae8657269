"""An invented exchange, to try what real ones do rarely: windows that hold too much, pages that do not move on.

| Market | How its history is read |
|---|---|
| PAGES | pages of five by cursor, inside windows of a day |
| TIMES | five rows at most for a window, and no way to page on |
| STUCK | a cursor that leads back to itself |
| GONE | refused as unknown |
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, MarketGone
from shared.domain.markets import Markets
from shared.domain.trades import Product, Side, Trade
from shared.domain.windows import Window
from shared.exchanges.kit.contract import (
    Answer,
    CredentialField,
    Endpoint,
    Exchange,
    Feed,
    Heard,
    History,
    Movement,
    Page,
    Request,
    Slice,
    Steps,
    Wallets,
)
from shared.exchanges.kit.reading import read_each

DAY = 86_400_000
PAGE = 5
REACH = 30 * DAY
TRADES = Endpoint(name="trades", method="GET", path="trades", pool="all", weight=1)
KEY = Endpoint(name="key", method="GET", path="key", pool="all", weight=1)


def feeds(account: Account, markets: Markets) -> tuple[Feed, ...]:
    del markets
    return tuple(Feed(Product.SPOT, name) for name in account.details.get("markets", ["PAGES", "TIMES"]))


def slice_of(feed: Feed, gap: Window, memory: Mapping[str, Any], account: Account, now_ms: int) -> Slice:
    del memory, account, now_ms, feed
    return Slice(Window(max(gap.since, gap.until - DAY), gap.until))


def ask(feed: Feed, part: Slice, cursor: Any, account: Account) -> Request:
    del account
    return Request(
        TRADES,
        {"market": feed.market_id, "since": part.window.since, "until": part.window.until, "after": cursor or 0},
    )


def read(feed: Feed, part: Slice, cursor: Any, answer: Answer, account: Account, markets: Markets) -> Page:
    del account, markets, cursor
    if answer.data == "gone":
        raise MarketGone
    if answer.data == "mode":
        raise AccountModeChanged
    trades, unreadable = read_each(answer.data["rows"], trade_of)
    if feed.market_id == "TIMES" and len(answer.data["rows"]) == PAGE:
        return Page(trades=trades, unreadable=unreadable, is_saturated=True)
    following = answer.data["next"]
    return Page(trades=trades, unreadable=unreadable, next=following, proven=None if following else part.window)


def trade_of(row: Mapping[str, Any]) -> Trade:
    return Trade(
        symbol=f"{row['market']}/USDT",
        market_id=row["market"],
        product=Product.SPOT,
        exchange_trade_id=str(row["id"]),
        identity=f"spot:{row['market']}:{row['id']}",
        order_id=f"o{row['id']}",
        side=Side.BUY,
        price=Decimal(1),
        amount=Decimal(1),
        cost=Decimal(1),
        taker_or_maker=None,
        timestamp_ms=row["time"],
        raw=dict(row),
    )


def check_key(account: Account) -> Steps[KeyReport]:
    del account
    told = (yield Request(KEY)).data
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=Verdict(told.get("trade", "no")),
        can_withdraw=Verdict(told.get("withdraw", "no")),
        mode=told.get("mode", ""),
    )


def balances(account: Account) -> Steps[Wallets]:
    del account
    told = (yield Request(KEY)).data.get("wallet", {})
    return Wallets(
        balances=tuple(Balance(account_type="spot", asset=asset, total=Decimal(total)) for asset, total in told.items())
    )


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    del account, assets
    data = (yield Request(KEY)).data
    told = data.get("transfers", [])
    since = window.since - DAY if data.get("all_day") else window.since
    return tuple(
        Movement(account_type="spot", asset=asset, id=name, amount=Decimal(amount), timestamp_ms=at, kind="deposit")
        for name, asset, amount, at in told
        if since <= at < window.until
    )


EXCHANGE = Exchange(
    id="invented",
    title="Invented",
    docs_url="https://invented.example",
    credential_fields=(CredentialField(name="api_key", label="API key"),),
    repair=dict,
    products=(Product.SPOT,),
    ccxt_id="none",
    ccxt_config=lambda _: {},
    endpoints=(TRADES, KEY),
    pools=(),
    pool_use=lambda *_: (),
    error_of=lambda *_: None,
    clock=KEY,
    read_clock=int,
    check_key=check_key,
    balances=balances,
    spot_wallets=lambda _: frozenset({"spot"}),
    movements=movements,
    history=History(
        feeds=feeds,
        feed_of=Feed,
        reach=lambda _feed, _account, now_ms: now_ms - REACH,
        slice=slice_of,
        ask=ask,
        read=read,
        smallest_ms=1,
    ),
    streams=(),
    ticker_streams=(),
    decode=lambda frame: frame,
    read_stream=lambda row, *_: Heard(trades=(trade_of(row),)),
    read_rest=lambda *_: Heard(),
)
