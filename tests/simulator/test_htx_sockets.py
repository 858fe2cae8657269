"""ccxt.pro and bare sockets hear from the HTX dialect exactly what happened, once they have signed in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import pytest
import pytest_asyncio

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.htx_clients import (
    NOTICES,
    OLD_NOTICES,
    PATIENCE_S,
    PRIVATE,
    plain_account,
    steer,
    voices,
)
from tests.simulator.witnesses import as_told, assert_reads_the_truth, credentials


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    async with voices(simulator) as open_:
        yield open_


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


class Leading:
    """The client's own session, whose sockets lead to the simulator.

    ccxt makes what it signs out of the address itself, so that this must stay the exchange's own.
    """

    def __init__(self, session: Any, simulator: SimulatorProcess) -> None:
        self._session = session
        self._simulator = simulator

    def ws_connect(self, url: str, **options: Any) -> Any:
        return self._session.ws_connect(self._simulator.instead_of("htx", url), **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Makes ccxt.pro clients of accounts, markets loaded; they are closed with the test."""
    made = []

    async def make(account: dict[str, Any]) -> Any:
        client = ccxt.pro.htx(credentials(account) | {"enableRateLimit": False})
        for name in ("spot", "contract"):
            client.urls["api"][name] = simulator.instead_of("htx", client.urls["api"][name])
        client.newUpdates = True
        made.append(client)
        client.open()
        client.session = Leading(client.session, simulator)
        await client.load_markets()
        return client

    yield make
    for client in made:
        await client.close()


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "htx"))["accounts_heard"]:
            pass


async def all_heard(simulator: SimulatorProcess, client: Any, account: dict[str, Any], symbol: str, make: Any) -> Any:
    """What ccxt has of one market's trades when it has as many as there were, and what there were."""

    async def made() -> None:
        await until_heard(simulator)
        await make()

    await asyncio.gather(made(), client.watch_my_trades(symbol))
    truth = (await steer(simulator.truth, account))["trades"]
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(truth):
            await client.watch_my_trades(symbol)
    return list(client.myTrades), truth


