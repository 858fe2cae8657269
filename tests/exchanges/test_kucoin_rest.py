"""REST: errors and what they ask of the caller, keys, wallets, discovery and history, without any network."""

from collections.abc import Callable
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
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Answer, Endpoint, Feed, PoolUse, Request, Slice

KUCOIN = load("kucoin")
HISTORY = KUCOIN.history
NOW = 1_795_190_400_000
DAY = 86_400_000
ENDPOINT = {(endpoint.name, endpoint.path): endpoint for endpoint in KUCOIN.endpoints}
FILLS = ENDPOINT["privateGetHfFills", "/api/v1/hf/fills"]
CLOCK = ENDPOINT["publicGetTimestamp", "/api/v1/timestamp"]
MARKETS = Markets(
    [
        Market("BTC-USDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("KCS-USDT", "KCS/USDT", "spot", "KCS", "USDT"),
        Market("ETH-BTC", "ETH/BTC", "spot", "ETH", "BTC"),
        Market("XBTUSDTM", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", Decimal("0.001"), linear=True),
    ]
)


def an_account(mode: str = "classic", products: tuple[Product, ...] = (Product.SPOT, Product.LINEAR), **details: Any):
    return Account(connection_id=UUID(int=7), exchange="kucoin", products=products, mode=mode, details=details)


def a_run(steps: Any, answer: Callable[[Request], Any]) -> tuple[Any, list[Request]]:
    """Drives a conversation: `answer` gives the data of each request, or the error that it meets."""
    asked: list[Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            try:
                data = answer(request)
            except TradeSyncError as error:
                request = steps.throw(error)
            else:
                request = steps.send(Answer({"code": "200000", "data": data}, received_ms=NOW))
    except StopIteration as end:
        return end.value, asked


def by_path(answers: dict[str, Any]) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        found = answers[request.endpoint.path]
        if isinstance(found, TradeSyncError):
            raise found
        return found(request) if callable(found) else found

    return answer


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────


def error_of(
    body: Any, *, status: int = 200, headers: dict[str, str] | None = None, endpoint: Endpoint = FILLS
) -> TradeSyncError | None:
    return KUCOIN.error_of(status, headers or {}, body, endpoint, NOW)


CODES = {
    "400001": KeyRejected,
    "400002": ClockWrong,
    "400003": KeyRejected,
    "400004": KeyRejected,
    "400005": KeyRejected,
    "400006": AddressNotAllowed,
    "400007": PermissionMissing,
    "400100": ContractBroken,
    "400302": RegionNotAllowed,
    "400303": UserActionNeeded,
    "411100": UserActionNeeded,
    "112010": AccountModeChanged,
    "900001": MarketGone,
    "500000": ExchangeUnavailable,
    "777777": ContractBroken,
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 451, 500])
@pytest.mark.parametrize("code", CODES)
def test_each_code_says_what_to_do_whatever_the_status(code, status):
    error = error_of({"code": code, "msg": "said"}, status=status)
    # A code that says nothing to us, with the status of a failing server: the server fails.
    failing = CODES[code] is ContractBroken and status == 500
    assert type(error) is (ExchangeUnavailable if failing else CODES[code])


def test_each_code_has_its_own_sentence():
    sentences = {error_of({"code": code, "msg": "said"}).sentence for code in CODES}
    assert len(sentences) == len(CODES)


def test_a_good_answer_is_no_error():
    assert error_of({"code": "200000", "data": []}) is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Unsupported trading pair.", MarketGone),
        ("symbol not exists", MarketGone),
        ("This is a Unified Account", AccountModeChanged),
        ("duration should be within 7 days", ContractBroken),
        ("Your current country/region is not supported", RegionNotAllowed),
        ("Our services are currently unavailable in the U.S.", RegionNotAllowed),
        ("This account is frozen", UserActionNeeded),
        ("Service not available", ExchangeUnavailable),
        ("Requests are too frequent", RateLimited),
    ],
)
def test_a_wrong_parameter_is_told_apart_by_its_words(message, kind):
    assert type(error_of({"code": "400100", "msg": message}, status=400)) is kind


def test_a_contract_break_names_the_path_and_what_was_said():
    sentence = error_of({"code": "400100", "msg": "limit should not be greater than 100"}).sentence
    assert "/api/v1/hf/fills" in sentence
    assert "limit should not be greater than 100" in sentence


