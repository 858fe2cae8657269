"""Heartbeats, connections and prices on the sockets of the Gate dialect."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.gate import ENVELOPE, PATIENCE_S, SPOT, TICKER, USDT, steer, voices


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as opens:
        yield opens


# ── Heartbeats ────────────────────────────────────────────────────────────────────────────────────────


async def test_pings_of_either_kind_are_answered(simulator: SimulatorProcess, voice: Any) -> None:
    for address, family in ((SPOT, "spot"), (USDT, "futures")):
        talk = await voice(address)
        answer = await talk.ask(channel=f"{family}.ping")
        assert (answer["channel"], answer["error"], answer["result"]) == (f"{family}.pong", None, None)
        await (await talk.socket.ping())


async def test_a_client_that_answers_no_ping_is_dropped(simulator: SimulatorProcess) -> None:
    simulator.limits(ping_every_s=0.2, pong_within_s=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(simulator.url.rsplit(":", 1)[1]))
    writer.write(
        b"GET /gate/api.gateio.ws/ws/v4/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(PATIENCE_S):
        said = await reader.read()  # to the end: the server hangs up
    writer.close()
    assert b"\x89" in said, "pings are sent"
    assert (await steer(simulator.counters, "gate"))["sockets_cut_no_pong"] == 1


async def test_one_address_opens_three_hundred_sockets(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    for _ in range(300):
        await voice()
    with pytest.raises(InvalidStatus, match="429"):
        await voice()


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_ticker_is_one_object_on_spot_and_a_list_elsewhere(simulator: SimulatorProcess, voice: Any) -> None:
    spot, contracts = await voice(), await voice(USDT)
    answer = await spot.ask(channel="spot.tickers", event="subscribe", payload=["BTC_USDT", "ETH_USDT"], id=1)
    assert (answer["result"], "error" in answer) == ({"status": "success"}, False)
    first = await spot.hear()
    assert (set(first), set(first["result"])) == (ENVELOPE, TICKER)
    assert first["result"]["currency_pair"] != (await spot.hear())["result"]["currency_pair"]
    await contracts.ask(channel="futures.tickers", event="subscribe", payload=["BTC_USDT"])
    (ticker,) = (await contracts.hear())["result"]
    assert (ticker["contract"], "lowest_ask" in ticker) == ("BTC_USDT", False)


async def test_one_unknown_market_spoils_the_whole_subscription(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    asked = {"channel": "spot.tickers", "event": "subscribe", "payload": ["BTC_USDT", "NOPE_USDT"]}
    answer = await talk.ask(**asked)
    assert answer["error"] == {"code": 2, "message": "unknown currency pair: NOPE_USDT"}
    await talk.ask(channel="spot.book_ticker", event="subscribe", payload=["ETH_USDT"])
    heard = [await talk.hear() for _ in range(2)]
    assert {message["channel"] for message in heard} == {"spot.book_ticker"}
    assert Decimal(heard[0]["result"]["b"]) < Decimal(heard[0]["result"]["a"])


async def test_an_address_that_does_not_exist_is_refused(simulator: SimulatorProcess, voice: Any) -> None:
    with pytest.raises(Exception, match="404"):
        await voice("wss://fx-ws.gateio.ws/v4/ws/doge")
