"""ccxt.pro hears from the Kraken dialect what happened; tokens and executions keep their rules."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest
import pytest_asyncio

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.kraken_clients import PATIENCE_S, steer, token_of, voices
from tests.simulator.witnesses import as_told, assert_reads_the_truth, credentials, pointed_at

ROW = {
    "order_id", "order_userref", "cl_ord_id", "exec_id", "exec_type", "trade_id", "symbol", "side", "last_qty",
    "last_price", "liquidity_ind", "cost", "order_type", "timestamp", "order_status", "cum_qty", "cum_cost",
    "avg_price", "fee_usd_equiv", "fees", "margin",
}  # fmt: skip


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as opens:
        yield opens


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