@pytest.mark.parametrize(("status", "body"), [(429, {"code": "429000", "msg": "Too Many Requests"}), (429, "busy")])
def test_an_empty_pool_waits_for_its_reset(status, body):
    error = error_of(body, status=status, headers={"gw-ratelimit-reset": "12345"})
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.scope, error.ban) == (NOW + 12_345, "account", False)


def test_an_empty_pool_without_a_reset_waits_a_second_and_a_public_one_is_the_address():
    error = error_of({"code": "429000"}, headers={"gw-ratelimit-reset": "-"}, endpoint=CLOCK)
    assert (error.until_ms, error.scope) == (NOW + 1_000, "address")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, "<html>Forbidden</html>"),
        (403, {"code": "403", "msg": "Forbidden"}),
        (410, b"error code: 1015"),
        (429, "error code: 1015"),
        (429, "<html><title>Access denied</title><h1>Error <span>1015</span></h1> You are being rate limited</html>"),
    ],
)
def test_the_network_before_the_exchange_locks_the_address_out(status, body):
    error = error_of(body, status=status)
    assert isinstance(error, RateLimited)
    assert (error.until_ms, error.scope, error.ban) == (NOW + 30_000, "address", True)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "<html>maintenance</html>", ExchangeUnavailable),
        (200, b'{"code":"2000', ExchangeUnavailable),
        (500, {"code": "500", "msg": "oops"}, ExchangeUnavailable),
        (502, "<html>Bad gateway</html>", ExchangeUnavailable),
        (503, {"code": "503000", "msg": "x"}, ExchangeUnavailable),
        (401, "", KeyRejected),
        (404, {"code": "404", "msg": "Not Found"}, ContractBroken),
        (404, "nothing here", ContractBroken),
        (200, {"data": []}, ContractBroken),
        (200, [], ContractBroken),
        (200, {"code": "404", "msg": "Not Found"}, ContractBroken),
    ],
)
def test_what_is_no_proper_answer_is_an_error(status, body, kind):
    assert type(error_of(body, status=status)) is kind


# ── Pools, clock, transport ───────────────────────────────────────────────────────────────────────────


def test_the_headers_correct_the_pool_that_the_call_drew_on():
    headers = {"gw-ratelimit-limit": "4000", "gw-ratelimit-remaining": "3990", "gw-ratelimit-reset": "29000"}
    assert KUCOIN.pool_use(headers, FILLS) == (PoolUse(pool="spot", used=10.0, remaining=3990.0, reset_ms=29_000),)
    assert KUCOIN.pool_use({"gw-ratelimit-remaining": "5"}, CLOCK) == (PoolUse(pool="public", remaining=5.0),)
    assert KUCOIN.pool_use({}, FILLS) == ()
    assert KUCOIN.pool_use({"gw-ratelimit-remaining": "many"}, FILLS) == ()


def test_every_endpoint_draws_on_a_known_pool_and_public_ones_need_no_key():
    pools = {pool.name: pool for pool in KUCOIN.pools}
    assert {(pool.name, pool.scope, pool.capacity, pool.per_ms) for pool in KUCOIN.pools} == {
        ("public", "address", 2000, 30_000),
        ("spot", "account", 4000, 30_000),
        ("futures", "account", 2000, 30_000),
        ("management", "account", 2000, 30_000),
        ("unified", "account", 200, 3_000),
    }
    for endpoint in KUCOIN.endpoints:
        assert endpoint.signed == (pools[endpoint.pool].scope == "account")
        assert endpoint.method == "GET" or "bullet" in endpoint.path


@pytest.mark.parametrize("endpoint", KUCOIN.endpoints, ids=lambda endpoint: f"{endpoint.name} {endpoint.path}")
def test_ccxt_has_a_method_for_each_endpoint_and_asks_its_path(endpoint):
    client = ccxt.kucoin({"apiKey": "k", "secret": "s", "password": "p"})
    asked = []
    client.fetch = lambda url, *rest: asked.append((url, *rest)) or {"code": "200000"}
    params = {"accountMode": "unified"} if "{accountMode}" in endpoint.path else {}
    params |= {"version": "v2"} if endpoint.path == "/api/v2/bullet-private" else {}
    getattr(client, endpoint.name)(params)
    url, method, headers, _ = asked[0]
    host = "api-futures.kucoin.com" if endpoint.name.startswith("futures") else "api.kucoin.com"
    assert (url, method) == (
        f"https://{host}{endpoint.path.replace('{accountMode}', 'unified')}",
        endpoint.method,
    )
    assert ("KC-API-SIGN" in headers) == endpoint.signed


