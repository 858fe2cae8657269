"""ccxt.pro hears from the Gate dialect exactly what happened; the conversation's rules are kept."""

import asyncio
import hashlib
import hmac
import json
import time
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
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

PATIENCE_S = 10
ALL = "!all"
SPOT, USDT, BTC = (
    "wss://api.gateio.ws/ws/v4/",
    "wss://fx-ws.gateio.ws/v4/ws/usdt",
    "wss://fx-ws.gateio.ws/v4/ws/btc",
)
FEES = {"fee", "fee_currency", "gt_fee", "point_fee"}
ENVELOPE = {"time", "time_ms", "channel", "event", "result"}
SPOT_TRADE = {
    **dict.fromkeys(("id", "user_id", "create_time", "id_market"), int),
    **dict.fromkeys(("order_id", "currency_pair", "create_time_ms", "side", "amount", "role", "price"), str),
    **dict.fromkeys(("fee", "fee_currency", "point_fee", "gt_fee", "text", "amend_text", "biz_info"), str),
}
FUTURES_TRADE = {
    **dict.fromkeys(("id", "contract", "order_id", "price", "role", "text"), str),
    **dict.fromkeys(("create_time", "create_time_ms", "size", "point_fee"), int),
    "fee": float,
}
ORDER = {
    *("id", "text", "create_time", "update_time", "currency_pair", "type", "account", "side", "amount", "price"),
    *("time_in_force", "left", "filled_total", "avg_deal_price", "fee", "fee_currency", "point_fee", "gt_fee"),
    *("rebated_fee", "rebated_fee_currency", "create_time_ms", "update_time_ms", "user", "event", "stp_id"),
    *("stp_act", "finish_as", "biz_info", "amend_text"),
}
TICKER = {
    *("currency_pair", "last", "lowest_ask", "highest_bid", "change_percentage", "base_volume", "quote_volume"),
    *("high_24h", "low_24h"),
}


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        options = {"fetchMarkets": {"types": ["spot", "swap"]}}
        config = credentials(account, **options) | {"uid": account["uid"]}
        made.append(pointed_at(simulator, ccxt.pro.gate(config), "gate", number=float))
        return made[-1]

    yield make
    for client in made:
        await client.close()


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("gate", details={"discount": False, **options.pop("details", {})}, **options)


class Voice:
    """A bare websocket that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps({"time": int(time.time()), **message}))

    async def hear(self) -> Any:
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_S))

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def subscribe(
        self, account: dict[str, Any], channel: str, *payload: str, event: str = "subscribe", **spoil: Any
    ) -> Any:
        """A private subscription; `spoil` replaces `time`, `KEY` or `SIGN`."""
        now = spoil.pop("time", int(time.time()))
        text = f"channel={channel}&event={event}&time={now}"
        made = hmac.new(account["secret"].encode(), text.encode(), hashlib.sha512).hexdigest()
        auth = {"method": "api_key", "KEY": account["api_key"], "SIGN": made} | spoil
        return await self.ask(time=now, id=7, channel=channel, event=event, payload=list(payload), auth=auth)

    async def is_silent(self, family: str = "spot") -> bool:
        """Whether nothing was said before the answer to a ping."""
        return (await self.ask(channel=f"{family}.ping"))["channel"] == f"{family}.pong"

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by address; they are closed with the test."""
    opened = []

    async def open_(address: str = SPOT, *, in_decimals: bool = True) -> Voice:
        headers = {"X-Gate-Size-Decimal": "1"} if in_decimals else {}
        there = simulator.instead_of("gate", address)
        opened.append(await connect(there, ping_interval=None, additional_headers=headers))
        return Voice(opened[-1])

    yield open_
    await asyncio.gather(*(socket.close() for socket in opened))


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "gate"))["accounts_heard"]:
            pass


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("product", "kind"), [("spot", "spot"), ("linear", "swap")])
async def test_ccxt_hears_every_trade_as_it_was_made(
    simulator: SimulatorProcess, witness: Any, product: str, kind: str
) -> None:
    account = simulator.account("gate", details={"discount": True})
    client = witness(account)
    client.newUpdates = True
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        for forced in ("trade",) if product == "spot" else ("trade", "liquidation", "adl"):
            for market in ("BTC_USDT", "ETH_USDT", "SOL_USDT", "GTC_USDT"):
                wish = {"product": product, "market_id": market, "kind": forced, "fills": 3}
                await steer(simulator.trade, account, **wish)

    await asyncio.gather(make(), client.watch_my_trades(params={"type": kind}))
    told = simulator.truth(account)["trades"]
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(told):
            await client.watch_my_trades(params={"type": kind})
    heard = list(client.myTrades)
    assert_reads_the_truth(heard, told)


