"""The interface for tests is what its README says, repeatable, and clear about mistakes."""

import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from simulator.admin import WAYS
from simulator.weather import NAMES
from tests.fixtures.simulator import SimulatorProcess, SimulatorSaysNo
from tests.fixtures.waiting import until
from tests.simulator.plain import call, signed_call

ROOT = Path(__file__).parents[2]
README = ROOT / "simulator" / "README.md"
START = "2026-06-01T00:00:00+00:00"
MY_TRADES = "https://api.binance.com/api/v3/myTrades"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "binance")


def test_the_readme_names_every_way_and_every_weather() -> None:
    text = README.read_text()
    assert [way for way in WAYS if f"`{way}" not in text] == []
    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_the_same_seed_makes_the_same_truth(start_simulator: Callable[..., SimulatorProcess]) -> None:
    def grown(seed: str) -> Any:
        simulator = start_simulator(
            "--exchanges", "binance", "--seed", seed, "--start", START, "--accounts", "2", "--history", "300"
        )
        for account in simulator.accounts():
            simulator.trade(account, count=100)
        return [
            [{name: value for name, value in trade.items() if name != "timestamp_ms"} for trade in one["trades"]]
            for one in simulator.all_truth()
        ]

    first = grown("5")
    assert grown("5") == first
    assert grown("6") != first