def test_weights_are_the_documented_ones():
    weights = {
        endpoint.path.split("/")[-1] + ("/f" if endpoint.pool == "futures" else ""): endpoint.weight
        for endpoint in KUCOIN.endpoints
    }
    told = {"api-key": 20, "accounts": 5, "ledgers": 2, "bullet-private": 10, "bullet-public": 10, "symbols": 2}
    told |= {"active": 3, "currencies": 3, "account-overview/f": 5, "fills/f": 5, "fills": 10, "execution": 4}
    assert {name: weights[name] for name in told} == told
    assert FILLS.weight == 2


def test_the_clock_is_read_and_nothing_else_is_taken_for_it():
    assert KUCOIN.read_clock({"code": "200000", "data": NOW}) == NOW
    for nonsense in ({"data": "1"}, {"data": True}, {}, []):
        with pytest.raises(ContractBroken):
            KUCOIN.read_clock(nonsense)


def test_ccxt_is_told_the_account_mode_and_asks_nothing_on_its_own():
    assert [
        KUCOIN.ccxt_config(account)["options"]["uta"] for account in (None, an_account(), an_account("unified"))
    ] == [
        False,
        False,
        True,
    ]
    assert KUCOIN.ccxt_config(None)["options"]["fetchMarkets"]["fetchTickersFees"] is False


def test_a_pasted_key_is_cleaned_and_a_missing_passphrase_is_named():
    fields = {"api_key": " 6739ab \n", "secret": "'0c-1'", "passphrase": "my phrase "}
    assert KUCOIN.repair(fields) == {"api_key": "6739ab", "secret": "0c-1", "passphrase": "my phrase"}
    with pytest.raises(BadInput, match="passphrase"):
        KUCOIN.repair({"api_key": "a", "secret": "b"})


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────

KEY = "/api/v1/user/api-key"
MODE = "/api/ua/v1/account/mode"
HAS_HF = "/api/v1/hf/accounts/opened"
OLD = "/api/v1/fills"


def a_report(permission: Any = "General", account: Account | None = None, **answers: Any) -> tuple[Any, list[Request]]:
    told = {
        KEY: {"uid": 165111215, "permission": permission, "ipWhitelist": "", "isMaster": True},
        MODE: {"selfAccountMode": "CLASSIC"},
        HAS_HF: True,
        OLD: {"items": []},
    }
    return a_run(KUCOIN.check_key(account or an_account(mode="")), by_path(told | answers))


def test_only_general_is_a_key_that_reads():
    report, _ = a_report("General")
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert (report.uid, report.mode, report.permissions) == ("165111215", "classic", ("General",))


@pytest.mark.parametrize("word", ["Spot", "Margin", "Futures", "Unified", "Earn", "Trade"])
def test_every_right_to_trade_is_seen(word):
    report, _ = a_report(f"General, {word}")
    assert (report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO)


@pytest.mark.parametrize("word", ["Transfer", "Withdraw", "Withdrawal", "InnerTransfer"])
def test_every_right_to_move_money_is_seen(word):
    report, _ = a_report(f"General,{word}")
    assert (report.can_trade, report.can_withdraw) == (Verdict.NO, Verdict.YES)


def test_an_unknown_right_is_told_and_leaves_the_rest_open():
    report, _ = a_report("General,Teleport")
    assert (report.can_read, report.can_trade, report.can_withdraw) == (
        Verdict.YES,
        Verdict.UNKNOWN,
        Verdict.UNKNOWN,
    )
    assert any("Teleport" in remark for remark in report.remarks)
    assert a_report("General,Spot,Teleport")[0].can_trade is Verdict.YES


@pytest.mark.parametrize("permission", ["", None])
def test_a_key_that_is_told_nothing_about_is_unknown(permission):
    report, _ = a_report(permission)
    assert {report.can_read, report.can_trade, report.can_withdraw} == {Verdict.UNKNOWN}