async def test_a_fee_without_its_coin_is_in_the_coin_that_is_received(
    simulator: SimulatorProcess, witness: Any, voice: Any
) -> None:
    """ccxt leaves the coin open then; the documents list the field and leave it out of their example."""
    account = plain_account(simulator, products=["spot"])
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades", ALL)
    made = [trade for _ in range(4) for trade in await steer(simulator.trade, account, market_id="BTC_USDT", fills=4)]
    rows: dict[str, dict[str, Any]] = {}
    while len(rows) < len(made):
        rows |= {str(row["id"]): row for row in (await talk.hear())["result"]}
    quiet = [row for row in rows.values() if "fee_currency" not in row]
    assert 0 < len(quiet) < len(rows)
    told = {trade["exchange_trade_id"]: trade["fees"][0]["currency"] for trade in made}
    for row in quiet:
        assert told[str(row["id"])] == ("BTC" if row["side"] == "buy" else "USDT")
    client = witness(account)
    await client.load_markets()
    assert client.parse_trade(quiet[0])["fees"][0]["currency"] is None


async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    async with asyncio.timeout(PATIENCE_S):
        spot = await client.watch_ticker("BTC/USDT")
        contract = await client.watch_ticker("BTC/USDT:USDT")
        quotes = await client.watch_bids_asks(["ETH/USDT:USDT"])
    assert spot["bid"] < spot["ask"]
    assert (contract["bid"], contract["ask"]) == (None, None)
    assert quotes["ETH/USDT:USDT"]["bid"] < quotes["ETH/USDT:USDT"]["ask"]
    told = {(m["product"], m["market_id"]): float(m["price"]) for m in simulator.ask("GET", "/markets")}
    assert abs(contract["last"] / told["linear", "BTC_USDT"] - 1) < 0.01


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="INVALID_SIGNATURE"):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades()


# ── Signing each subscription ─────────────────────────────────────────────────────────────────────────


