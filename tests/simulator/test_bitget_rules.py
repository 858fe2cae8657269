"""Bitget's dialect refuses as the exchange does: keys, clocks, modes, limits."""

import json
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from simulator.clock import Clock
from simulator.dialect import Call, Refusal
from simulator.http import Request
from simulator.world import World
from tests.fixtures.simulator import SimulatorProcess, SimulatorSaysNo
from tests.simulator.bitget_clients import (
    MIX_FILLS,
    SETTINGS,
    SPOT_ASSETS,
    SPOT_FILLS,
    UNIFIED_FILLS,
    ask,
    client_of,
    code_of,
    cursors,
    data_of,
    flat,
    plain_account,
    windows,
)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_tells_its_rights(simulator: SimulatorProcess) -> None:
    def rights(mode: str, *permissions: str, **details: Any) -> Any:
        account = plain_account(simulator, mode, permissions=["read", *permissions], details=details)
        path = "/api/v2/spot/account/info" if mode == "classic" else "/api/v3/account/info"
        data = data_of(simulator, account, path)
        assert data["userId"] == account["uid"]
        return data["authorities"] if mode == "classic" else (data["permType"], "withdraw" in data["permissions"])

    assert rights("classic") == ["stor", "coor", "cpor"]
    assert rights("classic", words=True) == ["readonly"]
    assert rights("classic", "trade", words=True) == ["trade"]
    assert "stow" in rights("classic", "trade")
    assert "wwow" in rights("classic", "withdraw")
    assert rights("unified") == ("read-only", False)
    assert rights("unified", "trade") == ("read-and-write", False)
    assert rights("unified", "withdraw") == ("read-and-write", True)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"ACCESS-KEY": None}, "40001"),
        ({"ACCESS-SIGN": None}, "40003"),
        ({"ACCESS-TIMESTAMP": None}, "40005"),
        ({"ACCESS-TIMESTAMP": "now"}, "40005"),
        ({"ACCESS-PASSPHRASE": None}, "40011"),
        ({"ACCESS-KEY": "bg_unknown"}, "40037"),
        ({"ACCESS-KEY": "nonsense"}, "40006"),
        ({"ACCESS-PASSPHRASE": "wrong"}, "40012"),
        ({"ACCESS-SIGN": "wrong"}, "40009"),
        ({"paptrading": "1"}, "40099"),
    ],
)
def test_a_call_that_is_signed_wrongly_is_refused(
    simulator: SimulatorProcess, headers: dict[str, Any], code: str
) -> None:
    answer = ask(simulator, plain_account(simulator), SPOT_ASSETS, headers=headers)
    assert (answer.data["code"], answer.data["data"]) == (code, None)
    assert answer.status in {400, 401}