def test_bound_addresses_are_told():
    report, _ = a_report(**{KEY: {"uid": "1", "permission": "General", "ipWhitelist": "10.0.0.1, 10.0.0.2"}})
    assert report.addresses == ("10.0.0.1", "10.0.0.2")


def test_a_unified_account_is_recognised_and_asked_nothing_classic():
    report, asked = a_report(**{MODE: {"selfAccountMode": "UNIFIED"}})
    assert report.mode == "unified"
    assert [request.endpoint.path for request in asked] == [KEY, MODE]
    assert report.details == {}


@pytest.mark.parametrize("error", [AccountModeChanged(), ContractBroken(), PermissionMissing()])
def test_an_account_that_may_not_even_be_asked_its_mode_is_classic(error):
    assert a_report(**{MODE: error})[0].mode == "classic"


@pytest.mark.parametrize("error", [ExchangeUnavailable(), KeyRejected(), RateLimited(until_ms=1)])
def test_trouble_on_the_way_is_not_taken_for_a_mode(error):
    with pytest.raises(type(error)):
        a_report(**{MODE: error})


def test_accounts_with_fills_from_before_the_migration_are_recognised():
    assert a_report(**{HAS_HF: False})[0].details == {"has_old_fills": True}
    assert a_report(**{OLD: {"items": [{"tradeId": "1"}]}})[0].details == {"has_old_fills": True}
    _, asked = a_report()
    assert asked[-1].params == {"currentPage": 1, "pageSize": 10}
    for nothing in ({"items": []}, None, [], ContractBroken(), PermissionMissing()):
        report, _ = a_report(**{OLD: nothing})
        assert report.details == {"has_old_fills": False}
        assert any("7 days" in remark for remark in report.remarks)
    assert a_report(account=an_account(products=(Product.LINEAR,)))[0].details == {}


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

WALLETS = "/api/v1/accounts"
OVERVIEW = "/api/v1/account-overview"


def a_wallet(kind: str, currency: str, balance: str, available: str, holds: str) -> dict[str, str]:
    return {"id": "1", "type": kind, "currency": currency, "balance": balance, "available": available, "holds": holds}


def an_overview(request: Request) -> dict[str, Any]:
    settled = {"USDT": Decimal("100.5"), "XBT": Decimal("0.5")}.get(request.params["currency"], Decimal(0))
    return {
        "currency": request.params["currency"],
        "accountEquity": settled + 7,
        "unrealisedPNL": 7,
        "marginBalance": settled,
        "availableBalance": settled * 3 / 5,
    }


def test_classic_wallets_are_kept_apart_and_the_old_and_new_spot_wallet_are_one():
    rows = [
        a_wallet("main", "USDT", "1.5", "1", "0.5"),
        a_wallet("trade", "USDT", "2", "2", "0"),
        a_wallet("trade_hf", "USDT", "3.25", "3", "0.25"),
        a_wallet("margin", "BIFI", "4", "4", "0"),
    ]
    wallets, asked = a_run(KUCOIN.balances(an_account()), by_path({WALLETS: rows, OVERVIEW: an_overview}))
    assert wallets.missing == {}
    assert wallets.balances == (
        Balance(account_type="funding", asset="USDT", total=Decimal("1.5"), free=Decimal(1), used=Decimal("0.5")),
        Balance(account_type="spot", asset="USDT", total=Decimal("5.25"), free=Decimal(5), used=Decimal("0.25")),
        Balance(account_type="margin", asset="BIFIF", total=Decimal(4), free=Decimal(4), used=Decimal(0)),
        Balance(
            account_type="futures", asset="USDT", total=Decimal("100.5"), free=Decimal("60.3"), used=Decimal("40.2")
        ),
        Balance(account_type="futures", asset="USDC", total=Decimal(0), free=Decimal(0), used=Decimal(0)),
    )
    assert asked[0].params == {}  # without a type, else only that one comes