async def test_a_good_subscription_is_acknowledged_with_its_id(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    for address, channel, payload in (
        (SPOT, "spot.usertrades", [ALL]),
        (USDT, "futures.usertrades", [account["uid"], ALL]),
    ):
        answer = await (await voice(address)).subscribe(account, channel, *payload)
        assert ENVELOPE < set(answer)
        assert (answer["id"], answer["channel"], answer["event"]) == (7, channel, "subscribe")
        assert (answer["error"], answer["result"]) == (None, {"status": "success"})
        assert answer["time"] == answer["time_ms"] // 1000


@pytest.mark.parametrize(
    ("spoil", "label"),
    [
        ({"KEY": "nobody"}, "INVALID_KEY"),
        ({"SIGN": "00"}, "INVALID_SIGNATURE"),
        ({"time": 1_600_000_000}, "REQUEST_EXPIRED"),
        ("revoke", "INVALID_KEY"),
        ("expire", "INVALID_KEY"),
        ("address", "IP_FORBIDDEN"),
        ("scope", "FORBIDDEN"),
    ],
)
async def test_whoever_may_not_subscribe_is_told_and_the_socket_stays_open_and_silent(
    simulator: SimulatorProcess, voice: Any, spoil: Any, label: str
) -> None:
    account = plain_account(simulator, details={"scopes": ["futures"]} if spoil == "scope" else {})
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil in ("revoke", "expire"):
        simulator.spoil_key(account, spoil)
    talk = await voice()
    answer = await talk.subscribe(account, "spot.usertrades", ALL, **(spoil if isinstance(spoil, dict) else {}))
    assert answer["error"]["code"] == 4
    assert answer["error"]["message"].endswith("\n")
    assert json.loads(answer["error"]["message"])["label"] == label
    assert answer["result"] == {"status": "fail"}
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    assert await talk.is_silent()


async def test_a_subscription_without_a_signature_is_refused(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice()
    answer = await talk.ask(channel="spot.usertrades", event="subscribe", payload=[ALL])
    assert (answer["error"]["code"], "id" in answer) == (4, False)


async def test_the_user_id_must_be_the_callers(simulator: SimulatorProcess, voice: Any) -> None:
    account, other = plain_account(simulator), plain_account(simulator)
    talk = await voice(USDT)
    for payload in ([other["uid"], ALL], [ALL], []):
        assert (await talk.subscribe(account, "futures.usertrades", *payload))["error"]["code"] == 2
    simulator.trade(account, product="linear", market_id="BTC_USDT")
    assert await talk.is_silent("futures")


async def test_a_deleted_key_silences_its_subscription_and_leaves_the_others(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account, other = plain_account(simulator), plain_account(simulator)
    talk = await voice()
    for one in (account, other):
        await talk.subscribe(one, "spot.usertrades", ALL)
    simulator.spoil_key(account, "revoke")
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    assert await talk.is_silent()
    simulator.trade(other, product="spot", market_id="BTC_USDT")
    assert {str(row["user_id"]) for row in (await talk.hear())["result"]} == {other["uid"]}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1),
        ("[]", 1),
        ('{"channel": "spot.usertrades", "event": "subscribe"}', 1),
        ('{"time": 1, "channel": "spot.tickers", "event": "subscribe", "payload": "BTC_USDT"}', 1),
        ('{"time": 1, "channel": "spot.gossip", "event": "subscribe"}', 2),
        ('{"time": 1, "channel": "futures.tickers", "event": "subscribe", "payload": ["BTC_USDT"]}', 2),
        ('{"time": 1, "channel": "spot.usertrades", "event": "api"}', 2),
        ('{"time": 1, "channel": "spot.tickers", "event": "subscribe", "payload": []}', 2),
    ],
)
async def test_nonsense_is_answered_and_survived(
    simulator: SimulatorProcess, voice: Any, message: str, code: int
) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["error"]["code"] == code
    assert await talk.is_silent()


# ── What is told ──────────────────────────────────────────────────────────────────────────────────────


