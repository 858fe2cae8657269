"""Heartbeats, connections and prices on the sockets of the Kraken dialect."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.kraken_clients import PATIENCE_S, PUBLIC, steer, token_of, voices
from tests.simulator.witnesses import credentials, pointed_at


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as opens:
        yield opens


# ── Heartbeats and connections ────────────────────────────────────────────────────────────────────────


async def test_a_subscribed_socket_beats_when_nothing_else_is_said(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    await talk.follow(await token_of(simulator, simulator.account("kraken")))
    for _ in range(3):
        assert await talk.hear(beats=True) == {"channel": "heartbeat"}


async def test_a_socket_without_subscription_and_words_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    assert (await talk.ask("ping", req_id=9))["method"] == "pong"
    await steer(simulator.limits, silent_cut_s=0.2)
    assert await talk.is_closed()
    assert (await steer(simulator.counters, "kraken"))["sockets_cut_silent"] == 1


async def test_maintenance_is_told_before_the_end(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    await talk.hear(beats=True)
    await steer(simulator.weather, "maintenance")
    assert (await talk.hear(beats=True))["data"][0]["system"] == "maintenance"
    assert await talk.is_closed()


async def test_an_address_that_connects_too_often_is_banned(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    await asyncio.gather(*(voice(PUBLIC) for _ in range(150)))
    with pytest.raises(InvalidStatus, match="429"):
        await voice()
    simulator.ask("POST", "/clock", skew_ms=590_000)
    with pytest.raises(InvalidStatus, match="429"):
        await voice()
    simulator.ask("POST", "/clock", skew_ms=605_000)
    await voice()


@pytest.mark.parametrize("message", ["{", "[]", '{"method": "dance"}', '{"method": "subscribe", "params": 7}'])
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["success"] is False
    assert (await talk.ask("ping"))["method"] == "pong"


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_ccxt_hears_prices(simulator: SimulatorProcess) -> None:
    account = simulator.account("kraken")
    client = pointed_at(simulator, ccxt.pro.kraken(credentials(account)), "kraken", number=float)
    async with client, asyncio.timeout(PATIENCE_S):
        first = await client.watch_ticker("BTC/USD")
        await steer(simulator.trade, account, market_id="XXBTZUSD", price="65000")
        later = await client.watch_ticker("BTC/USD")
    assert (Decimal(str(first["last"])), Decimal(str(later["last"]))) == (64_000, 65_000)
    assert first["bid"] < first["ask"]


async def test_each_symbol_is_acknowledged_or_refused_by_itself(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(PUBLIC)
    symbols = ["BTC/USD", "XBT/USD", "ETH/EUR"]
    answer = await talk.ask("subscribe", req_id=3, channel="ticker", symbol=symbols)
    assert answer["result"] == {"channel": "ticker", "event_trigger": "trades", "snapshot": True, "symbol": "BTC/USD"}
    snapshot = await talk.hear()
    assert (snapshot["type"], snapshot["data"][0]["symbol"]) == ("snapshot", "BTC/USD")
    refused = await talk.hear()
    assert set(refused) == {"error", "method", "req_id", "success", "symbol", "time_in", "time_out"}
    assert (refused["error"], refused["symbol"]) == ("Currency pair not supported XBT/USD", "XBT/USD")
    assert (await talk.hear())["result"]["symbol"] == "ETH/EUR"
    assert set(snapshot["data"][0]) == {
        "symbol", "bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high", "change", "change_pct",
        "trades", "timestamp",
    }  # fmt: skip
    await talk.hear()
    again = await talk.ask("subscribe", channel="ticker", symbol=["ETH/EUR"])
    assert again["success"] is False
    answer = await talk.ask("unsubscribe", channel="ticker", symbol=["ETH/EUR"])
    assert (answer["method"], answer["success"], answer["result"]["symbol"]) == ("unsubscribe", True, "ETH/EUR")


async def test_a_quiet_pair_stays_silent_until_it_trades_or_its_quotes_are_wanted(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("kraken")
    trades, quotes = await voice(PUBLIC), await voice(PUBLIC)
    await trades.ask("subscribe", channel="ticker", symbol=["BTC/USD"], snapshot=False)
    await quotes.ask("subscribe", channel="ticker", symbol=["BTC/USD"], event_trigger="bbo", snapshot=False)
    moved = await quotes.hear()
    assert moved["type"] == "update"
    await steer(simulator.trade, account, market_id="XXBTZUSD", price="65000")
    first = await trades.hear()
    assert (first["type"], first["data"][0]["last"]) == ("update", 65_000)


async def test_private_channels_are_not_told_on_the_public_host(simulator: SimulatorProcess, voice: Any) -> None:
    answer = await (await voice(PUBLIC)).ask("subscribe", channel="executions", token="x")
    assert answer["success"] is False
    assert (await (await voice(PUBLIC)).ask("subscribe", channel="candles", symbol=["BTC/USD"]))["success"] is False
    assert (await (await voice()).ask("subscribe", channel="executions"))["success"] is False