def test_inverse_contracts_have_wallets_of_their_own_coins():
    account = an_account(products=(Product.INVERSE,))
    wallets, asked = a_run(KUCOIN.balances(account), by_path({WALLETS: [], OVERVIEW: an_overview}))
    assert [request.params.get("currency") for request in asked] == [
        None,
        "USDT",
        "USDC",
        "XBT",
        "ETH",
        "XRP",
        "DOT",
        "SOL",
    ]
    assert (
        Balance(account_type="futures", asset="BTC", total=Decimal("0.5"), free=Decimal("0.3"), used=Decimal("0.2"))
        in wallets.balances
    )


def test_a_spot_account_is_not_asked_for_futures():
    _, asked = a_run(KUCOIN.balances(an_account(products=(Product.SPOT,))), by_path({WALLETS: []}))
    assert len(asked) == 1


def test_a_futures_wallet_out_of_reach_is_missing_and_the_others_stand():
    answers = by_path({WALLETS: [a_wallet("main", "USDT", "1", "1", "0")], OVERVIEW: PermissionMissing("no futures")})
    wallets, _ = a_run(KUCOIN.balances(an_account()), answers)
    assert (len(wallets.balances), wallets.missing) == (1, {"futures": "no futures"})


def test_a_wallet_without_its_numbers_is_missing_and_not_zero():
    wallets, _ = a_run(KUCOIN.balances(an_account()), by_path({WALLETS: [], OVERVIEW: {"currency": "USDT"}}))
    assert wallets.balances == ()
    assert "marginBalance" in wallets.missing["futures"]


UNIFIED_WALLET = "/api/ua/v1/{accountMode}/account/balance"
FUNDING = "/api/ua/v1/account/balance"


def unified_wallet(**balance: str) -> dict[str, Any]:
    row = {"currency": "XBT", "equity": "9", "balance": "2", "available": "1.5", "hold": "0.5", "liability": "0"}
    return {"accountType": "X", "ts": NOW, "accounts": [{"currencies": [row | balance]}]}


def test_a_unified_account_has_one_wallet_and_a_funding_one():
    answers = by_path({UNIFIED_WALLET: unified_wallet(), FUNDING: unified_wallet(currency="USDT")})
    wallets, asked = a_run(KUCOIN.balances(an_account("unified")), answers)
    numbers = {"total": Decimal(2), "free": Decimal("1.5"), "used": Decimal("0.5")}
    assert wallets.balances == (
        Balance(account_type="unified", asset="BTC", **numbers),
        Balance(account_type="funding", asset="USDT", **numbers),
    )
    assert [request.params for request in asked] == [{"accountMode": "unified"}, {"accountType": "FUNDING"}]


def test_a_unified_funding_wallet_out_of_reach_is_missing_and_the_other_stands():
    answers = by_path({UNIFIED_WALLET: unified_wallet(), FUNDING: PermissionMissing("no funding")})
    wallets, _ = a_run(KUCOIN.balances(an_account("unified")), answers)
    assert (len(wallets.balances), wallets.missing) == (1, {"funding": "no funding"})


@pytest.mark.parametrize("names", [("available",), ("holds",), ("available", "holds")])
def test_what_one_of_two_rows_does_not_tell_is_not_told_of_their_sum(names):
    rows = [a_wallet("trade", "USDT", "2", "2", "0"), a_wallet("trade_hf", "USDT", "3", "3", "0")]
    for name in names:
        rows[1][name] = ""
    wallets, _ = a_run(KUCOIN.balances(an_account(products=(Product.SPOT,))), by_path({WALLETS: rows}))
    (one,) = wallets.balances
    assert one.total == Decimal(5)
    assert (one.free is None, one.used is None) == ("available" in names, "holds" in names)


def test_a_unified_account_whose_mode_changed_says_so():
    with pytest.raises(AccountModeChanged):
        a_run(KUCOIN.balances(an_account("unified")), by_path({UNIFIED_WALLET: AccountModeChanged()}))


# ── Discovery ─────────────────────────────────────────────────────────────────────────────────────────

LEDGER = "/api/v1/hf/accounts/ledgers"
ACTIVE = "/api/v1/hf/orders/active/symbols"
EXECUTIONS = "/api/ua/v1/{accountMode}/order/execution"


def a_discovery(account: Account | None = None, **answers: Any) -> tuple[Any, list[Request]]:
    told = {WALLETS: [], ACTIVE: {"symbols": []}, LEDGER: []}
    return a_run(HISTORY.discover(account or an_account(), MARKETS), by_path(told | answers))


