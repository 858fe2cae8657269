"""REST: fills walked market by market, ledgers that name the markets, keys that tell nothing, words of refusals."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import ContractBroken, PageStuck, RateLimited
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Feed, Request, Slice

EXCHANGE = load("coinbaseexchange")
HISTORY = EXCHANGE.history
NOW = 1_795_190_500_000
DAY = 86_400_000
ACCOUNT = Account(connection_id=UUID(int=1), exchange="coinbaseexchange", products=(Product.SPOT,))
MARKETS = Markets(
    [
        Market("BTC-USD", "BTC/USD", "spot", "BTC", "USD"),
        Market("BTC-EUR", "BTC/EUR", "spot", "BTC", "EUR"),
        Market("ETH-USD", "ETH/USD", "spot", "ETH", "USD"),
        Market("CGLD-EUR", "CELO/EUR", "spot", "CELO", "EUR"),
        Market("SOL-USD", "SOL/USD", "spot", "SOL", "USD"),
    ]
)
FEED = Feed(Product.SPOT, "BTC-USD")
WINDOW = Slice(Window(1_795_168_800_000, 1_795_168_900_000))
ENDPOINTS = {endpoint.path: endpoint for endpoint in EXCHANGE.endpoints}


def a_fill(trade_id: int, created_at: str) -> dict[str, Any]:
    ids = {"trade_id": trade_id, "product_id": "BTC-USD", "order_id": "o-1", "created_at": created_at}
    return {**ids, "liquidity": "T", "price": "91000", "size": "0.01", "fee": "4.55", "side": "buy"}


def read(rows: Any, after: str | None = None, cursor: Any = None) -> Any:
    headers = {} if after is None else {"cb-after": after}
    return HISTORY.read(FEED, WINDOW, cursor, Answer(rows, headers), ACCOUNT, MARKETS)


INSIDE, BEFORE = a_fill(9, "2026-11-20T10:00:00.5Z"), a_fill(8, "2026-11-20T09:59:59.999Z")


# History


def test_each_market_is_a_feed_that_is_found_by_asking():
    assert HISTORY.feeds(ACCOUNT, MARKETS) == ()
    assert HISTORY.feed_of(Product.SPOT, "BTC-USD") == FEED


def test_a_gap_is_read_in_one_go_and_asked_for_with_a_day_to_spare():
    gap = Window(HISTORY.reach(FEED, ACCOUNT, NOW), NOW)
    assert HISTORY.slice(FEED, gap, {}, ACCOUNT, NOW).window == gap
    request = HISTORY.ask(FEED, WINDOW, None, ACCOUNT)
    assert request.params == {
        "product_id": "BTC-USD",
        "limit": 1_000,
        "start_date": "2026-11-19T10:00:00Z",
        "end_date": "2026-11-21T10:01:40Z",
    }
    assert HISTORY.ask(FEED, WINDOW, "9", ACCOUNT).params == {**request.params, "after": "9"}


def test_an_empty_page_is_the_end_and_a_short_one_is_not():
    page = read([INSIDE], "9")
    assert (page.next, page.proven) == ("9", None)
    page = read([], "9", "9")
    assert (page.next, page.proven) == (None, WINDOW.window)


def test_a_page_that_reaches_beyond_the_window_is_enough():
    page = read([INSIDE, BEFORE], "8")
    assert (page.next, page.proven) == (None, WINDOW.window)
    assert len(page.trades) == 2


@pytest.mark.parametrize(("rows", "after", "error"), [({}, "9", ContractBroken), ([INSIDE], None, ContractBroken)])
def test_what_is_no_page_with_a_way_on_proves_nothing(rows, after, error):
    with pytest.raises(error):
        read(rows, after)


def test_a_cursor_that_stands_still_is_no_progress():
    with pytest.raises(PageStuck):
        read([INSIDE], "9", "9")


# Discovery


def an_account(account_id: str, currency: str, balance: str = "0") -> dict[str, Any]:
    amounts = {"balance": balance, "hold": "0", "available": balance}
    return {"id": account_id, "currency": currency, "profile_id": "p-1", **amounts}


def an_entry(product_id: str | None, kind: str = "match") -> dict[str, Any]:
    return {"id": "1", "type": kind, "details": {} if product_id is None else {"product_id": product_id}}


def test_markets_are_found_by_held_coins_and_by_the_ledgers_of_what_is_paid_with():
    asked: list[Request] = []
    accounts = [an_account("a-usd", "USD", "5"), an_account("a-celo", "CGLD", "1"), an_account("a-eur", "EUR")]
    ledgers = {
        ("a-usd", None): [an_entry("BTC-USD"), an_entry(None, "transfer")],
        ("a-usd", "c-1"): [an_entry("GONE-USD"), an_entry("BTC-USD", "fee")],
    }
    steps = HISTORY.discover(ACCOUNT, MARKETS)
    request = next(steps)
    try:
        while True:
            asked.append(request)
            if request.endpoint.path == "/accounts":
                answer = Answer(accounts, received_ms=NOW)
            else:
                after = request.params.get("after")
                rows = ledgers.get((request.params["id"], after), [])
                answer = Answer(rows, {"cb-after": "c-1" if after is None else "c-2"})
            request = steps.send(answer)
    except StopIteration as end:
        found = end.value
    assert [feed.market_id for feed in found.feeds] == ["BTC-USD", "CGLD-EUR", "GONE-USD"]
    assert [feed.market_id for feed in found.sweep] == ["BTC-EUR", "ETH-USD", "SOL-USD"]
    asked_of = [request.params.get("id") for request in asked]
    assert asked_of == [None, "a-usd", "a-usd", "a-usd", "a-eur"]
    assert {"start_date", "end_date"} <= asked[1].params.keys()  # without them it tells the last day only


# Keys and wallets


def answered(steps: Any, data: Any) -> Any:
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(Answer(data))
    return end.value.value


def test_a_key_tells_its_profile_and_nothing_of_its_powers():
    report = answered(EXCHANGE.check_key(ACCOUNT), [an_account("a", "USD")])
    assert report.uid == "p-1"
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert any("does not tell" in remark for remark in report.remarks)


def test_every_account_of_the_profile_is_a_balance():
    row = {**an_account("a", "CGLD", "3"), "hold": "1", "available": "2"}
    assert answered(EXCHANGE.balances(ACCOUNT), [row]).balances == (
        Balance(account_type="spot", asset="CELO", total=Decimal(3), free=Decimal(2), used=Decimal(1)),
    )


# Errors and limits


@pytest.mark.parametrize(
    ("status", "body", "path", "code"),
    [
        (200, [], "/fills", None),
        (400, {"message": "request timestamp expired"}, "/fills", "clock_wrong"),
        (401, {"message": "invalid signature"}, "/fills", "key_rejected"),
        (401, {"message": "Invalid API Key"}, "/fills", "key_rejected"),
        (401, {"message": "Invalid Passphrase"}, "/fills", "key_rejected"),
        (401, "Unauthorized", "/fills", "key_rejected"),
        (403, {"message": "Forbidden"}, "/fills", "permission_missing"),
        (403, {"message": "IP does not match IP whitelist"}, "/fills", "address_not_allowed"),
        (403, {"message": "Not available in your jurisdiction"}, "/fills", "region_not_allowed"),
        (403, "<html>Blocked in your country</html>", "/fills", "region_not_allowed"),
        (403, "", "/fills", "exchange_unavailable"),
        (451, "", "/fills", "region_not_allowed"),
        (403, "<html>Attention Required!</html>", "/fills", "exchange_unavailable"),
        (404, {"message": "NotFound"}, "/fills", "market_gone"),
        (404, {"message": "NotFound"}, "/accounts", "contract_broken"),
        (400, {"message": "Product not found"}, "/fills", "market_gone"),
        (400, {"message": "limit is too large"}, "/fills", "contract_broken"),
        (503, {"message": "We are under maintenance"}, "/fills", "exchange_unavailable"),
    ],
)
def test_a_refusal_is_judged_by_its_words_and_then_by_its_status(status, body, path, code):
    error = EXCHANGE.error_of(status, {}, body, ENDPOINTS[path], NOW)
    assert (error and error.code) == code


@pytest.mark.parametrize(("path", "scope"), [("/fills", "account"), ("/products", "address")])
def test_too_many_requests_pause_whoever_was_counted(path, scope):
    error = EXCHANGE.error_of(429, {}, {"message": "Private rate limit exceeded"}, ENDPOINTS[path], NOW)
    assert isinstance(error, RateLimited)
    assert (error.scope, error.until_ms) == (scope, NOW + 1_000)


def test_the_clock_is_told_in_seconds_with_a_fraction():
    assert EXCHANGE.read_clock({"iso": "…", "epoch": Decimal("1795190500.123")}) == 1_795_190_500_123
    for broken in ({}, None, {"epoch": "soon"}):
        with pytest.raises(ContractBroken):
            EXCHANGE.read_clock(broken)


def test_ccxt_knows_every_call_in_both_worlds():
    sandbox = Account(connection_id=UUID(int=1), exchange="coinbaseexchange", products=(), region="sandbox")
    for account, host in ((None, "https://api.exchange.coinbase.com"), (sandbox, "https://api-public.sandbox.")):
        client = ccxt.coinbaseexchange({**EXCHANGE.ccxt_config(account)})
        assert client.sign("products")["url"].startswith(host)
        assert all(callable(getattr(client, endpoint.name)) for endpoint in EXCHANGE.endpoints)
