"""ccxt's REST client reads from the Bybit dialect exactly what happened, and is refused as it would be."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess, SimulatorSaysNo
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bybit", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    options = {"options": {"fetchMarkets": {"types": ["spot", "linear", "inverse"]}}, "enableRateLimit": False}
    client = pointed_at(simulator, ccxt.bybit(options), "bybit")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.bybit(credentials(account) | {"enableRateLimit": False}), "bybit")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    """An account that pays no fee in a third coin: ccxt gives that coin the wrong name."""
    return simulator.account("bybit", details={"discount": False, **options.pop("details", {})}, **options)


def pages(client: Any, category: str, since: int, until: int, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window, as ccxt reads it."""
    found, cursor = [], None
    while True:
        asked = {"category": category, "until": until, **params, **({"cursor": cursor} if cursor else {})}
        found.append(client.fetch_my_trades(None, since, 100, asked))
        cursor = json.loads(client.last_http_response)["result"]["nextPageCursor"]
        if not cursor:
            return found


def raw(client: Any, **params: Any) -> dict[str, Any]:
    return client.privateGetV5ExecutionList(params)["result"]


def refusal_of(call: Any, *arguments: Any) -> tuple[type, int]:
    """What ccxt makes of a refusal, and the code that it was."""
    with pytest.raises(ccxt.BaseError) as refused:
        call(*arguments)
    text = str(refused.value)
    return type(refused.value), int(json.loads(text[text.index("{") :])["retCode"])


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["product"], m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}

    def product(market: dict[str, Any]) -> str:
        return "spot" if market["spot"] else "linear" if market["linear"] else "inverse"

    assert {(product(m), m["id"], m["symbol"]) for m in keyless.markets.values()} == listed
    assert keyless.market("BTC/USDC:USDC")["id"] == "BTCPERP"
    assert [m["symbol"] for m in keyless.markets_by_id["BTCUSDT"]] == ["BTC/USDT", "BTC/USDT:USDT"]
    assert keyless.market("BTC/USDT")["precision"] == {"amount": "0.00001", "price": "0.01"} | {
        name: value
        for name, value in keyless.market("BTC/USDT")["precision"].items()
        if name not in {"amount", "price"}
    }


def test_contracts_are_listed_by_pages(keyless: Any) -> None:
    listed, cursor = [], ""
    while True:
        result = keyless.publicGetV5MarketInstrumentsInfo({"category": "linear", "limit": 4, "cursor": cursor})[
            "result"
        ]
        listed += [one["symbol"] for one in result["list"]]
        cursor = result["nextPageCursor"]
        if not cursor:
            break
    assert sorted(listed) == sorted(m["id"] for m in keyless.markets.values() if m["linear"])


def test_the_clock_is_told(simulator: SimulatorProcess, keyless: Any) -> None:
    assert abs(keyless.fetch_time() - keyless.milliseconds()) < 5_000


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_two_years_are_read_by_weeks_and_cursors_to_the_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=3_000)
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    read = []
    for category in ("spot", "linear"):
        for week in range(102):
            until = now - week * WEEK_MS
            for kind in ("Trade", "BustTrade", "AdlTrade", "Settle") if category == "linear" else ("Trade",):
                for page in pages(client, category, until - WEEK_MS + 1, until, execType=kind):
                    read += page
    assert_reads_the_truth(read, simulator.truth(account)["trades"])
    ids = [(row["symbol"], row["id"]) for row in read]
    assert len({one for _, one in ids}) < len(ids), (
        "ids of different symbols must collide, or nobody notices mixing them"
    )


def test_a_window_of_many_pages_is_read_whole_whatever_the_order_of_ties(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["spot"])
    for _ in range(150):
        simulator.trade(account, market_id="BTCUSDT", fills=4, size="0.001")
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    read = pages(client, "spot", now - DAY_MS, now + 1)
    assert [len(page) for page in read[:-1]] == [100] * (len(read) - 1)
    assert len(read) == 6
    assert_reads_the_truth([row for page in read for row in page], simulator.truth(account)["trades"])
    orders = {
        tuple(row["execId"] for row in raw(client, category="spot", startTime=now - DAY_MS, limit=100)["list"])
        for _ in range(4)
    }
    assert len(orders) > 1
    for order in orders:
        times = {row["exchange_trade_id"]: row["timestamp_ms"] for row in simulator.truth(account)["trades"]}
        told = [times[one] for one in order]
        assert told == sorted(told, reverse=True)