def feeds_of(*market_ids: str) -> tuple[Feed, ...]:
    return tuple(Feed(Product.SPOT, market_id) for market_id in market_ids)


def test_an_account_that_shows_nothing_is_swept():
    found, _ = a_discovery()
    assert found.feeds == ()
    assert found.sweep == (*feeds_of("BTC-USDT", "KCS-USDT", "ETH-BTC"), Feed(Product.SPOT, part="old"))


def test_held_coins_open_orders_and_the_ledger_name_symbols():
    held, _ = a_discovery(
        **{WALLETS: [a_wallet("trade", "ETH", "1", "1", "0"), a_wallet("main", "BTC", "0", "0", "0")]}
    )
    assert held.feeds == feeds_of("ETH-BTC")
    opened, _ = a_discovery(**{ACTIVE: {"symbols": ["KCS-USDT"]}})
    assert opened.feeds == feeds_of("KCS-USDT")
    written = [{"id": "9", "context": '{"symbol":"BTC-USDT","orderId":"1","tradeId":"2"}'}, {"id": "8", "context": ""}]
    old = [{"id": "7", "context": "{'symbol':'GONE-USDT','orderId':'1'}"}, {"id": "6", "context": "rubbish"}]
    pages = iter([written, old])
    led, asked = a_discovery(**{LEDGER: lambda request: next(pages, [])})
    assert led.feeds == feeds_of("BTC-USDT", "GONE-USDT")  # delisted since, but its fills are still served
    ledger = [request.params for request in asked if request.endpoint.path == LEDGER]
    assert [params.get("lastId") for params in ledger] == [None, "8", "6", None, None]
    assert {(params["startAt"], params["endAt"]) for params in ledger} == {
        (NOW - days * DAY, NOW - (days - 1) * DAY) for days in (1, 2, 3)
    }
    assert {params["bizType"] for params in ledger} == {"TRADE_EXCHANGE"}


def test_a_ledger_without_end_is_left_to_the_sweep():
    numbers = iter(range(10_000, 0, -1))
    _, asked = a_discovery(**{LEDGER: lambda request: [{"id": str(next(numbers)), "context": ""}]})
    assert len(asked) < 160


def test_old_fills_are_swept_until_they_are_known():
    found, _ = a_discovery(an_account(has_old_fills=True))
    assert Feed(Product.SPOT, part="old") not in found.sweep


def test_a_unified_account_tells_its_symbols_where_the_exchange_answers_without_one():
    pages = iter([{"items": [{"symbol": "KCS-USDT"}], "lastId": 5}, {"items": [], "lastId": None}])
    answers = {UNIFIED_WALLET: unified_wallet(currency="ETH"), EXECUTIONS: lambda request: next(pages)}
    found, asked = a_discovery(an_account("unified"), **answers)
    assert found.feeds == feeds_of("KCS-USDT", "ETH-BTC")
    assert found.sweep == feeds_of("BTC-USDT")
    assert [request.params.get("lastId") for request in asked[1:]] == [None, "5"]
    refused, _ = a_discovery(an_account("unified"), **(answers | {EXECUTIONS: ContractBroken("symbol is required")}))
    assert refused.feeds == feeds_of("ETH-BTC")


def test_an_account_without_spot_needs_no_discovery():
    found, asked = a_discovery(an_account(products=(Product.LINEAR,)))
    assert (found.feeds, found.sweep, asked) == ((), (), [])


# ── History ───────────────────────────────────────────────────────────────────────────────────────────

SPOT = Feed(Product.SPOT, "BTC-USDT")
FUTURES = Feed(Product.LINEAR)
OLD_FEED = Feed(Product.SPOT, part="old")
WEEK = Window(NOW - 7 * DAY, NOW)


def test_feeds_follow_the_products_and_the_mode():
    assert HISTORY.feeds(an_account(), MARKETS) == (FUTURES,)
    assert HISTORY.feeds(an_account(has_old_fills=True), MARKETS) == (OLD_FEED, FUTURES)
    assert HISTORY.feeds(an_account("unified", has_old_fills=True), MARKETS) == (FUTURES,)
    assert HISTORY.feeds(an_account(products=(Product.SPOT,)), MARKETS) == ()
    assert HISTORY.feeds(an_account(products=(Product.INVERSE,)), MARKETS) == (FUTURES,)


