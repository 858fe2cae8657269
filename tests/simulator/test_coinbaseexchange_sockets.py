"""ccxt.pro hears from the Coinbase Exchange dialect exactly what happened, but for the fee, which is only a rate."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import becoming, within
from tests.simulator.witnesses import as_read, as_told, credentials, pointed_at

PATIENCE_S = 10
NAME = "coinbaseexchange"
FEED = "wss://ws-feed.exchange.coinbase.com"
MATCH = {
    "type": "match",
    "trade_id": 82047307,
    "sequence": 50,
    "maker_order_id": "a",
    "taker_order_id": "b",
    "time": "2026-11-20T10:00:00.027459Z",
    "product_id": "BTC-USD",
    "size": "0.01",
    "price": "91000",
    "side": "sell",
    "taker_user_id": "u",
    "user_id": "u",
    "taker_profile_id": "p",
    "profile_id": "p",
    "taker_fee_rate": "0.005",
}
"""A match of a taker as the documents write it."""


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", NAME, "--no-limits")


def signed(account: dict[str, Any], **spoilt: Any) -> dict[str, Any]:
    """The fields that sign a subscription; `age_s` makes them old."""
    stamp = str(int(time.time()) - spoilt.pop("age_s", 0))
    text = f"{stamp}GET/users/self/verify".encode()
    digest = hmac.new(base64.b64decode(account["secret"]), text, hashlib.sha256).digest()
    return {
        "key": account["api_key"],
        "passphrase": account["passphrase"],
        "timestamp": stamp,
        "signature": base64.b64encode(digest).decode(),
    } | spoilt


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()))

    async def hear_of(self, kind: str) -> Any:
        """The next message of a type; others are passed over."""
        while (message := await self.hear())["type"] != kind:
            pass
        return message

    async def ask(self, *channels: Any, products: list[str] | None = None, **more: Any) -> Any:
        await self.say(type="subscribe", channels=list(channels), product_ids=products or [], **more)
        return await self.hear()

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Any]:
    """Opens bare sockets; they are closed with the test."""
    opened = []

    async def open_(address: str = FEED) -> Voice:
        opened.append(await connect(simulator.instead_of(NAME, address) + "/", ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


async def following(voice: Any, account: dict[str, Any], *products: str) -> Voice:
    talk = await voice()
    assert (await talk.ask("user", products=list(products), **signed(account)))["type"] == "subscriptions"
    return talk


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def test_ccxt_hears_every_trade_as_it_was_made_but_for_the_fee(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    client = pointed_at(simulator, ccxt.pro.coinbaseexchange(credentials(account)), NAME, number=float)
    try:
        await client.load_markets()

        async def make() -> None:
            await becoming(lambda: simulator.counters(NAME)["accounts_heard"])
            for side in ("buy", "sell"):
                for maker in (True, False):
                    wish = {"market_id": "BTC-USD", "side": side, "maker": maker, "fills": 2, "size": "0.5"}
                    await steer(simulator.trade, account, **wish)

        maker = asyncio.create_task(make())
        async with asyncio.timeout(PATIENCE_S):
            while client.myTrades is None or len(client.myTrades) < 8:
                await client.watch_my_trades("BTC/USD")
        await maker
        read, told = list(client.myTrades), simulator.truth(account)["trades"]
    finally:
        await client.close()
    fees = {trade["id"]: Decimal(str(trade["fee"]["cost"])) for trade in read}
    for trade in told:
        # The socket tells a rate only; what was paid is cut to eight places and told by REST.
        assert abs(fees[trade["exchange_trade_id"]] - Decimal(trade["fees"][0]["amount"])) < Decimal("0.000001")
    bare = [trade | {"fee": {"cost": None}, "fees": []} for trade in read]
    assert sorted(map(as_read, bare), key=str) == sorted((as_told(one | {"fees": []}) for one in told), key=str)


async def test_ccxt_hears_prices(simulator: SimulatorProcess) -> None:
    client = pointed_at(simulator, ccxt.pro.coinbaseexchange(), NAME)
    try:
        await client.load_markets()
        async with asyncio.timeout(PATIENCE_S):
            first = await client.watch_ticker("BTC/USD")
            later = await client.watch_ticker("BTC/USD")
    finally:
        await client.close()
    assert first["symbol"] == "BTC/USD"
    assert Decimal(first["bid"]) < Decimal(first["ask"])
    assert later["timestamp"] > first["timestamp"]


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess) -> None:
    account = simulator.account(NAME)
    client = pointed_at(simulator, ccxt.pro.coinbaseexchange(credentials(account)), NAME)
    try:
        await client.load_markets()
        client.secret = base64.b64encode(b"wrong").decode()
        with pytest.raises(ccxt.AuthenticationError, match="invalid signature"):
            async with asyncio.timeout(PATIENCE_S):
                await client.watch_my_trades("BTC/USD")
    finally:
        await client.close()


# ── Subscriptions ─────────────────────────────────────────────────────────────────────────────────────


async def test_all_that_is_subscribed_is_acknowledged(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account(NAME)
    talk = await following(voice, account, "BTC-USD")
    beats = {"name": "heartbeat", "product_ids": ["ETH-USD"]}
    await talk.say(type="subscribe", channels=["user", beats], product_ids=["ETH-USD"], **signed(account))
    channels = {one["name"]: one["product_ids"] for one in (await talk.hear_of("subscriptions"))["channels"]}
    assert channels == {"user": ["BTC-USD", "ETH-USD"], "heartbeat": ["ETH-USD"]}
    await talk.say(type="unsubscribe", channels=["heartbeat"])
    channels = {one["name"]: one["product_ids"] for one in (await talk.hear_of("subscriptions"))["channels"]}
    assert channels == {"user": ["BTC-USD", "ETH-USD"]}
    await talk.say(type="unsubscribe", channels=["user"], product_ids=["BTC-USD"])
    await talk.hear_of("subscriptions")
    await steer(simulator.trade, account, market_id="BTC-USD")
    await steer(simulator.trade, account, market_id="ETH-USD")
    assert (await talk.hear())["product_id"] == "ETH-USD"


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({"key": "unknown"}, "Invalid API Key"),
        ({"passphrase": "wrong"}, "Invalid Passphrase"),
        ({"signature": "wrong"}, "invalid signature"),
        ({"age_s": 40}, "request timestamp expired"),
        ({"signature": None, "key": None, "passphrase": None, "timestamp": None}, "Invalid API Key"),
    ],
)
async def test_who_signs_wrongly_is_told_why(
    simulator: SimulatorProcess, voice: Any, spoilt: dict[str, Any], reason: str
) -> None:
    account = simulator.account(NAME)
    talk = await voice()
    answer = await talk.ask("user", products=["BTC-USD"], **signed(account, **spoilt))
    assert (answer["type"], answer["message"]) == ("error", "Authentication Failed")
    assert json.loads(answer["reason"]) == {"message": reason}
    assert (await talk.ask("user", products=["BTC-USD"], **signed(account)))["type"] == "subscriptions"


@pytest.mark.parametrize(
    ("channel", "products", "reason"),
    [
        ("candy", ["BTC-USD"], "candy is not a valid channel"),
        ("ticker", ["NO-SUCH"], "NO-SUCH is not a valid product"),
        ("user", [], "user needs product_ids"),
    ],
)
async def test_a_subscription_is_taken_whole_or_not_at_all(
    simulator: SimulatorProcess, voice: Any, channel: str, products: list[str], reason: str
) -> None:
    account = simulator.account(NAME)
    talk = await voice()
    wanted = [{"name": "heartbeat", "product_ids": ["BTC-USD"]}, {"name": channel, "product_ids": products}]
    answer = await talk.ask(*wanted, **signed(account))
    assert answer == {"type": "error", "message": "Failed to subscribe", "reason": reason}
    answer = await talk.ask("ticker", products=["BTC-USD"])
    assert [one["name"] for one in answer["channels"]] == ["ticker"]


@pytest.mark.parametrize("message", ["{", "[]", '{"type": 7}', '{"type": "subscribe"}'])
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["type"] == "error"
    assert (await talk.ask("heartbeat", products=["BTC-USD"]))["type"] == "subscriptions"


async def test_who_subscribes_to_nothing_is_let_go_after_five_seconds(simulator: SimulatorProcess, voice: Any) -> None:
    talk, other = await voice(), await voice()
    began = time.monotonic()
    await other.ask("heartbeat", products=["BTC-USD"])
    assert await talk.is_closed()
    assert 4.5 < time.monotonic() - began < 8
    beat = await other.hear_of("heartbeat")
    assert beat.keys() == {"type", "sequence", "last_trade_id", "product_id", "time"}


async def test_ten_sockets_may_follow_one_product_of_an_account(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", NAME)
    account = simulator.account(NAME)
    address = simulator.instead_of(NAME, FEED) + "/"
    talks = [Voice(await connect(address)) for _ in range(11)]
    heard = [(await talk.ask("user", products=["BTC-USD"], **signed(account)))["type"] for talk in talks]
    assert heard == ["subscriptions"] * 10 + ["error"]
    assert (await talks[-1].ask("user", products=["ETH-USD"], **signed(account)))["type"] == "subscriptions"
    tried = await asyncio.gather(*(connect(address) for _ in range(60)), return_exceptions=True)
    assert {one.response.status_code for one in tried if isinstance(one, InvalidStatus)} == {429}
    for socket in [talk.socket for talk in talks] + [one for one in tried if isinstance(one, ClientConnection)]:
        await socket.close()


async def test_a_key_that_is_gone_is_told_on_its_socket(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account(NAME)
    talk = await following(voice, account, "BTC-USD")
    await steer(simulator.spoil_key, account, "revoke")
    assert (await talk.hear())["message"] == "Authentication Failed"
    assert await talk.is_closed()


# ── Matches ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_takers_match_is_as_documented_and_says_the_makers_side(
    simulator: SimulatorProcess, voice: Any, side: str
) -> None:
    account = simulator.account(NAME)
    talk = await following(voice, account, "BTC-USD")
    (trade,) = await steer(simulator.trade, account, market_id="BTC-USD", side=side, maker=False, size="0.5")
    told = [await talk.hear() for _ in range(3)]
    assert [message["type"] for message in told] == ["received", "match", "done"]
    match = told[1]
    assert {name: type(value) for name, value in match.items()} == {name: type(value) for name, value in MATCH.items()}
    assert match["side"] == {"buy": "sell", "sell": "buy"}[side]
    assert (match["taker_order_id"], str(match["trade_id"])) == (trade["order_id"], trade["exchange_trade_id"])
    assert match["profile_id"] == match["taker_profile_id"] == account["uid"]
    assert (told[2]["reason"], told[2]["remaining_size"]) == ("filled", "0")


async def test_a_makers_match_says_the_own_side_and_a_rebate_is_a_negative_rate(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account(NAME)
    talk = await following(voice, account, "ETH-BTC")
    (trade,) = await steer(simulator.trade, account, market_id="ETH-BTC", side="buy", maker=True, size="0.5")
    told = [await talk.hear() for _ in range(4)]
    assert [message["type"] for message in told] == ["received", "open", "match", "done"]
    match = told[2]
    assert match.keys() == {name.replace("taker_", "maker_") for name in MATCH} | {"taker_order_id"}
    assert (match["side"], match["maker_order_id"], match["maker_fee_rate"]) == ("buy", trade["order_id"], "-0.00005")
    assert Decimal(trade["fees"][0]["amount"]) < 0


async def test_numbers_do_not_tell_what_got_lost(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account(NAME)
    talk = await following(voice, account, "BTC-USD")
    for _ in range(12):
        await steer(simulator.trade, account, market_id="BTC-USD", maker=False, size="0.01")
    numbers = [(await talk.hear_of("match"))["sequence"] for _ in range(12)]
    assert numbers == sorted(numbers)
    assert {later - earlier for earlier, later in pairwise(numbers)} != {1}


async def test_what_is_no_trade_is_told_beside_trades(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account(NAME)
    products = [market["market_id"] for market in simulator.ask("GET", "/markets")]
    talk = await following(voice, account, *products)
    made = await steer(simulator.trade, account, count=200)
    kinds: dict[str, int] = {}
    while kinds.get("match", 0) < len(made):
        kind = (await talk.hear())["type"]
        kinds[kind] = kinds.get(kind, 0) + 1
    assert kinds.keys() == {"received", "open", "match", "done", "activate"}


async def test_a_market_that_is_listed_later_is_told_like_the_others(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account(NAME)
    simulator.ask("POST", "/markets", exchange=NAME, product="spot", market_id="NEW-USD", base="NEW", quote="USD")
    talk = await following(voice, account, "NEW-USD")
    await steer(simulator.trade, account, market_id="NEW-USD")
    assert (await talk.hear_of("match"))["product_id"] == "NEW-USD"
    await talk.say(type="subscribe", channels=["ticker", "heartbeat"], product_ids=["NEW-USD"])
    assert (await talk.hear_of("ticker"))["product_id"] == "NEW-USD"
    assert (await talk.hear_of("heartbeat"))["product_id"] == "NEW-USD"


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_ticker_is_told_at_once_and_every_second(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice("wss://ws-direct.exchange.coinbase.com")
    await talk.ask("ticker", products=["BTC-USD"])
    for _ in range(2):
        ticker = await talk.hear()
        assert (ticker["type"], ticker["product_id"]) == ("ticker", "BTC-USD")
        assert Decimal(ticker["best_bid"]) < Decimal(ticker["best_ask"])
        assert {"open_24h", "volume_24h", "low_24h", "high_24h", "volume_30d", "last_size", "trade_id"} <= set(ticker)