def test_a_cursor_belongs_to_its_question_and_may_be_escaped_again(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    simulator.trade(account, count=30)
    client = client_of(simulator, keyless, account)
    first = raw(client, category="spot", limit=10)
    cursor = first["nextPageCursor"]
    assert "%" in cursor
    one, other = (
        {
            (row["symbol"], row["execId"], row["side"])
            for row in raw(client, category="spot", limit=10, cursor=c)["list"]
        }
        for c in (cursor, cursor.replace("%", "%25"))
    )
    assert one == other
    assert len(one | {(row["symbol"], row["execId"], row["side"]) for row in first["list"]}) == 20
    for changed in ({"category": "linear"}, {"symbol": "BTCUSDT"}, {"execType": "Trade"}, {"cursor": "made%20up"}):
        asked = {"category": "spot", "limit": 10, "cursor": cursor} | changed
        assert refusal_of(client.privateGetV5ExecutionList, asked)[1] == 10001


def test_a_window_is_at_most_seven_days_and_two_years_back(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, plain_account(simulator))
    now = client.milliseconds()
    assert raw(client, category="spot", startTime=now - WEEK_MS, endTime=now)["list"] == []
    for wrong in (
        {"startTime": now - WEEK_MS - 1, "endTime": now},
        {"startTime": now, "endTime": now - 1},
        {"startTime": now - 732 * DAY_MS, "endTime": now - 731 * DAY_MS},
        {"startTime": "yesterday"},
        {"symbol": "NOPEUSDT"},
    ):
        assert refusal_of(client.privateGetV5ExecutionList, {"category": "spot", **wrong})[1] == 10001
    assert refusal_of(client.privateGetV5ExecutionList, {})[1] == 10001
    assert refusal_of(client.privateGetV5ExecutionList, {"category": "galactic"})[1] == 10001
    assert raw(client, category="option")["list"] == []


def test_one_end_alone_means_seven_days_and_none_the_last_seven(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=400, products=["spot"])
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    now = client.milliseconds()

    def ids(**params: Any) -> set[str]:
        return {(row["symbol"], row["execId"]) for row in raw(client, category="spot", limit=100, **params)["list"]}

    def between(since: int, until: int) -> set[Any]:
        return {(t["market_id"], t["exchange_trade_id"]) for t in told if since <= t["timestamp_ms"] <= until}

    middle = now - 200 * DAY_MS
    assert ids() == between(now - WEEK_MS, now)
    assert ids(startTime=middle) == between(middle, middle + WEEK_MS) != set()
    assert ids(endTime=middle) == between(middle - WEEK_MS, middle) != set()


def test_rows_look_as_documented(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("bybit", details={"discount": True})
    simulator.trade(account, product="spot", market_id="BTCUSDT", side="buy", size="0.5", price="64000")
    simulator.trade(account, product="linear", market_id="BTCUSDT", side="sell", size="0.5", price="64000")
    client = client_of(simulator, keyless, account)
    spot, linear = (raw(client, category=category) for category in ("spot", "linear"))
    assert (spot["category"], linear["category"]) == ("spot", "linear")
    (bought,), (sold,) = spot["list"], [row for row in linear["list"] if row["execType"] == "Trade"]
    assert all("category" not in row for row in (bought, sold))
    assert ("createType" in bought, "createType" in sold) == (False, True)
    assert (bought["feeCurrency"], sold["feeCurrency"]) == ("MNT", "")
    assert (bought["execId"].isdigit(), sold["execId"].count("-")) == (True, 4)
    assert isinstance(bought["execTime"], str)
    assert bought["execValue"] == "32000"


def test_each_kind_has_its_word_and_is_found_by_it(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    words = {"trade": "Trade", "liquidation": "BustTrade", "adl": "AdlTrade", "settlement": "Settle"}
    for kind in words:
        simulator.trade(account, product="linear", market_id="BTCUSDT", kind=kind)
    client = client_of(simulator, keyless, account)
    for word in words.values():
        assert [row["execType"] for row in raw(client, category="linear", execType=word)["list"]] == [word]
    told = Counter(row["execType"] for row in raw(client, category="linear")["list"])
    assert {word: told[word] for word in words.values()} == dict.fromkeys(words.values(), 1)


def test_funding_stands_among_the_executions_of_perpetuals_and_is_no_trade(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, history=50, products=["linear"])
    client = client_of(simulator, keyless, account)
    rows = raw(client, category="linear", limit=100)["list"]
    paid = [row for row in rows if row["execType"] == "Funding"]
    assert len(paid) in {20, 21, 22}
    assert paid == raw(client, category="linear", limit=100, execType="Funding")["list"]
    assert len({row["execId"] for row in paid}) == len(paid)
    assert raw(client, category="spot")["list"] == []


def test_rebates_taxes_and_the_third_coin_are_in_the_rows(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, details={"tax": True})
    simulator.trade(account, product="linear", market_id="ETHUSDT", maker=True, side="buy", size="1", price="3000")
    simulator.trade(account, product="linear", market_id="BTCUSDT", maker=False, side="buy", size="1", price="60000")
    client = client_of(simulator, keyless, account)
    rows = {row["symbol"]: row for row in raw(client, category="linear", execType="Trade")["list"]}
    assert Decimal(rows["ETHUSDT"]["execFee"]) == Decimal("-0.15")
    assert rows["ETHUSDT"]["feeRate"].startswith("-")
    (tax,) = json.loads(rows["BTCUSDT"]["extraFees"])
    assert (tax["feeCoin"], Decimal(tax["fee"])) == ("USDT", Decimal(rows["BTCUSDT"]["execFee"]) * Decimal("0.18"))
    assert rows["ETHUSDT"]["extraFees"] == ""


def test_a_row_is_found_by_order_client_id_and_coin(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    simulator.trade(account, market_id="BTCUSDT", client_order_id="mine", order_id="12345")
    simulator.trade(account, market_id="ETHUSDT", client_order_id="other", order_id="12346")
    client = client_of(simulator, keyless, account)

    def found(**params: Any) -> list[str]:
        return [row["symbol"] for row in raw(client, category="spot", **params)["list"]]

    assert found(orderId="12345", orderLinkId="other") == ["BTCUSDT"]
    assert found(orderLinkId="other", baseCoin="BTC") == ["ETHUSDT"]
    assert found(symbol="BTCUSDT", baseCoin="ETH") == ["BTCUSDT"]
    assert found(baseCoin="ETH") == ["ETHUSDT"]


def test_a_late_trade_is_shown_when_it_is_visible(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    client = client_of(simulator, keyless, account)
    simulator.weather("late", delay=3_600)
    simulator.trade(account, market_id="BTCUSDT")
    assert raw(client, category="spot")["list"] == []
    assert len(simulator.truth(account)["trades"]) == 1


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_all_trades_together(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=1_000)
    simulator.trade(account, count=200)
    client = client_of(simulator, keyless, account)
    told: dict[str, dict[str, Decimal]] = {}
    for row in simulator.truth(account)["balances"]:
        told.setdefault(row["wallet"], {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    for wallet, params in (("unified", {}), ("funding", {"type": "funding"})):
        balance = client.fetch_balance(params)["total"]
        held = {asset: Decimal(str(amount)) for asset, amount in balance.items() if Decimal(str(amount or 0))}
        assert held == told[wallet]


def test_some_read_only_keys_may_not_see_the_funding_wallet(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, plain_account(simulator, details={"funding_hidden": True}))
    assert refusal_of(client.fetch_balance, {"type": "funding"}) == (ccxt.PermissionDenied, 10005)
    assert client.fetch_balance()["total"]["USDT"]


def test_an_account_of_the_old_kind_has_no_unified_wallet(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, plain_account(simulator, details={"margin_status": 1}))
    assert client.privateGetV5AccountInfo()["result"]["unifiedMarginStatus"] == 1
    assert refusal_of(client.privateGetV5AccountWalletBalance, {"accountType": "UNIFIED"})[1] == 10028


@pytest.mark.parametrize(
    ("permissions", "read_only", "wallet", "spot"),
    [
        (["read"], 1, ["AccountTransfer", "SubMemberTransferList"], ["SpotTrade"]),
        (["read", "trade"], 0, [], ["SpotTrade"]),
        (["read", "withdraw"], 0, ["Withdraw"], []),
        (["read", "transfer"], 0, ["AccountTransfer", "SubMemberTransferList"], []),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, permissions: Any, read_only: int, wallet: Any, spot: Any
) -> None:
    account = plain_account(simulator, permissions=permissions)
    told = client_of(simulator, keyless, account).privateGetV5UserQueryApi()["result"]
    assert (told["readOnly"], told["permissions"]["Wallet"], told["permissions"]["Spot"]) == (read_only, wallet, spot)
    assert (str(told["userID"]), told["ips"], told["apiKey"]) == (account["uid"], ["*"], account["api_key"])
    assert told["expiredAt"].endswith("Z")


def test_a_bound_key_does_not_expire_and_is_refused_from_elsewhere(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, addresses=["127.0.0.1"])
    client = client_of(simulator, keyless, account)
    told = client.privateGetV5UserQueryApi()["result"]
    assert (told["ips"], told["expiredAt"]) == (["127.0.0.1"], "")
    simulator.change(account, addresses=["10.1.2.3"])
    assert refusal_of(client.privateGetV5UserQueryApi) == (ccxt.PermissionDenied, 10010)


def test_each_way_to_be_refused_has_its_code(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    ask = client.privateGetV5AccountInfo
    assert ask()["retCode"] == 0
    right = client.secret
    client.secret = "wrong"
    assert refusal_of(ask) == (ccxt.AuthenticationError, 10004)
    client.secret, client.apiKey = right, "nobody"
    assert refusal_of(ask) == (ccxt.AuthenticationError, 10003)
    client.apiKey = account["api_key"]
    simulator.spoil_key(account, "expire")
    assert refusal_of(ask) == (ccxt.AuthenticationError, 33004)
    simulator.spoil_key(account, "restore")
    simulator.spoil_key(account, "revoke")
    assert refusal_of(ask) == (ccxt.AuthenticationError, 10003)
    simulator.spoil_key(account, "restore")
    assert ask()["retCode"] == 0
    for skew in (6_000, -1_500):
        simulator.ask("POST", "/clock", skew_ms=skew)
        assert refusal_of(ask) == (ccxt.InvalidNonce, 10002)
    simulator.ask("POST", "/clock", skew_ms=4_000)
    assert ask()["retCode"] == 0


def test_a_key_is_known_at_home_only(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, plain_account(simulator, details={"entity": "bybit.eu"}))
    assert refusal_of(client.privateGetV5AccountInfo)[1] == 10003
    client.hostname = "bybit.eu"
    assert client.privateGetV5AccountInfo()["retCode"] == 0
    other = client_of(simulator, keyless, plain_account(simulator))
    other.hostname = "bytick.com"
    assert other.privateGetV5AccountInfo()["retCode"] == 0


def test_a_private_key_of_the_users_own_signs_too(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, details={"key_type": "rsa"})
    assert "PRIVATE KEY" in account["secret"]
    client = client_of(simulator, keyless, account)
    assert client.privateGetV5AccountInfo()["retCode"] == 0
    client.secret = plain_account(simulator, details={"key_type": "rsa"})["secret"]
    assert refusal_of(client.privateGetV5AccountInfo)[1] == 10004


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_headers_tell_the_quota_and_a_broken_one_says_when(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    client = client_of(simulator, keyless, plain_account(simulator))
    client.privateGetV5AccountInfo()
    headers = {name.lower(): value for name, value in client.last_response_headers.items()}
    assert (headers["x-bapi-limit"], headers["x-bapi-limit-status"]) == ("50", "49")
    codes = []
    for _ in range(12):
        try:
            client.privateGetV5AssetCoinQueryInfo({"coin": "BTC"})
        except ccxt.RateLimitExceeded as refused:
            codes.append(json.loads(str(refused).partition(" ")[2])["retCode"])
            headers = {name.lower(): value for name, value in client.last_response_headers.items()}
            assert int(headers["x-bapi-limit-reset-timestamp"]) > client.milliseconds() - 1_000
    assert set(codes) == {10006}
    assert len(codes) <= 7


def ask_for_ever(simulator: SimulatorProcess) -> None:
    while True:
        simulator.ask("GET", "/bybit/api.bybit.com/v5/market/time")


def test_an_address_that_asks_too_often_is_locked_out_with_a_page(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True, forget=True)
    with pytest.raises(SimulatorSaysNo, match="access too frequent"):
        ask_for_ever(simulator)
    for _ in range(2):
        with pytest.raises(ccxt.RateLimitExceeded, match="access too frequent"):
            keyless.publicGetV5MarketTime()
    assert keyless.last_http_response.startswith("403")
    simulator.limits(forget=True)
    assert keyless.publicGetV5MarketTime()["retCode"] == 0