def test_a_trade_belongs_to_its_market_on_spot_and_to_the_one_feed_on_futures():
    assert HISTORY.feed_of(Product.SPOT, "BTC-USDT") == SPOT
    assert HISTORY.feed_of(Product.MARGIN, "BTC-USDT") == SPOT
    assert HISTORY.feed_of(Product.LINEAR, "XBTUSDTM") == FUTURES
    assert HISTORY.feed_of(Product.INVERSE, "XBTUSDM") == FUTURES


def test_the_reach_is_seven_days_on_classic_spot_and_three_months_elsewhere():
    minute = 60_000
    assert HISTORY.reach(SPOT, an_account(), NOW) == NOW - 7 * DAY + minute
    assert HISTORY.reach(FUTURES, an_account(), NOW) == NOW - 90 * DAY + minute
    assert HISTORY.reach(SPOT, an_account("unified"), NOW) == NOW - 90 * DAY + minute
    assert HISTORY.reach(OLD_FEED, an_account(), NOW) == 1_550_448_000_000  # 2019-02-18


def test_slices_are_at_most_seven_days_newest_first_but_what_falls_out_of_reach_before_all():
    def sliced(gap: Window, feed: Feed = FUTURES) -> Window:
        return HISTORY.slice(feed, gap, {}, an_account(), NOW).window

    assert sliced(WEEK) == WEEK
    reach = HISTORY.reach(FUTURES, an_account(), NOW)
    assert sliced(Window(reach, NOW)) == Window(reach, reach + 7 * DAY)
    assert sliced(Window(reach + 7 * DAY, NOW)) == WEEK
    assert sliced(Window(1_550_448_000_000, NOW), OLD_FEED) == WEEK


@pytest.mark.parametrize("mode", ["classic", "unified"])
@pytest.mark.parametrize("feed", [SPOT, FUTURES, OLD_FEED])
def test_slices_tile_a_gap_to_its_last_millisecond(mode, feed):
    wanted = Window(HISTORY.reach(feed, an_account(mode), NOW), NOW)
    gaps, read = [wanted], []
    while gaps:
        gap = gaps.pop()
        window = HISTORY.slice(feed, gap, {}, an_account(mode), NOW).window
        assert window.until - window.since <= 7 * DAY
        read.append(window)
        if gap.since < window.since:
            gaps.append(Window(gap.since, window.since))
        if window.until < gap.until:
            gaps.append(Window(window.until, gap.until))
    assert sum(window.until - window.since for window in read) == wanted.until - wanted.since


def asked_for(feed: Feed, account: Account, cursor: Any = None) -> tuple[str, dict[str, Any]]:
    request = HISTORY.ask(feed, Slice(WEEK), cursor, account)
    return request.endpoint.name, dict(request.params)


def test_each_feed_asks_its_endpoint_with_both_ends_of_the_window():
    ends = {"startAt": WEEK.since, "endAt": WEEK.until}
    assert asked_for(SPOT, an_account()) == ("privateGetHfFills", ends | {"symbol": "BTC-USDT", "limit": 100})
    assert asked_for(OLD_FEED, an_account()) == ("privateGetFills", ends | {"currentPage": 1, "pageSize": 500})
    assert asked_for(FUTURES, an_account()) == ("futuresPrivateGetFills", ends | {"currentPage": 1, "pageSize": 1000})
    unified = ends | {"accountMode": "unified", "pageSize": 200}
    method = "utaPrivateGetAccountModeOrderExecution"
    assert asked_for(SPOT, an_account("unified")) == (method, unified | {"tradeType": "SPOT", "symbol": "BTC-USDT"})
    assert asked_for(FUTURES, an_account("unified")) == (method, unified | {"tradeType": "FUTURES"})


def test_a_cursor_goes_on_where_the_last_page_ended():
    assert asked_for(SPOT, an_account(), {"lastId": "77"})[1]["lastId"] == "77"
    assert asked_for(FUTURES, an_account(), {"currentPage": 3})[1]["currentPage"] == 3


def a_page(feed: Feed, cursor: Any, data: Any, mode: str = "classic"):
    answer = Answer({"code": "200000", "data": data})
    return HISTORY.read(feed, Slice(WEEK), cursor, answer, an_account(mode), MARKETS)


