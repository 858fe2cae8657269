"""ccxt's REST client reads from the MEXC dialect exactly what happened, and is refused as it would be."""

import json
import time
from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import ccxt
import pytest

from simulator.mexc.keys import signature_of
from simulator.truth import Account
from tests.exchanges.messages import real_message
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import call
from tests.simulator.witnesses import as_read, as_told, assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
SECOND_MS = 1000
FULL_PAGE = 100
SIDES = {1: "buy", 2: "buy", 3: "sell", 4: "sell"}


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "mexc", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.mexc({"enableRateLimit": False}), "mexc")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.mexc(credentials(account) | {"enableRateLimit": False}), "mexc")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def refusal_of(ask: Any, *arguments: Any) -> tuple[type, int]:
    """What ccxt makes of a refusal, and the code that it was."""
    with pytest.raises(ccxt.BaseError) as refused:
        ask(*arguments)
    text = str(refused.value)
    return type(refused.value), int(json.loads(text[text.index("{") :])["code"])


# ── Listings ──────────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["product"], m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}

    def product(market: dict[str, Any]) -> str:
        return "spot" if market["spot"] else "linear" if market["linear"] else "inverse"

    assert {(product(m), m["id"], m["symbol"]) for m in keyless.markets.values()} == listed
    assert keyless.market("BTC/USDT:USDT")["contractSize"] == "0.0001"
    assert keyless.market("GMT/USDT")["id"] == "STEPNUSDT", "some coins are called otherwise elsewhere"
    assert keyless.market("ETH/USDT")["maker"] == "0"


