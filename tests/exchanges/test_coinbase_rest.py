"""REST: windows a little wider than what they prove, cursors, keys and wallets, limits, and what a refusal means."""

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

COINBASE = load("coinbase")
HISTORY = COINBASE.history
NOW = 1_795_190_500_000
DAY = 86_400_000
FEED = Feed(Product.SPOT)
ACCOUNT = Account(connection_id=UUID(int=1), exchange="coinbase", products=(Product.SPOT,))
MARKETS = Markets([Market("BTC-USD", "BTC/USD", "spot", "BTC", "USD")])
WINDOW = Slice(Window(1_795_168_800_000, 1_795_168_801_234))
ENDPOINTS = {endpoint.path.rsplit("/", 1)[-1]: endpoint for endpoint in COINBASE.endpoints}
FILL = {
    "entry_id": "e-1",
    "trade_id": "t-1",
    "order_id": "o-1",
    "trade_time": "2026-11-20T10:00:01.233999999Z",
    "trade_type": "FILL",
    "price": "91000",
    "size": "0.01",
    "commission": "1.5",
    "product_id": "BTC-USD",
    "sequence_timestamp": "2026-11-20T10:00:01.235Z",
    "liquidity_indicator": "TAKER",
    "size_in_quote": False,
    "side": "BUY",
}


def read(data: Any, cursor: Any = None) -> Any:
    return HISTORY.read(FEED, WINDOW, cursor, Answer(data), ACCOUNT, MARKETS)


def converse(steps: Any, *answers: Any) -> tuple[Any, list[Request]]:
    """Drives a conversation with these answers."""
    asked = [next(steps)]
    for answer in answers:
        try:
            request = steps.send(Answer(answer))
        except StopIteration as end:
            return end.value, asked
        asked.append(request)
    raise AssertionError(f"it wants more: {asked[-1]}")


# History


def test_the_whole_portfolio_is_one_feed_without_any_market():
    assert HISTORY.feeds(ACCOUNT, MARKETS) == (FEED,)
    assert HISTORY.feed_of(Product.SPOT, "BTC-USD") == FEED
    assert HISTORY.discover is None


def test_a_window_is_asked_for_wider_than_it_proves_as_the_ledger_is_later_than_the_trade():
    request = HISTORY.ask(FEED, WINDOW, None, ACCOUNT)
    assert request.params == {
        "start_sequence_timestamp": "2026-11-20T09:58:30.000Z",
        "end_sequence_timestamp": "2026-11-20T10:01:31.234Z",
        "limit": 250,
    }
    page = read({"fills": [FILL], "cursor": ""})
    assert page.proven == WINDOW.window
    assert page.proven.holds(page.trades[0].timestamp_ms)
    assert FILL["sequence_timestamp"] > "2026-11-20T10:00:01.234Z"


def test_a_long_gap_is_read_by_the_month_newest_first():
    slice_ = HISTORY.slice(FEED, Window(NOW - 100 * DAY, NOW), {}, ACCOUNT, NOW)
    assert slice_.window == Window(NOW - 30 * DAY, NOW)
    oldest = HISTORY.reach(FEED, ACCOUNT, NOW)
    assert HISTORY.slice(FEED, Window(oldest, NOW), {}, ACCOUNT, NOW).window.until == NOW


@pytest.mark.parametrize("fills", [[], [FILL], [FILL] * 250])
def test_only_an_empty_cursor_is_the_end_however_full_a_page_is(fills):
    page = read({"fills": fills, "cursor": "c-2"}, "c-1")
    assert (page.next, page.proven) == ("c-2", None)
    assert HISTORY.ask(FEED, WINDOW, page.next, ACCOUNT).params["cursor"] == "c-2"
    page = read({"fills": fills, "cursor": ""}, "c-2")
    assert (page.next, page.proven) == (None, WINDOW.window)