def a_fill(trade_id: int) -> dict[str, Any]:
    return {
        "symbol": "BTC-USDT",
        "tradeId": trade_id,
        "orderId": "o",
        "side": "buy",
        "liquidity": "taker",
        "price": "64000",
        "size": "0.1",
        "funds": "6400",
        "fee": "6.4",
        "feeCurrency": "USDT",
        "tradeType": "TRADE",
        "createdAt": NOW - trade_id,
    }


def test_a_short_page_is_no_end_and_an_empty_one_proves_the_window():
    page = a_page(SPOT, None, {"items": [a_fill(1)], "lastId": 77})
    assert ([trade.exchange_trade_id for trade in page.trades], page.next, page.proven) == (
        ["1"],
        {"lastId": "77"},
        None,
    )
    end = a_page(SPOT, {"lastId": "77"}, {"items": [], "lastId": 0})
    assert (end.trades, end.next, end.proven) == ((), None, WEEK)


def test_a_page_that_does_not_move_on_is_stuck():
    for last_id in (77, 78, "77"):
        with pytest.raises(PageStuck):
            a_page(SPOT, {"lastId": "77"}, {"items": [a_fill(1)], "lastId": last_id})
    with pytest.raises(PageStuck):
        a_page(FUTURES, {"currentPage": 2}, {"items": [a_fill(1)], "currentPage": 1, "totalPage": 3})


def test_pages_go_on_for_as_long_as_they_move():
    assert a_page(SPOT, {"lastId": "100"}, {"items": [a_fill(1)], "lastId": 99}).next == {"lastId": "99"}
    assert a_page(SPOT, {"lastId": "99"}, {"items": [a_fill(2)], "lastId": "9"}).next == {"lastId": "9"}
    page = a_page(FUTURES, {"currentPage": 2}, {"items": [a_fill(1)], "currentPage": 2, "totalPage": 3})
    assert page.next == {"currentPage": 3}


@pytest.mark.parametrize("numbers", [("1", 2), (1, "2"), (True, 2), (1, True), (None, 2), (1, None)])
def test_a_page_without_its_number_proves_nothing(numbers):
    page, pages = numbers
    with pytest.raises(ContractBroken):
        a_page(FUTURES, None, {"items": [a_fill(1)], "currentPage": page, "totalPage": pages})


def test_a_unified_page_without_a_next_is_the_end_only_when_it_is_short():
    assert a_page(SPOT, None, {"items": [a_fill(1)]}, "unified").proven == WEEK
    with pytest.raises(ContractBroken):
        a_page(SPOT, None, {"items": [a_fill(n) for n in range(200)]}, "unified")
    with pytest.raises(ContractBroken):
        a_page(SPOT, None, {"items": [a_fill(1)], "lastId": "soon"}, "unified")


def test_numbered_pages_end_with_the_last_one():
    page = a_page(OLD_FEED, None, {"items": [a_fill(1)], "currentPage": 1, "totalPage": 2})
    assert (page.next, page.proven) == ({"currentPage": 2}, None)
    page = a_page(OLD_FEED, {"currentPage": 2}, {"items": [a_fill(2)], "currentPage": 2, "totalPage": 2})
    assert (page.next, page.proven) == (None, WEEK)
    assert a_page(OLD_FEED, None, {"items": [], "currentPage": 1, "totalPage": 0}).proven == WEEK
    with pytest.raises(ContractBroken):
        a_page(OLD_FEED, None, {"items": [], "currentPage": 1, "totalPage": 2})
    with pytest.raises(ContractBroken):
        a_page(OLD_FEED, None, {"items": [a_fill(1)], "currentPage": 1})


@pytest.mark.parametrize("data", [None, [], {"items": None}, "text"])
def test_an_answer_without_a_list_proves_nothing(data):
    with pytest.raises(ContractBroken):
        a_page(SPOT, None, data)


def test_a_row_that_cannot_be_read_is_kept_and_the_page_goes_on():
    page = a_page(SPOT, None, {"items": [a_fill(1), a_fill(2) | {"side": "up"}], "lastId": 5})
    assert (len(page.trades), len(page.unreadable), page.next) == (1, 1, {"lastId": "5"})
