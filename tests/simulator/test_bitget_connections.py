"""Bitget's sockets: logins, subscriptions, heartbeats and limits."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.bitget_clients import (
    FUTURES,
    SPOT,
    UNIFIED,
    Voice,
    listening,
    plain_account,
    seconds,
    steer,
    voices,
)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as open_:
        yield open_


# ── Logging in and subscribing ────────────────────────────────────────────────────────────────────────


async def test_a_login_is_acknowledged_with_a_text_or_a_number(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    for path, code in (("/v2/ws/private", "0"), ("/v3/ws/private", 0)):
        talk = await voice(path)
        assert await talk.sign_in(account, seconds(simulator)) == {"event": "login", "code": code, "msg": ""}


@pytest.mark.parametrize(
    ("changes", "shift", "code"),
    [
        ({"apiKey": "bg_unknown"}, 0, 30011),
        ({"passphrase": "wrong"}, 0, 30012),
        ({"timestamp": "now"}, 0, 30013),
        ({}, -40, 30014),
        ({}, 40, 30014),
        ({"sign": "wrong"}, 0, 30015),
    ],
)
async def test_a_wrong_login_is_refused_with_its_code(
    simulator: SimulatorProcess, voice: Any, changes: dict[str, str], shift: int, code: int
) -> None:
    talk = await voice()
    answer = await talk.sign_in(plain_account(simulator), seconds(simulator) + shift, **changes)
    assert (answer["event"], answer["code"]) == ("error", code)
    assert (await talk.ask("subscribe", SPOT))["code"] == 30004


async def test_milliseconds_are_no_seconds(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    assert (await talk.sign_in(plain_account(simulator), seconds(simulator) * 1000))["code"] == 30014


@pytest.mark.parametrize(("spoil", "code"), [("revoke", 30011), ("expire", 30011), ("address", 30005), ("read", 30005)])
async def test_a_spoilt_key_cannot_log_in(simulator: SimulatorProcess, voice: Any, spoil: str, code: int) -> None:
    account = plain_account(simulator)
    if spoil in {"revoke", "expire"}:
        simulator.spoil_key(account, spoil)
    else:
        simulator.change(account, **({"addresses": ["203.0.113.9"]} if spoil == "address" else {"permissions": []}))
    assert (await (await voice()).sign_in(account, seconds(simulator)))["code"] == code


async def test_demo_keys_and_real_ones_have_their_own_host(simulator: SimulatorProcess, voice: Any) -> None:
    for account, answers in (
        (plain_account(simulator, details={"demo": True}), ("error", "login")),
        (plain_account(simulator), ("login", "error")),
    ):
        for host, event in zip(("ws.bitget.com", "wspap.bitget.com"), answers, strict=True):
            talk = await voice(host=host)
            assert (await talk.sign_in(account, seconds(simulator)))["event"] == event


async def test_every_argument_is_acknowledged_and_only_the_second_version_says_what_was_wrong(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator)
    second, third = await voice(), await voice("/v3/ws/private")
    for talk in (second, third):
        await talk.sign_in(account, seconds(simulator))
    assert await second.ask("subscribe", SPOT, FUTURES) == {"event": "subscribe", "arg": SPOT}
    assert await second.hear() == {"event": "subscribe", "arg": FUTURES}
    answer = await third.ask("subscribe", UNIFIED)
    assert (answer["event"], answer["arg"], bool(answer["connId"])) == ("subscribe", UNIFIED, True)
    wrong = {"instType": "SPOT", "channel": "dance", "instId": "default"}
    answer = await second.ask("subscribe", wrong)
    assert (answer["event"], answer["code"], answer["arg"]) == ("error", 30001, wrong)
    answer = await third.ask("subscribe", {"instType": "UTA", "topic": "dance"})
    assert (answer["event"], answer["code"], "arg" in answer) == ("error", 30001, False)


async def test_a_wrong_type_is_acknowledged_and_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, {**SPOT, "instType": "SPOTS"})
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert await talk.ping() == "pong"


async def test_nothing_is_told_again_to_who_comes_later(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    await steer(simulator.trade, account, count=10)
    talk = await listening(simulator, voice, account, SPOT)
    assert await talk.ping() == "pong"


async def test_an_unsubscribed_channel_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, SPOT)
    assert await talk.ask("unsubscribe", SPOT) == {"event": "unsubscribe", "arg": SPOT}
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert await talk.ping() == "pong"


@pytest.mark.parametrize("message", ["{", "[]", '{"op": 7}', '{"op": "subscribe", "args": "x"}', '{"args": [1]}'])
async def test_nonsense_is_named_as_such(voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["code"] == 30016
    assert (await talk.ask("dance"))["code"] == 30003


# ── Staying connected ─────────────────────────────────────────────────────────────────────────────────


async def test_without_text_pings_the_connection_breaks_whatever_else_is_said(
    simulator: SimulatorProcess, voice: Any
) -> None:
    quiet, talking, pinging = await voice(), await voice("/v2/ws/public"), await voice()
    arg = {"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}
    await talking.ask("subscribe", arg)
    await steer(simulator.limits, silent_cut_s=3)

    async def ping_on() -> None:
        while True:
            assert await pinging.ping() == "pong"
            await asyncio.wait({asyncio.ensure_future(pinging.socket.wait_closed())}, timeout=0.5)

    async def chatter() -> None:
        """Frames that are no text ping keep nothing open."""
        while True:
            await talking.socket.send(json.dumps({"op": "subscribe", "args": [arg]}))
            await asyncio.wait({asyncio.ensure_future(talking.socket.wait_closed())}, timeout=0.5)

    lively = asyncio.create_task(ping_on())
    talkative = asyncio.create_task(chatter())
    assert await quiet.closing()
    assert await talking.closing() == 1006
    with pytest.raises(ConnectionClosedError):
        await talkative
    assert not lively.done()
    lively.cancel()


async def test_a_day_is_the_longest_life(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "bitget", "--no-limits", "--speed", "40000")
    async with connect(simulator.instead_of("bitget", "wss://ws.bitget.com/v3/ws/private"), ping_interval=None) as one:
        assert await Voice(one).closing() == 1001


async def test_too_many_arguments_break_a_socket_of_the_third_version(simulator: SimulatorProcess, voice: Any) -> None:
    symbols = [market["market_id"] for market in simulator.ask("GET", "/markets") if market["product"] == "spot"]
    args = [{"instType": "spot", "topic": "ticker", "symbol": symbols[place % 12]} for place in range(25)]
    good, bad = await voice("/v3/ws/public"), await voice("/v3/ws/public")
    assert (await good.ask("subscribe", *args[:20]))["event"] == "subscribe"
    await bad.socket.send(json.dumps({"op": "subscribe", "args": args}))
    assert await bad.closing() == 1006


async def test_long_arguments_are_refused(voice: Any) -> None:
    talk = await voice("/v2/ws/public")
    args = [{"instType": "SPOT", "channel": "ticker", "instId": "BTCUSDT"}] * 80
    assert (await talk.ask("subscribe", *args))["code"] == 30016


async def test_who_says_too_much_is_told_and_cut(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "bitget")
    async with connect(simulator.instead_of("bitget", "wss://ws.bitget.com/v2/ws/public"), ping_interval=None) as one:
        for _ in range(30):
            await one.send("ping")
        heard, code = await Voice(one).until_closed()
    assert code == 1008
    assert heard[:10] == ["pong"] * 10
    assert json.loads(heard[-1])["code"] == 30007


async def test_an_address_has_so_many_connections_and_no_more(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "bitget")
    address = simulator.instead_of("bitget", "wss://ws.bitget.com/v2/ws/public")
    opened = await asyncio.gather(*(connect(address, ping_interval=None) for _ in range(100)))
    with pytest.raises(InvalidStatus) as refused:
        await connect(address)
    assert refused.value.response.status_code == 429
    await asyncio.gather(*(one.close() for one in opened))
