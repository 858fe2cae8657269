"""ccxt.pro hears from the OKX dialect exactly what happened; the conversation's rules are kept."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from simulator.okx.keys import signature
from tests.exchanges.messages import REAL
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

PATIENCE_S = 10
SAMPLES = REAL / "okx.json"
ANY = {"channel": "orders", "instType": "ANY"}


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "okx", "--no-limits")


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        options = {"fetchMarkets": {"types": ["spot", "swap"]}}
        client = pointed_at(simulator, ccxt.pro.okx(credentials(account, **options)), "okx", number=float)
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


class Voice:
    """A bare websocket that speaks JSON and hears the bare `pong` too."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        said = await within(PATIENCE_S, self.socket.recv())
        return said if said == "pong" else json.loads(said)

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def sign_in(self, account: dict[str, Any], stamp: str | None = None, **spoilt: str) -> Any:
        stamp = stamp or str(int(time.time()))
        login = {
            "apiKey": account["api_key"],
            "passphrase": account["passphrase"],
            "timestamp": stamp,
            "sign": signature(account["secret"], f"{stamp}GET/users/self/verify"),
        }
        return await self.ask(op="login", args=[login | spoilt])

    async def subscribe(self, arg: dict[str, str] = ANY) -> list[Any]:
        """The acknowledgement, and how many connections there are."""
        return [await self.ask(op="subscribe", args=[arg]), await self.hear()]

    async def rows(self) -> list[dict[str, Any]]:
        """All order rows that were said up to now."""
        await self.socket.send("ping")
        found = []
        while (message := await self.hear()) != "pong":
            found += message["data"] if message.get("arg", {}).get("channel") == "orders" else []
        return found

    async def end(self) -> int:
        """The code it was closed with."""
        await within(PATIENCE_S, self.socket.wait_closed())
        assert self.socket.close_code is not None
        return self.socket.close_code


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by end and host; they are closed with the test."""
    opened = []

    async def open_(end: str = "private", host: str = "ws.okx.com", at: SimulatorProcess = simulator) -> Voice:
        address = at.instead_of("okx", f"wss://{host}:8443/ws/v5/{end}")
        opened.append(await connect(address, ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


async def listening(voice: Any, account: dict[str, Any], arg: dict[str, str] = ANY) -> Voice:
    talk = await voice()
    assert (await talk.sign_in(account))["code"] == "0"
    assert (await talk.subscribe(arg))[0]["event"] == "subscribe"
    return talk


def is_fill(row: dict[str, Any]) -> bool:
    """The rule of the documents for a push that carries a fill which has an id."""
    return row["tradeId"] not in {"", "0"} and Decimal(row["fillSz"]) > 0


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "okx"))["accounts_heard"]:
            pass


async def test_ccxt_hears_every_trade_as_it_was_made(simulator: SimulatorProcess, witness: Any) -> None:
    account = simulator.account("okx")
    client = witness(account)
    client.newUpdates = True
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        for product, markets in (("spot", ("BTC-USDT", "ETH-EUR")), ("linear", ("BTC-USDT-SWAP", "ETH-USDT-SWAP"))):
            for market in markets:
                await steer(simulator.trade, account, product=product, market_id=market, fills=3, size="0.9")

    await asyncio.gather(make(), client.watch_my_trades())
    told = simulator.truth(account)["trades"]
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(told):
            await client.watch_my_trades()
    # ccxt.pro keeps the sign of the fee (negative is paid; its own REST client turns it), and tells the
    # order's cost up to then as the trade's.
    heard = []
    for trade in client.myTrades:
        contract = client.market(trade["symbol"])["contractSize"] or 1
        cost = Decimal(trade["info"]["fillPx"]) * Decimal(trade["info"]["fillSz"]) * Decimal(str(contract))
        fee = {"currency": trade["fee"]["currency"], "cost": -Decimal(trade["info"]["fillFee"])}
        assert Decimal(str(trade["fee"]["cost"])) == -fee["cost"]
        heard.append(trade | {"cost": cost, "fee": fee, "fees": [fee]})
    assert_reads_the_truth(heard, told)


async def test_ccxt_hears_the_wallet(simulator: SimulatorProcess, witness: Any) -> None:
    account = simulator.account("okx")
    client = witness(account)
    async with asyncio.timeout(PATIENCE_S):
        held = await client.watch_balance()
    told = {b["asset"]: b for b in simulator.truth(account)["balances"] if b["wallet"] == "trading"}
    assert Decimal(str(held["BTC"]["total"])) == Decimal(told["BTC"]["free"]) + Decimal(told["BTC"]["locked"])


async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(simulator.account("okx"))
    await client.load_markets()
    async with asyncio.timeout(PATIENCE_S):
        first = await client.watch_ticker("BTC/USDT")
        contract = await client.watch_ticker("BTC/USDT:USDT")
        later = await client.watch_ticker("BTC/USDT")
    for ticker in (first, contract, later):
        assert Decimal(str(ticker["bid"])) < Decimal(str(ticker["ask"]))
    assert later["timestamp"] > first["timestamp"]
    told = {m["market_id"]: Decimal(m["price"]) for m in simulator.ask("GET", "/markets")}
    assert abs(Decimal(str(first["last"])) / told["BTC-USDT"] - 1) < Decimal("0.01")


async def test_ccxt_is_told_of_a_wrong_signature(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(simulator.account("okx"))
    client.set_markets({})
    client.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades()


async def test_ccxt_hears_demo_trading_at_its_own_door(simulator: SimulatorProcess) -> None:
    client = ccxt.pro.okx(credentials(simulator.account("okx", details={"demo": True})))
    client.set_sandbox_mode(True)
    pointed_at(simulator, client, "okx", number=float)
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert (await client.watch_balance())["BTC"]["total"]
        assert {one["host"] for one in simulator.sockets("okx")} == {"wspap.okx.com"}
    finally:
        await client.close()


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_login_is_acknowledged_once(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx")
    talk = await voice()
    answer = await talk.sign_in(account)
    assert set(answer) == {"event", "code", "msg", "connId"}
    assert (answer["event"], answer["code"], answer["msg"]) == ("login", "0", "")
    assert (await talk.sign_in(account))["code"] == "60031"
    assert (await talk.subscribe())[0]["event"] == "subscribe"


@pytest.mark.parametrize("args", [[ANY], [{"channel": "nonsense"}]])
async def test_nothing_is_told_before_one_has_logged_in(
    simulator: SimulatorProcess, voice: Any, args: list[dict[str, str]]
) -> None:
    answer = await (await voice()).ask(id="o1", op="subscribe", args=args)
    assert (answer["event"], answer["code"], answer["id"]) == ("error", "60011", "o1")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        ({"apiKey": "no key"}, "60005"),
        ({"apiKey": "00000000-0000-4000-8000-000000000000"}, "60032"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "wrong"}, "60007"),
        ({"stamp": "2026-11-20T16:00:00.123Z"}, "60004"),
        ({"stamp": "1795190440000"}, "60006"),
        ({"stamp": "1595190440"}, "60006"),
    ],
)
async def test_whoever_logs_in_wrongly_is_told_and_let_go(
    simulator: SimulatorProcess, voice: Any, spoil: dict[str, str], code: str
) -> None:
    talk = await voice()
    answer = await talk.sign_in(simulator.account("okx"), **spoil)
    assert (answer["event"], answer["code"]) == ("error", code)
    assert answer["connId"]
    assert await talk.end() == 4001


@pytest.mark.parametrize(("how", "code"), [("revoke", "60032"), ("expire", "60005"), ("address", "60009")])
async def test_a_spoilt_key_may_not_log_in(simulator: SimulatorProcess, voice: Any, how: str, code: str) -> None:
    account = simulator.account("okx")
    if how == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    else:
        simulator.spoil_key(account, how)
    talk = await voice()
    assert (await talk.sign_in(account))["code"] == code
    assert await talk.end() == 4001


@pytest.mark.parametrize(
    ("details", "host", "code"),
    [
        ({}, "wspap.okx.com", "50101"),
        ({"demo": True}, "ws.okx.com", "50101"),
        ({"demo": True}, "wspap.okx.com", "0"),
        ({"entity": "eea"}, "ws.okx.com", "60032"),
        ({"entity": "eea"}, "wseea.okx.com", "0"),
        ({"entity": "us", "demo": True}, "wsuspap.okx.com", "0"),
    ],
)
async def test_each_entity_and_demo_trading_has_its_own_door(
    simulator: SimulatorProcess, voice: Any, details: dict[str, Any], host: str, code: str
) -> None:
    talk = await voice(host=host)
    assert (await talk.sign_in(simulator.account("okx", details=details)))["code"] == code


@pytest.mark.parametrize("has_subscribed", [True, False])
async def test_a_deleted_key_ends_its_sockets(simulator: SimulatorProcess, voice: Any, has_subscribed: bool) -> None:
    account = simulator.account("okx")
    talk, other = await voice(), await listening(voice, simulator.account("okx"))
    await talk.sign_in(account)
    if has_subscribed:
        await talk.subscribe()
    await steer(simulator.spoil_key, account, "revoke")
    assert await talk.end() == 4007
    assert await other.rows() == []


# ── Subscriptions ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_subscription_is_acknowledged_and_connections_are_counted(
    simulator: SimulatorProcess, voice: Any
) -> None:
    account = simulator.account("okx")
    first, second = await voice(), await voice()
    for count, talk in (("1", first), ("2", second)):
        await talk.sign_in(account)
        answer = await talk.ask(id="o1", op="subscribe", args=[ANY])
        assert {name: answer[name] for name in ("id", "event", "arg")} == {"id": "o1", "event": "subscribe", "arg": ANY}
        counted = await talk.hear()
        assert (counted["event"], counted["channel"], counted["connCount"]) == ("channel-conn-count", "orders", count)


async def test_more_connections_than_thirty_are_acknowledged_and_hear_nothing(start_simulator: Any, voice: Any) -> None:
    # Time runs fast, so that connections of one second do not count together.
    place = start_simulator("--exchanges", "okx", "--speed", "1000")
    account = place.account("okx", products=["spot"])
    talks = []
    for _ in range(31):
        talk = await voice(at=place)
        assert (await talk.sign_in(account))["code"] == "0"
        talks.append((talk, await talk.subscribe()))
    assert [count["event"] for _, (_, count) in talks] == ["channel-conn-count"] * 30 + ["channel-conn-count-error"]
    assert talks[-1][1][0]["event"] == "subscribe"
    await steer(place.trade, account, market_id="BTC-USDT")
    assert await talks[0][0].rows()
    assert await talks[-1][0].rows() == []


@pytest.mark.parametrize(
    ("arg", "code"),
    [
        ({"channel": "nonsense"}, "60018"),
        ({"channel": "orders"}, "60018"),
        ({"channel": "orders", "instType": "GALACTIC"}, "60018"),
        ({"channel": "orders", "instType": "SPOT", "instId": "NOPE-USDT"}, "60018"),
        ({"channel": "orders-algo", "instType": "ANY"}, "60018"),
        ({"channel": "tickers", "instId": "BTC-USDT"}, "60018"),
        ({"channel": "fills"}, "60029"),
    ],
)
async def test_a_wrong_subscription_is_refused_and_the_others_are_taken(
    simulator: SimulatorProcess, voice: Any, arg: dict[str, str], code: str
) -> None:
    talk = await voice()
    await talk.sign_in(simulator.account("okx"))
    answer = await talk.ask(op="subscribe", args=[arg, ANY])
    assert (answer["event"], answer["code"]) == ("error", code)
    assert (await talk.hear())["event"] == "subscribe"


@pytest.mark.parametrize(
    ("arg", "market", "is_told"),
    [
        ({"instType": "SPOT"}, "BTC-USDT", True),
        ({"instType": "MARGIN"}, "BTC-USDT", False),
        ({"instType": "SWAP"}, "BTC-USDT", False),
        ({"instType": "SWAP"}, "BTC-USDT-SWAP", True),
        ({"instType": "SPOT", "instId": "ETH-USDT"}, "BTC-USDT", False),
        ({"instType": "SWAP", "instFamily": "BTC-USDT"}, "BTC-USDT-SWAP", True),
        ({"instType": "SWAP", "instFamily": "ETH-USDT"}, "BTC-USDT-SWAP", False),
    ],
)
async def test_a_subscription_tells_what_it_asked_for(
    simulator: SimulatorProcess, voice: Any, arg: dict[str, str], market: str, is_told: bool
) -> None:
    account = simulator.account("okx", details={"margin": False})
    talk = await listening(voice, account, {"channel": "orders", **arg})
    product = "linear" if market.endswith("SWAP") else "spot"
    await steer(simulator.trade, account, product=product, market_id=market)
    assert bool(await talk.rows()) is is_told


async def test_an_order_on_margin_is_told_as_one(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx", products=["spot"])
    talk = await listening(voice, account, {"channel": "orders", "instType": "MARGIN"})
    made = await steer(simulator.trade, account, market_id="BTC-USDT", order_id="450000000000000007")
    rows = await talk.rows()
    assert {trade["product"] for trade in made} == {"margin"}
    assert {(row["instType"], row["instId"], row["tdMode"]) for row in rows} == {("MARGIN", "BTC-USDT", "cross")}


async def test_an_unsubscribed_channel_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx")
    talk = await listening(voice, account)
    answer = await talk.ask(op="unsubscribe", args=[ANY])
    assert (answer["event"], answer["arg"]) == ("unsubscribe", ANY)
    await steer(simulator.trade, account, count=3)
    assert await talk.rows() == []


# ── Orders and their fills ────────────────────────────────────────────────────────────────────────────


async def test_each_fill_is_a_push_of_its_order_whose_sums_grow(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx", details={"margin": False})
    talk = await listening(voice, account)
    wish = {"product": "spot", "market_id": "BTC-USDT", "side": "sell", "maker": True, "fills": 3, "size": "0.9"}
    made = await steer(simulator.trade, account, **wish)
    rows = await talk.rows()
    assert [row["state"] for row in rows] == ["live", *["partially_filled"] * (len(made) - 1), "filled"]
    assert not is_fill(rows[0])
    fills = rows[1:]
    assert [row["tradeId"] for row in fills] == [trade["exchange_trade_id"] for trade in made]
    filled, paid = Decimal(0), Decimal(0)
    for row, trade in zip(fills, made, strict=True):
        filled += Decimal(trade["amount"])
        paid += Decimal(trade["fees"][0]["amount"])
        assert (Decimal(row["fillSz"]), Decimal(row["accFillSz"])) == (Decimal(trade["amount"]), filled)
        assert (-Decimal(row["fillFee"]), -Decimal(row["fee"])) == (Decimal(trade["fees"][0]["amount"]), paid)
        assert (row["fillFeeCcy"], row["execType"]) == ("USDT", "M")
        assert int(row["fillTime"]) == trade["timestamp_ms"] < int(row["uTime"])


async def test_who_chose_so_pays_a_purchase_in_quote(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx", details={"margin": False, "fee_type": 1})
    talk = await listening(voice, account)
    await steer(simulator.trade, account, product="spot", market_id="BTC-USDT", side="buy", maker=True, fills=1)
    fill = (await talk.rows())[-1]
    assert (fill["fillFeeCcy"], fill["feeCcy"], fill["fillFee"]) == ("USDT", "USDT", fill["fee"])


async def test_a_rebate_is_positive_and_summed_apart(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx", details={"margin": False})
    talk = await listening(voice, account)
    wish = {"product": "spot", "market_id": "ETH-USDC", "side": "sell", "maker": True, "fills": 3, "size": "0.9"}
    made = await steer(simulator.trade, account, **wish)
    last = (await talk.rows())[-1]
    assert (last["fillFeeCcy"], last["rebateCcy"], last["feeCcy"]) == ("ETH", "ETH", "USDC")
    assert Decimal(last["fillFee"]) == -Decimal(made[-1]["fees"][0]["amount"]) > 0
    assert Decimal(last["rebate"]) == -sum(Decimal(trade["fees"][0]["amount"]) for trade in made)
    assert last["fee"] == "0"


@pytest.mark.parametrize("kind", ["liquidation", "adl"])
async def test_what_was_forced_has_no_id_here(simulator: SimulatorProcess, voice: Any, kind: str) -> None:
    account = simulator.account("okx")
    talk = await listening(voice, account)
    made = await steer(simulator.trade, account, product="linear", market_id="BTC-USDT-SWAP", kind=kind, fills=2)
    rows = [row for row in await talk.rows() if row["state"] != "live"]
    assert {row["tradeId"] for row in rows} == {"0"}
    assert {row["execType"] for row in rows} == {""}
    assert all(kind in row["category"] for row in rows)
    assert {row["ordId"] for row in rows} == {trade["order_id"] for trade in made}
    assert all(trade["exchange_trade_id"].startswith("-") for trade in made)


async def test_live_trading_is_full_of_pushes_that_are_no_trades(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx")
    talk = await listening(voice, account)
    made = await steer(simulator.trade, account, count=1_200)
    rows = await talk.rows()
    told = [
        (t["market_id"], t["exchange_trade_id"], t["order_id"])
        for t in made
        if not t["exchange_trade_id"].startswith("-")
    ]
    fills = [(row["instId"], row["tradeId"], row["ordId"]) for row in rows if is_fill(row)]
    assert fills == told
    noise = [row for row in rows if row["tradeId"] == ""]
    assert {row["state"] for row in noise} == {"live", "canceled", "filled", "partially_filled"}
    quiet = [row for row in noise if row["state"] == "filled"]
    assert {(row["ordType"], row["fillSz"], row["fillPx"]) for row in quiet} == {("market", "0", "")}
    assert [row for row in noise if row["amendResult"] == "0"]


async def test_some_accounts_are_told_again(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx", details={"repeats": True})
    talk = await listening(voice, account)
    await steer(simulator.trade, account, count=60)
    fills = [(row["instId"], row["tradeId"], row["ordId"]) for row in await talk.rows() if is_fill(row)]
    assert len(set(fills)) < len(fills)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real messages are not there")
async def test_pushes_have_the_keys_of_real_ones(simulator: SimulatorProcess, voice: Any) -> None:
    real = {case["id"]: case["raw"] for case in json.loads(SAMPLES.read_text())}
    account = simulator.account("okx", details={"margin": False})
    talk = await listening(voice, account)
    await steer(simulator.trade, account, product="spot", market_id="BTC-USDT")
    await steer(simulator.trade, account, product="linear", market_id="BTC-USDT-SWAP")
    for row in await talk.rows():
        assert set(real["ok4"]["data"][0]) | set(real["ok11"]["data"][0]) | {"tradeQuoteCcy"} == set(row)
    public = await voice("public")
    await public.say(op="subscribe", args=[{"channel": "tickers", "instId": "BTC-USDT"}])
    assert set(await public.hear()) == {"event", "arg", "connId"}
    ticker = await public.hear()
    assert ticker["arg"] == real["ok18"]["arg"]
    assert list(ticker["data"][0]) == list(real["ok18"]["data"][0])


async def test_a_raw_message_goes_in_the_envelope_of_its_channel(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("okx")
    talk = await listening(voice, account)
    await steer(simulator.replay_on_sockets, account, {"ordId": "1"}, envelope=True, tag="orders")
    message = await talk.hear()
    assert message == {"arg": ANY | {"uid": account["uid"]}, "data": [{"ordId": "1"}]}


# ── Heartbeats and ends ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["private", "public", "business"])
async def test_a_ping_is_bare_text_and_so_is_the_pong(simulator: SimulatorProcess, voice: Any, end: str) -> None:
    talk = await voice(end)
    await talk.socket.send("ping")
    assert await talk.hear() == "pong"


@pytest.mark.parametrize("does_ping", [False, True])
async def test_who_says_nothing_or_wants_nothing_is_cut(
    simulator: SimulatorProcess, voice: Any, does_ping: bool
) -> None:
    simulator.limits(silent_cut_s=0.4)
    talk = await voice("public")
    if does_ping:
        await talk.socket.send("ping")
    await talk.socket.ping()
    assert await talk.end() == 4004
    assert simulator.counters("okx")["sockets_cut_silent"] == 1


async def test_an_upgrade_is_announced_and_comes(start_simulator: Any, voice: Any) -> None:
    place = start_simulator("--exchanges", "okx", "--no-limits", "--speed", "60")
    place.limits(longest_life_s=1)
    talk = await voice(at=place)
    notice = await talk.hear()
    assert (notice["event"], notice["code"]) == ("notice", "64008")
    assert await talk.end() == 1001


async def test_maintenance_is_announced_too(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice("public")
    await steer(simulator.weather, "maintenance")
    assert (await talk.hear())["code"] == "64008"
    assert await talk.end() == 1001


@pytest.mark.parametrize(
    "message", ["{", "[]", '{"op": 7}', '{"op": "dance", "args": [{}]}', '{"op": "subscribe", "args": ["spot/ticker"]}']
)
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice()
    await talk.socket.send(message)
    assert (await talk.hear())["code"] == "60012"
    await talk.socket.send("ping")
    assert await talk.hear() == "pong"


async def test_a_request_that_is_too_long_ends_the_socket(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice("public")
    await talk.say(op="subscribe", args=[{"channel": "tickers", "instId": "X" * 65_536}])
    assert await talk.end() == 1009


async def test_operations_are_counted_by_the_hour(start_simulator: Any, voice: Any) -> None:
    place = start_simulator("--exchanges", "okx")
    talk = await voice("public", at=place)
    for _ in range(480):
        await talk.say(op="unsubscribe", args=[{"channel": "tickers", "instId": "BTC-USDT"}])
    assert {(await talk.hear())["event"] for _ in range(480)} == {"unsubscribe"}
    assert (await talk.ask(op="unsubscribe", args=[{"channel": "tickers"}]))["code"] == "60014"


async def test_no_more_than_three_connections_a_second(start_simulator: Any, voice: Any) -> None:
    place = start_simulator("--exchanges", "okx", "--speed", "0.01")
    for _ in range(3):
        await voice(at=place)
    with pytest.raises(InvalidStatus) as refused:
        await voice(at=place)
    assert refused.value.response.status_code == 429


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_prices_are_told_at_once_and_again_until_nobody_wants_them(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice("public")
    args = [{"channel": "tickers", "instId": one} for one in ("BTC-USDT", "NOPE-USDT", "BTC-USD-SWAP")]
    await talk.say(op="subscribe", args=args)
    said = [await talk.hear() for _ in range(5)]
    assert [(one.get("event"), one.get("code")) for one in said] == [
        ("subscribe", None),
        (None, None),
        ("error", "60018"),
        ("subscribe", None),
        (None, None),
    ]
    assert [one["data"][0]["instType"] for one in said if "data" in one] == ["SPOT", "SWAP"]
    assert (await talk.hear())["arg"]["channel"] == "tickers"
    await talk.say(op="unsubscribe", args=[args[0], args[2]])
    while (await talk.hear()).get("event") != "unsubscribe":
        pass
    assert (await talk.hear())["event"] == "unsubscribe"


async def test_prices_are_not_told_on_a_private_socket_nor_orders_on_a_public_one(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice("public")
    assert (await talk.ask(op="subscribe", args=[ANY]))["code"] == "60018"
    assert (await talk.sign_in(simulator.account("okx")))["event"] == "error"
