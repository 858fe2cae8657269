"""REST: history windows and pages, keys, wallets, limits, hosts, and what each refusal means."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    BadInput,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PageStuck,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Endpoint, Feed, PoolUse, Request, Slice

BYBIT = load("bybit")
HISTORY = BYBIT.history
NOW = 1_795_190_500_000
DAY = 86_400_000
SPOT, LINEAR, INVERSE = Feed(Product.SPOT), Feed(Product.LINEAR), Feed(Product.INVERSE)
MARKETS = Markets([Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT")])
CALL = next(endpoint for endpoint in BYBIT.endpoints if endpoint.path == "/v5/execution/list")


def an_account(**changes: Any) -> Account:
    fields = {
        "connection_id": UUID(int=1),
        "exchange": "bybit",
        "products": (Product.SPOT, Product.LINEAR),
        "mode": "uta2",
        **changes,
    }
    return Account(**fields)


def a_row(execution: str, moment: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": "9",
        "orderLinkId": "",
        "side": "Buy",
        "leavesQty": "0",
        "execFee": "0.0001",
        "feeCurrency": "BTC",
        "execId": execution,
        "execPrice": "64000",
        "execQty": "0.1",
        "execType": "Trade",
        "execValue": "6400",
        "execTime": str(moment),
        "isMaker": False,
        "feeRate": "0.001",
    }


def a_page(*rows: dict[str, Any], cursor: str = "", category: str = "spot") -> dict[str, Any]:
    result = {"nextPageCursor": cursor, "category": category, "list": list(rows)}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW}


def converse(steps: Any, answers: Callable[[Request], Any]) -> tuple[Any, list[Request]]:
    """Drives a conversation: what `answers` returns is sent, an error it returns is thrown in."""
    asked: list[Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            answer = answers(request)
            if isinstance(answer, TradeSyncError):
                request = steps.throw(answer)
            else:
                request = steps.send(Answer({"retCode": 0, "result": answer, "time": NOW}))
    except StopIteration as end:
        return end.value, asked


# History


def test_each_product_is_one_feed_without_any_symbol():
    assert HISTORY.feeds(an_account(), MARKETS) == (SPOT, LINEAR)
    assert HISTORY.feeds(an_account(products=(Product.INVERSE,)), MARKETS) == (INVERSE,)
    assert HISTORY.feed_of(Product.LINEAR, "BTCUSDT") == LINEAR
    assert HISTORY.discover is None


def test_an_account_with_an_older_history_has_a_feed_for_it_too():
    feeds = HISTORY.feeds(an_account(details={"has_old_history": True}), MARKETS)
    assert [feed.key for feed in feeds] == ["spot", "linear", "spot::pre-upgrade", "linear::pre-upgrade"]
    assert [Feed.of(feed.key) for feed in feeds] == list(feeds)
    old = HISTORY.ask(feeds[2], Slice(Window(NOW - DAY, NOW)), None, an_account())
    assert old.endpoint.path == "/v5/pre-upgrade/execution/list"
    assert old.params["category"] == "spot"


def test_the_reach_is_two_years_less_some_minutes():
    margin = HISTORY.reach(SPOT, an_account(), NOW) - (NOW - 730 * DAY)
    assert 60_000 <= margin <= 3_600_000


def test_a_slice_is_the_newest_week_of_a_gap_and_weeks_meet_without_hole_or_overlap():
    gap = Window(NOW - 30 * DAY, NOW)
    read = Coverage()
    for _ in range(5):
        (left,) = read.gaps(gap)
        slice_ = HISTORY.slice(SPOT, left, {}, an_account(), NOW)
        assert slice_.window.until == left.until
        assert slice_.window.until - slice_.window.since <= 7 * DAY
        read = read.add(slice_.window)
    assert read.covers(gap)


def test_a_slice_never_begins_out_of_reach():
    gap = Window(NOW - 731 * DAY, NOW - 729 * DAY)
    slice_ = HISTORY.slice(SPOT, gap, {}, an_account(), NOW)
    assert slice_.window == Window(HISTORY.reach(SPOT, an_account(), NOW), NOW - 729 * DAY)


def test_a_request_names_a_closed_window_of_at_most_seven_days():
    slice_ = HISTORY.slice(LINEAR, Window(NOW - 30 * DAY, NOW), {}, an_account(), NOW)
    request = HISTORY.ask(LINEAR, slice_, None, an_account())
    assert request.endpoint == CALL
    assert request.params == {
        "category": "linear",
        "startTime": NOW - 7 * DAY,
        "endTime": NOW - 1,
        "limit": 100,
    }


def test_the_cursor_goes_back_as_it_came_and_only_an_empty_one_is_the_end():
    slice_ = Slice(Window(NOW - DAY, NOW))
    first = HISTORY.read(
        SPOT, slice_, None, Answer(a_page(a_row("1", NOW - 5), cursor="132766%3A2%2C1")), an_account(), MARKETS
    )
    assert (first.next, first.proven) == ("132766%3A2%2C1", None)
    assert HISTORY.ask(SPOT, slice_, first.next, an_account()).params["cursor"] == "132766%3A2%2C1"
    empty = HISTORY.read(SPOT, slice_, first.next, Answer(a_page(cursor="x")), an_account(), MARKETS)
    assert (empty.next, empty.proven) == ("x", None)
    last = HISTORY.read(SPOT, slice_, "x", Answer(a_page(a_row("2", NOW - 9))), an_account(), MARKETS)
    assert (last.next, last.proven) == (None, slice_.window)
    assert [trade.exchange_trade_id for trade in (*first.trades, *last.trades)] == ["1", "2"]
    assert not last.is_saturated


def test_rows_of_one_instant_are_put_in_the_order_they_happened():
    rows = [{**a_row(name, NOW - 5), "leavesQty": rest} for name, rest in (("b", "0"), ("a", "0.3"))]
    page = HISTORY.read(SPOT, Slice(Window(NOW - DAY, NOW)), None, Answer(a_page(*rows)), an_account(), MARKETS)
    assert [trade.exchange_trade_id for trade in page.trades] == ["a", "b"]


def test_a_row_that_cannot_be_read_costs_no_other():
    rows = [a_row("1", NOW - 5), {**a_row("2", NOW - 4), "side": "Both"}, 7]
    page = HISTORY.read(SPOT, Slice(Window(NOW - DAY, NOW)), None, Answer(a_page(*rows)), an_account(), MARKETS)
    assert [trade.exchange_trade_id for trade in page.trades] == ["1"]
    assert [row.raw if row.raw == 7 else row.raw["execId"] for row in page.unreadable] == ["2", 7]
    assert page.proven == Window(NOW - DAY, NOW)


def test_a_page_that_does_not_move_on_is_noticed():
    with pytest.raises(PageStuck):
        HISTORY.read(SPOT, Slice(Window(1, NOW)), "same", Answer(a_page(cursor="same")), an_account(), MARKETS)


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"result": None},
        {"result": {"list": []}},
        {"result": {"list": None, "nextPageCursor": ""}},
        {"result": {"list": [], "nextPageCursor": None}},
        a_page(category="linear"),
    ],
)
def test_an_answer_that_is_no_page_of_this_feed_proves_nothing(data):
    with pytest.raises(ContractBroken):
        HISTORY.read(SPOT, Slice(Window(1, NOW)), None, Answer(data), an_account(), MARKETS)


# Keys

KEY = {
    "id": "13770661",
    "note": "read",
    "readOnly": 1,
    "permissions": {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": [], "NFT": None},
    "ips": ["*"],
    "type": 1,
    "deadlineDay": 83,
    "expiredAt": "2027-02-15T03:21:05Z",
    "createdAt": "2026-11-16T02:24:40Z",
    "unified": 0,
    "uta": 1,
    "userID": 24600000,
}


def check(key: Any, status: Any = 5, old: Any = None, **account: Any) -> tuple[Any, list[Request]]:
    def answers(request: Request) -> Any:
        if request.endpoint.path == "/v5/user/query-api":
            return key
        if request.endpoint.path == "/v5/account/info":
            return {"unifiedMarginStatus": status} if isinstance(status, int) else status
        return {"list": [], "nextPageCursor": ""} if old is None else old

    return converse(BYBIT.check_key(an_account(**account)), answers)


def test_a_read_only_key_has_no_powers_whatever_areas_it_names():
    report, asked = check({**KEY, "permissions": {"Wallet": ["Withdraw"], "Spot": ["SpotTrade"]}})
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert (report.uid, report.mode) == ("24600000", "uta2")
    assert report.permissions == ("Wallet:Withdraw", "Spot:SpotTrade")
    assert report.addresses == ()
    assert report.expires_ms == 1_802_661_665_000
    assert "83 days" in report.remarks[0]
    assert [request.endpoint.path for request in asked][:2] == ["/v5/user/query-api", "/v5/account/info"]


@pytest.mark.parametrize(
    ("permissions", "trade", "withdraw"),
    [
        ({"Wallet": ["Withdraw"]}, Verdict.NO, Verdict.YES),
        ({"Wallet": ["AccountTransfer"]}, Verdict.YES, Verdict.NO),
        ({"Spot": ["SpotTrade"]}, Verdict.YES, Verdict.NO),
        ({"ContractTrade": ["Order"], "Wallet": ["AccountTransfer", "Withdraw"]}, Verdict.YES, Verdict.YES),
        ({"Something": ["New"]}, Verdict.YES, Verdict.NO),
        ({"Exchange": ["ExchangeHistory"]}, Verdict.NO, Verdict.NO),
        ({}, Verdict.NO, Verdict.NO),
        (None, Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_a_key_that_is_not_read_only_has_the_powers_it_names(permissions, trade, withdraw):
    report, _ = check({**KEY, "readOnly": 0, "permissions": permissions})
    assert (report.can_trade, report.can_withdraw) == (trade, withdraw)


def test_what_only_shows_is_no_power():
    permissions = {"Exchange": ["ExchangeHistory"], "Affiliate": ["Affiliate"]}
    report, _ = check({**KEY, "readOnly": 0, "permissions": permissions})
    assert (report.can_trade, report.can_withdraw) == (Verdict.NO, Verdict.NO)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2027-02-15T03:21:05Z", 1_802_661_665_000),
        ("2027-02-15T11:21:05+08:00", 1_802_661_665_000),
        ("2027-02-15T03:21:05", 1_802_661_665_000),
        ("2001-06-01T00:00:00Z", 991_353_600_000),
        ("1970-01-01T00:00:00Z", None),
    ],
)
def test_an_expiry_is_a_moment_of_utc(written, moment):
    assert check({**KEY, "expiredAt": written})[0].expires_ms == moment


@pytest.mark.parametrize(("days", "is_told"), [(1, True), (0, False), (-2, False)])
def test_a_key_that_lives_a_day_more_says_so(days, is_told):
    remarks = check({**KEY, "deadlineDay": days})[0].remarks
    assert any(f"expires in {days} days" in remark for remark in remarks) is is_told


def test_a_key_that_does_not_say_whether_it_only_reads_is_unknown():
    report, _ = check({**KEY, "readOnly": None})
    assert (report.can_trade, report.can_withdraw) == (Verdict.UNKNOWN, Verdict.UNKNOWN)


def test_a_bound_key_shows_its_addresses_and_does_not_expire():
    report, _ = check({**KEY, "ips": ["1.2.3.4", "5.6.7.8"], "deadlineDay": -2, "expiredAt": "1970-01-01T00:00:00Z"})
    assert (report.addresses, report.expires_ms, report.remarks) == (("1.2.3.4", "5.6.7.8"), None, ())


@pytest.mark.parametrize("moment", ["", None, "soon", 5])
def test_an_expiry_that_is_not_told_is_none(moment):
    assert check({**KEY, "expiredAt": moment})[0].expires_ms is None


@pytest.mark.parametrize(("status", "mode"), [(1, "classic"), (3, "uta1"), (4, "uta1"), (5, "uta2"), (6, "uta2")])
def test_the_account_says_of_which_generation_it_is(status, mode):
    assert check(KEY, status)[0].mode == mode


def test_an_unknown_generation_is_not_guessed():
    with pytest.raises(ContractBroken, match="17"):
        check(KEY, 17)


@pytest.mark.parametrize(("uta", "mode"), [(0, "classic"), (1, "uta2")])
def test_where_the_account_may_not_be_asked_the_key_tells_the_generation(uta, mode):
    assert check({**KEY, "uta": uta}, PermissionMissing())[0].mode == mode


def test_a_key_that_may_not_ask_about_itself_is_unknown_and_still_usable():
    report, _ = check(PermissionMissing())
    assert {report.can_read, report.can_trade, report.can_withdraw} == {Verdict.UNKNOWN}
    assert (report.mode, report.uid) == ("uta2", None)
    assert report.remarks
    assert report.details == {"has_old_history": True}


def test_demo_trading_cannot_ask_about_a_key():
    assert check(ContractBroken(), region="demo")[0].can_trade is Verdict.UNKNOWN
    with pytest.raises(ContractBroken):
        check(ContractBroken())


def test_a_dead_key_is_not_hidden():
    with pytest.raises(KeyRejected):
        check(KeyRejected())


@pytest.mark.parametrize(
    ("old", "details"),
    [
        (None, {"has_old_history": True}),
        (ContractBroken(), {"has_old_history": False}),
        (ExchangeUnavailable(), {}),
    ],
)
def test_whether_an_older_history_can_be_read_is_asked(old, details):
    report, asked = check(KEY, 5, old)
    assert report.details == details
    assert asked[-1].endpoint.path == "/v5/pre-upgrade/execution/list"
    assert asked[-1].params == {"category": "spot", "limit": 1}


def test_a_classic_account_has_all_its_history_in_one_list():
    report, asked = check(KEY, 1)
    assert report.details == {"has_old_history": False}
    assert len(asked) == 2
    assert any("180 days" in remark for remark in report.remarks)


# Wallets

WALLET = {
    "list": [
        {
            "accountType": "UNIFIED",
            "coin": [
                {
                    "coin": "BTC",
                    "walletBalance": "1.5",
                    "equity": "9",
                    "locked": "0.1",
                    "totalOrderIM": "0.2",
                    "totalPositionIM": "0.3",
                    "availableToWithdraw": "",
                    "unrealisedPnl": "7.5",
                },
                {"coin": "USDT", "walletBalance": "-3.25", "locked": "", "equity": "1"},
            ],
        }
    ]
}
FUND = {
    "memberId": "1",
    "accountType": "FUND",
    "balance": [{"coin": "USDT", "transferBalance": "1000", "walletBalance": "1010.5", "bonus": ""}],
}


def wallets(fund: Any = FUND, **account: Any) -> tuple[Any, list[Request]]:
    def answers(request: Request) -> Any:
        if request.params["accountType"] == "FUND":
            return fund
        kind = request.params["accountType"]
        return {"list": [{**WALLET["list"][0], "accountType": kind}]}

    return converse(BYBIT.balances(an_account(**account)), answers)


def test_trading_and_funding_wallets_are_read():
    found, asked = wallets()
    assert found.balances == (
        Balance(account_type="UNIFIED", asset="BTC", total=Decimal("1.5"), used=Decimal("0.6")),
        Balance(account_type="UNIFIED", asset="USDT", total=Decimal("-3.25")),
        Balance(
            account_type="FUND",
            asset="USDT",
            total=Decimal("1010.5"),
            free=Decimal(1000),
            used=Decimal("10.5"),
        ),
    )
    assert found.missing == {}
    assert [request.endpoint.path for request in asked] == [
        "/v5/account/wallet-balance",
        "/v5/asset/transfer/query-account-coins-balance",
    ]


def test_a_funding_wallet_that_the_key_may_not_see_is_missing_and_the_key_lives():
    found, _ = wallets(PermissionMissing())
    assert {balance.account_type for balance in found.balances} == {"UNIFIED"}
    assert list(found.missing) == ["FUND"]


def test_another_wallet_in_the_answer_is_not_counted():
    def answers(request: Request) -> Any:
        if request.params["accountType"] == "FUND":
            return {**FUND, "balance": []}
        return {"list": [{**WALLET["list"][0], "accountType": "SPOT"}, WALLET["list"][0]]}

    found, _ = converse(BYBIT.balances(an_account()), answers)
    assert [balance.asset for balance in found.balances] == ["BTC", "USDT"]


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [
        ("classic", ["SPOT", "CONTRACT", "FUND"]),
        ("uta1", ["UNIFIED", "CONTRACT", "FUND"]),
        ("uta2", ["UNIFIED", "FUND"]),
        ("", ["UNIFIED", "FUND"]),
    ],
)
def test_each_generation_has_its_own_wallets(mode, kinds):
    found, asked = wallets(mode=mode)
    assert [request.params["accountType"] for request in asked] == kinds
    assert sorted({balance.account_type for balance in found.balances}) == sorted(kinds)


def test_the_second_reader_finds_the_same_totals():
    client = ccxt.bybit()
    client.number = str
    theirs = client.parse_balance({"retCode": 0, "result": WALLET, "time": NOW})
    found, _ = wallets()
    for balance in found.balances[:2]:
        assert Decimal(theirs[balance.asset]["total"]) == balance.total


# Refusals


def error(code: int, message: str = "", headers: Mapping[str, str] | None = None, status: int = 200) -> Any:
    body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": NOW}
    return BYBIT.error_of(status, headers or {}, body, CALL, NOW)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10000, ExchangeUnavailable),
        (10001, ContractBroken),
        (10002, ClockWrong),
        (10003, KeyRejected),
        (10004, KeyRejected),
        (10005, PermissionMissing),
        (10006, RateLimited),
        (10007, KeyRejected),
        (10008, UserActionNeeded),
        (10010, AddressNotAllowed),
        (10016, ExchangeUnavailable),
        (10017, ContractBroken),
        (10018, RateLimited),
        (10024, RegionNotAllowed),
        (10027, UserActionNeeded),
        (10028, AccountModeChanged),
        (10029, MarketGone),
        (10429, RateLimited),
        (33004, KeyRejected),
        (987654, ContractBroken),
        (429, RateLimited),
        (403, RateLimited),
        ("10003", KeyRejected),
    ],
)
def test_each_code_says_what_to_do(code, kind):
    assert type(error(code, "words")) is kind
    assert type(error(code, "words", status=400)) is kind


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (100028, "The API cannot be accessed by unified account users.", AccountModeChanged),
        (170121, "Invalid symbol.", MarketGone),
        (3400214, "Server error, please try again later", ExchangeUnavailable),
        (170005, "Too many new orders; rate limit exceeded", RateLimited),
        (170999, "something else", ContractBroken),
    ],
)
def test_a_code_that_is_not_listed_is_known_by_its_words(code, message, kind):
    assert type(error(code, message)) is kind


def test_a_code_that_says_nothing_from_a_failing_server_is_its_failure():
    assert type(error(987654, "strange", status=502)) is ExchangeUnavailable


def test_a_good_answer_is_no_error():
    assert error(0) is None
    assert error("0") is None


def test_words_of_the_exchange_are_kept_where_they_help():
    assert "cursor" in error(10001, "cursor is invalid").sentence
    assert "987654" in error(987654, "strange").sentence
    assert "whitelist" in error(10010).sentence
    assert "expired" in error(33004).sentence
    assert "region" in error(10003).sentence


def test_too_many_visits_pause_the_account_until_the_exchange_says():
    found = error(10006, headers={"x-bapi-limit-reset-timestamp": str(NOW + 4_321)})
    assert (found.until_ms, found.scope, found.ban) == (NOW + 4_321, "account", False)
    assert error(10006).until_ms > NOW
    assert error(10006, headers={"x-bapi-limit-reset-timestamp": str(NOW - 9)}).until_ms > NOW


def test_too_many_calls_of_an_address_stop_everything_for_ten_minutes():
    page = BYBIT.error_of(403, {}, "access too frequent", CALL, NOW)
    for found in (page, error(10018), error(10009, "IP has been banned")):
        assert isinstance(found, RateLimited)
        assert (found.scope, found.ban, found.until_ms) == ("address", True, NOW + 600_000)


@pytest.mark.parametrize(
    "body",
    [
        "The Amazon CloudFront distribution is configured to block access from your country.",
        b"<html>blocked in your country</html>",
        {"retMsg": "service restricted in your region"},
        {"retCode": 10024, "retMsg": "compliance rules triggered"},
        {"retCode": 10009, "retMsg": "your region is not supported"},
    ],
)
def test_a_blocked_country_is_told_from_a_limit_by_the_words(body):
    assert type(BYBIT.error_of(403, {}, body, CALL, NOW)) is RegionNotAllowed


@pytest.mark.parametrize("body", ["", None, "<html>Forbidden</html>", {"retMsg": "too frequent in this region"}])
def test_a_403_that_does_not_explain_itself_is_a_limit(body):
    assert isinstance(BYBIT.error_of(403, {}, body, CALL, NOW), RateLimited)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "<html>maintenance</html>", ExchangeUnavailable),
        (200, b"", ExchangeUnavailable),
        (200, '{"retCode":0,"res', ExchangeUnavailable),
        (502, "<html>bad gateway</html>", ExchangeUnavailable),
        (500, None, ExchangeUnavailable),
        (503, {"message": "x"}, ExchangeUnavailable),
        (429, "slow down", RateLimited),
        (401, "", KeyRejected),
        (404, "", ContractBroken),
        (200, {}, ContractBroken),
        (200, [], ContractBroken),
        (200, None, ContractBroken),
        (200, {"retCode": "ok"}, ContractBroken),
    ],
)
def test_an_answer_that_is_no_envelope_is_judged_by_its_status(status, body, kind):
    assert type(BYBIT.error_of(status, {}, body, CALL, NOW)) is kind


# Limits, hosts, clock, credentials


def test_the_headers_tell_what_is_left_of_a_quota():
    headers = {
        "x-bapi-limit": "50",
        "x-bapi-limit-status": "47",
        "x-bapi-limit-reset-timestamp": str(NOW + 900),
        "timenow": str(NOW),
    }
    assert BYBIT.pool_use(headers, CALL) == (PoolUse(pool="execution", remaining=47.0, capacity=50.0, reset_ms=900),)
    sizeless = {"x-bapi-limit": "0", "x-bapi-limit-status": "47"}
    assert BYBIT.pool_use(sizeless, CALL) == (PoolUse(pool="execution", remaining=10.0),)
    assert BYBIT.pool_use({"x-bapi-limit-status": "2"}, CALL) == (PoolUse(pool="execution", remaining=2.0),)
    alone = {"x-bapi-limit-status": "2", "x-bapi-limit-reset-timestamp": str(NOW)}
    assert BYBIT.pool_use(alone, CALL)[0].reset_ms is None
    assert BYBIT.pool_use({"x-bapi-limit-status": "2", "timenow": str(NOW)}, CALL)[0].reset_ms is None
    assert BYBIT.pool_use({}, CALL) == ()
    assert BYBIT.pool_use({"x-bapi-limit-status": "many"}, CALL) == ()
    assert BYBIT.pool_use(headers, BYBIT.clock) == ()


def test_every_call_reads_and_draws_on_known_pools():
    pools = {pool.name: pool for pool in BYBIT.pools}
    for endpoint in BYBIT.endpoints:
        assert endpoint.method == "GET"
        drawn = [pools[name] for name in (endpoint.pool, *endpoint.also)]
        assert "address" in {pool.scope for pool in drawn}
        assert endpoint.signed == ("account" in {pool.scope for pool in drawn})
    assert (pools["address"].capacity, pools["address"].per_ms) == (600, 5_000)


def client(region: str) -> Any:
    return ccxt.bybit({"apiKey": "k", "secret": "s", **BYBIT.ccxt_config(an_account(region=region))})


def address(region: str, endpoint: Endpoint) -> str:
    api = "private" if endpoint.signed else "public"
    url: str = client(region).sign(endpoint.path.removeprefix("/"), [api], "GET", {"a": 1})["url"]
    return url


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("global", "api.bybit.com"),
        ("bytick", "api.bytick.com"),
        ("eu", "api.bybit.eu"),
        ("nl", "api.bybit.nl"),
        ("ge", "api.bybitgeorgia.ge"),
        ("jp", "api.manepa.jp"),
        ("testnet", "api-testnet.bybit.com"),
        ("demo", "api-demo.bybit.com"),
    ],
)
def test_each_region_has_its_own_host(region, host):
    assert region in BYBIT.regions
    assert address(region, CALL).startswith(f"https://{host}/v5/execution/list?")


def test_the_transport_loads_only_our_markets_and_asks_nothing_by_itself():
    assert BYBIT.ccxt_config(None)["hostname"] == "bybit.com"
    options = client("global").options
    assert options["fetchMarkets"]["types"] == ["spot", "linear", "inverse"]
    assert options["fetchCurrencies"] is False
    assert (options["enableUnifiedMargin"], options["enableUnifiedAccount"]) == (False, True)


def test_demo_trading_takes_markets_and_time_from_the_real_exchange():
    assert address("demo", BYBIT.clock).startswith("https://api.bybit.com/v5/market/time")
    assert address("testnet", BYBIT.clock).startswith("https://api-testnet.bybit.com/v5/market/time")


def test_every_endpoint_is_a_method_of_the_transport_and_its_path():
    transport = client("global")
    for endpoint in BYBIT.endpoints:
        assert callable(getattr(transport, endpoint.name))


def test_the_cursor_is_signed_exactly_as_it_is_sent():
    cursor = "132766%3A2%2C132766%3A2"
    signed = client("global").sign("v5/execution/list", ["private"], "GET", {"category": "spot", "cursor": cursor})
    assert signed["url"].endswith(f"?category=spot&cursor={cursor}")


def test_the_clock_is_read():
    assert BYBIT.read_clock({"retCode": 0, "result": {"timeSecond": "1795190500"}, "time": NOW}) == NOW
    for data in (None, {}, {"time": "x"}, {"time": True}):
        with pytest.raises(ContractBroken):
            BYBIT.read_clock(data)


def test_a_gap_that_is_out_of_reach_altogether_is_still_a_window():
    gap = Window(NOW - 740 * DAY, NOW - 735 * DAY)
    assert HISTORY.slice(SPOT, gap, {}, an_account(), NOW).window == Window(gap.until - 1, gap.until)


def test_what_history_does_not_tell_nobody_will():
    page = HISTORY.read(
        SPOT,
        Slice(Window(NOW - DAY, NOW)),
        None,
        Answer(a_page({**a_row("1", NOW - 5), "execFee": ""})),
        an_account(),
        MARKETS,
    )
    assert [trade.provisional for trade in page.trades] == [False]
    assert page.trades[0].raw["category"] == "spot"


def test_pasted_credentials_are_cleaned_or_refused():
    assert BYBIT.repair({"api_key": " abc\n", "secret": '"def"'}) == {"api_key": "abc", "secret": "def"}
    for pasted in ({"api_key": "abc"}, {"secret": "x"}, {"api_key": "a b", "secret": "x"}):
        with pytest.raises(BadInput):
            BYBIT.repair(pasted)
