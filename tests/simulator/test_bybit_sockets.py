"""ccxt.pro hears from the Bybit dialect exactly what happened; the conversation's rules are kept."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

PATIENCE_S = 10


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bybit", "--no-limits")


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        options = {"fetchMarkets": {"types": ["spot", "linear"]}}
        client = pointed_at(simulator, ccxt.pro.bybit(credentials(account, **options)), "bybit", number=float)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("bybit", details={"discount": False, **options.pop("details", {})}, **options)


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()))

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def sign_in(self, account: dict[str, Any], expires: int) -> Any:
        signature = hmac.new(account["secret"].encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
        return await self.ask(op="auth", args=[account["api_key"], expires, signature])

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by path; they are closed with the test."""
    opened = []

    async def open_(path: str = "/v5/private") -> Voice:
        address = simulator.instead_of("bybit", f"wss://stream.bybit.com{path}")
        opened.append(await connect(address, ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


def soon(simulator: SimulatorProcess) -> int:
    return simulator.ask("GET", "/clock")["now_ms"] + 10_000


async def signed_in(simulator: SimulatorProcess, voice: Any, account: dict[str, Any]) -> Voice:
    talk = await voice()
    assert (await talk.sign_in(account, soon(simulator)))["success"] is True
    return talk


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "bybit"))["accounts_heard"]:
            pass


async def test_ccxt_hears_every_trade_as_it_was_made(simulator: SimulatorProcess, witness: Any) -> None:
    account = plain_account(simulator)
    client = witness(account)
    client.newUpdates = True
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        for product in ("spot", "linear"):
            for kind in ("trade",) if product == "spot" else ("trade", "liquidation", "adl", "settlement"):
                for market in ("BTCUSDT", "ETHUSDT"):
                    wish = {"product": product, "market_id": market, "kind": kind, "fills": 3}
                    await steer(simulator.trade, account, **wish)

    await asyncio.gather(make(), client.watch_my_trades())
    told = simulator.truth(account)["trades"]
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(told):
            await client.watch_my_trades()
    assert_reads_the_truth(list(client.myTrades), told)


