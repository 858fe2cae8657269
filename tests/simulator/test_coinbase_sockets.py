"""ccxt.pro hears from the Coinbase dialect how orders stand; channels, tokens and counters are kept to."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.exchanges.messages import real_message
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import becoming, within
from tests.simulator.coinbase_client import ask, token
from tests.simulator.witnesses import credentials, pointed_at

PATIENCE_S = 10
PUBLIC, USER = "wss://advanced-trade-ws.coinbase.com", "wss://advanced-trade-ws-user.coinbase.com"
FILLS = "/api/v3/brokerage/orders/historical/fills"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "coinbase", "--no-limits")


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        return json.loads(await within(PATIENCE_S, self.socket.recv()))

    async def hear_of(self, channel: str) -> Any:
        """The next message of a channel; those of others are passed over."""
        while True:
            message = await self.hear()
            if message.get("channel") == channel or message.get("type") == channel:
                return message

    async def subscribe(self, channel: str, account: dict[str, Any] | None = None, *products: str) -> None:
        signed = {} if account is None else {"jwt": token(account)}
        await self.say(type="subscribe", channel=channel, product_ids=list(products), **signed)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Any]:
    """Opens bare sockets by address; they are closed with the test."""
    opened = []

    async def open_(address: str = USER) -> Voice:
        opened.append(await connect(simulator.instead_of("coinbase", address) + "/", ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


async def following(voice: Any, account: dict[str, Any]) -> Voice:
    talk = await voice()
    await talk.subscribe("user", account)
    await talk.hear_of("subscriptions")
    return talk


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def test_ccxt_hears_every_order_come_to_its_end(simulator: SimulatorProcess) -> None:
    account = simulator.account("coinbase")
    client = pointed_at(simulator, ccxt.pro.coinbase(credentials(account)), "coinbase", number=float)
    try:
        await client.load_markets()

        async def make() -> None:
            await becoming(lambda: simulator.counters("coinbase")["accounts_heard"])
            for market in ("BTC-USD", "ETH-USD", "ETH-BTC"):
                await steer(simulator.trade, account, market_id=market, fills=3, size="0.5")

        maker = asyncio.create_task(make())
        async with asyncio.timeout(PATIENCE_S):
            while client.orders is None or [order["status"] for order in client.orders] != ["closed"] * 3:
                await client.watch_orders()
        await maker
        heard = {order["id"]: order for order in client.orders}
    finally:
        await client.close()
    for trade in (await steer(simulator.truth, account))["trades"]:
        order = heard[trade["order_id"]]
        assert (order["symbol"], order["side"]) == (trade["symbol"], trade["side"])
        assert (Decimal(str(order["filled"])), order["info"]["number_of_fills"]) == (Decimal("0.5"), "3")


async def test_ccxt_hears_prices_and_those_of_usdc_under_the_dollars_name(simulator: SimulatorProcess) -> None:
    client = pointed_at(simulator, ccxt.pro.coinbase(), "coinbase")
    try:
        await client.load_markets()
        async with asyncio.timeout(PATIENCE_S):
            first = await client.watch_ticker("BTC/USDC")
            later = await client.watch_ticker("BTC/USDC")
    finally:
        await client.close()
    assert first["symbol"] == later["symbol"] == "BTC/USD", "the socket says BTC-USD, whatever was asked"
    assert Decimal(first["bid"]) < Decimal(first["ask"])
    assert later["timestamp"] > first["timestamp"]


# ── Tokens and channels ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key_type", ["ecdsa", "ed25519"])
async def test_open_orders_come_first_and_the_acknowledgement_after_them(
    simulator: SimulatorProcess, voice: Any, key_type: str
) -> None:
    account = simulator.account("coinbase", details={"key_type": key_type})
    talk = await voice()
    await talk.subscribe("user", account)
    snapshot, acknowledged = await talk.hear(), await talk.hear()
    assert (snapshot["channel"], snapshot["sequence_num"]) == ("user", 0)
    assert (snapshot["events"][0]["type"], snapshot["events"][0]["orders"]) == ("snapshot", [])
    assert (acknowledged["channel"], acknowledged["sequence_num"]) == ("subscriptions", 1)
    assert list(acknowledged["events"][0]["subscriptions"]) == ["user"]
    sample = real_message("coinbase", "cb12")
    assert acknowledged.keys() == sample.keys()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"uri": "GET api.coinbase.com/api/v3/brokerage/accounts"},
        {"age_s": 121},
        {"flip": True},
        {"kid": "unknown"},
        {"sub": "another"},
    ],
)
async def test_a_bad_token_is_told_and_the_socket_stays(
    simulator: SimulatorProcess, voice: Any, spoilt: dict[str, Any]
) -> None:
    account = simulator.account("coinbase")
    talk = await voice()
    await talk.say(type="subscribe", channel="user", product_ids=[], jwt=token(account, **spoilt))
    assert await talk.hear() == {"type": "error", "message": "authentication failure"}
    await talk.subscribe("user", account)
    await talk.hear_of("subscriptions")


async def test_every_message_needs_a_token_of_its_own(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase")
    talk = await voice()
    signed = token(account)
    await talk.say(type="subscribe", channel="heartbeats", jwt=signed)
    await talk.hear_of("subscriptions")
    await talk.say(type="subscribe", channel="user", jwt=signed)
    assert (await talk.hear_of("error"))["message"] == "authentication failure"
    await talk.subscribe("user", account)
    acknowledged = await talk.hear_of("subscriptions")
    assert set(acknowledged["events"][0]["subscriptions"]) == {"heartbeats", "user"}


@pytest.mark.parametrize(
    ("address", "channel"), [(USER, "ticker"), (USER, "candy"), (PUBLIC, "candy"), (USER, "user"), (PUBLIC, "user")]
)
async def test_a_channel_that_is_not_there_or_needs_a_token_is_an_authentication_failure(
    simulator: SimulatorProcess, voice: Any, address: str, channel: str
) -> None:
    talk = await voice(address)
    await talk.subscribe(channel, None, "BTC-USD")
    assert await talk.hear() == {"type": "error", "message": "authentication failure"}


@pytest.mark.parametrize("message", ["{", "[]", '{"type": 7}', '{"type": "dance", "channel": "user"}'])
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["type"] == "error"
    await talk.subscribe("heartbeats")
    await talk.hear_of("subscriptions")


async def test_who_subscribes_to_nothing_is_let_go_after_five_seconds(simulator: SimulatorProcess, voice: Any) -> None:
    talk, other = await voice(), await voice()
    began = time.monotonic()
    await other.subscribe("heartbeats")
    assert await talk.is_closed()
    assert 4.5 < time.monotonic() - began < 8
    while (await other.hear_of("heartbeats"))["events"][0]["heartbeat_counter"] < 6:
        pass


async def test_only_heartbeats_keep_a_quiet_subscription_open(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(silent_cut_s=1.5)
    quiet, beating = await voice(PUBLIC), await voice(PUBLIC)
    await quiet.subscribe("ticker")
    await beating.subscribe("heartbeats")

    async def chatter(talk: Voice) -> int:
        """Both clients talk all the time; how many heartbeats came until the end, three at most."""
        beats = 0
        try:
            while beats < 3:
                await talk.say(type="hello")
                beats += (await talk.hear()).get("channel") == "heartbeats"
        except ConnectionClosed:
            return beats
        return beats

    assert await asyncio.gather(chatter(quiet), chatter(beating)) == [0, 3]
    assert simulator.counters("coinbase")["sockets_cut_silent"] == 1


async def test_a_second_connection_of_one_user_ends_the_first(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase")
    first = await following(voice, account)
    second = await following(voice, account)
    assert await first.is_closed()
    await steer(simulator.trade, account, market_id="BTC-USD")
    assert (await second.hear_of("user"))["events"][0]["type"] == "update"


@pytest.mark.parametrize("how", ["revoke", "expire"])
async def test_a_key_that_is_gone_is_told_on_its_socket(simulator: SimulatorProcess, voice: Any, how: str) -> None:
    account = simulator.account("coinbase")
    talk = await following(voice, account)
    await steer(simulator.spoil_key, account, how)
    assert await talk.hear() == {"type": "error", "message": "authentication failure"}
    assert await talk.is_closed()


async def test_an_address_asks_for_eight_connections_and_unsigned_messages_a_second(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "coinbase")
    address = simulator.instead_of("coinbase", PUBLIC) + "/"
    tried = await asyncio.gather(*(connect(address) for _ in range(40)), return_exceptions=True)
    opened = [one for one in tried if isinstance(one, ClientConnection)]
    refused = [one.response.status_code for one in tried if isinstance(one, InvalidStatus)]
    assert 8 <= len(opened) < 40
    assert set(refused) == {429}
    talk = Voice(opened[0])
    for _ in range(40):
        await talk.subscribe("heartbeats")
    assert (await talk.hear_of("error"))["message"] == "rate limit exceeded"
    for socket in opened:
        await socket.close()


# ── Orders ────────────────────────────────────────────────────────────────────────────────────────────


async def test_orders_are_told_as_real_ones_and_their_fills_come_to_rest_later(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("coinbase")
    talk = await following(voice, account)
    made = await steer(simulator.trade, account, market_id="BTC-USD", fills=3, size="0.5", maker=True)
    visible = await steer(ask, simulator, account, FILLS)
    counts = []
    while True:
        message = await talk.hear_of("user")
        assert message.keys() == real_message("coinbase", "cb2").keys()
        (event,) = message["events"]
        (order,) = event["orders"]
        assert order.keys() == real_message("coinbase", "cb2")["events"][0]["orders"][0].keys()
        counts.append(int(order["number_of_fills"]))
        if order["status"] == "FILLED":
            break
    assert visible.data["fills"] == [], "REST shows them a little later"
    assert (counts, counts[0], counts[-1]) == (sorted(counts), 0, 3)
    assert (order["cumulative_quantity"], order["leaves_quantity"]) == ("0.5", "0")
    assert Decimal(order["filled_value"]) == sum(Decimal(trade["cost"]) for trade in made)
    assert Decimal(order["total_fees"]) == sum(Decimal(trade["fees"][0]["amount"]) for trade in made)
    rows = await becoming(lambda: found if len(found := ask(simulator, account, FILLS).data["fills"]) == 3 else [])
    assert {row["order_id"] for row in rows} == {order["order_id"]}


async def test_an_order_over_usdc_goes_by_the_dollars_name_on_the_socket_alone(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("coinbase")
    talk = await following(voice, account)
    await steer(simulator.trade, account, market_id="BTC-USDC")
    assert (await talk.hear_of("user"))["events"][0]["orders"][0]["product_id"] == "BTC-USD"
    rows = await becoming(lambda: ask(simulator, account, FILLS).data["fills"])
    assert {row["product_id"] for row in rows} == {"BTC-USDC"}


async def test_open_orders_are_told_at_first_and_filled_ones_are_not(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase")
    batch = "/api/v3/brokerage/orders/historical/batch"

    def open_orders() -> list[dict[str, Any]]:
        simulator.trade(account, count=1)
        return ask(simulator, account, batch, order_status="OPEN").data["orders"]

    left_open = await becoming(open_orders)
    talk = await voice()
    await talk.subscribe("user", account)
    event = (await talk.hear())["events"][0]
    assert [order["order_id"] for order in event["orders"]] == [order["order_id"] for order in left_open]
    for told, row in zip(event["orders"], left_open, strict=True):
        assert (told["status"], told["cumulative_quantity"]) == ("OPEN", row["filled_size"])
        assert Decimal(told["leaves_quantity"]) > 0


async def test_a_cancelled_order_is_told_with_what_it_got_and_nothing_left(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("coinbase")
    talk = await following(voice, account)
    maker = asyncio.create_task(steer(simulator.trade, account, count=400))
    while (order := (await talk.hear_of("user"))["events"][0]["orders"][0])["status"] != "CANCELLED":
        pass
    await maker
    assert (order["leaves_quantity"], order["outstanding_hold_amount"]) == ("0", "0")
    own = [one for one in simulator.truth(account)["trades"] if one["order_id"] == order["order_id"]]
    assert Decimal(order["cumulative_quantity"]) == sum(Decimal(trade["amount"]) for trade in own)
    assert Decimal(order["completion_percentage"]) < 100


async def test_what_got_lost_leaves_a_gap_in_the_numbers(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase")
    talk = await following(voice, account)
    await talk.subscribe("heartbeats", account)
    last = (await talk.hear_of("subscriptions"))["sequence_num"]
    await steer(simulator.weather, "lost", chance=1.0)
    await steer(simulator.trade, account, market_id="BTC-USD")
    await steer(simulator.calm)
    numbers = [last]
    while numbers[-1] == last + len(numbers) - 1:
        message = await talk.hear()
        assert message["channel"] == "heartbeats"
        numbers.append(message["sequence_num"])
    assert numbers[-1] > numbers[-2] + 1


async def test_only_products_that_were_asked_for_are_told(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase")
    talk = await voice()
    await talk.subscribe("user", account, "ETH-USD")
    await talk.hear_of("subscriptions")
    await steer(simulator.trade, account, market_id="BTC-USD")
    await steer(simulator.trade, account, market_id="ETH-USD")
    assert (await talk.hear_of("user"))["events"][0]["orders"][0]["product_id"] == "ETH-USD"


async def test_futures_balances_have_a_channel(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("coinbase", details={"futures": True})
    talk = await voice()
    await talk.subscribe("futures_balance_summary", account)
    first = (await talk.hear())["events"][0]
    assert first["type"] == "snapshot"
    await talk.hear_of("subscriptions")
    await steer(simulator.trade, account, product="linear", market_id="BIP-20DEC30-CDE")
    later = (await talk.hear_of("futures_balance_summary"))["events"][0]
    paid = Decimal(first["fcm_balance_summary"]["cfm_usd_balance"]["value"]) - Decimal(
        later["fcm_balance_summary"]["cfm_usd_balance"]["value"]
    )
    assert paid > 0


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_ticker_is_whole_and_stops_when_asked_to(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(PUBLIC)
    await talk.subscribe("heartbeats")
    await talk.subscribe("ticker", None, "BTC-USD", "ETH-USDC", "NO-SUCH")
    first = await talk.hear_of("ticker")
    sample = real_message("coinbase", "cb10")
    assert [row["product_id"] for row in first["events"][0]["tickers"]] == ["BTC-USD", "ETH-USD"]
    assert (first.keys() - {"client_id"}, first["events"][0]["type"]) == (sample.keys(), "snapshot")
    assert first["events"][0]["tickers"][0].keys() == sample["events"][0]["tickers"][0].keys()
    acknowledged = await talk.hear_of("subscriptions")
    assert acknowledged["events"][0]["subscriptions"]["ticker"] == ["BTC-USD", "ETH-USD"]
    assert (await talk.hear_of("ticker"))["events"][0]["type"] == "update"
    await talk.say(type="unsubscribe", channel="ticker", product_ids=["BTC-USD", "ETH-USDC"])
    acknowledged = await talk.hear_of("subscriptions")
    assert acknowledged["events"][0]["subscriptions"] == {"heartbeats": ["heartbeats"]}
    assert {(await talk.hear())["channel"] for _ in range(2)} == {"heartbeats"}


async def test_the_slow_ticker_knows_no_best_prices(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(PUBLIC)
    await talk.subscribe("ticker_batch", None, "BTC-USD")
    (row,) = (await talk.hear_of("ticker_batch"))["events"][0]["tickers"]
    assert Decimal(row["price"]) > 0
    assert "best_bid" not in row
