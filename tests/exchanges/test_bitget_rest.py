"""REST: what is asked, what refusals mean, what keys and wallets tell. No server is asked."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import ccxt
import pytest

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
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
    TradeSyncError,
    UserActionNeeded,
)
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Endpoint, Request

BITGET = load("bitget")
NOW = 1_795_190_400_000
ENDPOINTS = {endpoint.path: endpoint for endpoint in BITGET.endpoints}
FILLS = ENDPOINTS["/api/v2/spot/trade/fills"]
SYMBOLS = ENDPOINTS["/api/v2/spot/public/symbols"]
KEY, UNIFIED_KEY, SETTINGS = "/api/v2/spot/account/info", "/api/v3/account/info", "/api/v3/account/settings"


def an_account(mode: str = "classic", products: tuple[Product, ...] = BITGET.products) -> Account:
    return Account(connection_id=UUID(int=7), exchange="bitget", products=products, mode=mode)


def ran(steps: Any, answers: dict[str, Any]) -> tuple[Any, list[Request]]:
    """What the steps return when the exchange answers so, and what they asked."""
    asked: list[Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            found = answers[request.endpoint.path]
            if isinstance(found, TradeSyncError):
                request = steps.throw(found)
            else:
                data = found(request) if callable(found) else found
                request = steps.send(Answer({"code": "00000", "data": data}, received_ms=NOW))
    except StopIteration as end:
        return end.value, asked


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────


def error_of(
    body: Any, *, status: int = 200, headers: dict[str, str] | None = None, endpoint: Endpoint = FILLS
) -> TradeSyncError | None:
    return BITGET.error_of(status, headers or {}, body, endpoint, NOW)


CODES = {
    "40001": KeyRejected,
    "40002": KeyRejected,
    "40003": KeyRejected,
    "40005": ClockWrong,
    "40006": KeyRejected,
    "40008": ClockWrong,
    "40009": KeyRejected,
    "40010": KeyRejected,
    "40011": KeyRejected,
    "40012": KeyRejected,
    "40013": UserActionNeeded,
    "40014": PermissionMissing,
    "40015": ExchangeUnavailable,
    "40017": ContractBroken,
    "40016": UserActionNeeded,
    "40018": AddressNotAllowed,
    "40022": UserActionNeeded,
    "40036": KeyRejected,
    "40038": AddressNotAllowed,
    "40041": KeyRejected,
    "40301": PermissionMissing,
    "40037": KeyRejected,
    "40084": AccountModeChanged,
    "40085": AccountModeChanged,
    "40099": KeyRejected,
    "40200": ExchangeUnavailable,
    "40309": MarketGone,
    "40404": ContractBroken,
    "40704": ContractBroken,
    "40705": ContractBroken,
    "40707": ContractBroken,
    "40725": ExchangeUnavailable,
    "40808": ExchangeUnavailable,
    "45001": ExchangeUnavailable,
    "77777": ContractBroken,
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize("code", CODES)
def test_each_code_says_what_to_do_whatever_the_status(code, status):
    error = error_of({"code": code, "msg": "said", "data": None}, status=status)
    assert type(error) is CODES[code]


def test_what_a_wrong_key_lacks_is_named():
    sentences = {code: error_of({"code": code, "msg": ""}).sentence for code in ("40001", "40009", "40012", "40037")}
    assert len(set(sentences.values())) == len(sentences)
    assert "passphrase" in sentences["40012"]
    assert "signature" in sentences["40009"]


def test_an_unknown_refusal_names_its_path_its_code_and_what_was_said():
    error = error_of({"code": "40019", "msg": "Parameter cannot be empty"}, status=400)
    for part in (FILLS.path, "40019", "Parameter cannot be empty"):
        assert part in str(error)


def test_an_unknown_code_may_still_say_what_it_is():
    assert type(error_of({"code": "49999", "msg": "Invalid IP"}, status=403)) is AddressNotAllowed
    assert type(error_of({"code": "49998", "msg": "No permission for this"}, status=403)) is PermissionMissing
    assert type(error_of({"code": "49997", "msg": "Not offered in your region"}, status=403)) is RegionNotAllowed
    assert type(error_of({"code": "49996", "msg": "?"}, status=451)) is RegionNotAllowed


@pytest.mark.parametrize("code", ["429", "1001", "50009"])
@pytest.mark.parametrize(("endpoint", "scope"), [(FILLS, "account"), (SYMBOLS, "address")])
def test_too_many_requests_pause_who_asked(code, endpoint, scope):
    error = error_of({"code": code, "msg": "Too Many Requests"}, status=200, endpoint=endpoint)
    assert isinstance(error, RateLimited)
    assert (error.scope, error.ban) == (scope, False)
    assert error.until_ms >= NOW + 1_000


def test_a_page_of_the_network_before_it_is_a_ban_and_its_words_may_tell_a_blocked_country():
    error = error_of("<html>403 Forbidden</html>", status=403)
    assert isinstance(error, RateLimited)
    assert (error.scope, error.ban) == ("address", True)
    for page in ("Service unavailable in your country", b"<p>This REGION is restricted</p>"):
        assert type(error_of(page, status=403)) is RegionNotAllowed


def test_a_status_without_a_code_is_understood():
    assert type(error_of({}, status=401)) is KeyRejected
    assert type(error_of({"status": 404}, status=404)) is ContractBroken
    assert type(error_of({"data": []}, status=200)) is ContractBroken
    assert type(error_of([], status=200)) is ContractBroken
    assert type(error_of({}, status=502)) is ExchangeUnavailable


def test_an_answer_with_nothing_in_it_is_that_of_another_mode_and_never_no_trades():
    nothing = {"code": "00000", "msg": "success", "data": None}
    assert type(error_of(nothing)) is AccountModeChanged
    assert error_of(nothing, endpoint=SYMBOLS) is None
    assert error_of({**nothing, "data": []}) is None


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def classic_report(*authorities: Any, products: tuple[Product, ...] = BITGET.products, **changes: Any) -> KeyReport:
    told = {"userId": 7001, "parentId": "1", "ips": "10.0.0.1, 10.0.0.2", "authorities": list(authorities)}
    answers = {SETTINGS: AccountModeChanged(), KEY: {**told, "traderType": "not_trader", **changes}}
    report, _ = ran(BITGET.check_key(an_account("", products)), answers)
    return report


def unified_report(**told: Any) -> KeyReport:
    answers = {
        SETTINGS: {"uid": "7002", "accountMode": "unified"},
        UNIFIED_KEY: {"userId": "7002", "permType": "read-only", "permissions": ["uta_mgt"], "ips": [], **told},
    }
    report, _ = ran(BITGET.check_key(an_account("")), answers)
    return report


YES, NO, UNKNOWN = Verdict.YES, Verdict.NO, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("authorities", "verdicts"),
    [
        (["stor", "coor", "cpor"], (YES, NO, NO)),
        (["readonly"], (YES, NO, NO)),
        (["stow", "coor"], (YES, YES, NO)),
        (["stor", "coor", "cpow"], (YES, YES, NO)),
        (["trade"], (YES, YES, NO)),
        (["stor", "wtow"], (YES, YES, YES)),
        (["stor", "wwow"], (YES, YES, YES)),
        (["readonly", "withdraw"], (YES, YES, YES)),
        (["stor", "quux"], (YES, YES, UNKNOWN)),
        (["quux", "wwow"], (YES, YES, YES)),
        ([], (UNKNOWN, UNKNOWN, UNKNOWN)),
    ],
)
def test_a_classic_key_tells_its_rights_in_codes_and_what_is_not_plainly_reading_is_writing(authorities, verdicts):
    report = classic_report(*authorities)
    assert (report.can_read, report.can_trade, report.can_withdraw) == verdicts
    assert report.permissions == tuple(authorities)
    assert (report.mode, report.uid, report.addresses) == ("classic", "7001", ("10.0.0.1", "10.0.0.2"))
    assert "90 days" in report.remarks[0]


def test_a_classic_key_sees_the_products_that_its_codes_name():
    assert classic_report("stor", "coor").products == BITGET.products
    report = classic_report("stor")
    assert report.products == (Product.SPOT,)
    assert "may not read all products" in report.remarks[-1]
    assert classic_report("cpor").products == (Product.LINEAR, Product.INVERSE)
    assert classic_report("readonly").products is None


def test_a_right_that_nobody_knows_is_named():
    assert any("quux" in remark for remark in classic_report("stor", "quux").remarks)
    assert len(classic_report("stor", "coor").remarks) == 1


def test_who_leads_copy_traders_asks_more_slowly():
    details = classic_report("stor", "coor", traderType="trader").details
    account = Account(connection_id=UUID(int=7), exchange="bitget", products=BITGET.products, details=details)
    feed = BITGET.history.feed_of(Product.SPOT, "BTCUSDT")
    slice_ = BITGET.history.slice(feed, Window(NOW - 1, NOW), {}, account, NOW)
    assert BITGET.history.ask(feed, slice_, None, account).weight == 10
    assert BITGET.history.ask(feed, slice_, None, an_account()).weight is None


@pytest.mark.parametrize(
    ("kind", "rights", "trade", "withdraw"),
    [
        ("read-only", ["uta_mgt", "uta_trade"], NO, NO),
        ("read-only", ["withdraw"], NO, NO),
        ("read-and-write", ["uta_trade"], YES, NO),
        ("read-and-write", ["uta_trade", "withdraw"], YES, YES),
        ("something-new", [], YES, NO),
    ],
)
def test_a_unified_key_only_reads_where_it_says_so(kind, rights, trade, withdraw):
    report = unified_report(permType=kind, permissions=rights)
    assert (report.can_read, report.can_trade, report.can_withdraw) == (YES, trade, withdraw)
    assert (report.mode, report.uid, report.addresses) == ("unified", "7002", ())
    assert report.permissions == (kind, *rights)


def test_a_failure_that_passes_is_never_taken_for_a_mode():
    for error in (ExchangeUnavailable(), RateLimited(until_ms=NOW), KeyRejected()):
        with pytest.raises(type(error)):
            ran(BITGET.check_key(an_account("")), {SETTINGS: error})


@pytest.mark.parametrize("status", ["upgrading", "switching"])
def test_an_account_between_two_modes_is_asked_again_later(status):
    with pytest.raises(ExchangeUnavailable):
        ran(BITGET.check_key(an_account("")), {SETTINGS: {"accountMode": status}})


def test_a_key_without_the_right_to_its_settings_still_tells_its_mode():
    classic = {SETTINGS: PermissionMissing(), UNIFIED_KEY: AccountModeChanged(), KEY: {"authorities": ["stor"]}}
    assert ran(BITGET.check_key(an_account("")), classic)[0].mode == "classic"
    unified = {SETTINGS: PermissionMissing(), UNIFIED_KEY: {"permType": "read-only"}}
    assert ran(BITGET.check_key(an_account("")), unified)[0].mode == "unified"
    with pytest.raises(PermissionMissing):
        ran(BITGET.check_key(an_account("")), {SETTINGS: PermissionMissing(), UNIFIED_KEY: PermissionMissing()})


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────


def contract_wallet(request: Request) -> list[dict[str, Any]]:
    if request.params["productType"] != "USDT-FUTURES":
        return []
    told = {"marginCoin": "USDT", "locked": "2", "available": "98", "accountEquity": "103", "unrealizedPL": "3"}
    return [told | {"maxTransferOut": "90"}]


CLASSIC_WALLETS: dict[str, Any] = {
    "/api/v2/spot/account/assets": [
        {"coin": "USDT", "available": "0.6", "frozen": "9.08", "locked": "0.02", "limitAvailable": "5"},
        {"coin": "OMNI", "available": "1", "frozen": "0", "locked": "0"},
    ],
    "/api/v2/account/funding-assets": [{"coin": "BTC", "available": "1.5", "frozen": "0.5", "usdtValue": "1"}],
    "/api/v2/mix/account/accounts": contract_wallet,
    "/api/v2/margin/crossed/account/assets": [
        {"coin": "BTC", "totalAmount": "3", "available": "2", "frozen": "1", "borrow": "9", "interest": "1"}
    ],
    "/api/v2/margin/isolated/account/assets": [
        {"symbol": "BTCUSDT", "coin": "USDT", "totalAmount": "5", "available": "5", "frozen": "0"},
        {"symbol": "ETHUSDT", "coin": "USDT", "totalAmount": "7", "available": "7", "frozen": "0"},
    ],
}


def balance(wallet: str, asset: str, total: str, free: str, used: str | None) -> Balance:
    held = None if used is None else Decimal(used)
    return Balance(account_type=wallet, asset=asset, total=Decimal(total), free=Decimal(free), used=held)


def test_every_wallet_of_a_classic_account_is_asked_for():
    wallets, asked = ran(BITGET.balances(an_account()), CLASSIC_WALLETS)
    assert wallets.missing == {}
    assert wallets.balances == (
        balance("spot", "USDT", "9.70", "0.6", "9.10"),
        balance("spot", "omni", "1", "1", "0"),
        balance("funding", "BTC", "2.0", "1.5", "0.5"),
        balance("usdt futures", "USDT", "100", "98", "2"),
        balance("crossed margin", "BTC", "3", "2", "1"),
        balance("isolated margin BTCUSDT", "USDT", "5", "5", "0"),
        balance("isolated margin ETHUSDT", "USDT", "7", "7", "0"),
    )
    kinds = [request.params["productType"] for request in asked if "productType" in request.params]
    assert kinds == ["USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES"]


def test_a_wallet_that_the_key_may_not_see_is_missing_and_the_others_are_told():
    answers = CLASSIC_WALLETS | {"/api/v2/mix/account/accounts": PermissionMissing()}
    wallets, _ = ran(BITGET.balances(an_account()), answers)
    assert set(wallets.missing) == {"usdt futures", "usdc futures", "coin futures"}
    assert {one.account_type for one in wallets.balances} >= {"spot", "funding"}


def test_the_wallets_of_a_unified_account_leave_open_profit_and_debt_out():
    wallets, _ = ran(
        BITGET.balances(an_account("unified")),
        {
            "/api/v3/account/assets": {
                "accountEquity": "1",
                "assets": [
                    {
                        "coin": "USDT",
                        "equity": "90",
                        "balance": "100",
                        "available": "80",
                        "locked": "20",
                        "debt": "10",
                    }
                ],
            },
            "/api/v3/account/funding-assets": [{"coin": "BTC", "available": "1", "frozen": "1", "balance": "2"}],
        },
    )
    assert wallets.balances == (
        balance("unified", "USDT", "100", "80", "20"),
        balance("funding", "BTC", "2", "1", "1"),
    )


def test_a_mode_that_changed_is_not_a_missing_wallet():
    with pytest.raises(AccountModeChanged):
        ran(BITGET.balances(an_account()), {"/api/v2/spot/account/assets": AccountModeChanged()})


# ── How it is asked ───────────────────────────────────────────────────────────────────────────────────


def test_every_endpoint_is_a_call_that_ccxt_knows():
    client = ccxt.bitget()
    for endpoint in BITGET.endpoints:
        assert callable(getattr(client, endpoint.name))


@pytest.mark.parametrize("mode", ["", "classic", "unified"])
def test_ccxt_asks_nothing_by_itself_with_a_key(mode):
    asked: list[str] = []

    class Client(ccxt.bitget):
        def fetch(self, url: str, *args: Any, **more: Any) -> Any:
            asked.append(url.split("?", maxsplit=1)[0].removeprefix("https://api.bitget.com"))
            return {"code": "00000", "data": []}

    key = {"apiKey": "k", "secret": "s", "password": "p"}
    Client({**BITGET.ccxt_config(an_account(mode)), **key}).load_markets()
    assert set(asked) <= {endpoint.path for endpoint in BITGET.endpoints if not endpoint.signed}


@pytest.mark.parametrize("region", BITGET.regions)
def test_demo_trading_is_named_in_a_header(region):
    account = Account(connection_id=UUID(int=7), exchange="bitget", products=BITGET.products, region=region)
    client = ccxt.bitget({**BITGET.ccxt_config(account), "apiKey": "k", "secret": "s", "password": "p"})
    signed = client.sign("v2/spot/trade/fills", ["private", "spot"])
    assert signed["headers"].get("PAPTRADING") == ("1" if region == "demo" else None)
    assert signed["url"].startswith("https://api.bitget.com/api/v2/")
    for stream in (*BITGET.streams, *BITGET.ticker_streams):
        assert stream.url(region, {}).startswith(
            "wss://wspap.bitget.com/" if region == "demo" else "wss://ws.bitget.com/"
        )


def test_the_clock_is_read_and_nothing_else_is_believed():
    assert BITGET.read_clock({"code": "00000", "data": {"serverTime": "1795190400123"}}) == NOW + 123
    for data in (None, {}, {"data": None}, {"data": {}}, {"data": {"serverTime": "soon"}}):
        with pytest.raises(ContractBroken):
            BITGET.read_clock(data)


def test_a_contract_wallet_that_tells_no_open_profit_is_settled_and_each_kind_has_its_name():
    def wallet(request: Request) -> list[dict[str, Any]]:
        kind = request.params["productType"].partition("-")[0]
        return [{"marginCoin": kind, "available": "3", "locked": "1", "accountEquity": "4.5"}]

    answers = {key: [] for key in CLASSIC_WALLETS} | {"/api/v2/mix/account/accounts": wallet}
    wallets, _ = ran(BITGET.balances(an_account()), answers)
    assert wallets.balances == (
        balance("usdt futures", "USDT", "4.5", "3", "1"),
        balance("usdc futures", "USDC", "4.5", "3", "1"),
        balance("coin futures", "COIN", "4.5", "3", "1"),
    )


def test_a_total_that_is_told_stands():
    rows = [{"coin": "BTC", "available": "1", "frozen": "1", "balance": "5"}]
    rows.append({"coin": "ETH", "available": "1", "frozen": "1", "totalAmount": "6"})
    answers = {key: [] for key in CLASSIC_WALLETS} | {"/api/v2/account/funding-assets": rows}
    wallets, _ = ran(BITGET.balances(an_account()), answers)
    assert wallets.balances == (balance("funding", "BTC", "5", "1", "1"), balance("funding", "ETH", "6", "1", "1"))


@pytest.mark.parametrize(
    ("code", "products"),
    [
        ("stor", (Product.SPOT,)),
        ("stow", (Product.SPOT,)),
        ("coor", (Product.LINEAR, Product.INVERSE)),
        ("coow", (Product.LINEAR, Product.INVERSE)),
        ("cpor", (Product.LINEAR, Product.INVERSE)),
        ("cpow", (Product.LINEAR, Product.INVERSE)),
    ],
)
def test_who_may_trade_may_read_as_well_and_is_no_unknown(code, products):
    report = classic_report(code)
    assert report.products == products
    assert not any("not known here" in remark for remark in report.remarks)


def test_margin_is_read_with_spots_right():
    assert classic_report("stor", products=(Product.MARGIN,)).products == (Product.MARGIN,)


def test_products_are_told_by_codes_of_four_letters_only():
    assert classic_report("stor", "readonly").products is None


@pytest.mark.parametrize("word", ["transfer", "subtransfer", "withdraw"])
def test_whatever_names_a_transfer_moves_coins(word):
    assert classic_report("stor", word).can_withdraw is YES


def test_a_unified_key_tells_its_addresses_and_its_reach():
    report = unified_report(ips=["10.0.0.3"])
    assert report.addresses == ("10.0.0.3",)
    assert "90 days" in report.remarks[0]
