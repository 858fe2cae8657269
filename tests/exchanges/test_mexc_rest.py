"""REST: errors and what they ask of the caller, keys and wallets, without any network."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    KeyTooPowerful,
    MarketGone,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.keys import guard
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, OwnKey, Request

MEXC = load("mexc")
NOW = 1_795_190_400_000
DAY = 86_400_000
ENDPOINT = {endpoint.name: endpoint for endpoint in MEXC.endpoints}
TRADES, DEALS = ENDPOINT["spotPrivateGetMyTrades"], ENDPOINT["contractPrivateGetOrderListOrderDeals"]
ACCOUNT = Account(connection_id=UUID(int=7), exchange="mexc", products=MEXC.products)
READS = (
    "SPOT_ACCOUNT_READ,SPOT_DEAL_READ,SPOT_WITHDRAW_READ,SPOT_TRANSFER_READ,CONTRACT_ACCOUNT_READ,CONTRACT_DEAL_READ"
)


def a_run(steps: Any, answer: Callable[[Request], Any]) -> tuple[Any, list[Request]]:
    """Drives a conversation: `answer` gives the data of each request, or the error that it meets."""
    asked: list[Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            data = answer(request)
            if isinstance(data, TradeSyncError):
                request = steps.throw(data)
            else:
                request = steps.send(Answer(data, received_ms=NOW))
    except StopIteration as end:
        return end.value, asked


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_endpoint_is_a_call_that_ccxt_knows_by_this_name_and_path():
    client = ccxt.mexc({"apiKey": "K", "secret": "S"})
    asked: list[str] = []
    client.fetch = lambda url, *_, **__: asked.append(url)
    client.throttle = lambda *_: None
    for endpoint in MEXC.endpoints:
        getattr(client, endpoint.name)({})
        assert f"https://api.mexc.com{endpoint.path}" == asked[-1].partition("?")[0]


def test_ccxt_asks_for_no_coins():
    assert ccxt.mexc(dict(MEXC.ccxt_config(None))).has["fetchCurrencies"] is False


def test_the_clock_is_read_or_missed():
    assert MEXC.read_clock({"serverTime": NOW}) == NOW
    for nonsense in ({}, [], {"serverTime": True}, {"serverTime": "1"}):
        with pytest.raises(ContractBroken):
            MEXC.read_clock(nonsense)


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (700001, KeyRejected),
        (700002, KeyRejected),
        (700003, ClockWrong),
        (700004, ContractBroken),
        (700005, ContractBroken),
        (700006, AddressNotAllowed),
        (700007, PermissionMissing),
        (10072, KeyRejected),
        (10001, KeyRejected),
        (10007, MarketGone),
        (11444, ExchangeUnavailable),
        (140002, PermissionMissing),
        (402, KeyRejected),
        (60005, UserActionNeeded),
        (-1121, MarketGone),
        (30020, MarketGone),
        (730000, ExchangeUnavailable),
        (730002, ContractBroken),
        (500, ExchangeUnavailable),
        (503, ExchangeUnavailable),
        (99999, ContractBroken),
    ],
)
def test_spots_codes_are_our_errors(code, kind):
    error = MEXC.error_of(400, {}, {"code": code, "msg": "so it is"}, TRADES, NOW)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (401, KeyRejected),
        (402, KeyRejected),
        (406, AddressNotAllowed),
        (500, ExchangeUnavailable),
        (501, ExchangeUnavailable),
        (511, PermissionMissing),
        (513, ClockWrong),
        (602, KeyRejected),
        (701, PermissionMissing),
        (702, PermissionMissing),
        (703, PermissionMissing),
        (704, PermissionMissing),
        (801, ExchangeUnavailable),
        (1000, PermissionMissing),
        (1001, MarketGone),
        (1002, ContractBroken),
        (6003, ContractBroken),
        (600, ContractBroken),
    ],
)
def test_contracts_codes_are_our_errors_though_the_status_is_good(code, kind):
    error = MEXC.error_of(200, {}, {"success": False, "code": code, "message": "so it is"}, DEALS, NOW)
    assert type(error) is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, "<html>Access Denied</html>", ExchangeUnavailable),
        (403, "<html>not available in your country</html>", RegionNotAllowed),
        (403, {"code": 403, "msg": "Access Denied"}, PermissionMissing),
        (502, "<html>Bad Gateway</html>", ExchangeUnavailable),
        (500, {"code": 12345, "msg": "?"}, ExchangeUnavailable),
        (401, "", KeyRejected),
        (403, "", ExchangeUnavailable),
        (451, "", RegionNotAllowed),
        (404, {}, ContractBroken),
        (200, {"success": False}, ContractBroken),
        (200, "", ExchangeUnavailable),
    ],
)
def test_what_is_not_said_in_codes_is_an_error_too(status, body, kind):
    assert type(MEXC.error_of(status, {}, body, TRADES, NOW)) is kind


@pytest.mark.parametrize("body", [[], {"balances": []}, {"success": True, "code": 0, "data": []}, {"code": 200}])
def test_a_good_answer_is_none(body):
    assert MEXC.error_of(200, {}, body, TRADES, NOW) is None


@pytest.mark.parametrize(
    ("status", "headers", "body", "until", "ban"),
    [
        (429, {"retry-after": "7"}, {"code": 429}, NOW + 7_000, False),
        (429, {}, "", NOW + 2_000, False),
        (418, {"retry-after": "300"}, {}, NOW + 300_000, True),
        (418, {}, "<html>", NOW + 120_000, True),
        (200, {}, {"success": False, "code": 510, "message": "too frequent"}, NOW + 2_000, False),
    ],
)
def test_asking_too_often_means_a_pause_of_the_whole_address(status, headers, body, until, ban):
    error = MEXC.error_of(status, headers, body, TRADES, NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.ban, error.scope) == (until, ban, "address")


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def report_of(account: Account = ACCOUNT, **info: Any) -> Any:
    told = {"permissions": READS, "remainingValidity": 60, "ipWhiteList": "", "status": "VALID", **info}
    report, asked = a_run(MEXC.check_key(account), lambda _: told)
    assert [request.params for request in asked] == [{"accessKey": OwnKey()}]
    return report


def test_a_key_that_only_reads():
    report = report_of(permissions=READS + ",", ipWhiteList="192.0.2.1,192.0.2.2")
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert report.permissions == tuple(READS.split(","))
    assert report.addresses == ("192.0.2.1", "192.0.2.2")
    assert report.expires_ms == NOW + 60 * DAY
    assert report.products == MEXC.products
    assert report.details == {"lists_orders": True}
    assert len(report.remarks) == 1
    guard(report, trade_allowed=False)


@pytest.mark.parametrize("scope", ["SPOT_DEAL_WRITE", "CONTRACT_DEAL_W", "SPOT_TRANSFER_WRITE", "SOMETHING_NEW"])
def test_every_right_that_is_not_to_read_is_one_to_act(scope):
    report = report_of(permissions=f"{READS},{scope}")
    assert (report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO)
    with pytest.raises(KeyTooPowerful):
        guard(report, trade_allowed=False)


@pytest.mark.parametrize("scope", ["SPOT_WITHDRAW_WRITE", "SPOT_WITHDRAW_W"])
def test_a_key_that_can_withdraw_is_refused_always(scope):
    with pytest.raises(KeyTooPowerful):
        guard(report_of(permissions=f"{READS},{scope}"), trade_allowed=True)


def test_reading_about_withdrawals_is_reading():
    report = report_of(permissions=f"{READS},SPOT_DEPOSIT_R")
    assert (report.can_trade, report.can_withdraw) == (Verdict.NO, Verdict.NO)


@pytest.mark.parametrize(
    ("scopes", "products", "words"),
    [
        ("SPOT_ACCOUNT_R,SPOT_DEAL_R", (Product.SPOT,), "CONTRACT_DEAL_READ"),
        ("SPOT_ACCOUNT_R,SPOT_DEAL_R,SPOT_TRANSFER_R", (Product.SPOT,), "SPOT_WITHDRAW_READ"),
        ("CONTRACT_ACCOUNT_READ,CONTRACT_DEAL_READ", (Product.LINEAR, Product.INVERSE), "SPOT_ACCOUNT_READ"),
        ("SPOT_ACCOUNT_READ,CONTRACT_DEAL_READ", (Product.SPOT,), "SPOT_DEAL_READ"),
    ],
)
def test_a_key_that_sees_a_part_only_says_which_right_is_missing(scopes, products, words):
    report = report_of(permissions=scopes)
    assert report.can_read is Verdict.YES
    assert report.products == products
    assert any(words in remark for remark in report.remarks)


def test_a_key_that_sees_nothing_may_not_read():
    report = report_of(permissions="SPOT_DEPOSIT_READ")
    assert report.can_read is Verdict.NO
    with pytest.raises(PermissionMissing):
        guard(report, trade_allowed=False)


def test_a_key_that_ends_soon_is_remarked_on_and_a_bound_one_never_ends():
    for days, is_soon in ((0, True), (3, True), (14, True), (15, False)):
        report = report_of(remainingValidity=days)
        assert any(f"expires in {days} days" in remark for remark in report.remarks) is is_soon
        assert report.expires_ms == NOW + days * DAY
    for told in (None, -1, "x", True):
        assert report_of(remainingValidity=told).expires_ms is None


@pytest.mark.parametrize("error", [PermissionMissing(), ContractBroken()])
def test_a_key_that_may_not_ask_about_itself_is_unknown(error):
    report, _ = a_run(MEXC.check_key(ACCOUNT), lambda _: error)
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.UNKNOWN,) * 3
    assert report.products is None
    assert any("does not tell" in remark for remark in report.remarks)


@pytest.mark.parametrize(
    ("scope", "is_known"), [("SPOT_DEAL_WRITE", True), ("SPOT_DEAL_W", True), ("SPOT_DEAL_R", True), ("MAGIC", False)]
)
def test_a_right_of_no_known_form_is_told_of(scope, is_known):
    remarks = report_of(permissions=f"{READS},{scope}").remarks
    assert any(f"not known here: {scope}" in remark for remark in remarks) is not is_known


def test_a_bare_right_to_withdraw_is_one():
    report = report_of(permissions=f"{READS},SPOT_WITHDRAW")
    assert (report.can_trade, report.can_withdraw) == (Verdict.NO, Verdict.YES)


def test_no_words_about_rights_are_no_rights_denied():
    report = report_of(permissions="")
    assert (report.can_read, report.can_trade, report.products) == (Verdict.UNKNOWN, Verdict.UNKNOWN, None)


def test_a_revoked_key_is_no_unknown_one():
    with pytest.raises(KeyRejected):
        a_run(MEXC.check_key(ACCOUNT), lambda _: KeyRejected())


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

SPOT = {"balances": [{"asset": "GMT", "free": "1.5", "locked": "0.5"}, {"asset": "STEPN", "free": "3", "locked": "0"}]}
FUTURES = {
    "success": True,
    "code": 0,
    "data": [
        {
            "currency": "USDT",
            "availableBalance": Decimal("90.5"),
            "frozenBalance": 2,
            "positionMargin": Decimal("7.5"),
            "equity": Decimal("101.25"),
            "unrealized": Decimal("1.25"),
        }
    ],
}


def test_both_wallets_are_read_by_ccxts_names_and_without_profit_that_is_not_there_yet():
    wallets, _ = a_run(
        MEXC.balances(ACCOUNT), lambda request: SPOT if request.endpoint.name.endswith("GetAccount") else FUTURES
    )
    assert wallets.missing == {}
    assert wallets.balances == (
        Balance(account_type="spot", asset="GMTTOKEN", total=Decimal("2.0"), free=Decimal("1.5"), used=Decimal("0.5")),
        Balance(account_type="spot", asset="GMT", total=Decimal(3), free=Decimal(3), used=Decimal(0)),
        Balance(account_type="futures", asset="USDT", total=Decimal(100), free=Decimal("90.5"), used=Decimal("9.5")),
    )


def test_a_wallet_that_the_key_may_not_see_is_named():
    wallets, _ = a_run(
        MEXC.balances(ACCOUNT),
        lambda request: SPOT if request.endpoint.name.endswith("GetAccount") else PermissionMissing("Not this one."),
    )
    assert len(wallets.balances) == 2
    assert wallets.missing == {"futures": "Not this one."}
    wallets, _ = a_run(
        MEXC.balances(ACCOUNT),
        lambda request: FUTURES if not request.endpoint.name.endswith("GetAccount") else PermissionMissing("Nor this."),
    )
    assert wallets.missing == {"spot": "Nor this."}


def test_a_futures_wallet_that_tells_no_open_profit_is_settled():
    bare = {"success": True, "code": 0, "data": [{"currency": "USDT", "equity": 5, "cashBalance": 4}]}
    wallets, _ = a_run(
        MEXC.balances(ACCOUNT),
        lambda request: {"balances": []} if request.endpoint.name.endswith("GetAccount") else bare,
    )
    assert wallets.balances == (Balance(account_type="futures", asset="USDT", total=Decimal(5)),)