def test_a_cursor_that_stands_still_is_no_progress():
    with pytest.raises(PageStuck):
        read({"fills": [], "cursor": "c-1"}, "c-1")


@pytest.mark.parametrize("data", [{}, [], {"fills": []}, {"cursor": ""}, {"fills": {}, "cursor": ""}])
def test_what_is_no_page_proves_nothing(data):
    with pytest.raises(ContractBroken):
        read(data)


# Keys and wallets


@pytest.mark.parametrize(
    ("told", "report"),
    [
        ({"can_view": True, "can_trade": False, "can_transfer": False}, ("yes", "no", "no")),
        ({"can_view": True, "can_trade": True, "can_transfer": True}, ("yes", "yes", "yes")),
        ({"can_view": False, "can_trade": True}, ("no", "yes", "unknown")),
        ({}, ("unknown", "unknown", "unknown")),
    ],
)
def test_a_key_tells_its_powers_and_its_portfolio(told, report):
    found, asked = converse(COINBASE.check_key(ACCOUNT), {**told, "portfolio_uuid": "p-1", "portfolio_type": "DEFAULT"})
    assert (found.can_read, found.can_trade, found.can_withdraw) == tuple(Verdict(word) for word in report)
    assert found.uid == "p-1"
    assert found.permissions == tuple(word for word in ("view", "trade", "transfer") if told.get(f"can_{word}"))
    assert any("portfolio" in remark for remark in found.remarks)
    assert [request.endpoint.path for request in asked] == ["/api/v3/brokerage/key_permissions"]


def an_account(currency: str, free: str, held: str, kind: str = "ACCOUNT_TYPE_CRYPTO") -> dict[str, Any]:
    amounts = {"available_balance": {"value": free}, "hold": {"value": held}}
    return {"uuid": "a", "currency": currency, "type": kind, **amounts}


def test_wallets_are_read_to_the_last_page_and_none_is_dropped():
    first = {"accounts": [an_account("BTC", "1.23", "1.23"), an_account("CGLD", "5", "0")], "has_next": True}
    last = {
        "accounts": [
            an_account("USD", "10", "0", "ACCOUNT_TYPE_FIAT"),
            an_account("BTC", "0.5", "0"),
            an_account("BTC", "2", "0", "ACCOUNT_TYPE_VAULT"),
        ],
        "has_next": False,
        "cursor": "",
    }
    wallets, asked = converse(COINBASE.balances(ACCOUNT), {**first, "cursor": "c-1"}, last)
    assert [request.params for request in asked] == [{"limit": 250}, {"limit": 250, "cursor": "c-1"}]
    assert wallets.missing == {}
    assert set(wallets.balances) == {
        Balance(account_type=wallet, asset=asset, total=Decimal(total), free=Decimal(free), used=Decimal(used))
        for wallet, asset, total, free, used in (
            ("spot", "BTC", "2.96", "1.73", "1.23"),
            ("spot", "CELO", "5", "5", "0"),
            ("spot", "USD", "10", "10", "0"),
            ("vault", "BTC", "2", "2", "0"),
        )
    }


def test_an_amount_that_an_account_leaves_out_is_none_of_it():
    bare = {"uuid": "a", "currency": "ETH", "type": "ACCOUNT_TYPE_CRYPTO", "available_balance": {"value": "3"}}
    wallets, _ = converse(COINBASE.balances(ACCOUNT), {"accounts": [bare], "has_next": False, "cursor": ""})
    (balance,) = wallets.balances
    assert (balance.total, balance.free, balance.used) == (Decimal(3), Decimal(3), Decimal(0))


@pytest.mark.parametrize(("cursor", "error"), [("", ContractBroken), ("c-1", PageStuck)])
def test_more_wallets_without_a_way_to_them_are_not_all_wallets(cursor, error):
    steps = COINBASE.balances(ACCOUNT)
    next(steps)
    steps.send(Answer({"accounts": [], "has_next": True, "cursor": "c-1"}))
    with pytest.raises(error):
        steps.send(Answer({"accounts": [], "has_next": True, "cursor": cursor}))


