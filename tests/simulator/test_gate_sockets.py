"""ccxt.pro hears from the Gate dialect exactly what happened; the conversation's rules are kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.gate import (
    ALL,
    BTC,
    ENVELOPE,
    FEES,
    FUTURES_TRADE,
    ORDER,
    PATIENCE_S,
    SPOT,
    SPOT_TRADE,
    USDT,
    plain_account,
    steer,
    voices,
)
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at


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


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as opens:
        yield opens


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