def test_history_reaches_back_and_stays_before_now(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", history=500)
    times = [trade["timestamp_ms"] for trade in simulator.truth(account)["trades"]]
    now = time.time() * 1000
    assert len(times) == 500
    assert times == sorted(times)
    assert now - 185 * 86_400_000 < times[0] < now - 170 * 86_400_000
    assert times[-1] < now


def test_a_large_account_is_made_and_served(simulator: SimulatorProcess) -> None:
    simulator.limits(off=True)
    account = simulator.account("binance", history=20_000, products=["spot"])
    assert account["trades"] == 20_000
    page = signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT", fromId=0, limit=1000).data
    assert len(page) == 1000


def test_trading_runs_at_its_rate_and_stops(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    simulator.start_trading(100)
    began = time.monotonic()
    until(lambda: len(simulator.truth(account)["trades"]) >= 150)
    assert time.monotonic() - began > 1.0, "the trades came too fast"
    simulator.stop_trading()
    after = len(simulator.truth(account)["trades"])
    other = simulator.account("binance")
    simulator.start_trading(100, [other["name"]])
    until(lambda: len(simulator.truth(other)["trades"]) >= 20)
    assert len(simulator.truth(account)["trades"]) == after


def test_an_ordered_trade_is_as_it_was_ordered(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    wish = {"market_id": "BTCUSDT", "side": "sell", "size": "0.25", "price": "61234.56", "maker": True}
    made = simulator.trade(account, **wish, trade_id="77", fees=[{"amount": "0.001", "currency": "BNB"}])
    assert len(made) == 1
    assert made[0]["exchange_trade_id"] == "77"
    assert made[0]["cost"] == "15308.64"
    assert made[0]["taker_or_maker"] == "maker"
    assert made[0]["fees"] == [{"amount": "0.001", "currency": "BNB"}]
    assert simulator.truth(account)["trades"] == made


def test_money_comes_and_goes_as_it_was_ordered(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")

    def held() -> tuple[Decimal, Decimal]:
        found = {(row["wallet"], row["asset"]): Decimal(row["free"]) for row in simulator.truth(account)["balances"]}
        return found["spot", "BTC"], found["funding", "USDT"]

    coins, dollars = held()
    simulator.deposit(account, "BTC", "0.25")
    simulator.deposit(account, "USDT", "-5", wallet="funding")
    assert held() == (coins + Decimal("0.25"), dollars - 5)
    last = [(row["wallet"], row["asset"], row["amount"]) for row in simulator.truth(account)["deposits"][-2:]]
    assert last == [("spot", "BTC", "0.25"), ("funding", "USDT", "-5")]


def test_every_deposit_has_its_moment(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", products=["spot"])
    order = {"market_id": "BTCUSDT", "side": "buy", "size": "40", "price": "60000"}
    simulator.trade(account, **order)
    (trade,), truth = simulator.truth(account)["trades"], simulator.truth(account)
    assert truth["deposits"][-1]["asset"] == "USDT"
    assert truth["deposits"][-1]["timestamp_ms"] == trade["timestamp_ms"]


def test_a_raw_answer_is_said_verbatim_once(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    simulator.replay_over_rest("binance", "/api/v3/myTrades", '[{"a" : 1.50}]', account=account["name"])
    other = simulator.account("binance")
    assert signed_call(simulator, other, MY_TRADES, symbol="BTCUSDT").text == "[]"
    said = signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT")
    assert said.text == '[{"a" : 1.50}]'
    assert "x-mbx-used-weight-1m" in said.headers
    assert signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").text == "[]"


def test_time_can_run_faster_and_honest_clients_are_still_believed(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    simulator.ask("POST", "/clock", speed=3600)
    until(lambda: simulator.ask("GET", "/")["now_ms"] - time.time() * 1000 > 20 * 60_000, within=5)
    assert signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").status == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "sentence"),
    [
        ("POST", "/accounts", {}, "'exchange' is missing"),
        ("POST", "/accounts", {"exchange": "nowhere"}, "no exchange 'nowhere'"),
        ("POST", "/accounts", {"exchange": "binance", "mode": "x"}, "no mode 'x'"),
        ("POST", "/accounts", {"exchange": "binance", "products": ["x"]}, "no product 'x'"),
        ("POST", "/accounts", {"exchange": "binance", "history": "many"}, "must be a number"),
        ("POST", "/trades", {"account": "nobody"}, "no account 'nobody'"),
        ("GET", "/truth", {"account": "nobody"}, "no account 'nobody'"),
        ("POST", "/deposits", {"account": "nobody"}, "no account 'nobody'"),
        ("POST", "/trading", {"rate": -1}, "trades per second"),
        ("POST", "/keys/nobody/revoke", {}, "no account 'nobody'"),
        ("POST", "/keys/nobody/sing", {}, "a key can be told to"),
        ("POST", "/clock", {"speed": 0}, "above 0"),
        ("GET", "/nothing", {}, "is not here"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(
    simulator: SimulatorProcess, method: str, path: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SimulatorSaysNo, match=sentence):
        simulator.ask(method, path, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "'asset' is missing"),
        ({"asset": "BTC"}, "must not be 0"),
        ({"asset": "BTC", "amount": "-100000"}, "nor take more than is there"),
        ({"asset": "BTC", "amount": "1", "wallet": "sock"}, "no wallet 'sock'"),
    ],
)
def test_a_wrong_deposit_is_refused(simulator: SimulatorProcess, options: dict[str, Any], sentence: str) -> None:
    account = simulator.account("binance")
    with pytest.raises(SimulatorSaysNo, match=sentence):
        simulator.ask("POST", "/deposits", account=account["name"], **options)


def test_an_unknown_market_is_a_mistake(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    with pytest.raises(SimulatorSaysNo, match="no spot market 'NOPE'"):
        simulator.trade(account, market_id="NOPE")


def test_what_is_no_http_is_refused(simulator: SimulatorProcess) -> None:
    said = call(simulator, "binance", "https://api.binance.com/api/v3/time", headers={"Transfer-Encoding": "chunked"})
    assert said.status == 400


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--exchanges", "nowhere"], "there is no exchange 'nowhere'"),
        (["--start", "yesterday"], "--start is not understood"),
        (["--weather", "hail"], "invalid choice"),
    ],
)
def test_a_wrong_start_says_why(options: list[str], sentence: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", *options], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode != 0
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_says_so(simulator: SimulatorProcess) -> None:
    port = simulator.url.rsplit(":", 1)[1]
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", "--port", port, "--exchanges", "binance"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 1
    assert "cannot listen" in ended.stderr
    assert "Traceback" not in ended.stderr
