"""REST: refusals in four envelopes, quotas in two kinds of headers, pages, keys and wallets."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, Verdict
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    RateLimited,
    RegionNotAllowed,
    UserActionNeeded,
)
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.htx.rest import (
    ACCOUNTS,
    BILLS,
    CONTRACT_WALLET,
    DETAILS,
    KEY,
    LEGACY,
    MATCHES,
    OLD_CROSS,
    OLD_ISOLATED,
    OLD_WALLET,
    ORDERS,
    POSITIONS,
    UID,
    V5,
    WALLET,
)
from shared.exchanges.kit.contract import Answer, Feed, OwnKey

HTX = load("htx")
NOW = 1_795_190_400_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SPOT = Market("btcusdt", "BTC/USDT", "spot", "BTC", "USDT")
LINEAR = Market(
    "BTC-USDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.001"), linear=True, inverse=False
)
OTHER = Market("ETH-USDT", "ETH/USDT:USDT", "swap", "ETH", "USDT", "USDT", Decimal("0.01"), linear=True, inverse=False)
MARKETS = Markets([SPOT, LINEAR, OTHER])


def an_account(mode=V5, **details):
    return Account(connection_id=UUID(int=7), exchange="htx", products=HTX.products, mode=mode, details=details)


def spot_v1(code, said=""):
    return {"status": "error", "err-code": code, "err-msg": said, "data": None}


def signature(said):
    return spot_v1("api-signature-not-valid", f"Signature not valid: {said}")


def v5(code, said=""):
    return {"code": code, "message": said, "data": None, "ts": NOW}


def old(code, said=""):
    return {"status": "error", "err_code": code, "err_msg": said, "ts": NOW}


@pytest.mark.parametrize(
    ("endpoint", "body", "kind", "words"),
    [
        (MATCHES, signature("Incorrect Access key [Access key错误]"), KeyRejected, "does not know this API key"),
        (MATCHES, signature("Verification failure [校验失败]"), KeyRejected, "secret does not belong"),
        (MATCHES, signature("Incorrect IP address [IP地址错误]:10.0.0.1"), AddressNotAllowed, "whitelist"),
        (MATCHES, signature("API key has expired [API Key已过期]"), KeyRejected, "expired"),
        (MATCHES, signature("Invalid submission time [无效的提交时间]"), ClockWrong, "clock"),
        (MATCHES, signature("API key has no permission"), PermissionMissing, "permission"),
        (MATCHES, signature("Account is locked [账户已锁定]"), UserActionNeeded, "locked"),
        (MATCHES, signature("something new"), ExchangeUnavailable, "not known here"),
        (MATCHES, spot_v1("login-required", "Login is required"), KeyRejected, "misses"),
        (MATCHES, spot_v1("invalid_start_date"), ExchangeUnavailable, "asked anew"),
        (MATCHES, spot_v1("invalid-start-date"), ExchangeUnavailable, "asked anew"),
        (MATCHES, spot_v1("invalid_interval", "the query interval"), ContractBroken, "invalid-interval"),
        (MATCHES, spot_v1("require-symbol"), MarketGone, "market named"),
        (MATCHES, spot_v1("invalid-parameter", "invalid symbol"), MarketGone, "market"),
        (MATCHES, spot_v1("gateway-internal-error"), ExchangeUnavailable, "gateway"),
        (MATCHES, spot_v1("system-maintenance"), ExchangeUnavailable, "maintenance"),
        (MATCHES, spot_v1("never-heard-of", "what"), ContractBroken, "never-heard-of"),
        (MATCHES, {"status": "error"}, ContractBroken, "unknown"),
        (MATCHES, {"data": []}, ContractBroken, "no word of success"),
        (KEY, {"code": 1002, "message": "forbidden", "data": None}, PermissionMissing, "may not"),
        (DETAILS, v5(1003, "invalid signature"), KeyRejected, "secret"),
        (DETAILS, v5(403, "Incorrect Access key"), KeyRejected, "does not know"),
        (DETAILS, v5(4007, "Unified account special interface"), AccountModeChanged, "other interface"),
        (DETAILS, v5(1066, "The symbol field cannot be empty."), ContractBroken, "1066"),
        (DETAILS, v5(1013, "This contract symbol doesnt exist."), MarketGone, "contract"),
        (DETAILS, v5(1004, "System is in maintenance!"), ExchangeUnavailable, "maintenance"),
        (OLD_CROSS, old(403, "API key has expired"), KeyRejected, "expired"),
        (OLD_CROSS, old(12001, "Invalid submission time."), ClockWrong, "clock"),
        (OLD_CROSS, old(12004, "Private key is expired."), KeyRejected, "expired"),
        (OLD_CROSS, old(12005, "Incorrect IP address."), AddressNotAllowed, "whitelist"),
        (OLD_CROSS, old(12007, "Incorrect public key."), KeyRejected, "does not know"),
        (OLD_CROSS, old(12008, "Verification failed."), KeyRejected, "secret"),
        (OLD_CROSS, old(12009, "The user is locked or doesn't exist."), UserActionNeeded, "locked"),
        (MATCHES, spot_v1("api-signature-check-failed", "API signature check failed"), ExchangeUnavailable, "just now"),
        (MATCHES, spot_v1("timeout", "timeout"), ExchangeUnavailable, "in time"),
        (MATCHES, spot_v1("forbidden", "not offered in your country"), RegionNotAllowed, "country"),
        (DETAILS, v5(1999, "The system is in maintenance."), ExchangeUnavailable, "maintenance"),
        (OLD_CROSS, old(4007, "please use V5"), AccountModeChanged, "other interface"),
    ],
)
def test_each_refusal_says_what_to_do(endpoint, body, kind, words):
    error = HTX.error_of(200, {}, body, endpoint, NOW)
    assert type(error) is kind
    assert words in error.sentence


@pytest.mark.parametrize(
    "body", [{"status": "ok", "data": []}, {"code": 200, "data": 1}, {"code": 200, "message": "Success", "data": []}]
)
def test_a_good_answer_of_any_envelope_is_no_error(body):
    assert HTX.error_of(200, {}, body, MATCHES, NOW) is None


@pytest.mark.parametrize(
    ("endpoint", "status", "headers", "body", "until"),
    [
        (MATCHES, 429, {"x-hb-ratelimit-requests-expire": str(NOW + 1_800)}, spot_v1("rate-too-many-requests"), 1_800),
        (
            MATCHES,
            200,
            {"x-hb-ratelimit-requests-expire": "1700"},
            spot_v1("invalid-parameter", "request limit"),
            1_700,
        ),
        (MATCHES, 200, {}, spot_v1("base-request-exceed-frequency-limit"), 1_000),
        (DETAILS, 429, {"recovery-time": "2500"}, v5(1032), 2_500),
        (DETAILS, 200, {}, v5(1032), 1_000),
    ],
)
def test_a_broken_limit_pauses_the_account_until_the_named_moment(endpoint, status, headers, body, until):
    error = HTX.error_of(status, headers, body, endpoint, NOW)
    assert isinstance(error, RateLimited)
    assert (error.until_ms - NOW, error.scope, error.ban) == (until, "account", False)


def test_a_forbidden_page_is_a_ban_of_the_address_or_of_its_country():
    banned = HTX.error_of(403, {}, "<html>403 Forbidden</html>", MATCHES, NOW)
    assert isinstance(banned, RateLimited)
    assert (banned.ban, banned.scope, banned.until_ms) == (True, "address", NOW + 60_000)
    assert isinstance(HTX.error_of(403, {}, b"not in your country", MATCHES, NOW), RegionNotAllowed)
    assert isinstance(HTX.error_of(451, {}, spot_v1("never-heard-of"), MATCHES, NOW), RegionNotAllowed)


def test_a_key_refused_without_a_word_is_looked_at_again():
    assert isinstance(HTX.error_of(401, {}, "", MATCHES, NOW), ExchangeUnavailable)


def test_headers_of_both_systems_tell_what_is_left():
    (spot,) = HTX.pool_use({"x-hb-ratelimit-requests-remain": "17"}, MATCHES)
    assert (spot.pool, spot.remaining, spot.capacity) == ("matches", 17, None)
    (contract,) = HTX.pool_use({"ratelimit-remaining": "140", "ratelimit-limit": "144"}, DETAILS)
    assert (contract.pool, contract.remaining, contract.capacity) == ("contracts", 140, 144)
    assert HTX.pool_use({"ratelimit-remaining": "140"}, MATCHES) == ()


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────


def spot_row(number):
    return {
        "id": number,
        "symbol": "btcusdt",
        "order-id": 1,
        "match-id": 2,
        "trade-id": number,
        "type": "buy-limit",
        "role": "maker",
        "price": "10",
        "filled-amount": "1",
        "filled-fees": "0",
        "created-at": NOW - 5,
    }


def page(feed, rows, cursor=None, account=None):
    account = account or an_account()
    slice_ = HTX.history.slice(feed, Window(NOW - HOUR_MS, NOW), {}, account, NOW)
    answer = Answer({"status": "ok", "code": 200, "data": rows})
    return HTX.history.read(feed, slice_, cursor, answer, account, MARKETS)


SPOT_FEED, LINEAR_FEED = Feed(Product.SPOT), Feed(Product.LINEAR, "BTC-USDT")


def test_a_full_page_goes_on_from_its_last_rows_own_id_and_a_short_one_proves_the_window():
    full = page(SPOT_FEED, [spot_row(9_007_199_254_740_993 - n) for n in range(500)])
    assert (full.next, full.proven, full.is_saturated) == ("9007199254740494", None, False)
    account = an_account()
    slice_ = HTX.history.slice(SPOT_FEED, Window(NOW - HOUR_MS, NOW), {}, account, NOW)
    params = HTX.history.ask(SPOT_FEED, slice_, full.next, account).params
    assert (params["from"], params["direct"], params["size"]) == ("9007199254740494", "next", 500)
    last = page(SPOT_FEED, [spot_row(9_007_199_254_740_494)], full.next)
    assert (last.next, last.proven) == (None, Window(NOW - HOUR_MS, NOW))
    assert page(SPOT_FEED, []).proven == Window(NOW - HOUR_MS, NOW)


def test_a_full_page_that_brings_nothing_new_is_halved():
    stuck = page(SPOT_FEED, [spot_row(7)] * 500, "7")
    assert (stuck.next, stuck.proven, stuck.is_saturated) == (None, None, True)
    again = page(SPOT_FEED, [*(spot_row(n) for n in range(1, 500)), spot_row(7)], "7")
    assert again.is_saturated


def test_a_row_without_an_id_and_an_answer_without_rows_are_told():
    with pytest.raises(ContractBroken):
        page(SPOT_FEED, [{}])
    with pytest.raises(ContractBroken):
        page(SPOT_FEED, None)


def test_both_bounds_are_always_given_and_stay_within_two_days():
    gap = Window(NOW - 100 * DAY_MS, NOW)
    for feed, account, names in (
        (SPOT_FEED, an_account(), ("start-time", "end-time")),
        (LINEAR_FEED, an_account(), ("start_time", "end_time")),
        (LINEAR_FEED, an_account(LEGACY), ("start_time", "end_time")),
    ):
        slice_ = HTX.history.slice(feed, gap, {}, account, NOW)
        params = HTX.history.ask(feed, slice_, None, account).params
        since, until = (params[name] for name in names)
        assert until - since <= 48 * HOUR_MS
        assert since < slice_.window.since < slice_.window.until < until
        assert since > NOW - 120 * DAY_MS


def test_history_reaches_as_far_as_the_exchange_really_shows():
    for feed, account, days in (
        (SPOT_FEED, an_account(), 120),
        (LINEAR_FEED, an_account(), 3),
        (LINEAR_FEED, an_account(LEGACY), 90),
    ):
        assert 0 < HTX.history.reach(feed, account, NOW) - (NOW - days * DAY_MS) <= HOUR_MS


def old_row(number):
    return {
        "query_id": number,
        "id": f"{number}-1-1",
        "order_id": 1,
        "contract_code": "BTC-USDT",
        "direction": "buy",
        "trade_volume": 1,
        "trade_price": 10,
        "trade_fee": 0,
        "fee_asset": "USDT",
        "create_date": NOW - 5,
        "match_id": number,
        "role": "Taker",
    }


def test_the_old_interfaces_pages_end_with_one_that_brings_nothing_new():
    account = an_account(LEGACY)
    first = page(LINEAR_FEED, [old_row(5), old_row(3)], None, account)
    assert (first.next, first.proven) == ("3", None)
    last = page(LINEAR_FEED, [old_row(3)], "3", account)
    assert (last.next, last.proven) == (None, Window(NOW - HOUR_MS, NOW))
    slice_ = HTX.history.slice(LINEAR_FEED, Window(NOW - HOUR_MS, NOW), {}, account, NOW)
    request = HTX.history.ask(LINEAR_FEED, slice_, "3", account)
    assert request.endpoint == OLD_CROSS
    assert (request.params["from_id"], request.params["contract"]) == ("3", "BTC-USDT")
    isolated = Feed(Product.LINEAR, "BTC-USDT", "isolated")
    assert HTX.history.ask(isolated, slice_, None, account).endpoint == OLD_ISOLATED


# ── Conversations ─────────────────────────────────────────────────────────────────────────────────────


def answered(steps, answers):
    """Runs a conversation; `answers` gives what each endpoint answers: data, or an error to throw."""
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            answer = answers[request.endpoint]
            answer = answer(request) if callable(answer) else answer
            if isinstance(answer, Exception):
                request = steps.throw(answer)
            else:
                request = steps.send(Answer(answer, received_ms=NOW))
    except StopIteration as end:
        return end.value, asked


GOOD_KEY = {
    UID: {"code": 200, "data": 12345678},
    KEY: {
        "code": 200,
        "data": [
            {
                "accessKey": "k",
                "permission": "readOnly",
                "ipAddresses": "1.2.3.4,5.6.7.8",
                "validDays": -1,
                "status": "normal",
            }
        ],
    },
    CONTRACT_WALLET: {"code": 200, "data": {"details": []}},
    MATCHES: {"status": "ok", "data": []},
}


def key_row(**changes):
    return {**GOOD_KEY, KEY: {"code": 200, "data": [{**GOOD_KEY[KEY]["data"][0], **changes}]}}


def test_a_key_is_reported_with_its_rights_addresses_and_mode():
    report, asked = answered(HTX.check_key(an_account("")), GOOD_KEY)
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert (report.uid, report.mode, report.addresses) == ("12345678", V5, ("1.2.3.4", "5.6.7.8"))
    assert report.permissions == ("readOnly",)
    assert (report.expires_ms, dict(report.details)) == (None, {"needs_symbol": False})
    assert any("three days" in remark for remark in report.remarks)
    assert asked[1].params == {"uid": "12345678", "accessKey": OwnKey()}


@pytest.mark.parametrize(
    ("words", "trade", "withdraw"),
    [
        ("readOnly,trade", Verdict.YES, Verdict.NO),
        ("readOnly, withdraw", Verdict.NO, Verdict.YES),
        ("readOnly,teleport", Verdict.YES, Verdict.NO),
        ("", Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_whatever_is_more_than_reading_is_told(words, trade, withdraw):
    report, _ = answered(HTX.check_key(an_account("")), key_row(permission=words))
    assert (report.can_trade, report.can_withdraw) == (trade, withdraw)


def test_an_unbound_key_expires_and_an_expired_one_is_rejected():
    report, _ = answered(HTX.check_key(an_account("")), key_row(validDays=30))
    assert report.expires_ms == NOW + 30 * DAY_MS
    assert any("30 days" in remark for remark in report.remarks)
    report, _ = answered(HTX.check_key(an_account("")), key_row(validDays=0))
    assert report.expires_ms == NOW
    with pytest.raises(KeyRejected):
        answered(HTX.check_key(an_account("")), key_row(status="expired"))


@pytest.mark.parametrize("said", [PermissionMissing(), {"code": 200, "data": []}])
def test_rights_that_the_exchange_does_not_tell_are_unknown(said):
    report, _ = answered(HTX.check_key(an_account("")), {**GOOD_KEY, KEY: said})
    assert (report.can_trade, report.can_withdraw) == (Verdict.UNKNOWN, Verdict.UNKNOWN)
    assert any("does not tell" in remark for remark in report.remarks)


def test_the_contract_interface_and_the_need_for_symbols_are_found_out():
    told = {**GOOD_KEY, CONTRACT_WALLET: AccountModeChanged(), MATCHES: MarketGone()}
    report, _ = answered(HTX.check_key(an_account("")), told)
    assert (report.mode, dict(report.details)) == (LEGACY, {"needs_symbol": True})
    report, _ = answered(HTX.check_key(an_account("")), {**GOOD_KEY, CONTRACT_WALLET: ContractBroken()})
    assert report.products == (Product.SPOT,)
    assert any("only spot" in remark for remark in report.remarks)


def test_every_wallet_is_read_and_zeros_and_debts_are_left_out():
    coins = [("usdt", "trade", "5"), ("usdt", "frozen", "2"), ("usdt", "loan", "-3"), ("gtc", "trade", "1")]
    listed = [{"currency": name, "type": kind, "balance": held} for name, kind, held in (*coins, ("btc", "trade", "0"))]

    def wallet(request):
        rows = listed if request.params["account-id"] == "2" else []
        return PermissionMissing("no") if request.params["account-id"] == "3" else {"data": {"list": rows}}

    told = {
        ACCOUNTS: {"data": [{"id": 1, "type": "point"}, {"id": 2, "type": "spot"}, {"id": 3, "type": "otc"}]},
        WALLET: wallet,
        CONTRACT_WALLET: {
            "data": {"details": [{"currency": "USDT", "equity": "9", "profit_unreal": "-1", "available_margin": "4"}]}
        },
    }
    wallets, _ = answered(HTX.balances(an_account()), told)
    found = {(one.account_type, one.asset): (one.total, one.free, one.used) for one in wallets.balances}
    assert found == {("spot", "USDT"): (7, 5, 2), ("spot", "GAMECOM"): (1, 1, 0), ("linear", "USDT"): (10, 4, None)}
    assert dict(wallets.missing) == {"otc": "no"}


def test_only_what_is_followed_is_asked_about():
    told = {**GOOD_KEY, CONTRACT_WALLET: ContractBroken()}
    report, asked = answered(HTX.check_key(_of(Product.SPOT)), told)
    assert (report.products, dict(report.details)) == ((Product.SPOT,), {"needs_symbol": False})
    assert not any("contract" in remark for remark in report.remarks)
    report, asked = answered(HTX.check_key(_of(Product.LINEAR)), GOOD_KEY)
    assert (dict(report.details), MATCHES in {request.endpoint for request in asked}) == ({}, False)
    wallets, asked = answered(HTX.balances(_of(Product.SPOT)), {ACCOUNTS: {"data": []}})
    assert (wallets.balances, dict(wallets.missing), len(asked)) == ((), {}, 1)


def _of(product: Product) -> Account:
    return Account(connection_id=UUID(int=7), exchange="htx", products=(product,), mode="")


def test_wallets_of_points_and_of_margin_have_their_names_and_states_are_summed():
    rows = {
        "1": [("point", "trade", "3")],
        "2": [("usdt", "frozen", "2"), ("usdt", "lock", "1"), ("usdt", "interest", "-9"), ("eth", "trade", "4")],
    }

    def wallet(request):
        listed = rows[request.params["account-id"]]
        return {"data": {"list": [{"currency": name, "type": kind, "balance": held} for name, kind, held in listed]}}

    listed = [{"id": 1, "type": "point"}, {"id": 2, "type": "margin", "subtype": "btcusdt"}]
    told = {ACCOUNTS: {"data": listed}, WALLET: wallet, CONTRACT_WALLET: PermissionMissing("no")}
    wallets, _ = answered(HTX.balances(an_account()), told)
    assert [(one.account_type, one.asset, one.total, one.free, one.used) for one in wallets.balances] == [
        ("spot", "POINT", 3, 3, 0),
        ("margin:btcusdt", "ETH", 4, 4, 0),
        ("margin:btcusdt", "USDT", 3, 0, 3),
    ]
    assert dict(wallets.missing) == {"linear": "no"}


def test_contract_wallets_of_both_interfaces_are_settled_amounts():
    old_row = {"margin_asset": "USDT", "margin_balance": "9.5", "profit_unreal": "-0.5", "withdraw_available": "4"}
    others = {"margin_frozen": "3", "margin_static": "10", "margin_position": "2", "margin_available": "5"}
    told = {ACCOUNTS: {"data": []}, OLD_WALLET: {"data": [old_row | others]}}
    wallets, _ = answered(HTX.balances(an_account(LEGACY)), told)
    assert wallets.balances == (
        Balance(account_type="linear", asset="USDT", total=Decimal(10), free=Decimal(4), used=Decimal(3)),
    )
    told = {ACCOUNTS: {"data": []}, CONTRACT_WALLET: {"data": {"details": [{"currency": "USDT", "equity": "9"}]}}}
    wallets, _ = answered(HTX.balances(an_account()), told)
    assert wallets.balances == (Balance(account_type="linear", asset="USDT", total=Decimal(9)),)


def test_traded_contracts_are_found_in_bills_and_positions_and_the_others_are_swept():
    told = {
        POSITIONS: {"code": 200, "data": []},
        HTX.clock: {"status": "ok", "data": NOW},
        BILLS: lambda request: {
            "data": [{"id": n, "contract_code": "BTC-USDT"} for n in range(1 if "from" in request.params else 100)]
        },
    }
    found, asked = answered(HTX.history.discover(an_account(), MARKETS), told)
    assert found.feeds == (Feed(Product.LINEAR, "BTC-USDT"),)
    assert found.sweep == (Feed(Product.LINEAR, "ETH-USDT"),)
    bills = [request.params for request in asked if request.endpoint == BILLS]
    assert [("from" in params) for params in bills] == [False, True, False, True]
    assert min(params["start_time"] for params in bills) < NOW - 3 * DAY_MS


def test_where_symbols_must_be_named_spot_is_read_market_by_market():
    account = an_account(needs_symbol=True)
    told = {
        ACCOUNTS: {"data": []},
        CONTRACT_WALLET: {"data": {"details": []}},
        HTX.clock: {"data": NOW},
        POSITIONS: {"data": []},
        BILLS: {"data": []},
        ORDERS: {"data": [{"symbol": "btcusdt"}]},
    }
    assert HTX.history.feeds(account, MARKETS) == ()
    found, _ = answered(HTX.history.discover(account, MARKETS), told)
    assert found.feeds == (Feed(Product.SPOT, "btcusdt"),)
    slice_ = HTX.history.slice(found.feeds[0], Window(NOW - HOUR_MS, NOW), {}, account, NOW)
    assert HTX.history.ask(found.feeds[0], slice_, None, account).params["symbol"] == "btcusdt"