async def test_fills_of_one_order_come_in_one_message_with_the_real_fields(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades", ALL)
    orders = []
    for _ in range(8):
        made = await steer(simulator.trade, account, product="spot", market_id="BTC_USDT", fills=3, size="0.9")
        message = await talk.hear()
        assert set(message) == ENVELOPE
        assert {str(row["id"]) for row in message["result"]} == {trade["exchange_trade_id"] for trade in made}
        for row in message["result"]:
            assert {name: type(value) for name, value in ({"fee_currency": ""} | row).items()} == SPOT_TRADE
        orders.append([row["id_market"] for row in message["result"]])
    assert {order == sorted(order) for order in orders} == {True, False}


async def test_the_faster_channel_knows_no_fees(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades_v2", "BTC_USDT")
    simulator.trade(account, product="spot", market_id="ETH_USDT")
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    message = await talk.hear()
    assert message["channel"] == "spot.usertrades_v2"
    for row in message["result"]:
        assert row["currency_pair"] == "BTC_USDT"
        assert not FEES & set(row)


async def test_contracts_are_signed_text_for_who_asks_for_decimals(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    exact, rough = await voice(USDT), await voice(USDT, in_decimals=False)
    for talk in (exact, rough):
        await talk.subscribe(account, "futures.usertrades", account["uid"], ALL)
    wish = {"product": "linear", "market_id": "SOL_USDT", "side": "sell", "size": "2.7", "fills": 1}
    (trade,) = await steer(simulator.trade, account, **wish)
    (exactly,), (roughly,) = (await exact.hear())["result"], (await rough.hear())["result"]
    assert (exactly["size"], roughly["size"]) == ("-2.7", -2)
    assert {name: type(value) for name, value in roughly.items()} == FUTURES_TRADE
    assert (roughly["id"], roughly["create_time_ms"]) == (trade["exchange_trade_id"], trade["timestamp_ms"])


async def test_each_settlement_coin_has_its_socket(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    dollars, bitcoin, old = await voice(USDT), await voice(BTC), await voice("wss://fx-ws.gateio.ws/v4/ws")
    for talk in (dollars, bitcoin, old):
        await talk.subscribe(account, "futures.usertrades", account["uid"], ALL)
    await steer(simulator.trade, account, product="inverse", market_id="BTC_USD")
    for talk in (bitcoin, old):
        assert (await talk.hear())["result"][0]["contract"] == "BTC_USD"
    assert await dollars.is_silent("futures")


async def test_both_sides_of_a_trade_with_oneself_are_told_under_one_id(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator)
    talk = await voice(USDT)
    await talk.subscribe(account, "futures.usertrades", account["uid"], "BTC_USDT")
    await steer(simulator.trade, account, product="linear", market_id="BTC_USDT", self_trade=True)
    one, other = (await talk.hear())["result"]
    assert (one["id"], one["order_id"] == other["order_id"]) == (other["id"], False)
    assert Decimal(one["size"]) == -Decimal(other["size"])


async def test_orders_are_told_beside_their_fills(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.orders", ALL)
    wish = {"product": "spot", "market_id": "BTC_USDT", "side": "sell", "size": "0.9", "fills": 2, "maker": True}
    made = await steer(simulator.trade, account, **wish)
    messages = [await talk.hear() for _ in range(3)]
    assert set(messages[0]) == ENVELOPE
    rows = [message["result"][0] for message in messages]
    assert all(set(row) == ORDER for row in rows)
    assert [(row["event"], row["finish_as"]) for row in rows] == [
        ("put", "open"),
        ("update", "open"),
        ("finish", "filled"),
    ]
    assert [row["left"] for row in rows[::2]] == ["0.9", "0"]
    assert Decimal(rows[2]["fee"]) == sum(Decimal(trade["fees"][0]["amount"]) for trade in made)


async def test_an_unsubscribed_channel_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades", "BTC_USDT", "ETH_USDT")
    await talk.subscribe(account, "spot.usertrades", "BTC_USDT", event="unsubscribe")
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    assert await talk.is_silent()
    simulator.trade(account, product="spot", market_id="ETH_USDT")
    assert (await talk.hear())["result"][0]["currency_pair"] == "ETH_USDT"
    await talk.subscribe(account, "spot.usertrades", "ETH_USDT", event="unsubscribe")
    simulator.trade(account, product="spot", market_id="ETH_USDT")
    assert await talk.is_silent()


async def test_a_message_of_ones_own_can_be_said_in_its_envelope(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades", ALL)
    row = {"id": 5736713, "currency_pair": "BTC_USDT"}
    simulator.replay_on_sockets(account, row)
    assert await talk.hear() == row
    simulator.replay_on_sockets(account, row, envelope=True, tag="usertrades")
    message = await talk.hear()
    assert (message["channel"], message["result"]) == ("spot.usertrades", [row])


async def test_nothing_is_said_again_to_who_comes_back(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice()
    await talk.subscribe(account, "spot.usertrades", ALL)
    simulator.weather("drop")
    with pytest.raises(ConnectionClosed) as broken:
        await talk.hear()
    assert broken.value.rcvd is None, "cut without a close frame"
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    again = await voice()
    await again.subscribe(account, "spot.usertrades", ALL)
    assert await again.is_silent()


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
