"""The Binance dialect refuses what Binance refuses, in its words, and serves its pages the way it does."""

import time
from typing import Any

import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import call, signed_call

SPOT = "https://api.binance.com/api/v3"
WALLET = "https://api.binance.com/sapi/v1"
FUTURES = "https://fapi.binance.com/fapi/v1"
MY_TRADES = f"{SPOT}/myTrades"
USER_TRADES = f"{FUTURES}/userTrades"
DAY_MS = 86_400_000


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "binance")


@pytest.fixture
def account(simulator: SimulatorProcess) -> dict[str, Any]:
    return simulator.account("binance")


@pytest.mark.parametrize(
    ("spoilt", "refusal"),
    [
        ({"key": "nonsense"}, (401, -2014)),
        ({"key": "A" * 64}, (401, -2008)),
        ({"secret": "another"}, (400, -1022)),
        ({"signature": ""}, (400, -1022)),
        ({"timestamp": 0}, (400, -1021)),
        ({"timestamp": 4_000_000_000_000}, (400, -1021)),
        ({"recvWindow": 70_000}, (400, -1131)),
    ],
)
def test_a_badly_signed_call_is_refused(
    simulator: SimulatorProcess, account: dict[str, Any], spoilt: dict[str, Any], refusal: tuple[int, int]
) -> None:
    assert signed_call(simulator, account, f"{SPOT}/account", **spoilt).refusal == refusal


