"""ccxt.pro hears from the Kraken dialect exactly what happened; the conversation's rules are kept."""

import asyncio
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
from tests.simulator.witnesses import as_told, assert_reads_the_truth, credentials, pointed_at

PATIENCE_S = 10
ROW = {
    "order_id", "order_userref", "cl_ord_id", "exec_id", "exec_type", "trade_id", "symbol", "side", "last_qty",
    "last_price", "liquidity_ind", "cost", "order_type", "timestamp", "order_status", "cum_qty", "cum_cost",
    "avg_price", "fee_usd_equiv", "fees", "margin",
}  # fmt: skip
PRIVATE, PUBLIC = "wss://ws-auth.kraken.com/v2", "wss://ws.kraken.com/v2"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


async def steer(do: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(do, *args, **options)


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        made.append(pointed_at(simulator, ccxt.pro.kraken(credentials(account)), "kraken", number=float))
        made[-1].newUpdates = True
        return made[-1]

    yield make
    for client in made:
        await client.close()


class Voice:
    """A bare websocket that speaks JSON; decimals keep their digits."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self, *, beats: bool = False) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = json.loads(await self.socket.recv(), parse_float=Decimal)
                if beats or said.get("channel") not in {"heartbeat", "status"}:
                    return said

    async def ask(self, method: str, req_id: int | None = 1, **params: Any) -> Any:
        message = {"method": method, "params": params} | ({} if req_id is None else {"req_id": req_id})
        await self.socket.send(json.dumps(message))
        return await self.hear()

    async def follow(self, token: str, **options: Any) -> Any:
        """Subscribes to executions without any snapshot."""
        return await self.ask("subscribe", channel="executions", token=token, **{"snap_orders": False} | options)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets; they are closed with the test."""
    opened = []

    async def open_(url: str = PRIVATE) -> Voice:
        opened.append(await connect(simulator.instead_of("kraken", url), ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


async def token_of(simulator: SimulatorProcess, account: dict[str, Any]) -> str:
    client = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    told = (await steer(client.privatePostGetWebSocketsToken))["result"]
    assert told["expires"] == 900
    return told["token"]


def fills(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in message["data"] if row["exec_type"] == "trade"]


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def test_ccxt_hears_the_trades_of_resting_orders_and_takes_their_end_for_one(
    simulator: SimulatorProcess, witness: Any
) -> None:
    """It goes by the first row of a message, so that the row `filled` becomes a trade without an id."""
    account = simulator.account("kraken", history=30)
    client = witness(account)
    told = simulator.truth(account)["trades"]
    await client.watch_my_trades(None, None, None, {"snap_orders": False})
    for market in ("XXBTZUSD", "XETHXXBT", "XDGUSD", "LUNAUSD"):
        told += await steer(simulator.trade, account, market_id=market, fills=3, maker=True)

    def heard() -> list[dict[str, Any]]:
        return [trade | {"fees": None} for trade in client.myTrades if trade["id"]]

    async with asyncio.timeout(PATIENCE_S):
        while len(heard()) < len(told):
            await client.watch_my_trades()
    assert len(client.myTrades) == len(told) + 4
    usual = [trade for trade in told if trade["symbol"] != "LUNC/USD"]
    assert_reads_the_truth([trade for trade in heard() if trade["symbol"] != "LUNA/USD"], usual)
    assert {trade["symbol"] for trade in heard()} >= {"LUNA/USD"}, "ccxt does not rename coins on sockets"


async def test_ccxt_hears_prices(simulator: SimulatorProcess, witness: Any) -> None:
    account = simulator.account("kraken")
    client = witness(account)
    async with asyncio.timeout(PATIENCE_S):
        first = await client.watch_ticker("BTC/USD")
        await steer(simulator.trade, account, market_id="XXBTZUSD", price="65000")
        later = await client.watch_ticker("BTC/USD")
    assert (Decimal(str(first["last"])), Decimal(str(later["last"]))) == (64_000, 65_000)
    assert first["bid"] < first["ask"]


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_status_comes_first_and_a_token_opens_the_channel(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken")
    talk = await voice()
    status = await talk.hear(beats=True)
    assert (status["channel"], status["type"], status["data"][0]["system"]) == ("status", "update", "online")
    assert set(status["data"][0]) == {"system", "api_version", "connection_id", "version"}
    answer = await talk.follow(await token_of(simulator, account), snap_trades=True)
    assert set(answer) == {"method", "req_id", "result", "success", "time_in", "time_out"}
    assert answer["result"] == {
        "channel": "executions",
        "snap_orders": False,
        "snap_trades": True,
        "maxratecount": 60,
    }
    assert await talk.hear() == {"channel": "executions", "type": "snapshot", "data": [], "sequence": 1}


async def test_a_token_is_good_on_the_socket_that_used_it_and_on_no_other(
    simulator: SimulatorProcess, voice: Any
) -> None:
    token = await token_of(simulator, simulator.account("kraken"))
    first, second = await voice(), await voice()
    assert (await first.follow(token))["success"] is True
    answer = await second.follow(token)
    assert (answer["success"], answer["error"]) == (False, "ESession:Invalid session")
    assert (await first.follow(token))["error"] == "Already subscribed"
    assert (await first.ask("unsubscribe", channel="executions", token=token))["success"] is True
    assert (await first.ask("unsubscribe", channel="executions", token=token))["success"] is False
    assert (await first.follow(token))["success"] is True


async def test_a_token_that_was_not_used_for_a_quarter_of_an_hour_is_void(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("kraken")
    token, used = await token_of(simulator, account), await token_of(simulator, account)
    early, late = await voice(), await voice()
    assert (await early.follow(used))["success"] is True
    await steer(simulator.ask, "POST", "/clock", skew_ms=900_000)
    assert (await late.follow(token))["error"] == "ESession:Invalid session"
    assert (await early.follow(used))["error"] == "Already subscribed"
    await steer(simulator.weather, "token_dies")
    made = await steer(simulator.trade, account, market_id="XXBTZUSD", maker=False)
    assert len(fills(await early.hear())) == len(made), "a socket that is open hears on"


async def test_a_key_without_the_permission_hears_nothing(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken")
    token = await token_of(simulator, account)
    simulator.change(account, details={"permissions": ["query-funds"]})
    assert (await (await voice()).follow(token))["error"] == "EGeneral:Permission denied"


@pytest.mark.parametrize("spoil", ["revoke", "expire"])
async def test_a_spoilt_key_ends_its_socket(simulator: SimulatorProcess, voice: Any, spoil: str) -> None:
    account = simulator.account("kraken")
    unused = await token_of(simulator, account)
    talk = await voice()
    await talk.follow(await token_of(simulator, account))
    await steer(simulator.spoil_key, account, spoil)
    assert await talk.is_closed()
    assert (await (await voice()).follow(unused))["error"] == "ESession:Invalid session"


# ── Executions ────────────────────────────────────────────────────────────────────────────────────────


async def test_fills_are_told_with_every_digit_among_rows_that_are_none(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("kraken")
    talk = await voice()
    await talk.follow(await token_of(simulator, account))
    told = [one for _ in range(40) for one in await steer(simulator.trade, account, fills=3, market_id="LUNAUSD")]
    rows: list[dict[str, Any]] = []
    sequences, firsts, last_states = [], set(), set()
    while len([row for row in rows if row["exec_type"] == "trade"]) < len(told):
        message = await talk.hear()
        sequences.append(message["sequence"])
        rows += message["data"]
        firsts.add(message["data"][0]["exec_type"])
        trades = fills(message)
        if trades:
            last_states.add(trades[-1]["order_status"])
    assert sequences == list(range(1, len(sequences) + 1))
    assert firsts >= {"pending_new", "trade"}
    assert last_states == {"filled", "partially_filled"}, "the last fill of an order may not say that it is the last"
    by_id = {row["exec_id"]: row for row in rows if row["exec_type"] == "trade"}
    for trade in told:
        row = by_id[trade["exchange_trade_id"]]
        assert set(row) == ROW
        assert (row["symbol"], row["fees"][0]["asset"]) == ("LUNA/USD", "USD")
        for name, field in (("last_qty", "amount"), ("last_price", "price"), ("cost", "cost")):
            assert Decimal(row[name]) == Decimal(trade[field])
        assert row["liquidity_ind"] == trade["taker_or_maker"][0]
        assert row["timestamp"].endswith("Z")
        assert len(row["timestamp"]) == len("2023-09-22T10:33:05.709993Z")


async def test_sockets_and_history_name_a_trade_alike(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken")
    talk = await voice()
    await talk.follow(await token_of(simulator, account))
    await steer(simulator.trade, account, market_id="XXBTZUSD", fills=2, maker=True)
    await talk.hear()
    rows = fills(await talk.hear())
    client = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    history = (await steer(client.privatePostTradesHistory))["result"]["trades"]
    assert set(history) == {row["exec_id"] for row in rows}
    for row in rows:
        other = history[row["exec_id"]]
        assert other["ordertxid"] == row["order_id"]
        assert int(other["trade_id"]) == row["trade_id"]
        assert Decimal(other["fee"]) == row["fees"][0]["qty"]


async def test_a_snapshot_holds_fifty_fills_beside_open_orders(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken", history=80)
    while not [one for one in simulator.truth(account)["balances"] if Decimal(one["locked"])]:
        simulator.trade(account, count=1)
    talk = await voice()
    await talk.follow(await token_of(simulator, account), snap_orders=True, snap_trades=True)
    snapshot = await talk.hear()
    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)
    told = [as_told(trade)[1] for trade in simulator.truth(account)["trades"][-50:]]
    assert [row["exec_id"] for row in fills(snapshot)] == told[::-1]
    assert snapshot["data"][0]["exec_type"] == "new"


async def test_a_lost_message_leaves_a_gap_and_a_new_subscription_counts_anew(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("kraken")
    talk = await voice()
    token = await token_of(simulator, account)
    await talk.follow(token, order_status=False)
    await steer(simulator.trade, account, market_id="XXBTZUSD", maker=False)
    assert (await talk.hear())["sequence"] == 1
    await steer(simulator.weather, "lost", chance=1.0)
    await steer(simulator.trade, account, market_id="XXBTZUSD", maker=False)
    await steer(simulator.calm)
    await steer(simulator.trade, account, market_id="XXBTZUSD", maker=False)
    assert (await talk.hear())["sequence"] == 3
    await talk.ask("unsubscribe", channel="executions", token=token)
    await talk.follow(token, order_status=False)
    await steer(simulator.trade, account, market_id="XXBTZUSD", maker=False)
    assert (await talk.hear())["sequence"] == 1


async def test_noise_is_told_to_those_who_want_every_change(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken")
    everything, essentials = await voice(), await voice()
    await everything.follow(await token_of(simulator, account), order_status=True)
    await essentials.follow(await token_of(simulator, account), order_status=False)
    made = await steer(simulator.trade, account, count=300)
    kinds = []
    for talk in (everything, essentials):
        heard: list[dict[str, Any]] = []
        while len([row for row in heard if row["exec_type"] == "trade"]) < len(made):
            heard += (await talk.hear())["data"]
        kinds.append({row["exec_type"] for row in heard})
    assert kinds[0] > kinds[1]
    assert kinds[1] <= {"trade", "new", "filled", "canceled"}


async def test_a_replayed_row_stands_in_the_channels_envelope(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("kraken")
    talk = await voice()
    await talk.follow(await token_of(simulator, account))
    assert await steer(simulator.replay_on_sockets, account, {"exec_type": "trade"}, envelope=True) == 1
    heard = await talk.hear()
    assert heard == {"channel": "executions", "type": "update", "data": [{"exec_type": "trade"}], "sequence": 1}


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
    url = simulator.instead_of("kraken", PUBLIC)
    for _ in range(150):
        async with connect(url):
            pass
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
