"""ccxt.pro hears from the HTX dialect exactly what happened; the rules of its four kinds of sockets are kept."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.htx.keys import signature_of
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.witnesses import as_told, assert_reads_the_truth, credentials

PATIENCE_S = 10
SPOT, CONTRACTS = "api.huobi.pro", "api.hbdm.vn"
PRIVATE, NOTICES, OLD_NOTICES = "/ws/v2", "/ws/v5/notification", "/linear-swap-notification"
SPOT_PRICES, CONTRACT_PRICES = "/ws", "/linear-swap-ws"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("htx", details={"discount": False, **options.pop("details", {})}, **options)


async def steer(call: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(call, *args, **options)


class Voice:
    """A bare websocket that speaks JSON and unzips what comes zipped."""

    def __init__(self, socket: ClientConnection, host: str, path: str) -> None:
        self.socket = socket
        self.host = host
        self.path = path
        self.zipped: set[bool] = set()

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        """The next message that is no ping."""
        while True:
            frame = await asyncio.wait_for(self.socket.recv(), PATIENCE_S)
            self.zipped.add(isinstance(frame, bytes))
            message = json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)
            if "ping" not in (message.get("op"), message.get("action"), *message):
                return message

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def sign_in(self, account: dict[str, Any], *, behind_s: int = 0, **changes: Any) -> Any:
        stamp = datetime.fromtimestamp(time.time() - behind_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        names = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp", "Signature")
        version, head = "2", {"op": "auth", "type": "api"}
        if self.path == PRIVATE:
            names = ("accessKey", "signatureMethod", "signatureVersion", "timestamp", "signature")
            version = "2.1"
        signed = dict(zip(names, (account["api_key"], "HmacSHA256", version, stamp), strict=False))
        signed[names[-1]] = signature_of(account["secret"], "GET", self.host, self.path, signed.items())
        signed |= changes
        if self.path == PRIVATE:
            return await self.ask(action="req", ch="auth", params={"authType": "api", **signed})
        return await self.ask(**head, **signed)

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

    async def open_(path: str, account: dict[str, Any] | None = None) -> Voice:
        host = SPOT if path in {PRIVATE, SPOT_PRICES} else CONTRACTS
        opened.append(await connect(simulator.instead_of("htx", f"wss://{host}{path}"), ping_interval=None))
        talk = Voice(opened[-1], host, path)
        if account is not None:
            answer = await talk.sign_in(account)
            assert answer.get("code", answer.get("err-code")) in {200, 0}
        return talk

    yield open_
    for socket in opened:
        await socket.close()


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


# ── Signing in ────────────────────────────────────────────────────────────────────────────────────────


async def test_spot_speaks_plain_text_and_all_others_speak_zipped(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    talk = await voice(PRIVATE)
    assert await talk.sign_in(account) == {"action": "req", "code": 200, "ch": "auth", "data": {}}
    assert talk.zipped == {False}
    notices = await voice(NOTICES)
    answer = await notices.sign_in(account)
    assert {name: answer[name] for name in ("op", "type", "err-code", "data")} == {
        "op": "auth",
        "type": "api",
        "err-code": 0,
        "data": {"user-id": account["uid"]},
    }
    assert notices.zipped == {True}
    for path in (SPOT_PRICES, CONTRACT_PRICES):
        prices = await voice(path)
        await prices.ask(sub="x")
        assert prices.zipped == {True}


async def test_nothing_is_told_before_one_has_signed_in(simulator: SimulatorProcess, voice: Any) -> None:
    channel = "trade.clearing#*#0"
    refused = {"action": "sub", "code": 2002, "ch": channel, "message": "invalid.auth.state"}
    assert await (await voice(PRIVATE)).ask(action="sub", ch=channel) == refused
    answer = await (await voice(NOTICES)).ask(op="sub", cid="1", topic="trade", contract_code="*")
    assert (answer["op"], answer["cid"], answer["topic"], answer["err-code"]) == ("sub", "1", "trade", 2002)


@pytest.mark.parametrize("path", [PRIVATE, NOTICES])
@pytest.mark.parametrize("spoil", ["revoke", "expire", "address", "secret", "late", "version", "missing"])
async def test_whoever_may_not_sign_in_is_told_so(
    simulator: SimulatorProcess, voice: Any, path: str, spoil: str
) -> None:
    account, changes, behind = plain_account(simulator), {}, 0
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil == "secret":
        account["secret"] = "wrong"
    elif spoil == "late":
        behind = 310
    elif spoil == "version":
        changes = {"signatureVersion": "2", "SignatureVersion": "2.1"}
    elif spoil == "missing":
        changes = {"signature": "", "Signature": ""}
    else:
        simulator.spoil_key(account, spoil)
    answer = await (await voice(path)).sign_in(account, behind_s=behind, **changes)
    if path == PRIVATE:
        words = (2001, "missing.param.auth") if spoil == "missing" else (2002, "auth.fail")
        assert (answer["action"], answer["ch"], answer["code"], answer["message"]) == ("req", "auth", *words)
    else:
        assert (answer["op"], answer["err-code"]) == ("auth", 2040 if spoil == "missing" else 2003)
        assert answer["err-msg"]


async def test_the_eleventh_socket_of_a_key_is_one_too_many(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    account = plain_account(simulator)
    for _ in range(10):
        await voice(PRIVATE, account)
    talk = await voice(PRIVATE)
    answer = await talk.sign_in(account)
    assert (answer["code"], answer["message"]) == (4000, "too.many.connection")
    assert await talk.is_closed()
    await voice(PRIVATE, plain_account(simulator))


async def test_who_talks_too_much_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(on=True)
    talk = await voice(PRIVATE)
    for _ in range(51):
        await talk.say(action="pong")
    assert (await talk.hear())["message"] == "too.many.request"
    assert await talk.is_closed()


async def test_a_deleted_key_ends_its_sockets(simulator: SimulatorProcess, voice: Any) -> None:
    account = plain_account(simulator)
    spot, contracts = await voice(PRIVATE, account), await voice(NOTICES, account)
    await spot.ask(action="sub", ch="trade.clearing#*#0")
    await contracts.ask(op="sub", topic="trade", contract_code="*")
    simulator.spoil_key(account, "revoke")
    assert (await contracts.hear())["op"] == "close"
    assert await contracts.is_closed()
    assert await spot.is_closed()


async def test_maintenance_is_announced_to_contracts(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(NOTICES, plain_account(simulator))
    simulator.weather("maintenance")
    assert (await talk.hear())["op"] == "close"
    assert await talk.is_closed()


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


# ── Heartbeats ────────────────────────────────────────────────────────────────────────────────────────


async def next_ping(talk: Voice) -> Any:
    while True:
        frame = await asyncio.wait_for(talk.socket.recv(), PATIENCE_S)
        message = json.loads(gzip.decompress(frame) if isinstance(frame, bytes) else frame)
        if "ping" in (message.get("op"), message.get("action"), *message):
            return message


def pong_to(ping: dict[str, Any]) -> dict[str, Any]:
    if "ping" in ping:
        return {"pong": ping["ping"]}
    return {name: "pong" if value == "ping" else value for name, value in ping.items()}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (PRIVATE, {"action", "data"}),
        (NOTICES, {"op", "ts"}),
        (OLD_NOTICES, {"op", "ts"}),
        (SPOT_PRICES, {"ping"}),
        (CONTRACT_PRICES, {"ping"}),
    ],
)
async def test_each_socket_pings_in_its_dialect_and_cuts_who_does_not_answer(
    simulator: SimulatorProcess, voice: Any, path: str, form: set[str]
) -> None:
    simulator.limits(ping_every_s=0.1, pong_within_s=1.2)
    answering, silent = await voice(path), await voice(path)
    for _ in range(5):
        ping = await next_ping(answering)
        assert set(ping) == form
        await answering.say(**pong_to(ping))
    assert await silent.is_closed()
    assert simulator.counters("htx")["sockets_cut_no_pong"] == 1


async def test_a_pong_to_no_ping_does_not_count(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(ping_every_s=0.1, pong_within_s=1.0)
    talk = await voice(PRIVATE)
    await next_ping(talk)
    await talk.say(action="pong", data={"ts": 1})
    assert await talk.is_closed()


@pytest.mark.parametrize("message", ["{", "[]", '{"op": "dance", "action": "dance"}'])
@pytest.mark.parametrize("path", [PRIVATE, NOTICES, SPOT_PRICES, CONTRACT_PRICES])
async def test_nonsense_is_answered_and_survived(
    simulator: SimulatorProcess, voice: Any, path: str, message: str
) -> None:
    talk = await voice(path)
    for _ in range(2):
        await talk.socket.send(message)
        assert await talk.hear()


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "topic", "fields"),
    [
        (SPOT_PRICES, "market.btcusdt.ticker", {"open", "high", "low", "close", "amount", "vol", "count", "bid",
         "bidSize", "ask", "askSize", "lastPrice", "lastSize"}),
        (SPOT_PRICES, "market.btcusdt.detail", {"id", "low", "high", "open", "close", "vol", "amount", "version",
         "count"}),
        (SPOT_PRICES, "market.btcusdt.bbo", {"seqId", "ask", "askSize", "bid", "bidSize", "quoteTime", "symbol"}),
        (CONTRACT_PRICES, "market.BTC-USDT.detail", {"id", "mrid", "open", "high", "low", "close", "amount", "vol",
         "count", "trade_turnover", "bid", "ask"}),
        (CONTRACT_PRICES, "market.BTC-USDT.bbo", {"mrid", "id", "bid", "ask", "ts", "version", "ch"}),
    ],
)  # fmt: skip
async def test_a_topic_is_told_at_once_and_every_second_until_it_is_unsubscribed(
    simulator: SimulatorProcess, voice: Any, path: str, topic: str, fields: set[str]
) -> None:
    talk = await voice(path)
    answer = await talk.ask(sub=topic, id="1")
    assert {name: answer[name] for name in ("id", "status", "subbed")} == {"id": "1", "status": "ok", "subbed": topic}
    for _ in range(2):
        message = await talk.hear()
        assert (message["ch"], set(message["tick"])) == (topic, fields)
        assert not [value for name, value in message["tick"].items() if isinstance(value, str) and name == "close"]
    answer = await talk.ask(unsub=topic, id="2")
    while "unsubbed" not in answer:
        answer = await talk.hear()
    assert (answer["id"], answer["unsubbed"]) == ("2", topic)


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        (SPOT_PRICES, "market.nopeusdt.ticker"),
        (SPOT_PRICES, "market.BTC-USDT.detail"),
        (CONTRACT_PRICES, "market.BTC-USDT.ticker"),
        (SPOT_PRICES, "everything"),
    ],
)
async def test_a_topic_that_is_not_there_is_refused(
    simulator: SimulatorProcess, voice: Any, path: str, topic: str
) -> None:
    answer = await (await voice(path)).ask(sub=topic, id="9")
    assert (answer["status"], answer["err-code"], answer["id"]) == ("error", "bad-request", "9")


async def test_sockets_of_the_other_system_are_not_here(simulator: SimulatorProcess, voice: Any) -> None:
    with pytest.raises(Exception, match="404"):
        await connect(simulator.instead_of("htx", f"wss://{CONTRACTS}{PRIVATE}"))