def test_a_delisted_market_leaves_the_list_and_keeps_its_history(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc")
    simulator.trade(account, product="spot", market_id="ADAUSDT")
    client = client_of(simulator, keyless, account)
    simulator.ask("POST", "/markets", exchange="mexc", product="spot", market_id="ADAUSDT", status="delisted")
    assert "ADA/USDT" not in keyless.load_markets(True)
    assert len(client.fetch_my_trades("ADA/USDT")) == 1
    assert refusal_of(client.spotPrivateGetMyTrades, {"symbol": "NOPEUSDT"}) == (ccxt.BadSymbol, -1121)


def test_both_systems_tell_the_time(simulator: SimulatorProcess, keyless: Any) -> None:
    for kind in ("spot", "swap"):
        assert abs(keyless.fetch_time({"type": kind}) - keyless.milliseconds()) < 5_000


def test_coins_want_a_right_that_a_reader_does_not_need(simulator: SimulatorProcess, keyless: Any) -> None:
    """ccxt asks for coins before anything else once it has a key, and so fails with a good one."""
    scopes = ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"]
    reader, rich = simulator.account("mexc", details={"scopes": scopes}), simulator.account("mexc")
    for account, allowed in ((reader, False), (rich, True)):
        client = pointed_at(simulator, ccxt.mexc(credentials(account) | {"enableRateLimit": False}), "mexc")
        if allowed:
            assert client.load_markets()["BTC/USDT"]
            assert {"BTC", "MX", "GMTTOKEN"} <= set(client.currencies)
        else:
            assert refusal_of(client.load_markets) == (ccxt.AuthenticationError, 700007)


# ── Spot history ──────────────────────────────────────────────────────────────────────────────────────


def by_bisection(client: Any, symbol: str, start: int, end: int) -> list[dict[str, Any]]:
    """All fills of a window: halved wherever a page is full, down to the one second that rows tell apart."""
    page = client.fetch_my_trades(symbol, start, FULL_PAGE, {"until": end})
    if len(page) < FULL_PAGE:
        return page
    if end - start <= 2 * SECOND_MS:
        found = []
        for order in client.spotPrivateGetAllOrders(
            {"symbol": client.market_id(symbol), "startTime": start - SECOND_MS, "endTime": end, "limit": 1000}
        ):
            found += client.fetch_my_trades(symbol, None, None, {"orderId": order["orderId"]})
        return found
    middle = (start + end) // 2
    return by_bisection(client, symbol, start, middle + SECOND_MS) + by_bisection(client, symbol, middle, end)


def once_each(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({(trade["symbol"], trade["id"]): trade for trade in trades}.values())


def in_seconds(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The truth as spot rows tell it: without the milliseconds."""
    return [trade | {"timestamp_ms": trade["timestamp_ms"] // 1000 * 1000} for trade in trades]


def test_a_month_is_read_by_symbol_and_bisection_to_the_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", history=2_000, products=["spot"], details={"discount": False})
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    read = []
    for market in keyless.markets.values():
        if market["spot"]:
            read += by_bisection(client, market["symbol"], now - 30 * DAY_MS, now)
    assert_reads_the_truth(once_each(read), in_seconds(simulator.truth(account)["trades"]))
    ids = [(trade["symbol"], trade["id"]) for trade in once_each(read)]
    numbers = Counter(one.rstrip("12").rstrip("X") for _, one in ids)
    assert max(numbers.values()) > 1, "numbers of different symbols must collide, or nobody notices mixing them"


def test_a_second_with_more_than_a_page_is_read_by_its_orders(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["spot"])
    wish = {"market_id": "BTCUSDT", "fills": 60, "size": "1", "maker": False}
    simulator.ask("POST", "/trades", account=account["name"], trades=[wish] * 4)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    assert len(told) > 2 * FULL_PAGE
    now = client.milliseconds()
    read = once_each(by_bisection(client, "BTC/USDT", now - DAY_MS, now + 2 * SECOND_MS))
    assert_reads_the_truth(read, in_seconds(told))


def raw(client: Any, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.spotPrivateGetMyTrades({"symbol": "BTCUSDT", **params})
    return rows


def test_a_page_holds_the_newest_first_and_never_more_than_a_hundred(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["spot"])
    made = [t for _ in range(40) for t in simulator.trade(account, market_id="BTCUSDT", fills=3, size="1")]
    client = client_of(simulator, keyless, account)
    newest = [trade["exchange_trade_id"] for trade in reversed(made)]
    assert [row["id"] for row in raw(client)] == newest[:FULL_PAGE]
    assert [row["id"] for row in raw(client, limit=500)] == newest[:FULL_PAGE]
    assert [row["id"] for row in raw(client, limit=7)] == newest[:7]


def test_windows_know_seconds_and_leave_their_end_out(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["spot"])
    (made,) = simulator.trade(account, market_id="BTCUSDT", fills=1)
    client = client_of(simulator, keyless, account)
    second = made["timestamp_ms"] // SECOND_MS * SECOND_MS
    assert [row["time"] for row in raw(client)] == [second]
    assert len(raw(client, startTime=second, endTime=second + 1)) == 1
    assert raw(client, startTime=second + 1, endTime=second + 5000) == []
    assert raw(client, startTime=second - 5000, endTime=second) == []
    assert len(raw(client, orderId=made["order_id"])) == 1
    assert raw(client, orderId="C02__1") == []


def test_nothing_older_than_a_month_is_told(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "mexc", "--no-limits", "--start", "2026-01-01T00:00:00Z")
    account = simulator.account("mexc", history=200, products=["spot"])
    client = pointed_at(simulator, ccxt.mexc(credentials(account) | {"enableRateLimit": False}), "mexc")
    simulator.ask("POST", "/clock", skew_ms=15 * DAY_MS)
    now = simulator.ask("GET", "/clock")["now_ms"] + 15 * DAY_MS
    client.nonce = lambda: now
    told = [t for t in simulator.truth(account)["trades"] if t["market_id"] == "BTCUSDT"]
    kept = {t["exchange_trade_id"] for t in told if t["timestamp_ms"] >= now - 30 * DAY_MS}
    assert {row["id"] for row in raw(client, startTime=now - 60 * DAY_MS)} == kept
    assert 0 < len(kept) < len(told)


def test_a_call_of_nonsense_is_refused(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("mexc"))
    now = client.milliseconds()
    ask = client.spotPrivateGetMyTrades
    assert refusal_of(ask, {}) == (ccxt.BadRequest, 700004)
    assert refusal_of(ask, {"symbol": "BTCUSDT", "startTime": "yesterday"}) == (ccxt.BadRequest, 700008)
    assert refusal_of(ask, {"symbol": "BTCUSDT", "startTime": now, "endTime": now - 1}) == (ccxt.BadRequest, -1128)
    week = {"symbol": "BTCUSDT", "startTime": now - 8 * DAY_MS, "endTime": now}
    assert refusal_of(client.spotPrivateGetAllOrders, week) == (ccxt.BadRequest, -1128)


def test_rows_of_fills_look_as_documented(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", details={"discount": True})
    wish = {"product": "spot", "market_id": "BTCUSDT", "side": "buy", "size": "0.002", "price": "64250.1"}
    (made,) = simulator.trade(account, **wish, maker=False, fills=1, client_order_id="mine")
    client = client_of(simulator, keyless, account)
    (row,) = raw(client)
    (sample,) = real_message("mexc", "mx8")
    assert set(row) == set(sample)
    assert {name: type(value) for name, value in row.items()} == {
        name: type(value) if value is not None else str for name, value in sample.items()
    }
    assert row["id"][:-2].isdecimal()
    assert row["id"][-2:] in {"X1", "X2"}
    assert (row["quoteQty"], row["commissionAsset"], row["clientOrderId"]) == ("128.5002", "MX", "mine")
    assert row["commission"] == made["fees"][0]["amount"]


def test_what_costs_nothing_is_zero_or_empty(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["spot"], details={"discount": False})
    for _ in range(8):
        simulator.trade(account, market_id="BTCUSDT", maker=True, fills=1)
    rows = raw(client_of(simulator, keyless, account))
    assert {(row["commission"], row["commissionAsset"]) for row in rows} == {("0", "USDT"), ("", "")}


def test_a_trade_with_oneself_is_two_rows_whose_ids_differ_in_the_suffix(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("mexc", products=["spot"])
    simulator.trade(account, market_id="BTCUSDT", self_trade=True)
    taker, maker = raw(client_of(simulator, keyless, account))
    assert (maker["id"][:-1], maker["id"][-1], taker["id"][-1]) == (taker["id"][:-1], "1", "2")
    assert (maker["isMaker"], taker["isMaker"]) == (True, False)
    assert maker["isSelfTrade"] is taker["isSelfTrade"] is True


def test_open_orders_are_told_by_symbol(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["spot"], details={"self_trades": False})
    while not any(Decimal(row["locked"]) for row in simulator.truth(account)["balances"]):
        simulator.trade(account, count=1)
    client = client_of(simulator, keyless, account)
    found = [
        order
        for market in keyless.markets.values()
        if market["spot"]
        for order in client.fetch_open_orders(market["symbol"])
    ]
    assert found
    for order in found:
        assert order["status"] == "open"
        assert 0 < Decimal(order["filled"]) < Decimal(order["amount"])
    assert refusal_of(client.spotPrivateGetOpenOrders, {}) == (ccxt.BadRequest, 700004)


# ── Futures history ───────────────────────────────────────────────────────────────────────────────────


def with_true_sides(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """ccxt reads 2 as a sale and leaves 3 and 4 as they are; 2 closes a short, which is a purchase."""
    return [trade | {"side": SIDES[int(trade["info"]["side"])]} for trade in trades]


def pages(client: Any, symbol: str, start: int, end: int, size: int = 100) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        params = {"end_time": end, "page_num": len(found) // size + 1, "page_size": size}
        page = client.fetch_my_trades(symbol, start, None, params)
        found += page
        if len(page) < size:
            return found


def test_ninety_days_of_contracts_are_found_by_their_orders_and_read_by_pages(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("mexc", history=1_500, products=["linear"])
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    start = now - 90 * DAY_MS + 60_000
    symbols, page_number = set(), 1
    while True:
        asked = {"start_time": start, "end_time": now, "page_num": page_number, "page_size": 100}
        page = client.contractPrivateGetOrderListHistoryOrders(asked)["data"]
        symbols |= {order["symbol"] for order in page}
        page_number += 1
        if len(page) < 100:
            break
    read = [
        trade
        for symbol in symbols
        for trade in pages(client, client.safe_symbol(symbol, None, None, "swap"), start, now)
    ]
    assert_reads_the_truth(with_true_sides(read), simulator.truth(account)["trades"])
    sides = {int(trade["info"]["side"]) for trade in read}
    assert sides == {1, 2, 3, 4}
    assert len({trade["id"] for trade in read}) < len(read)


def test_the_newer_call_has_larger_pages_in_an_envelope_of_its_own(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    for _ in range(10):
        simulator.trade(account, market_id="BTC_USDT", fills=15, size="5000")
    client = client_of(simulator, keyless, account)
    ask = client.contractPrivateGetOrderListOrderDealsV3
    data = ask({"symbol": "BTC_USDT", "page_size": 100})["data"]
    told = simulator.truth(account)["trades"]
    assert {name: data[name] for name in data if name != "resultList"} == {
        "pageSize": 100,
        "totalCount": len(told),
        "totalPage": 2,
        "currentPage": 1,
    }
    rest = ask({"symbol": "BTC_USDT", "page_size": 100, "page_num": 2})["data"]["resultList"]
    newest = [trade["exchange_trade_id"] for trade in reversed(told)]
    assert [row["id"] for row in data["resultList"] + rest] == newest
    assert len(ask({"symbol": "BTC_USDT", "page_size": 1000})["data"]["resultList"]) == len(told)
    assert len(client.contractPrivateGetOrderListOrderDeals({"symbol": "BTC_USDT", "page_size": 1000})["data"]) == 100
    assert len(client.contractPrivateGetOrderListOrderDeals({"symbol": "BTC_USDT"})["data"]) == 20


def test_rows_of_contracts_look_as_documented(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc")
    simulator.trade(account, product="linear", market_id="LTC_USDT", side="buy", size="3", price="100", fills=1)
    wish = {"product": "linear", "market_id": "LTC_USDT", "side": "sell", "size": "1", "price": "100.48"}
    (made,) = simulator.trade(account, **wish, maker=False, fills=1)
    client = client_of(simulator, keyless, account)
    row = client.contractPrivateGetOrderListOrderDeals({"symbol": "LTC_USDT"})["data"][0]
    sample = real_message("mexc", "mx5")["data"]
    assert set(row) == set(sample) - {"isSelf"} | {"opponentUid"}
    assert {name: type(row[name]) for name in row if name in sample} == {
        name: type(value) for name, value in sample.items() if name != "isSelf"
    }
    assert (row["side"], row["vol"], row["price"], row["taker"], row["category"]) == (4, 1, 100.48, True, 1)
    assert Decimal(str(row["profit"])) == Decimal(made["contracts"]) * Decimal("0.1") * Decimal("0.48")
    newer = client.contractPrivateGetOrderListOrderDealsV3({"symbol": "LTC_USDT"})["data"]["resultList"][0]
    assert newer["isTaker"] is True
    (own,) = client.contractPrivateGetOrderDealDetailsOrderId({"order_id": made["order_id"]})["data"]
    assert own["id"] == made["exchange_trade_id"]


def test_rebates_are_negative_fees_and_forced_fills_have_their_category(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("mexc", products=["linear"])
    client = client_of(simulator, keyless, account)
    for kind, category in (("trade", 1), ("liquidation", 2), ("adl", 4)):
        maker = kind == "trade"
        simulator.trade(account, market_id="ETH_USDT", kind=kind, maker=maker, size="10", price="3200", fills=1)
        row = client.contractPrivateGetOrderListOrderDeals({"symbol": "ETH_USDT"})["data"][0]
        assert row["category"] == category
        assert (row["fee"] < 0) is maker


def test_a_contract_settled_in_its_own_coin_is_read_too(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc")
    for side in ("buy", "sell", "sell", "buy"):
        simulator.trade(account, product="inverse", market_id="BTC_USD", side=side, fills=2, size="20")
    client, now = client_of(simulator, keyless, account), keyless.milliseconds()
    read = with_true_sides(pages(client, "BTC/USD:BTC", now - DAY_MS, now))
    told = simulator.truth(account)["trades"]
    assert {as_read(trade)[:6] for trade in read} == {as_told(trade)[:6] for trade in told}


def test_positions_name_the_contracts_that_were_traded(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    for market, side in (("BTC_USDT", "buy"), ("ETH_USDT", "buy"), ("ETH_USDT", "sell")):
        simulator.trade(account, market_id=market, side=side, size="10")
    client = client_of(simulator, keyless, account)
    (held,) = client.contractPrivateGetPositionOpenPositions()["data"]
    assert (held["symbol"], held["positionType"], held["holdVol"]) == ("BTC_USDT", 1, 10)
    (closed,) = client.contractPrivateGetPositionListHistoryPositions()["data"]
    assert (closed["symbol"], closed["state"]) == ("ETH_USDT", 3)


def test_history_orders_know_their_state(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    (made,) = simulator.trade(account, market_id="BTC_USDT", size="10", price="64000", fills=1)
    ask = client_of(simulator, keyless, account).contractPrivateGetOrderListHistoryOrders
    (order,) = ask({"states": "3,4"})["data"]
    assert (order["orderId"], order["dealVol"], order["dealAvgPrice"]) == (made["order_id"], 10, 64000)
    assert ask({"states": "4"})["data"] == ask({"symbol": "ETH_USDT"})["data"] == []


def test_a_wrong_question_about_contracts_is_refused(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("mexc"))
    now = client.milliseconds()
    ask = client.contractPrivateGetOrderListOrderDeals
    assert refusal_of(ask, {})[1] == 600
    assert refusal_of(ask, {"symbol": "NOPE_USDT"}) == (ccxt.BadSymbol, 1001)
    for start, end in ((now - 91 * DAY_MS, now), (now, now - 1)):
        assert refusal_of(ask, {"symbol": "BTC_USDT", "start_time": start, "end_time": end})[1] == 6003
    assert refusal_of(ask, {"symbol": "BTC_USDT", "page_num": "x"})[1] == 600


def test_without_a_window_seven_days_are_told(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", history=300, products=["linear"])
    client = client_of(simulator, keyless, account)
    told = [t for t in simulator.truth(account)["trades"] if t["market_id"] == "BTC_USDT"]
    now = client.milliseconds()

    def ids(**params: Any) -> list[str]:
        rows = client.contractPrivateGetOrderListOrderDeals({"symbol": "BTC_USDT", "page_size": 100, **params})["data"]
        return [row["id"] for row in rows]

    def between(start: int, end: int) -> list[str]:
        return [t["exchange_trade_id"] for t in reversed(told) if start <= t["timestamp_ms"] <= end]

    middle = now - 40 * DAY_MS
    assert ids() == between(now - 7 * DAY_MS, now)
    assert ids(end_time=middle) == between(middle - 7 * DAY_MS, middle) != []
    assert ids(start_time=middle) == between(middle, middle + 7 * DAY_MS) != []


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_all_trades_together(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", history=600)
    simulator.trade(account, count=100)
    client = client_of(simulator, keyless, account)
    told: dict[str, dict[str, Decimal]] = {}
    for row in simulator.truth(account)["balances"]:
        told.setdefault(row["wallet"], {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    spot = client.fetch_balance()
    assert {coin: Decimal(amount) for coin, amount in spot["total"].items()} == told["spot"]
    assert "GMTTOKEN" in told["spot"]
    swap = client.fetch_balance({"type": "swap"})
    rows = {row["currency"]: row for row in swap["info"]["data"]}
    assert {coin: Decimal(str(row["equity"])) for coin, row in rows.items()} == told["futures"]
    margin = Decimal(str(rows["USDT"]["positionMargin"]))
    assert margin > 0, "what positions keep back is missing from ccxt's total"
    assert Decimal(swap["total"]["USDT"]) == told["futures"]["USDT"] - margin
    one = client.contractPrivateGetAccountAssetCurrency({"currency": "USDT"})["data"]
    assert one == rows["USDT"]
    held = client.contractPrivateGetPositionOpenPositions()["data"]
    assert {row["symbol"] for row in held} <= {m["id"] for m in keyless.markets.values() if m["swap"]}
    assert held


def test_the_account_row_looks_as_documented_and_leaves_out_what_is_zero(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    client = client_of(simulator, keyless, simulator.account("mexc", products=["linear"]))
    told = client.spotPrivateGetAccount()
    sample = real_message("mexc", "mx9")
    assert set(told) == set(sample)
    assert (told["balances"], told["canTrade"], told["canWithdraw"]) == ([], True, True)
    other = client_of(simulator, keyless, simulator.account("mexc"))
    assert {tuple(row) for row in other.spotPrivateGetAccount()["balances"]} == {tuple(sample["balances"][0])}


@pytest.mark.parametrize(
    ("permissions", "writes"),
    [
        (["read"], set()),
        (["read", "trade"], {"SPOT_DEAL_WRITE"}),
        (["read", "futures"], {"CONTRACT_DEAL_WRITE"}),
        (["read", "withdraw"], {"SPOT_WITHDRAW_WRITE"}),
        (["read", "transfer"], {"SPOT_TRANSFER_WRITE"}),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, permissions: list[str], writes: set[str]
) -> None:
    account = simulator.account("mexc", permissions=permissions)
    told = client_of(simulator, keyless, account).spotPrivateGetApiKeyInfo({"accessKey": account["api_key"]})
    assert set(told) == {
        "note", "accessKey", "createTime", "permissions", "remainingValidity", "ipWhiteList", "status",
    }  # fmt: skip
    scopes = told["permissions"].split(",")
    assert scopes[-1] == ""
    assert {scope for scope in scopes if scope.endswith("_WRITE")} == writes
    assert "SPOT_ACCOUNT_READ" in scopes
    assert 0 <= told["remainingValidity"] <= 90
    assert (told["accessKey"], told["status"]) == (account["api_key"], "VALID")


def test_a_key_is_told_of_itself_alone(simulator: SimulatorProcess, keyless: Any) -> None:
    account, other = simulator.account("mexc"), simulator.account("mexc")
    client = client_of(simulator, keyless, account)
    assert refusal_of(client.spotPrivateGetApiKeyInfo)[1] == 730707
    assert refusal_of(client.spotPrivateGetApiKeyInfo, {"accessKey": other["api_key"]})[1] == 730706


def test_a_key_has_its_list_of_symbols(simulator: SimulatorProcess, keyless: Any) -> None:
    free, bound = simulator.account("mexc"), simulator.account("mexc", details={"symbols": ["BTCUSDT"]})
    assert "ETHUSDT" in client_of(simulator, keyless, free).spotPrivateGetSelfSymbols()["data"]
    assert client_of(simulator, keyless, bound).spotPrivateGetSelfSymbols()["data"] == ["BTCUSDT"]


def test_each_missing_right_is_refused(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc", details={"scopes": ["SPOT_ACCOUNT_R", "CONTRACT_ACCOUNT_READ"]})
    client = client_of(simulator, keyless, account)
    assert raw(client) == []
    assert client.contractPrivateGetAccountAssets()["success"] is True
    orders = {"symbol": "BTCUSDT"}
    assert refusal_of(client.spotPrivateGetAllOrders, orders) == (ccxt.AuthenticationError, 700007)
    assert refusal_of(client.contractPrivateGetOrderListOrderDeals, {"symbol": "BTC_USDT"})[1] == 703
    simulator.change(account, details={"scopes": ["CONTRACT_DEAL_READ"]})
    assert refusal_of(client.spotPrivateGetAccount)[1] == 700007
    assert refusal_of(client.contractPrivateGetAccountAssets) == (ccxt.PermissionDenied, 701)


def test_each_way_to_be_refused_has_its_code_in_both_systems(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("mexc")
    client = client_of(simulator, keyless, account)
    spot, futures = client.spotPrivateGetAccount, client.contractPrivateGetAccountAssets

    def codes() -> tuple[int, int]:
        return refusal_of(spot)[1], refusal_of(futures)[1]

    right = client.secret
    for wrong in ("wrong", "wr\N{LATIN SMALL LETTER O WITH DIAERESIS}ng"):
        client.secret = wrong
        assert codes() == (700002, 602)
    garbled = {"signature": "\N{LATIN SMALL LETTER O WITH DIAERESIS}", "timestamp": client.milliseconds()}
    url = f"https://api.mexc.com/api/v3/account?{urlencode(garbled)}"
    assert call(simulator, "mexc", url, headers={"X-MEXC-APIKEY": account["api_key"]}).refusal == (400, 700002)
    client.secret, client.apiKey = right, "nobody"
    assert codes() == (700001, 401)
    client.apiKey = "mx0vglNOBODYKNOWSIT"
    assert codes() == (10072, 401)
    assert refusal_of(spot)[0] is ccxt.BadRequest, "a dead key looks like a wrong call to ccxt"
    client.apiKey = account["api_key"]
    simulator.spoil_key(account, "revoke")
    assert codes() == (10072, 401)
    simulator.spoil_key(account, "restore")
    simulator.spoil_key(account, "expire")
    assert codes() == (402, 402)
    simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert codes() == (700006, 406)
    assert refusal_of(spot)[0] is ccxt.BadRequest, "a wrong address looks like a wrong call to ccxt"
    simulator.change(account, addresses=[])
    client.options["recvWindow"] = 60_001
    assert refusal_of(spot) == (ccxt.InvalidNonce, 700005)
    client.options["recvWindow"] = 5_000
    assert spot()["accountType"] == "SPOT"
    for skew, futures_too in ((6_000, False), (-2_000, False), (12_000, True), (-12_000, True)):
        simulator.ask("POST", "/clock", skew_ms=skew)
        assert refusal_of(spot) == (ccxt.InvalidNonce, 700003)
        if futures_too:
            assert refusal_of(futures)[1] == 513
        else:
            assert futures()["code"] == 0


def test_the_example_of_the_documents_signs_as_they_say() -> None:
    """The exchange's own example of a signed order: key, query and signature of its general information page."""
    account = Account(
        exchange="mexc", name="", uid="", api_key="mx0aBYs33eIilxBWC5", secret="45d0b3c26f2644f19bfb98b07741b2f5"
    )
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=11&recvWindow=5000&timestamp=1644489390087"
    wanted = "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"
    assert signature_of(account, query) == wanted


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_asks_too_much_is_told_to_wait_and_then_banned(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    simulator.limits(on=True, forget=True)
    one, other = (client_of(simulator, keyless, simulator.account("mexc")) for _ in range(2))
    for client in (one, other):
        for _ in range(15):
            raw(client)
    for _ in range(5):
        with pytest.raises(ccxt.RateLimitExceeded, match="429"):
            raw(other)
        assert 0 <= int(other.last_response_headers["Retry-After"]) <= 10
    with pytest.raises(ccxt.DDoSProtection):
        raw(one)
    assert int(one.last_response_headers["Retry-After"]) == 120
    with pytest.raises(ccxt.DDoSProtection):
        one.contractPrivateGetAccountAssets()
    simulator.limits(forget=True)
    assert raw(one) == []


def test_contracts_count_each_path_alone(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True, forget=True)
    client = client_of(simulator, keyless, simulator.account("mexc"))
    codes = Counter()
    began = time.monotonic()
    for _ in range(25):
        try:
            codes[client.contractPrivateGetAccountAssets()["code"]] += 1
        except ccxt.RateLimitExceeded as refused:
            codes[json.loads(str(refused).partition(" ")[2])["code"]] += 1
    assert time.monotonic() - began < 2, "all within one window, else this says nothing"
    assert codes == {0: 20, 510: 5}
    assert client.contractPrivateGetPositionOpenPositions()["data"] == []


def test_old_hosts_serve_contracts_only_and_unknown_paths_are_not_found(simulator: SimulatorProcess) -> None:
    assert call(simulator, "mexc", "https://contract.mexc.com/api/v1/contract/ping").data["success"] is True
    assert call(simulator, "mexc", "https://contract.mexc.com/api/v3/time").status == 404
    assert call(simulator, "mexc", "https://api.mexc.com/api/v1/private/nothing").data["code"] == 404


# ── Listen keys ───────────────────────────────────────────────────────────────────────────────────────


def test_every_call_makes_another_listen_key_until_there_are_sixty(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("mexc"))
    made = [client.spotPrivatePostUserDataStream()["listenKey"] for _ in range(60)]
    assert len(set(made)) == 60
    assert refusal_of(client.spotPrivatePostUserDataStream)[1] == 730000
    assert set(client.spotPrivateGetUserDataStream()["listenKey"]) == set(made)
    assert client.spotPrivateDeleteUserDataStream({"listenKey": made[0]})["listenKey"] == made[0]
    assert client.spotPrivatePutUserDataStream({"listenKey": made[1]})["listenKey"] == made[1]
    assert refusal_of(client.spotPrivatePutUserDataStream, {"listenKey": made[0]})[1] == 730002
    assert len(client.spotPrivateGetUserDataStream()["listenKey"]) == 59


def test_a_listen_key_lasts_an_hour_unless_it_is_prolonged(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "mexc", "--no-limits")
    account = simulator.account("mexc")
    client = pointed_at(simulator, ccxt.mexc(credentials(account) | {"enableRateLimit": False}), "mexc")
    kept, lost = (client.spotPrivatePostUserDataStream()["listenKey"] for _ in range(2))

    def later(minutes: int) -> None:
        simulator.ask("POST", "/clock", skew_ms=minutes * 60_000)
        client.nonce = lambda: client.milliseconds() + minutes * 60_000

    later(50)
    client.spotPrivatePutUserDataStream({"listenKey": kept})
    later(65)
    assert client.spotPrivateGetUserDataStream()["listenKey"] == [kept]
    assert refusal_of(client.spotPrivatePutUserDataStream, {"listenKey": lost})[1] == 730002
