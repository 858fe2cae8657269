"""Each fault does what its name says, and is over when it ends."""

import asyncio
import http.client
import json
import time
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fixtures.simulator import SimulatorProcess, SimulatorSaysNo
from tests.fixtures.waiting import until, within
from tests.simulator.plain import call, signed_call
from tests.simulator.test_binance_sockets import WS_API, is_fill, receive, steer, subscribe

TIME = "https://api.binance.com/api/v3/time"
MY_TRADES = "https://api.binance.com/api/v3/myTrades"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "binance")


async def listening(simulator: SimulatorProcess, socket: ClientConnection) -> dict[str, Any]:
    account = await steer(simulator.account, "binance", products=["spot"], details={"self_trades": False})
    await subscribe(socket, account)
    return account


async def fills(socket: ClientConnection, quiet_s: float = 1.0) -> list[int]:
    """The ids of all fills that are said until nothing is said for a while."""
    heard = []
    while True:
        try:
            async with asyncio.timeout(quiet_s):
                said = json.loads(await socket.recv())
        except TimeoutError:
            return heard
        if is_fill(said):
            heard.append(said["event"]["t"])


async def test_twice_says_some_fills_again(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "twice", chance=1.0)
        made = await steer(simulator.trade, account, count=20)
        heard = await fills(socket, 2.0)
    assert len(heard) == 2 * len(made)
    assert {str(one) for one in heard} == {trade["exchange_trade_id"] for trade in made}


async def test_out_of_order_swaps_but_loses_nothing(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "out_of_order", chance=0.6)
        wish = {"product": "spot", "market_id": "BTCUSDT", "fills": 4, "size": "0.5"}
        made = [trade for _ in range(10) for trade in await steer(simulator.trade, account, **wish)]
        await steer(simulator.calm)
        heard = await fills(socket)
    assert sorted(heard) == [int(trade["exchange_trade_id"]) for trade in made]
    assert heard != sorted(heard)


async def test_lost_events_are_never_heard_but_rest_knows_them(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "lost", chance=1.0)
        await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
        assert await fills(socket) == []
    assert len((await steer(signed_call, simulator, account, MY_TRADES, symbol="BTCUSDT")).data) == 1


async def test_late_shows_a_trade_over_rest_some_seconds_after(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "late", delay=1.5)
        await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
        await receive(socket, is_fill)
    made = time.monotonic()
    await steer(until, lambda: signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").data)
    assert 1.0 < time.monotonic() - made < 4.0


async def test_drop_breaks_sockets_without_a_word(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        await listening(simulator, socket)
        await steer(simulator.weather, "drop")
        with pytest.raises(ConnectionClosed) as broken:
            await socket.recv()
        assert broken.value.rcvd is None, "no close frame"


async def test_stall_keeps_the_socket_and_says_nothing_not_even_pongs(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "stall")
        await steer(simulator.trade, account, count=3)
        waiter = await socket.ping()
        with pytest.raises(TimeoutError):
            await within(0.7, waiter)
        await steer(simulator.calm)
        await (await socket.ping())
        assert await fills(socket, 0.5) == [], "what happened meanwhile is lost here"


async def test_a_stall_of_open_sockets_leaves_those_opened_afterwards_alone(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as silent:
        await steer(simulator.weather, "stall", only_open=True)
        async with connect(simulator.instead_of("binance", WS_API)) as socket:
            for _second in range(4):  # weather is renewed about once a second
                await within(5, await socket.ping())
                with pytest.raises(TimeoutError):
                    await within(0.8, await silent.ping())


async def test_half_a_frame_breaks_the_connection(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        account = await listening(simulator, socket)
        await steer(simulator.weather, "half_frame", chance=1.0)
        with pytest.raises((SimulatorSaysNo, http.client.IncompleteRead)):  # the interface itself is not meant
            await steer(call, simulator, "binance", TIME)
        await steer(simulator.trade, account, count=1)
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_reconnect_can_be_refused(simulator: SimulatorProcess) -> None:
    await steer(simulator.weather, "refused_reconnect")
    with pytest.raises(InvalidStatus):
        async with connect(simulator.instead_of("binance", WS_API)):
            pass
    await steer(simulator.calm)
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        await listening(simulator, socket)


async def test_maintenance_announces_closes_refuses_and_passes(simulator: SimulatorProcess) -> None:
    async with connect(simulator.instead_of("binance", WS_API)) as socket:
        await listening(simulator, socket)
        await steer(simulator.weather, "maintenance")
        assert (await receive(socket, lambda said: "e" in said))["e"] == "serverShutdown"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert (await steer(call, simulator, "binance", TIME)).status == 503
    await steer(simulator.calm)
    assert (await steer(call, simulator, "binance", TIME)).status == 200


def test_rate_limits_come_first_and_the_ban_after(simulator: SimulatorProcess) -> None:
    simulator.weather("rate_limit", seconds=30)
    assert [call(simulator, "binance", TIME).status for _ in range(5)] == [429, 429, 429, 418, 418]
    simulator.calm()
    assert call(simulator, "binance", TIME).status == 200


def test_server_errors_and_web_pages_come_instead_of_json(simulator: SimulatorProcess) -> None:
    simulator.weather("server_errors", chance=1.0)
    assert call(simulator, "binance", TIME).status == 500
    simulator.calm()
    simulator.weather("html", chance=1.0)
    assert call(simulator, "binance", TIME).text.startswith("<!DOCTYPE html>")


def test_slow_answers_take_their_time(simulator: SimulatorProcess) -> None:
    simulator.weather("slow", delay=0.7)
    began = time.monotonic()
    assert call(simulator, "binance", TIME).status == 200
    assert time.monotonic() - began >= 0.7


def test_a_clock_that_is_off_makes_honest_calls_wrong(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance")
    before = call(simulator, "binance", TIME).data["serverTime"]
    simulator.weather("clock_skew", skew_ms=30_000, seconds=1)
    assert call(simulator, "binance", TIME).data["serverTime"] - before >= 30_000
    assert signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").refusal == (400, -1021)
    until(
        lambda: signed_call(simulator, account, MY_TRADES, symbol="BTCUSDT").status == 200,
        what="weather with seconds passes by itself",
    )


def test_spells_over_one_clock_do_not_add_up(simulator: SimulatorProcess) -> None:
    def skew_ms() -> int:
        return int(simulator.ask("GET", "/clock")["skew_ms"]["binance"])

    simulator.ask("POST", "/clock", skew_ms=500)
    simulator.weather("clock_skew", skew_ms=30_000)
    simulator.weather("clock_skew", skew_ms=20_000)
    assert skew_ms() == 20_500
    simulator.calm()
    assert skew_ms() == 500


def test_weather_over_one_account_leaves_the_others_alone(simulator: SimulatorProcess) -> None:
    struck, spared = simulator.account("binance"), simulator.account("binance")
    simulator.weather("server_errors", struck, chance=1.0)
    assert signed_call(simulator, struck, MY_TRADES, symbol="BTCUSDT").status == 500
    assert signed_call(simulator, spared, MY_TRADES, symbol="BTCUSDT").status == 200


def test_a_storm_blows_while_there_is_trading(simulator: SimulatorProcess) -> None:
    simulator.account("binance")
    simulator.start_trading(20)
    simulator.ask("POST", "/weather", name="storm")
    until(lambda: any(name.startswith("weather_") for name in simulator.counters("binance")))


def test_unknown_weather_is_named_with_what_there_is(simulator: SimulatorProcess) -> None:
    with pytest.raises(SimulatorSaysNo, match=r"no weather 'hail'.*stall"):
        simulator.weather("hail")