async def test_ccxt_hears_every_spot_trade_with_its_fee(simulator: SimulatorProcess, witness: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    client = await witness(account)

    async def make() -> None:
        for fills in range(1, 9):
            await steer(simulator.trade, account, market_id="ethusdc", fills=fills, size="1")

    assert_reads_the_truth(*await all_heard(simulator, client, account, "ETH/USDC", make))


async def test_ccxt_hears_every_contract_trade_without_its_fee(simulator: SimulatorProcess, witness: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    client = await witness(account)

    async def make() -> None:
        for kind in ("trade", "liquidation", "adl", "delivery"):
            await steer(simulator.trade, account, market_id="BTC-USDT", kind=kind, fills=3, size="30")

    read, truth = await all_heard(simulator, client, account, "BTC/USDT:USDT", make)
    # Fees are not told here (sheet 6b), and ccxt takes the second of two times, which REST does not tell.
    bare = [trade | {"timestamp_ms": trade["timestamp_ms"] + 10, "fees": []} for trade in truth]
    for trade in read:
        assert trade["fee"] is None or trade["fee"]["cost"] is None
        assert Decimal(str(trade["amount"])) in {Decimal(one["contracts"]) for one in truth}
    by_id = {one["exchange_trade_id"]: as_told(one) for one in bare}
    assert {trade["id"]: trade["timestamp"] for trade in read} == {name: told[-1] for name, told in by_id.items()}
    sides = {one["exchange_trade_id"]: (one["side"], one["order_id"], Decimal(one["price"])) for one in truth}
    assert {t["id"]: (t["side"], t["order"], Decimal(str(t["price"]))) for t in read} == sides


async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    client = await witness(plain_account(simulator))
    told = {m["symbol"]: Decimal(m["price"]) for m in simulator.ask("GET", "/markets")}
    async with asyncio.timeout(PATIENCE_S):
        day = await client.watch_ticker("ETH/USDT")
        contract = await client.watch_ticker("BTC/USDT:USDT")
        client.options["watchTicker"] = {"name": "market.{marketId}.ticker"}
        spot = await client.watch_ticker("BTC/USDT")
    assert (day["bid"], day["ask"]) == (None, None)
    for ticker in (spot, contract):
        assert Decimal(str(ticker["bid"])) < Decimal(str(ticker["ask"]))
        assert abs(Decimal(str(ticker["last"])) / told[ticker["symbol"]] - 1) < Decimal("0.01")


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT"])
async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any, symbol: str) -> None:
    client = await witness(plain_account(simulator))
    client.secret = "wrong"
    with pytest.raises(ccxt.BaseError):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades(symbol)


# ── Spot fills ────────────────────────────────────────────────────────────────────────────────────────

OF_A_FILL = {
    "eventType", "symbol", "orderId", "tradePrice", "tradeVolume", "orderSide", "aggressor", "tradeId", "tradeTime",
    "transactFee", "feeDeduct", "feeDeductType", "feeCurrency", "accountId", "source", "orderCreateTime",
    "orderStatus", "orderType",
}  # fmt: skip


async def test_each_fill_has_its_message_in_no_promised_order_and_with_its_quirks(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator, products=["spot"])
    talk = await voice(PRIVATE, account)
    channel = "trade.clearing#*#0"
    answer = await talk.ask(action="sub", ch=channel)
    assert answer == {"action": "sub", "code": 200, "ch": channel, "data": {}}
    seen: dict[str, set[Any]] = {name: set() for name in ("action", "id", "blank", "sorted", "status", "sizes")}
    for _ in range(30):
        made = await steer(simulator.trade, account, market_id="btcusdt", fills=2, size="0.5", client_order_id="a1")
        heard = [await talk.hear() for _ in made]
        rows = [message["data"] for message in heard]
        assert {message["ch"] for message in heard} == {"trade.clearing#btcusdt#0"}
        assert {str(row["tradeId"]) for row in rows} == {trade["exchange_trade_id"] for trade in made}
        for message, row in zip(heard, rows, strict=True):
            assert OF_A_FILL <= {name.strip() for name in row}
            seen["action"].add(message.get("action"))
            seen["id"].add(type(row["orderId"]))
            seen["blank"].add("feeDeduct " in row)
            seen["status"].add(row["orderStatus"])
            seen["sizes"].add(("orderValue" in row, row["orderType"] == "buy-market"))
        ids = [row["tradeId"] for row in rows]
        seen["sorted"].add(ids == sorted(ids))
    assert seen == {
        "action": {"push", None},
        "id": {int, str},
        "blank": {True, False},
        "sorted": {True, False},
        "status": {"filled", "partial-filled"},
        "sizes": {(True, True), (False, False)},
    }


async def test_rebates_are_negative_and_deductions_stand_beside_a_fee_of_zero(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("htx", products=["spot"], details={"discount": True})
    talk = await voice(PRIVATE, account)
    await talk.ask(action="sub", ch="trade.clearing#*#0")
    simulator.trade(account, market_id="ethusdc", side="sell", size="2", price="3000", maker=True, fills=1)
    rebate = (await talk.hear())["data"]
    assert (rebate["transactFee"], rebate["feeCurrency"]) == ("-0.0002", "eth")
    (made,) = simulator.trade(account, market_id="btcusdt", side="buy", maker=False, fills=1)
    row = {name.strip(): value for name, value in (await talk.hear())["data"].items()}
    (fee,) = made["fees"]
    assert (row["transactFee"], row["feeDeduct"], row["feeDeductType"]) == ("0", fee["amount"], "ht")


async def test_the_second_mode_tells_of_cancellations_which_are_no_trades(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = plain_account(simulator, products=["spot"])
    talk, quiet = await voice(PRIVATE, account), await voice(PRIVATE, account)
    await talk.ask(action="sub", ch="trade.clearing#*#1")
    await quiet.ask(action="sub", ch="trade.clearing#*")
    made = await steer(simulator.trade, account, count=300)
    for one, kinds in ((talk, {"trade", "cancellation"}), (quiet, {"trade"})):
        await one.say(action="nothing")
        seen, ids = set(), []
        while (message := await one.hear()).get("code") != 2001:
            seen.add(message["data"]["eventType"])
            ids += [str(message["data"]["tradeId"])] if "tradeId" in message["data"] else []
        assert seen == kinds
        assert sorted(ids) == sorted(trade["exchange_trade_id"] for trade in made)


async def test_the_channel_of_orders_tells_trades_without_fees(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    talk = await voice(PRIVATE, account)
    await talk.ask(action="sub", ch="orders#*")
    simulator.trade(account, market_id="btcusdt", fills=2, size="0.5")
    told = [(await talk.hear())["data"] for _ in range(3)]
    assert [row["eventType"] for row in told] == ["creation", "trade", "trade"]
    assert not any("transactFee" in row for row in told)


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ({"action": "sub", "ch": "gossip#*"}, 2001, "invalid.ch"),
        ({"action": "sub", "ch": "trade.clearing#*#2"}, 2001, "invalid.ch"),
        ({"action": "sub", "ch": "trade.clearing#nopeusdt#0"}, 2001, "invalid.symbol"),
        ({"action": "dance", "ch": "trade.clearing#*#0"}, 2001, "invalid.action"),
    ],
)
async def test_a_wrong_request_is_named(
    simulator: SimulatorProcess, voice: Any, message: Any, code: int, words: str
) -> None:
    talk = await voice(PRIVATE, plain_account(simulator))
    answer = await talk.ask(**message)
    assert (answer["code"], answer["message"], answer["ch"]) == (code, words, message["ch"])


async def test_an_unsubscribed_channel_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk, other = await voice(PRIVATE, account), await voice(NOTICES, account)
    await talk.ask(action="sub", ch="trade.clearing#*#0")
    assert (await talk.ask(action="unsub", ch="trade.clearing#*#0"))["code"] == 200
    await other.ask(op="sub", topic="trade", contract_code="*")
    assert (await other.ask(op="unsub", topic="trade", contract_code="*"))["err-code"] == 0
    simulator.trade(account, product="spot", market_id="btcusdt")
    simulator.trade(account, product="linear", market_id="BTC-USDT")
    assert (await talk.ask(action="x"))["code"] == 2001
    assert (await other.ask(op="unsub", topic="trade", contract_code="*"))["err-code"] == 2012


# ── Contract fills ────────────────────────────────────────────────────────────────────────────────────


async def test_the_fills_of_an_order_come_in_one_notice_without_fees(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    talk = await voice(NOTICES, account)
    answer = await talk.ask(op="sub", cid="1", topic="trade", contract_code="*")
    assert {name: answer[name] for name in ("op", "cid", "topic", "err-code")} == {
        "op": "sub", "cid": "1", "topic": "trade", "err-code": 0,
    }  # fmt: skip
    orders, sides = set(), set()
    for _ in range(15):
        made = await steer(simulator.trade, account, market_id="BTC-USDT", fills=2, size="30")
        notice = await talk.hear()
        assert set(notice) == {"op", "topic", "contract_code", "ts", "uid", "data"}
        ids = [row["trade_id"] for row in notice["data"]]
        assert sorted(ids) == sorted(trade["exchange_trade_id"] for trade in made)
        orders.add(ids == sorted(ids))
        for row in notice["data"]:
            sides |= {"side", "direction"} & set(row)
            assert not [name for name in row if "fee" in name]
            assert row["id"].split("-")[1] == row["order_id"] == made[0]["order_id"]
            assert int(row["order_id"]) > 2**53
    assert (orders, sides) == ({True, False}, {"side", "direction"})


async def test_the_topic_of_orders_tells_sums(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    talk = await voice(NOTICES, account)
    await talk.ask(op="sub", topic="orders", contract_code="BTC-USDT")
    simulator.trade(account, market_id="ETH-USDT")
    simulator.trade(account, market_id="BTC-USDT", fills=3, size="30")
    told = []
    while not told or told[-1]["state"] != "filled":
        told.append((await talk.hear())["data"])
    volumes = [int(row["trade_volume"]) for row in told]
    assert volumes == sorted(volumes)
    assert volumes[-1] == 30


@pytest.mark.parametrize(
    ("path", "legacy", "message", "code"),
    [
        (NOTICES, False, {"topic": "gossip", "contract_code": "*"}, 2010),
        (NOTICES, False, {"topic": "trade"}, 2040),
        (NOTICES, False, {"topic": "trade", "contract_code": "NOPE-USDT"}, 2011),
        (NOTICES, True, {"topic": "trade", "contract_code": "*"}, 4007),
        (OLD_NOTICES, False, {"topic": "orders_cross.*"}, 4007),
        (OLD_NOTICES, True, {"topic": "orders_cross.nope-usdt"}, 2011),
    ],
)
async def test_a_wrong_subscription_has_its_number(
    simulator: SimulatorProcess, voice: Any, path: str, legacy: bool, message: Any, code: int
) -> None:
    talk = await voice(path, plain_account(simulator, details={"legacy": legacy}))
    answer = await talk.ask(op="sub", cid="7", **message)
    assert (answer["op"], answer["cid"], answer["err-code"]) == ("sub", "7", code)


async def test_the_old_notices_carry_fees_in_negative_numbers(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator, products=["linear"], details={"legacy": True})
    talk = await voice(OLD_NOTICES, account)
    assert (await talk.ask(op="sub", cid="1", topic="orders_cross.*"))["err-code"] == 0
    (made,) = simulator.trade(account, market_id="BTC-USDT", maker=False, fills=1)
    notice = await talk.hear()
    (row,) = notice["trade"]
    assert notice["topic"] == "orders_cross.btc-usdt"
    assert Decimal(str(row["trade_fee"])) == -Decimal(made["fees"][0]["amount"])
    assert str(row["trade_id"]) == made["exchange_trade_id"]


async def test_a_raw_message_is_said_in_the_sockets_own_frames(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    spot, contracts = await voice(PRIVATE, account), await voice(NOTICES, account)
    await spot.ask(action="sub", ch="trade.clearing#*#0")
    await contracts.ask(op="sub", topic="trade", contract_code="*")
    assert await steer(simulator.replay_on_sockets, account, {"a": 1}, envelope=True) == 2
    assert await spot.hear() == {"action": "push", "ch": "trade.clearing#*#0", "data": {"a": 1}}
    assert (await contracts.hear())["data"] == [{"a": 1}]
