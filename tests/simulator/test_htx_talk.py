"""HTX's sockets let sign in, ping and cut each in its way, survive nonsense and tell prices."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.htx_clients import (
    CONTRACT_PRICES,
    CONTRACTS,
    NOTICES,
    OLD_NOTICES,
    PATIENCE_S,
    PRIVATE,
    SPOT_PRICES,
    Voice,
    plain_account,
    voices,
)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as open_:
        yield open_


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────


async def test_spot_speaks_plain_text_and_all_others_speak_zipped(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice(PRIVATE)
    assert await talk.sign_in(account) == {"action": "req", "code": 200, "ch": "auth", "data": {}}
    assert talk.zipped == {False}
    notices = await voice(NOTICES)
    answer = await notices.sign_in(account)
    assert {name: answer[name] for name in ("op", "type", "err-code", "data")} == {
        "op": "auth",
        "type": "api",
        "err-code": 0,
        "data": {"user-id": account["uid"]},
    }
    assert notices.zipped == {True}
    for path in (SPOT_PRICES, CONTRACT_PRICES):
        prices = await voice(path)
        await prices.ask(sub="x")
        assert prices.zipped == {True}


async def test_nothing_is_told_before_one_has_signed_in(simulator: SimulatorProcess, voice: Any) -> None:
    channel = "trade.clearing#*#0"
    refused = {"action": "sub", "code": 2002, "ch": channel, "message": "invalid.auth.state"}
    assert await (await voice(PRIVATE)).ask(action="sub", ch=channel) == refused
    answer = await (await voice(NOTICES)).ask(op="sub", cid="1", topic="trade", contract_code="*")
    assert (answer["op"], answer["cid"], answer["topic"], answer["err-code"]) == ("sub", "1", "trade", 2002)


@pytest.mark.parametrize("path", [PRIVATE, NOTICES])
@pytest.mark.parametrize("spoil", ["revoke", "expire", "address", "secret", "late", "version", "missing"])
async def test_whoever_may_not_sign_in_is_told_so(
    simulator: SimulatorProcess, voice: Any, path: str, spoil: str
) -> None:
    account, changes, behind = plain_account(simulator), {}, 0
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil == "secret":
        account["secret"] = "wrong"
    elif spoil == "late":
        behind = 310
    elif spoil == "version":
        changes = {"signatureVersion": "2", "SignatureVersion": "2.1"}
    elif spoil == "missing":
        changes = {"signature": "", "Signature": ""}
    else:
        simulator.spoil_key(account, spoil)
    answer = await (await voice(path)).sign_in(account, behind_s=behind, **changes)
    if path == PRIVATE:
        words = (2001, "missing.param.auth") if spoil == "missing" else (2002, "auth.fail")
        assert (answer["action"], answer["ch"], answer["code"], answer["message"]) == ("req", "auth", *words)
    else:
        assert (answer["op"], answer["err-code"]) == ("auth", 2040 if spoil == "missing" else 2003)
        assert answer["err-msg"]


async def test_the_eleventh_socket_of_a_key_is_one_too_many(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    account = plain_account(simulator)
    for _ in range(10):
        await voice(PRIVATE, account)
    talk = await voice(PRIVATE)
    answer = await talk.sign_in(account)
    assert (answer["code"], answer["message"]) == (4000, "too.many.connection")
    assert await talk.is_closed()
    await voice(PRIVATE, plain_account(simulator))


async def test_who_talks_too_much_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    talk = await voice(PRIVATE)
    for _ in range(51):
        await talk.say(action="pong")
    assert (await talk.hear())["message"] == "too.many.request"
    assert await talk.is_closed()


async def test_a_deleted_key_ends_its_sockets(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    spot, contracts = await voice(PRIVATE, account), await voice(NOTICES, account)
    await spot.ask(action="sub", ch="trade.clearing#*#0")
    await contracts.ask(op="sub", topic="trade", contract_code="*")
    simulator.spoil_key(account, "revoke")
    assert (await contracts.hear())["op"] == "close"
    assert await contracts.is_closed()
    assert await spot.is_closed()


async def test_maintenance_is_announced_to_contracts(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(NOTICES, plain_account(simulator))
    simulator.weather("maintenance")
    assert (await talk.hear())["op"] == "close"
    assert await talk.is_closed()


# ── Heartbeats ────────────────────────────────────────────────────────────────────────────────────────


async def next_ping(talk: Voice) -> Any:
    while True:
        frame = await within(PATIENCE_S, talk.socket.recv())
        message = json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)
        if "ping" in (message.get("op"), message.get("action"), *message):
            return message


def pong_to(ping: dict[str, Any]) -> dict[str, Any]:
    if "ping" in ping:
        return {"pong": ping["ping"]}
    return {name: "pong" if value == "ping" else value for name, value in ping.items()}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (PRIVATE, {"action", "data"}),
        (NOTICES, {"op", "ts"}),
        (OLD_NOTICES, {"op", "ts"}),
        (SPOT_PRICES, {"ping"}),
        (CONTRACT_PRICES, {"ping"}),
    ],
)
async def test_each_socket_pings_in_its_dialect_and_cuts_who_does_not_answer(
    simulator: SimulatorProcess, voice: Any, path: str, form: set[str]
) -> None:
    simulator.limits(ping_every_s=0.1, pong_within_s=1.2)
    answering, silent = await voice(path), await voice(path)
    for _ in range(5):
        ping = await next_ping(answering)
        assert set(ping) == form
        await answering.say(**pong_to(ping))
    assert await silent.is_closed()
    assert simulator.counters("htx")["sockets_cut_no_pong"] == 1


async def test_a_pong_to_no_ping_does_not_count(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(ping_every_s=0.1, pong_within_s=1.0)
    talk = await voice(PRIVATE)
    await next_ping(talk)
    await talk.say(action="pong", data={"ts": 1})
    assert await talk.is_closed()


@pytest.mark.parametrize("message", ["{", "[]", '{"op": "dance", "action": "dance"}'])
@pytest.mark.parametrize("path", [PRIVATE, NOTICES, SPOT_PRICES, CONTRACT_PRICES])
async def test_nonsense_is_answered_and_survived(
    simulator: SimulatorProcess, voice: Any, path: str, message: str
) -> None:
    talk = await voice(path)
    for _ in range(2):
        await talk.socket.send(message)
        assert await talk.hear()


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "topic", "fields"),
    [
        (SPOT_PRICES, "market.btcusdt.ticker", {"open", "high", "low", "close", "amount", "vol", "count", "bid",
         "bidSize", "ask", "askSize", "lastPrice", "lastSize"}),
        (SPOT_PRICES, "market.btcusdt.detail", {"id", "low", "high", "open", "close", "vol", "amount", "version",
         "count"}),
        (SPOT_PRICES, "market.btcusdt.bbo", {"seqId", "ask", "askSize", "bid", "bidSize", "quoteTime", "symbol"}),
        (CONTRACT_PRICES, "market.BTC-USDT.detail", {"id", "mrid", "open", "high", "low", "close", "amount", "vol",
         "count", "trade_turnover", "bid", "ask"}),
        (CONTRACT_PRICES, "market.BTC-USDT.bbo", {"mrid", "id", "bid", "ask", "ts", "version", "ch"}),
    ],
)  # fmt: skip
async def test_a_topic_is_told_at_once_and_every_second_until_it_is_unsubscribed(
    simulator: SimulatorProcess, voice: Any, path: str, topic: str, fields: set[str]
) -> None:
    talk = await voice(path)
    answer = await talk.ask(sub=topic, id="1")
    assert {name: answer[name] for name in ("id", "status", "subbed")} == {"id": "1", "status": "ok", "subbed": topic}
    for _ in range(2):
        message = await talk.hear()
        assert (message["ch"], set(message["tick"])) == (topic, fields)
        assert not [value for name, value in message["tick"].items() if isinstance(value, str) and name == "close"]
    answer = await talk.ask(unsub=topic, id="2")
    while "unsubbed" not in answer:
        answer = await talk.hear()
    assert (answer["id"], answer["unsubbed"]) == ("2", topic)


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        (SPOT_PRICES, "market.nopeusdt.ticker"),
        (SPOT_PRICES, "market.BTC-USDT.detail"),
        (CONTRACT_PRICES, "market.BTC-USDT.ticker"),
        (SPOT_PRICES, "everything"),
    ],
)
async def test_a_topic_that_is_not_there_is_refused(
    simulator: SimulatorProcess, voice: Any, path: str, topic: str
) -> None:
    answer = await (await voice(path)).ask(sub=topic, id="9")
    assert (answer["status"], answer["err-code"], answer["id"]) == ("error", "bad-request", "9")


async def test_sockets_of_the_other_system_are_not_here(simulator: SimulatorProcess, voice: Any) -> None:
    with pytest.raises(Exception, match="404"):
        await connect(simulator.instead_of("htx", f"wss://{CONTRACTS}{PRIVATE}"))