def test_time_is_believed_within_its_window_only(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    late = {"timestamp": now_ms() - 8_000}
    assert signed_call(simulator, account, f"{SPOT}/account", **late).refusal == (400, -1021)
    assert signed_call(simulator, account, f"{SPOT}/account", recvWindow=20_000, **late).status == 200
    micros = {"timestamp": now_ms() * 1000}
    assert signed_call(simulator, account, f"{SPOT}/account", **micros).status == 200


def test_a_signature_holds_for_its_exact_bytes(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    name = "币安人生USDT"
    assert signed_call(simulator, account, MY_TRADES, symbol=name).status == 200
    headers = {"X-MBX-APIKEY": account["api_key"]}
    unsigned = call(simulator, "binance", f"{SPOT}/account?timestamp={now_ms()}", headers=headers)
    assert unsigned.refusal == (400, -1102)


@pytest.mark.parametrize(("how", "address"), [("revoke", None), ("expire", None), (None, "203.0.113.9")])
def test_a_key_that_may_not_be_used_is_refused(
    simulator: SimulatorProcess, account: dict[str, Any], how: str | None, address: str | None
) -> None:
    if how:
        simulator.spoil_key(account, how)
    else:
        simulator.change(account, addresses=[address])
    assert signed_call(simulator, account, f"{SPOT}/account").refusal == (401, -2015)
    if how:
        simulator.spoil_key(account, "restore")
        assert signed_call(simulator, account, f"{SPOT}/account").status == 200


def test_futures_want_their_permission(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", permissions=["read"])
    assert signed_call(simulator, account, USER_TRADES, symbol="BTCUSDT").refusal == (401, -2015)
    assert signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").status == 200


@pytest.mark.parametrize(
    ("params", "refusal"),
    [
        ({}, (400, -1102)),
        ({"symbol": "NOSUCH"}, (400, -1121)),
        ({"symbol": "BTCUSDT", "fromId": 1, "startTime": 1}, (400, -1128)),
        ({"symbol": "BTCUSDT", "orderId": 1, "endTime": 1}, (400, -1128)),
        ({"symbol": "BTCUSDT", "startTime": 0, "endTime": DAY_MS + 1}, (400, -1127)),
        ({"symbol": "BTCUSDT", "fromId": "x"}, (400, -1100)),
    ],
)
def test_what_does_not_go_together_is_refused(
    simulator: SimulatorProcess, account: dict[str, Any], params: dict[str, Any], refusal: tuple[int, int]
) -> None:
    assert signed_call(simulator, account, MY_TRADES, **params).refusal == refusal


def test_futures_windows_are_a_week_and_ids_come_without_times(
    simulator: SimulatorProcess, account: dict[str, Any]
) -> None:
    now = now_ms()
    week = {"symbol": "BTCUSDT", "startTime": now - 7 * DAY_MS, "endTime": now}
    assert signed_call(simulator, account, USER_TRADES, **week).status == 200
    longer = {**week, "startTime": week["startTime"] - 1}
    assert signed_call(simulator, account, USER_TRADES, **longer).refusal == (400, -1127)
    both = {"symbol": "BTCUSDT", "fromId": 1, "startTime": now}
    assert signed_call(simulator, account, USER_TRADES, **both).refusal == (400, -1128)


def test_pages_by_id_go_up_and_the_others_show_the_newest(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", history=4_000, products=["spot"])
    told = [trade for trade in simulator.truth(account)["trades"] if trade["market_id"] == "BTCUSDT"]
    ids = [int(trade["exchange_trade_id"]) for trade in told]
    assert len(ids) > 500

    def page(**params: Any) -> list[int]:
        rows = signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT", **params).data
        return [row["id"] for row in rows]

    assert page() == ids[-500:]
    assert page(limit=5000) == ids[-1000:]
    assert page(fromId=0, limit=10) == ids[:10]
    assert page(fromId=ids[10], limit=10) == ids[10:20]
    assert page(fromId=ids[-1] + 1) == []
    middle = told[300]["timestamp_ms"]
    after = [int(trade["exchange_trade_id"]) for trade in told if trade["timestamp_ms"] >= middle]
    assert page(startTime=middle, limit=50) == after[:50]
    day = [int(t["exchange_trade_id"]) for t in told if middle <= t["timestamp_ms"] <= middle + DAY_MS]
    assert page(startTime=middle, endTime=middle + DAY_MS) == day
    order = told[300]["order_id"]
    assert page(orderId=order) == [int(t["exchange_trade_id"]) for t in told if t["order_id"] == order]


def test_futures_forget_what_is_older_than_three_months(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", history=200, products=["linear"])
    simulator.ask("POST", "/clock", skew_ms=60 * DAY_MS)
    ahead = {"timestamp": now_ms() + 60 * DAY_MS}
    kept = signed_call(simulator, account, USER_TRADES, symbol="BTCUSDT", fromId=0, **ahead).data
    told = [t for t in simulator.truth(account)["trades"] if t["market_id"] == "BTCUSDT"]
    assert 0 < len(kept) < len(told)


def test_a_delisted_symbol_is_unknown_and_its_trades_are_gone(
    simulator: SimulatorProcess, account: dict[str, Any]
) -> None:
    simulator.trade(account, product="spot", market_id="LTCUSDT")
    assert len(signed_call(simulator, account, MY_TRADES, symbol="LTCUSDT").data) == 1
    simulator.weather("delisting", market="LTCUSDT", exchange="binance")
    assert signed_call(simulator, account, MY_TRADES, symbol="LTCUSDT").refusal == (400, -1121)
    listed = call(simulator, "binance", f"{SPOT}/exchangeInfo").data["symbols"]
    assert [one["status"] for one in listed if one["symbol"] == "LTCUSDT"] == ["BREAK"]


def test_a_market_opens_while_it_runs(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    simulator.ask(
        "POST", "/markets", exchange="binance", product="spot", market_id="NEWUSDT", base="NEW", quote="USDT", price="2"
    )
    made = simulator.trade(account, market_id="NEWUSDT", side="buy")
    rows = signed_call(simulator, account, MY_TRADES, symbol="NEWUSDT").data
    assert [str(row["id"]) for row in rows] == [trade["exchange_trade_id"] for trade in made]


def test_the_weights_are_told_and_who_goes_on_is_banned(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    def expensive() -> Any:
        return signed_call(simulator, account, f"{SPOT}/openOrders")

    used = int(expensive().headers["x-mbx-used-weight-1m"])
    assert (
        int(signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").headers["x-mbx-used-weight-1m"]) == used + 20
    )
    statuses, said = [], None
    for _ in range(120):
        said = expensive()
        statuses.append(said.status)
        if said.status == 418:
            break
    assert said is not None
    assert (statuses.count(429), statuses[-1]) == (5, 418)
    assert said.data["code"] == -1003
    assert "banned until" in said.text
    assert "retry-after" in said.headers
    assert call(simulator, "binance", f"{SPOT}/time").status == 418, "the whole address is banned"
    assert call(simulator, "binance", f"{FUTURES}/time").status == 200, "futures count by themselves"
    simulator.limits(off=True)
    assert expensive().status == 200


def test_wallet_calls_tell_their_own_weight(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    said = signed_call(simulator, account, f"{WALLET}/account/apiRestrictions")
    assert said.headers["x-sapi-used-ip-weight-1m"] == "1"
    flow = signed_call(simulator, account, f"{WALLET}/convert/tradeFlow", startTime=1, endTime=2)
    assert flow.headers["x-sapi-used-uid-weight-1m"] == "3000"


def test_the_listen_key_of_spot_is_gone(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    headers = {"X-MBX-APIKEY": account["api_key"]}
    assert call(simulator, "binance", f"{SPOT}/userDataStream", method="POST", headers=headers).status == 410


def test_an_order_with_itself_shows_one_id_on_both_sides(simulator: SimulatorProcess, account: dict[str, Any]) -> None:
    simulator.trade(account, product="spot", market_id="ETHUSDT", self_trade=True)
    rows = signed_call(simulator, account, MY_TRADES, symbol="ETHUSDT").data
    assert len(rows) == 2
    assert len({row["id"] for row in rows}) == 1
    assert {row["isBuyer"] for row in rows} == {True, False}
    assert len({row["orderId"] for row in rows}) == 2


def test_what_is_not_there_is_not_found(simulator: SimulatorProcess) -> None:
    assert call(simulator, "binance", f"{SPOT}/nothing").status == 404
    assert call(simulator, "binance", "https://fapi.binance.com/api/v3/time").status == 404