def test_a_clock_may_be_half_a_minute_off(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    codes = [code_of(simulator, account, SPOT_ASSETS, clock_ms=ms) for ms in (-29_000, 28_000, -31_000, 32_000)]
    assert codes == ["00000", "00000", "40008", "40008"]


def test_the_query_is_signed_in_the_order_of_its_names(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert code_of(simulator, account, SPOT_FILLS, symbol="BTCUSDT", limit=5) == "00000"
    assert code_of(simulator, account, SPOT_FILLS, unsorted=True, symbol="BTCUSDT", limit=5) == "40009"


def test_a_spoilt_key_is_refused_and_ccxt_knows_why(simulator: SimulatorProcess) -> None:
    def failure(account: dict[str, Any]) -> tuple[type, str]:
        client = client_of(simulator, account, uta=False)
        with pytest.raises(ccxt.BaseError) as refused:
            client.privateSpotGetV2SpotAccountAssets()
        text = str(refused.value)
        return type(refused.value), json.loads(text[text.index("{") :])["code"]

    account = plain_account(simulator)
    simulator.spoil_key(account, "revoke")
    assert failure(account) == (ccxt.AuthenticationError, "40037")
    simulator.spoil_key(account, "restore")
    simulator.spoil_key(account, "expire")
    assert failure(account) == (ccxt.AuthenticationError, "40006")
    assert failure(plain_account(simulator, addresses=["203.0.113.9"])) == (ccxt.PermissionDenied, "40018")
    assert failure(plain_account(simulator, permissions=["trade"])) == (ccxt.PermissionDenied, "40014")
    assert failure(plain_account(simulator, "unified")) == (ccxt.PermissionDenied, "40085")


def test_a_demo_key_needs_the_demo_header(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"demo": True})
    assert code_of(simulator, account, SPOT_ASSETS) == "40099"
    client = client_of(simulator, account, uta=False)
    client.options["sandboxMode"] = True
    assert client.privateSpotGetV2SpotAccountAssets()["code"] == "00000"


# ── Modes ─────────────────────────────────────────────────────────────────────────────────────────────


def test_each_mode_has_its_own_interface(simulator: SimulatorProcess) -> None:
    classic, unified = plain_account(simulator), plain_account(simulator, "unified")
    assert code_of(simulator, unified, SPOT_ASSETS) == "40085"
    assert code_of(simulator, unified, MIX_FILLS, productType="USDT-FUTURES") == "40085"
    assert code_of(simulator, classic, SETTINGS) == "40084"
    assert data_of(simulator, unified, SETTINGS)["accountMode"] == "unified"
    with pytest.raises(SimulatorSaysNo, match="no mode"):
        simulator.change(classic, mode="hybrid")


def test_a_change_of_mode_keeps_history_and_holdings(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, history=100)
    assert code_of(simulator, account, SPOT_FILLS) == "00000"
    simulator.change(account, mode="unified")
    assert code_of(simulator, account, SPOT_FILLS) == "40085"
    simulator.trade(account, product="spot", market_id="BTCUSDT", fills=1)
    trades = simulator.truth(account)["trades"]

    def get(**asked: Any) -> Any:
        return data_of(simulator, account, UNIFIED_FILLS, **asked)

    now = simulator.ask("GET", "/clock")["now_ms"]
    found = {row["execId"] for window in windows(now, 30) for row in flat(cursors(get, **window))}
    assert found == {trade["exchange_trade_id"] for trade in trades}
    held = {
        row["coin"]: Decimal(row["equity"]) for row in data_of(simulator, account, "/api/v3/account/assets")["assets"]
    }
    told: dict[str, Decimal] = {}
    for row in simulator.truth(account)["balances"]:
        if row["wallet"] != "funding":
            told[row["asset"]] = told.get(row["asset"], Decimal(0)) + Decimal(row["free"]) + Decimal(row["locked"])
    assert held == {coin: amount for coin, amount in told.items() if amount}


def test_the_other_interface_may_answer_without_data(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, "unified", details={"null_data": True})
    answer = ask(simulator, account, SPOT_FILLS)
    assert (answer.status, answer.data["code"], answer.data["data"]) == (200, "00000", None)


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_may_ask_so_often_a_second(simulator: SimulatorProcess) -> None:
    simulator.limits(on=True)
    asking, other = plain_account(simulator), plain_account(simulator)
    path = "/api/v2/spot/account/info"
    answers = [ask(simulator, asking, path) for _ in range(3)]
    assert (answers[0].status, answers[1].status, answers[1].data["code"]) == (200, 429, "429")
    assert ask(simulator, other, path).status == 200


def test_an_address_that_asks_too_often_waits_for_minutes(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "bitget")
    account = plain_account(simulator)
    simulator.weather("rate_limit", patience=3)
    statuses = [ask(simulator, account, SPOT_ASSETS).status for _ in range(5)]
    assert statuses == [429, 429, 429, 403, 403]
    simulator.calm()
    assert ask(simulator, account, SPOT_ASSETS).status == 200


@pytest.mark.parametrize(
    ("name", "known"), [("maintenance", {"40200"}), ("server_errors", {"40015", "40725", "45001"})]
)
def test_what_passes_has_its_codes(simulator: SimulatorProcess, name: str, known: set[str]) -> None:
    account = plain_account(simulator)
    simulator.weather(name, **({"chance": 1.0} if name == "server_errors" else {}))
    answers = [ask(simulator, account, SPOT_ASSETS) for _ in range(20)]
    assert {said.data["code"] for said in answers if said.text.startswith("{")} <= known
    assert all(said.status >= 400 for said in answers)


def test_calls_of_an_address_are_counted_for_a_minute_and_then_it_has_to_recover() -> None:
    now = [1_795_000_000.0]
    world = World(exchanges=["bitget"], seed=1, clock=Clock(wall=lambda: now[0]))
    exchange = world.exchanges["bitget"]

    def statuses(calls: int) -> set[int]:
        asked = Request(method="GET", host="api.bitget.com", path="/api/v2/public/time", query="", headers={})
        found = set()
        for place in range(calls):
            now[0] += 0.05 if place % 20 == 0 else 0.0
            found.add(exchange.rest(asked).status)
        return found

    assert statuses(20) == {200}
    assert statuses(1) == {429}
    for _ in range(300):
        statuses(20)
    now[0] += 200
    assert statuses(1) == {429}
    now[0] += 101
    assert statuses(1) == {200}


def test_an_address_may_shake_hands_so_often() -> None:
    exchange = World(exchanges=["bitget"], seed=1, clock=Clock()).exchanges["bitget"]
    asked = Request(method="GET", host="ws.bitget.com", path="/v2/ws/public", query="", headers={})
    route, names = exchange.find_socket(asked)
    assert route is not None
    for place in range(301):
        shaken = Call(exchange=exchange, request=asked, route=route, now_ms=exchange.now_ms(), params={}, names=names)
        if place == 300:
            with pytest.raises(Refusal) as refused:
                exchange.admit_socket(shaken)
            assert refused.value.response.status == 429
        else:
            exchange.admit_socket(shaken)