async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    async with asyncio.timeout(PATIENCE_S):
        spot = await client.watch_ticker("BTC/USDT")
        contract = await client.watch_ticker("BTC/USDT:USDT")
        later = await client.watch_ticker("BTC/USDT:USDT")
    assert (spot["bid"], spot["ask"]) == (None, None)
    for ticker in (contract, later):
        assert Decimal(str(ticker["bid"])) < Decimal(str(ticker["last"])) * Decimal("1.001")
        assert Decimal(str(ticker["bid"])) < Decimal(str(ticker["ask"]))
    assert later["timestamp"] > contract["timestamp"]
    told = {(m["product"], m["market_id"]): Decimal(m["price"]) for m in simulator.ask("GET", "/markets")}
    assert abs(Decimal(str(spot["last"])) / told["spot", "BTCUSDT"] - 1) < Decimal("0.01")


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    client.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}
    client.secret = "wrong"
    with pytest.raises(ccxt.BaseError):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades()


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_told_before_one_has_signed_in(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    answer = await talk.ask(op="subscribe", args=["execution"], req_id="a2")
    assert (answer["success"], answer["ret_msg"], answer["req_id"]) == (False, "Request not authorized", "a2")


async def test_a_good_signature_is_acknowledged_once(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    answer = await talk.sign_in(account, soon(simulator))
    assert {name: answer[name] for name in ("success", "ret_msg", "op")} == {
        "success": True,
        "ret_msg": "",
        "op": "auth",
    }
    assert answer["conn_id"]
    assert (await talk.sign_in(account, soon(simulator)))["success"] is False


@pytest.mark.parametrize(
    ("spoil", "code"), [("revoke", 10003), ("expire", 33004), ("address", 10010), ("secret", None), ("late", None)]
)
async def test_whoever_may_not_sign_in_is_told_and_let_go(
    simulator: SimulatorProcess, voice: Any, spoil: str, code: int | None
) -> None:
    account = plain_account(simulator)
    expires = soon(simulator)
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil == "secret":
        account["secret"] = "wrong"
    elif spoil == "late":
        expires -= 20_000
    else:
        simulator.spoil_key(account, spoil)
    talk = await voice()
    answer = await talk.sign_in(account, expires)
    if code is None:
        assert (answer["success"], answer["op"]) == (False, "auth")
    else:
        assert (answer["retCode"], answer["op"]) == (code, "auth")
    assert await talk.is_closed()


async def test_a_deleted_key_ends_its_socket(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    await talk.ask(op="subscribe", args=["execution"])
    simulator.spoil_key(account, "revoke")
    assert await talk.is_closed()


# ── Topics ────────────────────────────────────────────────────────────────────────────────────────────


async def test_executions_of_one_order_come_in_one_message(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    assert (await talk.ask(op="subscribe", args=["execution"], req_id="s"))["success"] is True
    orders = []
    for _ in range(8):
        made = simulator.trade(account, product="linear", market_id="BTCUSDT", fills=3, size="0.9")
        message = await talk.hear()
        assert message["topic"] == "execution"
        assert {row["execId"] for row in message["data"]} == {trade["exchange_trade_id"] for trade in made}
        assert {row["category"] for row in message["data"]} == {"linear"}
        orders.append([row["leavesQty"] for row in message["data"]])
    assert {left == sorted(left, key=Decimal, reverse=True) for left in orders} == {True, False}


@pytest.mark.parametrize(
    ("topic", "product", "is_told"),
    [
        ("execution.spot", "spot", True),
        ("execution.spot", "linear", False),
        ("execution.linear", "linear", True),
        ("execution.fast", "spot", True),
        ("execution.fast.linear", "linear", True),
        ("order", "spot", False),
    ],
)
async def test_a_topic_tells_its_category(
    simulator: SimulatorProcess, voice: Any, topic: str, product: str, is_told: bool
) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    await talk.ask(op="subscribe", args=[topic])
    simulator.trade(account, product=product, market_id="BTCUSDT")
    await talk.say(op="ping")
    message = await talk.hear()
    assert (message.get("topic") == topic) == is_told
    if "fast" in topic:
        assert "execFee" not in message["data"][0]
        assert "feeCurrency" not in message["data"][0]


@pytest.mark.parametrize("topics", [["execution", "execution.spot"], ["execution", "nonsense"], []])
async def test_a_subscription_is_taken_whole_or_not_at_all(
    simulator: SimulatorProcess, voice: Any, topics: list[str]
) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    assert (await talk.ask(op="subscribe", args=topics))["success"] is False
    simulator.trade(account, product="spot", market_id="BTCUSDT")
    assert (await talk.ask(op="ping"))["op"] == "pong"


async def test_funding_is_told_on_the_same_topic_and_is_no_trade(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    talk = await signed_in(simulator, voice, account)
    await talk.ask(op="subscribe", args=["execution"])
    simulator.trade(account, count=300)
    await talk.say(op="ping")
    paid = []
    while (message := await talk.hear()).get("op") != "pong":
        paid += [row for row in message["data"] if row["execType"] == "Funding"]
    assert paid
    told = {trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]}
    assert not told & {row["execId"] for row in paid}


async def test_the_wallet_is_told_when_asked_for(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    await talk.ask(op="subscribe", args=["wallet"])
    simulator.trade(account, product="spot", market_id="BTCUSDT")
    message = await talk.hear()
    assert (message["topic"], message["data"][0]["accountType"]) == ("wallet", "UNIFIED")


async def test_an_unsubscribed_topic_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await signed_in(simulator, voice, account)
    await talk.ask(op="subscribe", args=["execution"])
    assert (await talk.ask(op="unsubscribe", args=["execution"]))["success"] is True
    simulator.trade(account, product="spot", market_id="BTCUSDT")
    assert (await talk.ask(op="ping"))["op"] == "pong"


# ── Heartbeats ────────────────────────────────────────────────────────────────────────────────────────


async def test_both_kinds_of_sockets_answer_pings_each_in_its_way(simulator: SimulatorProcess, voice: Any) -> None:
    private = await (await voice()).ask(req_id="h", op="ping")
    assert (private["req_id"], private["op"], private["args"][0].isdigit()) == ("h", "pong", True)
    public = await (await voice("/v5/public/spot")).ask(req_id="h", op="ping")
    assert (public["success"], public["ret_msg"], public["op"], public["req_id"]) == (True, "pong", "ping", "h")
    option = await (await voice("/v5/public/option")).ask(req_id="h", op="ping")
    assert option["op"] == "pong"


async def test_a_client_that_says_nothing_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(silent_cut_s=0.2)
    assert await (await voice()).is_closed()
    assert simulator.counters("bybit")["sockets_cut_silent"] == 1


@pytest.mark.parametrize("message", ["{", "[]", '{"op": 7}', '{"op": "dance"}', '{"op": "subscribe", "args": "x"}'])
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["success"] is False
    assert (await talk.ask(op="ping"))["op"] == "pong"


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_contract_is_told_whole_first_and_then_what_changed(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice("/v5/public/linear")
    answer = await talk.ask(op="subscribe", args=["tickers.BTCUSDT"], req_id="1")
    assert (answer["success"], answer["ret_msg"], answer["req_id"]) == (True, "subscribe", "1")
    first = await talk.hear()
    assert (first["type"], first["topic"]) == ("snapshot", "tickers.BTCUSDT")
    assert {"bid1Price", "ask1Price", "lastPrice", "markPrice"} <= set(first["data"])
    await talk.hear()
    later = await talk.hear()
    assert later["type"] == "delta"
    assert set(later["data"]) < set(first["data"])


async def test_spot_is_told_whole_and_without_quotes_which_have_a_topic_of_their_own(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice("/v5/public/spot")
    await talk.ask(op="subscribe", args=["tickers.BTCUSDT"])
    for _ in range(2):
        message = await talk.hear()
        assert message["type"] == "snapshot"
        assert "bid1Price" not in message["data"]
    await talk.ask(op="subscribe", args=["orderbook.1.ETHUSDT"])
    while (message := await talk.hear()).get("topic") != "orderbook.1.ETHUSDT":
        pass
    assert Decimal(message["data"]["b"][0][0]) < Decimal(message["data"]["a"][0][0])


@pytest.mark.parametrize(
    ("category", "args", "is_taken"),
    [
        ("spot", ["tickers.BTCUSDT"] * 10, True),
        ("spot", ["tickers.BTCUSDT"] * 11, False),
        ("linear", ["tickers.BTCUSDT"] * 11, True),
        ("spot", ["tickers.BTCUSDT", "tickers.NOPEUSDT"], False),
        ("linear", ["tickers.ETHBTC"], False),
        ("spot", ["candles.BTCUSDT"], False),
        ("linear", ["tickers.BTCUSDT"] * 1401, False),
    ],
)
async def test_a_price_subscription_has_its_limits_and_one_unknown_symbol_spoils_it(
    simulator: SimulatorProcess, voice: Any, category: str, args: list[str], is_taken: bool
) -> None:
    talk = await voice(f"/v5/public/{category}")
    assert (await talk.ask(op="subscribe", args=args))["success"] is is_taken


async def test_an_address_that_does_not_exist_is_refused(simulator: SimulatorProcess, voice: Any) -> None:
    with pytest.raises(Exception, match="404"):
        await voice("/v5/public/galactic")
