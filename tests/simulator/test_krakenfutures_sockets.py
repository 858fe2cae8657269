"""ccxt.pro hears from the Kraken Futures dialect exactly what happened; the conversation's rules are kept."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.witnesses import credentials, pointed_at

PATIENCE_S = 10
URL = "wss://futures.kraken.com/ws/v1"
REFUSED = {"event": "alert", "message": "Failed to subscribe to authenticated feed"}
ROW = {
    "instrument", "time", "price", "seq", "buy", "qty", "remaining_order_qty", "order_id", "fill_id", "fill_type",
    "fee_paid", "fee_currency", "taker_order_type", "order_type",
}  # fmt: skip


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "krakenfutures", "--no-limits")


async def steer(do: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(do, *args, **options)


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        made.append(pointed_at(simulator, ccxt.pro.krakenfutures(credentials(account)), "krakenfutures", number=float))
        made[-1].newUpdates = True
        return made[-1]

    yield make
    for client in made:
        await client.close()


class Voice:
    """A bare websocket that speaks JSON; decimals keep their digits."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()), parse_float=Decimal)

    async def ask(self, **message: Any) -> Any:
        await self.socket.send(json.dumps(message))
        return await self.hear()

    async def follow(self, account: dict[str, Any], challenge: str | None = None, event: str = "subscribe") -> Any:
        """Signs this socket's challenge, or another one, and asks for the fills."""
        told = (await self.ask(event="challenge", api_key=account["api_key"]))["message"]
        original = challenge or told
        digest = hashlib.sha256(original.encode()).digest()
        made = hmac.new(base64.b64decode(account["secret"]), digest, hashlib.sha512).digest()
        signed = base64.b64encode(made).decode()
        return await self.ask(
            event=event,
            feed="fills",
            api_key=account["api_key"],
            original_challenge=original,
            signed_challenge=signed,
        )

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets and hears them greet; they are closed with the test."""
    opened = []

    async def open_(url: str = URL, ping_interval: float | None = None) -> Voice:
        opened.append(await connect(simulator.instead_of("krakenfutures", url), ping_interval=ping_interval))
        talk = Voice(opened[-1])
        assert await talk.hear() == {"event": "info", "version": 1}
        return talk

    yield open_
    await asyncio.gather(*(socket.close() for socket in opened))


async def following(voice: Any, account: dict[str, Any]) -> Voice:
    talk = await voice()
    assert await talk.follow(account) == {"event": "subscribed", "feed": "fills"}
    assert (await talk.hear())["feed"] == "fills_snapshot"
    return talk


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def test_ccxt_hears_every_trade_as_it_was_made(simulator: SimulatorProcess, witness: Any) -> None:
    """It computes no cost, and passes on the words of forced trades as roles."""
    account = simulator.account("krakenfutures", history=20)
    client = witness(account)
    told = simulator.truth(account)["trades"]
    await client.watch_my_trades()
    for market in ("PF_XBTUSD", "PF_ADAUSD"):
        for kind in ("trade", "liquidation", "adl"):
            told += await steer(simulator.trade, account, market_id=market, kind=kind, fills=2)
    told += await steer(simulator.trade, account, product="inverse", market_id="PI_ETHUSD", size="500", maker=True)
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(told):
            await client.watch_my_trades()

    def as_heard(trade: dict[str, Any]) -> tuple[Any, ...]:
        fee = Decimal(str(trade["fee"]["cost"]))
        numbers = (Decimal(str(trade["price"])), Decimal(str(trade["amount"])), fee)
        names = (trade["symbol"], trade["id"], trade["order"], trade["side"], trade["fee"]["currency"])
        return (*names, *numbers, trade["takerOrMaker"], trade["timestamp"])

    def as_made(trade: dict[str, Any]) -> tuple[Any, ...]:
        fee = trade["fees"][0]
        numbers = (Decimal(trade["price"]), Decimal(trade["contracts"]), Decimal(fee["amount"]))
        names = (trade["symbol"], trade["exchange_trade_id"], trade["order_id"], trade["side"], fee["currency"])
        role = {"liquidation": "liquidation", "adl": "assignee"}.get(trade["kind"], trade["taker_or_maker"])
        return (*names, *numbers, role, trade["timestamp_ms"])

    assert sorted(map(as_heard, client.myTrades)) == sorted(map(as_made, told))
    assert Decimal(told[-1]["fees"][0]["amount"]) < 0, "a rebate is negative"


async def test_ccxt_hears_prices(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(simulator.account("krakenfutures"))
    async with asyncio.timeout(PATIENCE_S):
        for symbol in ("BTC/USD:USD", "BTC/USD:BTC"):
            first = await client.watch_ticker(symbol)
            later = await client.watch_ticker(symbol)
            assert first["bid"] < first["ask"]
            assert later["info"]["time"] > first["info"]["time"]
            assert abs(first["last"] / 64_000 - 1) < 0.01


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(simulator.account("krakenfutures"))
    client.secret = "d3Jvbmc="
    with pytest.raises(ccxt.ExchangeError, match="Failed to subscribe"):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades()


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spoil", ["revoke", "expire", "address", "secret", "permission", "demo", "challenge"])
async def test_whoever_may_not_hear_is_told_at_the_feed(simulator: SimulatorProcess, voice: Any, spoil: str) -> None:
    account = simulator.account("krakenfutures", details={"demo": spoil == "demo"})
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil == "secret":
        account["secret"] = "d3Jvbmc="
    elif spoil == "permission":
        simulator.change(account, permissions=[])
    elif spoil in {"revoke", "expire"}:
        simulator.spoil_key(account, spoil)
    other = "226aee50-88fc-4618-a42a-34f7709570b2" if spoil == "challenge" else None
    assert await (await voice()).follow(account, challenge=other) == REFUSED


async def test_a_demo_key_is_good_on_the_demo_host(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("krakenfutures", details={"demo": True})
    talk = await voice("wss://demo-futures.kraken.com/ws/v1")
    assert (await talk.follow(account))["event"] == "subscribed"


@pytest.mark.parametrize("spoil", ["revoke", "expire"])
async def test_a_spoilt_key_ends_its_socket(simulator: SimulatorProcess, voice: Any, spoil: str) -> None:
    account = simulator.account("krakenfutures")
    talk = await following(voice, account)
    await steer(simulator.spoil_key, account, spoil)
    assert await talk.is_closed()


async def test_one_socket_tells_one_account(simulator: SimulatorProcess, voice: Any) -> None:
    account, other = simulator.account("krakenfutures"), simulator.account("krakenfutures")
    talk = await following(voice, account)
    assert await talk.follow(other) == REFUSED
    again = await talk.follow(account)
    assert again == {"event": "alert", "message": "Already subscribed to feed, re-requesting"}
    assert (await talk.follow(account, event="unsubscribe"))["event"] == "unsubscribed"
    await steer(simulator.trade, account, count=1)
    assert (await talk.ask(event="ping")) == {"event": "pong"}


# ── Fills ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_snapshot_of_a_hundred_comes_first_and_numbers_go_on(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("krakenfutures", history=120)
    talk = await voice()
    await talk.follow(account)
    snapshot = await talk.hear()
    told = simulator.truth(account)["trades"]
    assert (snapshot["feed"], snapshot["account"]) == ("fills_snapshot", account["uid"])
    assert [row["fill_id"] for row in snapshot["fills"]] == [trade["exchange_trade_id"] for trade in told[-100:]]
    assert [row["seq"] for row in snapshot["fills"]] == list(range(21, 121))
    assert all(set(row) == ROW for row in snapshot["fills"])
    made = await steer(simulator.trade, account, market_id="PF_XBTUSD", fills=3, client_order_id="mine")
    message = await talk.hear()
    assert (message["feed"], [row["seq"] for row in message["fills"]]) == ("fills", [121, 122, 123])
    assert [row["fill_id"] for row in message["fills"]] == [trade["exchange_trade_id"] for trade in made]
    assert all(set(row) == ROW | {"cli_ord_id"} for row in message["fills"])
    assert [row["remaining_order_qty"] == 0 for row in message["fills"]] == [False, False, True]


async def test_a_lost_message_leaves_a_gap(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("krakenfutures")
    talk = await following(voice, account)
    await steer(simulator.weather, "lost", chance=1.0)
    await steer(simulator.trade, account, market_id="PF_XBTUSD")
    await steer(simulator.calm)
    await steer(simulator.trade, account, market_id="PF_XBTUSD")
    assert [row["seq"] for row in (await talk.hear())["fills"]] == [2]


async def test_a_replayed_row_stands_in_the_feeds_envelope(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("krakenfutures")
    talk = await following(voice, account)
    await steer(simulator.replay_on_sockets, account, {"fill_id": "x"}, envelope=True)
    assert await talk.hear() == {"feed": "fills", "username": account["uid"], "fills": [{"fill_id": "x"}]}


# ── Heartbeats and connections ────────────────────────────────────────────────────────────────────────


async def test_a_client_that_says_nothing_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    await steer(simulator.limits, silent_cut_s=0.2)
    assert await talk.is_closed()
    assert (await steer(simulator.counters, "krakenfutures"))["sockets_cut_silent"] == 1


async def test_pings_of_the_protocol_keep_a_socket_alive(simulator: SimulatorProcess, voice: Any) -> None:
    talk, silent = await voice(ping_interval=0.3), await voice()
    await steer(simulator.limits, silent_cut_s=1.5)
    assert await silent.is_closed()
    assert await talk.ask(event="ping") == {"event": "pong"}


async def test_the_heartbeat_feed_beats(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    assert await talk.ask(event="subscribe", feed="heartbeat") == {"event": "subscribed", "feed": "heartbeat"}
    assert set(await talk.hear()) == {"feed", "time"}


async def test_an_address_has_a_hundred_sockets(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    await asyncio.gather(*(voice() for _ in range(100)))
    with pytest.raises(InvalidStatus, match="429"):
        await voice()


async def test_a_client_that_talks_too_much_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    talk = await voice()
    for _ in range(101):
        await talk.socket.send('{"event": "ping"}')
    assert await talk.is_closed()


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        '{"event": "dance"}',
        '{"event": "subscribe", "feed": "odd"}',
        '{"event": "subscribe", "feed": "ticker"}',
        '{"event": "subscribe", "feed": "ticker", "product_ids": ["PF_NOPE"]}',
    ],
)
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["event"] == "error"
    assert await talk.ask(event="ping") == {"event": "pong"}


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("feed", ["ticker", "ticker_lite"])
async def test_prices_are_told_at_once_and_as_they_move_until_unsubscribed(
    simulator: SimulatorProcess, voice: Any, feed: str
) -> None:
    talk = await voice()
    asked = {"feed": feed, "product_ids": ["PF_XBTUSD"]}
    assert await talk.ask(event="subscribe", **asked) == {"event": "subscribed", **asked}
    first, later = await talk.hear(), await talk.hear()
    assert (first["feed"], first["product_id"], later["product_id"]) == (feed, "PF_XBTUSD", "PF_XBTUSD")
    assert first["bid"] < first["ask"]
    assert ("last" in first) == (feed == "ticker")
    await talk.socket.send(json.dumps({"event": "unsubscribe", **asked}))
    while (said := await talk.hear()).get("event") != "unsubscribed":
        assert said["feed"] == feed
    assert await talk.ask(event="ping") == {"event": "pong"}