# Errors and limits


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, {"fills": [], "cursor": ""}, None),
        (401, "Unauthorized", "key_rejected"),
        (401, {"error": "UNAUTHENTICATED"}, "key_rejected"),
        (403, {"error": "PERMISSION_DENIED", "message": "Missing required scopes"}, "permission_missing"),
        (403, "Forbidden", "address_not_allowed"),
        (403, b"IP address is not allowed", "address_not_allowed"),
        (403, {"error": "PERMISSION_DENIED", "message": "IP address not in the allowlist"}, "address_not_allowed"),
        (403, {"error": "PERMISSION_DENIED", "message": "not offered in your region"}, "region_not_allowed"),
        (403, "This service is not available in your country", "region_not_allowed"),
        (403, "error code: 1009", "region_not_allowed"),
        (403, "error code: 1020", "exchange_unavailable"),
        (403, "", "exchange_unavailable"),
        (451, "", "region_not_allowed"),
        (403, "<html><title>Attention Required!</title></html>", "exchange_unavailable"),
        (400, {"error": "INVALID_ARGUMENT", "message": "bad cursor"}, "contract_broken"),
        (404, {"error": "NOT_FOUND", "message": "no route"}, "contract_broken"),
        (404, "404 page not found", "contract_broken"),
        (500, {"error": "INTERNAL"}, "exchange_unavailable"),
    ],
)
def test_a_refusal_is_judged_by_its_status_first(status, body, code):
    error = COINBASE.error_of(status, {}, body, ENDPOINTS["fills"], NOW)
    assert (error and error.code) == code


@pytest.mark.parametrize(
    ("date", "code"),
    [
        ("Fri, 20 Nov 2026 16:01:40 GMT", "key_rejected"),
        ("Fri, 20 Nov 2026 16:04:00 GMT", "clock_wrong"),
        ("Fri, 20 Nov 2026 15:59:00 GMT", "clock_wrong"),
        ("soon", "key_rejected"),
    ],
)
def test_a_token_of_the_wrong_time_is_told_from_a_wrong_key_by_the_date_of_the_answer(date, code):
    error = COINBASE.error_of(401, {"date": date}, "Unauthorized", ENDPOINTS["fills"], NOW)
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize(
    "body",
    [{"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}, {"error": "TOO_MANY_REQUESTS"}],
)
@pytest.mark.parametrize(("path", "scope"), [("fills", "account"), ("products", "address")])
def test_both_forms_of_too_many_requests_are_a_pause(body, path, scope):
    error = COINBASE.error_of(429, {}, body, ENDPOINTS[path], NOW)
    assert isinstance(error, RateLimited)
    assert (error.scope, error.until_ms, error.ban) == (scope, NOW + 1_000, False)


def test_what_is_left_of_the_limit_is_believed_up_to_its_documented_size():
    for told, remaining in (("7", 7), ("10000", 30)):
        (use,) = COINBASE.pool_use({"x-ratelimit-remaining": told}, ENDPOINTS["fills"])
        assert (use.pool, use.remaining) == ("private", remaining)
    assert COINBASE.pool_use({}, ENDPOINTS["fills"]) == ()


def test_the_clock_is_told_in_milliseconds():
    assert COINBASE.read_clock({"iso": "…", "epochSeconds": "1709005034", "epochMillis": "1709005034333"}) == (
        1_709_005_034_333
    )
    for broken in ({}, None, {"epochMillis": "soon"}):
        with pytest.raises(ContractBroken):
            COINBASE.read_clock(broken)


def test_ccxt_knows_every_call_and_loads_no_currencies():
    client = ccxt.coinbase({**COINBASE.ccxt_config(None)})
    assert client.has["fetchCurrencies"] is False
    for endpoint in COINBASE.endpoints:
        assert callable(getattr(client, endpoint.name))
