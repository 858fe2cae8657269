"""ccxt.pro hears from the Bitget dialect exactly what happened."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.bitget_clients import (
    FUTURES,
    PATIENCE_S,
    SPOT,
    UNIFIED,
    listening,
    plain_account,
    seconds,
    steer,
    voices,
)
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

LATER_MS = 3
"""ccxt takes the time at which a classic row was written, `uTime`, for that of the trade."""


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        uta = account["mode"] == "unified"
        client = pointed_at(simulator, ccxt.pro.bitget(credentials(account, uta=uta)), "bitget", number=float)
        client.newUpdates = True
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as open_:
        yield open_


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "bitget"))["accounts_heard"]:
            pass


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def heard_by_ccxt(
    simulator: SimulatorProcess, client: Any, account: dict[str, Any], symbol: str, **params: Any
) -> list[dict[str, Any]]:
    """Two dozen fills of one market, as ccxt hears them."""
    await client.load_markets()
    market = client.market(symbol)
    product = "spot" if market["spot"] else "linear"

    async def make() -> None:
        await until_heard(simulator)
        for kind in ("trade",) if product == "spot" else ("trade", "liquidation", "adl"):
            for _ in range(4):
                wish = {"product": product, "market_id": market["id"], "kind": kind, "fills": 3, "size": "1"}
                await steer(simulator.trade, account, **wish)

    told = 12 if product == "spot" else 36
    making = asyncio.create_task(make())
    async with asyncio.timeout(PATIENCE_S):
        while client.myTrades is None or len(client.myTrades) < told:
            await client.watch_my_trades(symbol, None, None, params)
    await making
    return list(client.myTrades)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT", "BTC/USDC:USDC"])
async def test_ccxt_hears_every_trade_of_a_classic_account(
    simulator: SimulatorProcess, witness: Any, symbol: str
) -> None:
    account = plain_account(simulator)
    read = await heard_by_ccxt(simulator, witness(account), account, symbol)
    told = [{**trade, "timestamp_ms": trade["timestamp_ms"] + LATER_MS} for trade in simulator.truth(account)["trades"]]
    assert_reads_the_truth(read, told)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])
async def test_ccxt_hears_every_trade_of_a_unified_account(
    simulator: SimulatorProcess, witness: Any, symbol: str
) -> None:
    account = plain_account(simulator, "unified")
    read = await heard_by_ccxt(simulator, witness(account), account, symbol, uta=True)
    assert_reads_the_truth(read, simulator.truth(account)["trades"])


@pytest.mark.parametrize("uta", [False, True])
async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any, uta: bool) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    async with asyncio.timeout(PATIENCE_S):
        spot = await client.watch_ticker("BTC/USDT", {"uta": uta})
        contract = await client.watch_ticker("BTC/USDT:USDT", {"uta": uta})
        later = await client.watch_ticker("BTC/USDT:USDT", {"uta": uta})
        several = await client.watch_tickers(["ETH/USDT", "SOL/USDT"], {"uta": uta})
    for ticker in (spot, contract, later, *several.values()):
        assert Decimal(str(ticker["bid"])) < Decimal(str(ticker["ask"]))
        assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert later["timestamp"] > contract["timestamp"]
    told = {(m["product"], m["market_id"]): Decimal(m["price"]) for m in simulator.ask("GET", "/markets")}
    assert abs(Decimal(str(spot["last"])) / told["spot", "BTCUSDT"] - 1) < Decimal("0.01")


@pytest.mark.parametrize(("mode", "wallet"), [("classic", "spot"), ("unified", "unified")])
async def test_ccxt_hears_balances(simulator: SimulatorProcess, witness: Any, mode: str, wallet: str) -> None:
    account = plain_account(simulator, mode)
    client = witness(account)
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        await steer(simulator.trade, account, product="spot", market_id="BTCUSDT", maker=False)

    async with asyncio.timeout(PATIENCE_S):
        _, balance = await asyncio.gather(make(), client.watch_balance({"uta": mode == "unified"}))
    for row in simulator.truth(account)["balances"]:
        if row["wallet"] == wallet and row["asset"] in {"BTC", "USDT"}:
            assert Decimal(str(balance[row["asset"]]["free"])) == pytest.approx(Decimal(row["free"]))


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(plain_account(simulator))
    await client.load_markets()
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError, match="30015"):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades("BTC/USDT")


# ── What is told ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_spot_fill_has_the_documented_fields(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, SPOT)
    (made, _) = await steer(simulator.trade, account, product="spot", market_id="BTCUSDT", fills=2, size="0.5")
    said = await talk.hear()
    assert (said["action"], said["arg"], len(said["data"])) == ("snapshot", SPOT, 2)
    row = said["data"][0]
    assert set(row) == {
        *("orderId", "tradeId", "symbol", "orderType", "side", "priceAvg", "size", "amount", "tradeScope", "feeDetail"),
        *("cTime", "uTime"),
    }
    assert set(row["feeDetail"][0]) == {"feeCoin", "deduction", "totalDeductionFee", "totalFee"}
    assert row["cTime"] == str(made["timestamp_ms"]) < row["uTime"]
    # Documents print what was paid positive, captures negative: both are said.
    signs = {fee["totalFee"].startswith("-") for one in said["data"] for fee in one["feeDetail"]}
    assert signs == {True, False}


async def test_a_contract_fill_in_hedge_mode_names_the_position(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, details={"pos_mode": "hedge_mode"})
    talk = await listening(simulator, voice, account, FUTURES)
    wish = {"product": "linear", "market_id": "BTCUSDT", "kind": "liquidation", "side": "sell", "fills": 1}
    (made,) = await steer(simulator.trade, account, **wish)
    (row,) = (await talk.hear())["data"]
    assert (row["side"], row["tradeSide"], row["posMode"]) == ("buy", "burst_close_long", "hedge_mode")
    assert (row["tradeId"], row["baseVolume"]) == (made["exchange_trade_id"], made["amount"])
    assert not {"priceAvg", "size", "amount"} & row.keys()
    fee = row["feeDetail"][0]
    assert (fee["totalFee"], fee["totalDeductionFee"]) == (f"-{made['fees'][0]['amount']}", None)


async def test_a_unified_fill_has_the_documented_fields(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, "unified", details={"pos_mode": "hedge_mode"})
    talk = await listening(simulator, voice, account, UNIFIED, "/v3/ws/private")
    wish = {"product": "linear", "market_id": "BTCUSDT", "kind": "adl", "side": "sell", "fills": 1}
    (made,) = await steer(simulator.trade, account, **wish)
    (row,) = (await talk.hear())["data"]
    assert (row["category"], row["side"], row["holdSide"]) == ("usdt-futures", "sell", "long")
    assert (row["execId"], row["execTime"]) == (made["exchange_trade_id"], str(made["timestamp_ms"]))
    assert row["feeDetail"] == [{"feeCoin": "USDT", "fee": made["fees"][0]["amount"]}]
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT", client_order_id="mine")
    assert (await talk.hear())["data"][0]["clientOid"] == "mine"


async def test_a_channel_may_be_of_one_market(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, {**SPOT, "instId": "ETHUSDT"})
    for market in ("BTCUSDT", "ETHUSDT"):
        await steer(simulator.trade, account, product="spot", market_id=market)
    assert (await talk.hear())["data"][0]["symbol"] == "ETHUSDT"


async def test_orders_tell_sums_and_end_without_a_fill(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, {**SPOT, "channel": "orders"})
    wish = {"product": "spot", "market_id": "BTCUSDT", "fills": 2, "size": "0.5"}
    one, other = await steer(simulator.trade, account, **wish)
    rows = [(await talk.hear())["data"][0] for _ in range(4)]
    assert [row["status"] for row in rows] == ["live", "partially_filled", "filled", "filled"]
    assert [row.get("tradeId") for row in rows] == [None, one["exchange_trade_id"], other["exchange_trade_id"], None]
    assert [row["accBaseVolume"] for row in rows] == ["0", one["amount"], "0.5", "0.5"]


async def test_the_fast_topic_is_an_object_without_a_fee(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, "unified")
    talk = await listening(simulator, voice, account, {"instType": "UTA", "topic": "fast-fill"}, "/v3/ws/private")
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    said = await talk.hear()
    assert isinstance(said["data"], dict)
    assert "feeDetail" not in said["data"]


async def test_a_change_of_mode_silences_one_interface_and_opens_the_other(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator)
    second = await listening(simulator, voice, account, SPOT)
    third = await listening(simulator, voice, account, UNIFIED, "/v3/ws/private")
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert (await second.hear())["arg"] == SPOT
    assert await third.ping() == "pong"
    await steer(simulator.change, account, mode="unified")
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert (await third.hear())["arg"] == UNIFIED
    assert await second.ping() == "pong"
    late = await voice()
    assert (await late.sign_in(account, seconds(simulator)))["event"] == "login"


async def test_a_revoked_key_is_told_and_let_go(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, SPOT)
    await steer(simulator.spoil_key, account, "revoke")
    assert (await talk.hear())["code"] == 30011
    assert await talk.closing() == 1000


async def test_a_raw_message_is_said_in_the_envelope(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, SPOT)
    await steer(simulator.replay_on_sockets, account, {"tradeId": "1"}, envelope=True)
    said = await talk.hear()
    assert (said["action"], said["arg"], said["data"]) == ("snapshot", SPOT, [{"tradeId": "1"}])


async def test_twice_tells_a_fill_again_and_lost_tells_none(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await listening(simulator, voice, account, SPOT)
    await steer(simulator.weather, "twice", chance=1.0)
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert await talk.hear() == await talk.hear()
    await steer(simulator.calm)
    await steer(simulator.weather, "lost", chance=1.0)
    await steer(simulator.trade, account, product="spot", market_id="BTCUSDT")
    assert await talk.ping() == "pong"


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_tickers_have_the_documented_fields(voice: Any) -> None:
    second, third = await voice("/v2/ws/public"), await voice("/v3/ws/public")
    spot = {"instType": "SPOT", "channel": "ticker", "instId": "ETHUSDT"}
    assert await second.ask("subscribe", spot) == {"event": "subscribe", "arg": spot}
    said = await second.hear()
    assert (said["action"], said["arg"]) == ("snapshot", spot)
    assert list(said["data"][0]) == [
        *("instId", "lastPr", "open24h", "high24h", "low24h", "change24h", "bidPr", "askPr", "bidSz", "askSz"),
        *("baseVolume", "quoteVolume", "openUtc", "changeUtc24h", "ts"),
    ]
    coin = {"instType": "coin-futures", "topic": "ticker", "symbol": "BTCUSD_CM"}
    assert (await third.ask("subscribe", coin))["arg"] == coin
    said = await third.hear()
    assert said["arg"] == coin
    assert not {"ts", "symbol"} & said["data"][0].keys()


async def test_there_is_no_ticker_of_all_markets_and_none_of_an_unknown_one(voice: Any) -> None:
    talk = await voice("/v2/ws/public")
    for symbol in ("default", "NOPEUSDT", "BTCPERP"):
        arg = {"instType": "USDT-FUTURES", "channel": "ticker", "instId": symbol}
        assert (await talk.ask("subscribe", arg))["code"] == 30001
    assert (await talk.ask("subscribe", SPOT))["code"] == 30001
