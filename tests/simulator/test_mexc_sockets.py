"""ccxt.pro hears from the MEXC dialect exactly what happened; the rules of both sockets are kept."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import ccxt.pro
import pytest
import pytest_asyncio
from ccxt.protobuf.mexc.PushDataV3ApiWrapper_pb2 import PushDataV3ApiWrapper
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.mexc import frames
from simulator.truth import Fee, Fill, Market, Order
from tests.exchanges.messages import real_message
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import within
from tests.simulator.plain import call
from tests.simulator.test_mexc import with_true_sides
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

PATIENCE_S = 10
QUIET_S = 0.4
SPOT, FUTURES = "wss://wbs-api.mexc.com/ws", "wss://contract.mexc.com/edge"
DEALS, ORDERS, ACCOUNT = (f"spot@private.{name}.v3.api.pb" for name in ("deals", "orders", "account"))
DEAL_ON_THE_WIRE = (
    "0a1c73706f7440707269766174652e6465616c732e76332e6170692e70621a074254435553445430fbd8c1a28c349213670a0836"
    "343235302e31301205302e3030321a083132382e3530303220013a1437303030303030303030303030303030303158314a1a4330"
    "325f5f3730303030303030303030303030303030313131395209302e303634323530315a045553445460e4d8c1a28c34"
)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "mexc", "--no-limits")


@pytest_asyncio.fixture
async def witness(simulator: SimulatorProcess) -> AsyncIterator[Callable[[dict[str, Any]], Any]]:
    """Makes ccxt.pro clients of accounts; they are closed with the test."""
    made = []

    def make(account: dict[str, Any]) -> Any:
        client = pointed_at(simulator, ccxt.pro.mexc(credentials(account)), "mexc", number=float)
        client.has["fetchCurrencies"] = False
        made.append(client)
        return client

    yield make
    for client in made:
        await client.close()


class Voice:
    """A bare websocket: JSON texts, and pushes of the spot socket decoded by ccxt's own descriptions."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> Any:
        said = await within(PATIENCE_S, self.socket.recv())
        return json.loads(said) if isinstance(said, str) else PushDataV3ApiWrapper.FromString(said)

    async def ask(self, **message: Any) -> Any:
        await self.say(**message)
        return await self.hear()

    async def subscribe(self, *topics: str) -> Any:
        return await self.ask(method="SUBSCRIPTION", params=list(topics), id=7)

    async def log_in(self, account: dict[str, Any], moment: int, **more: Any) -> Any:
        text = f"{account['api_key']}{moment}"
        signature = hmac.new(account["secret"].encode(), text.encode(), hashlib.sha256).hexdigest()
        param = {"apiKey": account["api_key"], "reqTime": str(moment), "signature": signature}
        return await self.ask(method="login", param=param, **more)

    async def is_closed(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return True

    async def is_silent(self) -> bool:
        """Whether nothing is said for a moment."""
        try:
            async with asyncio.timeout(QUIET_S):
                await self.socket.recv()
        except TimeoutError:
            return True
        return False


@pytest_asyncio.fixture
async def voice(simulator: SimulatorProcess) -> AsyncIterator[Callable[..., Any]]:
    """Opens bare sockets by address; they are closed with the test."""
    opened = []

    async def open_(address: str) -> Voice:
        opened.append(await connect(simulator.instead_of("mexc", address), ping_interval=None))
        return Voice(opened[-1])

    yield open_
    for socket in opened:
        await socket.close()


def now_ms(simulator: SimulatorProcess) -> int:
    now: int = simulator.ask("GET", "/clock")["now_ms"]
    return now


def listen_key(simulator: SimulatorProcess, account: dict[str, Any], method: str = "POST", **params: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {**params, "timestamp": now_ms(simulator)}.items())
    signature = hmac.new(account["secret"].encode(), query.encode(), hashlib.sha256).hexdigest()
    url = f"https://api.mexc.com/api/v3/userDataStream?{query}&signature={signature}"
    return call(simulator, "mexc", url, method=method, headers={"X-MEXC-APIKEY": account["api_key"]}).data


async def private(simulator: SimulatorProcess, voice: Any, account: dict[str, Any], *topics: str) -> Voice:
    talk: Voice = await voice(f"{SPOT}?listenKey={listen_key(simulator, account)['listenKey']}")
    assert (await talk.subscribe(*topics))["msg"] == ",".join(topics)
    return talk


async def for_ever(talk: Voice, **message: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await talk.ask(**message)


async def logged_in(simulator: SimulatorProcess, voice: Any, account: dict[str, Any], *filters: str) -> Voice:
    talk: Voice = await voice(FUTURES)
    assert (await talk.log_in(account, now_ms(simulator)))["channel"] == "rs.login"
    if filters:
        rules = [{"filter": name, "rules": []} for name in filters]
        answer = await talk.ask(method="personal.filter", param={"filters": rules})
        assert (answer["channel"], answer["data"]) == ("rs.personal.filter", "success")
    return talk


def spot_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("mexc", products=["spot"], **options)


# ── What a client made by others hears ────────────────────────────────────────────────────────────────


async def steer(ask: Any, *args: Any, **options: Any) -> Any:
    """Steers the simulator without holding up the sockets of this test."""
    return await asyncio.to_thread(ask, *args, **options)


async def until_heard(simulator: SimulatorProcess) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not (await steer(simulator.counters, "mexc"))["accounts_heard"]:
            pass


async def heard_by_ccxt(simulator: SimulatorProcess, client: Any, account: Any, wishes: list[Any], kind: str) -> Any:
    """All trades that ccxt hears while the wishes come true."""
    client.newUpdates = True
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        for wish in wishes:
            await steer(simulator.trade, account, **wish)

    await asyncio.gather(make(), client.watch_my_trades(None, None, None, {"type": kind}))
    told = simulator.truth(account)["trades"]
    async with asyncio.timeout(PATIENCE_S):
        while len(client.myTrades) < len(told):
            await client.watch_my_trades(None, None, None, {"type": kind})
    return list(client.myTrades), told


async def test_ccxt_hears_every_spot_trade_but_takes_all_for_takers(simulator: SimulatorProcess, witness: Any) -> None:
    """It looks for the flag of the JSON messages of 2025; protobuf has `isMaker`, which it leaves in `info`."""
    account = spot_account(simulator, details={"discount": False})
    wishes = [
        {"market_id": market, "fills": 3, "size": size, "maker": maker}
        for market, size in (("BTCUSDT", "0.3"), ("XRPUSDT", "120"), ("ETHUSDC", "3"))
        for maker in (True, False)
    ]
    heard, told = await heard_by_ccxt(simulator, witness(account), account, wishes, "spot")
    assert {trade["takerOrMaker"] for trade in heard} == {"taker"}
    for trade in heard:
        trade["takerOrMaker"] = "maker" if trade["info"].get("isMaker") else "taker"
    assert_reads_the_truth(heard, told)


async def test_ccxt_hears_every_trade_of_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    wishes = [
        {"market_id": market, "side": side, "kind": kind, "fills": 3, "size": "300"}
        for market in ("BTC_USDT", "ETH_USDT")
        for side, kind in (("buy", "trade"), ("sell", "trade"), ("sell", "liquidation"), ("buy", "adl"))
    ]
    heard, told = await heard_by_ccxt(simulator, witness(account), account, wishes, "swap")
    assert {str(trade["info"]["side"]) for trade in heard} > {"1", "4"}
    assert_reads_the_truth(with_true_sides(heard), told)


async def test_ccxt_hears_prices_of_spot_and_contracts(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(simulator.account("mexc"))
    await client.load_markets()
    async with asyncio.timeout(PATIENCE_S):
        spot = await client.watch_ticker("BTC/USDT")
        contract = await client.watch_ticker("BTC/USDT:USDT")
        every = await client.watch_tickers(["BTC/USDT:USDT", "BTC/USD:BTC"])
    assert spot["bid"] < spot["ask"]
    assert spot["last"] is None, "quotes have no last price"
    assert contract["bid"] <= contract["last"] <= contract["ask"]
    assert set(every) == {"BTC/USDT:USDT", "BTC/USD:BTC"}


async def test_ccxt_hears_what_a_wallet_holds(simulator: SimulatorProcess, witness: Any) -> None:
    account = spot_account(simulator, details={"discount": False})
    client = witness(account)
    await client.load_markets()

    async def make() -> None:
        await until_heard(simulator)
        await steer(simulator.trade, account, market_id="BTCUSDT", side="buy", fills=1)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(make(), client.watch_balance())
        while not {"BTC", "USDT"} <= set(client.balance["spot"]):
            await client.watch_balance()
    told = {row["asset"]: float(row["free"]) for row in simulator.truth(account)["balances"]}
    assert client.balance["spot"]["BTC"]["free"] == told["BTC"]


async def test_ccxt_is_told_of_a_bad_listen_key(simulator: SimulatorProcess, witness: Any) -> None:
    client = witness(spot_account(simulator))
    await client.load_markets()
    client.options["listenKey"] = "nothing"
    with pytest.raises(ccxt.AuthenticationError, match="invalid listen key"):
        async with asyncio.timeout(PATIENCE_S):
            await client.watch_my_trades()


# ── Spot: the wire ────────────────────────────────────────────────────────────────────────────────────


def test_a_deal_is_written_to_the_byte_as_the_exchange_writes_it() -> None:
    market = Market(
        product="spot",
        id="BTCUSDT",
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick=Decimal("0.1"),
        step=Decimal("0.001"),
        start_price=Decimal(64_250),
    )
    moment = 1_790_000_000_100
    price, size = Decimal("64250.1"), Decimal("0.002")
    order = Order(
        id="C02__700000000000000001119",
        client_id="",
        market=market,
        side="buy",
        type="market",
        price=price,
        size=size,
        created_ms=moment,
        updated_ms=moment,
    )
    fill = Fill(
        sequence=1,
        trade_id="700000000000000001X1",
        order=order,
        market=market,
        side="buy",
        price=price,
        size=size,
        amount=size,
        cost=Decimal("128.5002"),
        fees=(Fee(Decimal("0.0642501"), "USDT"),),
        maker=False,
        timestamp_ms=moment,
        visible_ms=moment,
    )
    written = frames.wrapped(DEALS, frames.DEALS, frames.deal(fill), moment + 23, "BTCUSDT")
    wanted = PushDataV3ApiWrapper.FromString(bytes.fromhex(DEAL_ON_THE_WIRE))
    wanted.privateDeals.price = "64250.1"  # the example has a zero more at the end, which means nothing
    assert written == wanted.SerializeToString()


async def test_each_private_topic_tells_its_part_of_an_order(simulator: SimulatorProcess, voice: Any) -> None:
    account = spot_account(simulator, details={"discount": False})
    talk = await private(simulator, voice, account, DEALS, ORDERS, ACCOUNT)
    wish = {"market_id": "BTCUSDT", "side": "sell", "size": "0.3", "fills": 2, "maker": True}
    made = simulator.trade(account, **wish, client_order_id="mine")
    heard: dict[str, list[Any]] = {DEALS: [], ORDERS: [], ACCOUNT: []}
    while sum(map(len, heard.values())) < 7:
        push = await talk.hear()
        heard[push.channel].append(push)
    deals = [push.privateDeals for push in heard[DEALS]]
    assert [deal.tradeId for deal in deals] == [trade["exchange_trade_id"] for trade in made]
    assert [deal.time for deal in deals] == [trade["timestamp_ms"] for trade in made]
    assert {(deal.tradeType, deal.isMaker, deal.isSelfTrade, deal.clientOrderId) for deal in deals} == {
        (2, True, False, "mine")
    }
    assert {push.symbol for push in heard[DEALS]} == {"BTCUSDT"}
    orders = [push.privateOrders for push in heard[ORDERS]]
    assert [order.status for order in orders] == [1, 3, 2]
    assert [Decimal(order.cumulativeQuantity) for order in orders] == [
        Decimal(0),
        Decimal(made[0]["amount"]),
        Decimal("0.3"),
    ]
    assert {push.privateAccount.vcoinName for push in heard[ACCOUNT]} == {"BTC", "USDT"}


async def test_a_subscription_that_failed_has_code_0_too(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await private(simulator, voice, spot_account(simulator), DEALS)
    sample = real_message("mexc", "mx12")
    for topic in ("spot@private.deals.v3.api", "spot@public.miniTicker.v3.api.pb@NOPEUSDT@24H", "nonsense"):
        answer = await talk.subscribe(ORDERS, topic)
        assert set(answer) == set(sample)
        assert (answer["id"], answer["code"]) == (7, 0)
        assert answer["msg"] == f"Not Subscribed successfully! [{topic}]. Reason\N{FULLWIDTH COLON} Blocked!"
    stranger = await voice(SPOT)
    assert "Blocked" in (await stranger.subscribe(DEALS))["msg"]
    assert (await stranger.ask(method="SUBSCRIPTION", params=["spot@public.miniTickers.v3.api.pb@24H"]))["id"] == 0


async def test_thirty_topics_are_the_most(simulator: SimulatorProcess, voice: Any) -> None:
    zones = [f"UTC+{hour}" for hour in range(10)]
    topics = [
        f"spot@public.miniTicker.v3.api.pb@{symbol}@{zone}"
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        for zone in zones
    ]
    talk = await voice(SPOT)
    more = "spot@public.miniTickers.v3.api.pb@24H"
    assert "Not Subscribed" in (await talk.subscribe(*topics, more))["msg"]
    assert (await talk.subscribe(*topics))["msg"] == ",".join(topics)


async def test_an_unsubscribed_topic_is_silent(simulator: SimulatorProcess, voice: Any) -> None:
    account = spot_account(simulator)
    talk = await private(simulator, voice, account, DEALS)
    answer = await talk.ask(method="UNSUBSCRIPTION", params=[DEALS], id=9)
    assert (answer["id"], answer["code"], answer["msg"]) == (9, 0, DEALS)
    simulator.trade(account, market_id="BTCUSDT")
    assert await talk.is_silent()


@pytest.mark.parametrize("message", ["{", "[]", '{"method": 7}', '{"method": "SUBSCRIPTION", "params": "x"}'])
async def test_nonsense_is_answered_and_survived(simulator: SimulatorProcess, voice: Any, message: str) -> None:
    talk = await voice(SPOT)
    await talk.socket.send(message)
    assert (await talk.hear())["code"] == 1
    assert (await talk.ask(method="PING"))["msg"] == "PONG"


# ── Spot: listen keys, heartbeats, endings ────────────────────────────────────────────────────────────


async def test_a_bad_listen_key_is_told_in_a_text_and_the_socket_closed(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice(f"{SPOT}?listenKey=nothing")
    assert await talk.socket.recv() == "Invalid listen key"
    assert await talk.is_closed()


async def test_a_listen_key_opens_five_sockets(simulator: SimulatorProcess, voice: Any) -> None:
    account = spot_account(simulator)
    key = listen_key(simulator, account)["listenKey"]
    talks = [await voice(f"{SPOT}?listenKey={key}") for _ in range(6)]
    assert await talks[5].is_closed()
    assert (await talks[4].subscribe(DEALS))["msg"] == DEALS
    await talks[4].socket.close()
    again = await voice(f"{SPOT}?listenKey={key}")
    assert (await again.subscribe(DEALS))["msg"] == DEALS


@pytest.mark.parametrize("how", ["deleted", "expired", "revoked", "died"])
async def test_a_listen_key_that_ends_leaves_its_socket_open_and_deaf(
    simulator: SimulatorProcess, voice: Any, how: str
) -> None:
    account = spot_account(simulator)
    key = listen_key(simulator, account)["listenKey"]
    talk = await voice(f"{SPOT}?listenKey={key}")
    await talk.subscribe(DEALS)
    simulator.trade(account, market_id="BTCUSDT", fills=1)
    assert (await talk.hear()).channel == DEALS
    if how == "deleted":
        listen_key(simulator, account, "DELETE", listenKey=key)
    elif how == "expired":
        simulator.ask("POST", "/clock", skew_ms=3_600_001)
    elif how == "revoked":
        simulator.spoil_key(account, "revoke")
    else:
        simulator.weather("token_dies", seconds=1)
    simulator.trade(account, market_id="BTCUSDT", fills=1)
    assert await talk.is_silent()
    assert (await talk.ask(method="PING"))["msg"] == "PONG"


async def test_a_ping_in_text_is_answered_and_one_of_the_protocol_is_not(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice(SPOT)
    assert await talk.ask(method="PING") == {"id": 0, "code": 0, "msg": "PONG"}
    assert await talk.ask(method="ping") == {"id": 0, "code": 0, "msg": "PONG"}
    pong = await talk.socket.ping()
    with pytest.raises(TimeoutError):
        await within(QUIET_S, asyncio.shield(pong))
    assert (await talk.ask(method="PING"))["msg"] == "PONG"


async def test_a_client_that_says_nothing_is_cut(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await private(simulator, voice, spot_account(simulator), DEALS)
    simulator.limits(silent_cut_s=0.2)
    assert await talk.is_closed()
    assert simulator.counters("mexc")["sockets_cut_silent"] == 1


async def test_a_socket_without_a_subscription_is_cut_whatever_it_says(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(silent_cut_s=1.5)
    talk = await voice(SPOT)
    with pytest.raises(ConnectionClosed):
        await for_ever(talk, method="PING")
    assert simulator.counters("mexc")["sockets_cut_bare"] == 1


async def test_a_day_is_the_longest_life(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await private(simulator, voice, spot_account(simulator), DEALS)
    simulator.ask("POST", "/clock", skew_ms=86_400_000)
    assert await talk.is_closed()


async def test_weather_says_a_binary_push_twice_too(simulator: SimulatorProcess, voice: Any) -> None:
    account = spot_account(simulator)
    talk = await private(simulator, voice, account, DEALS)
    simulator.weather("twice", chance=1.0)
    (made,) = simulator.trade(account, market_id="BTCUSDT", fills=1)
    pushes = [await talk.hear(), await talk.hear()]
    assert [push.privateDeals.tradeId for push in pushes] == [made["exchange_trade_id"]] * 2


async def test_the_old_address_is_gone(simulator: SimulatorProcess, voice: Any) -> None:
    for address in ("wss://wbs.mexc.com/ws", "wss://api.mexc.com/edge"):
        with pytest.raises(Exception, match="404"):
            await voice(address)


# ── Futures ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_fill_of_a_contract_comes_in_one_of_three_forms(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    talk = await logged_in(simulator, voice, account, "order.deal")
    made = [simulator.trade(account, market_id="LTC_USDT", maker=False, fills=1)[0] for _ in range(3)]
    pushes = [await talk.hear() for _ in made]
    sample = real_message("mexc", "mx5")
    forms = {}
    for push, trade in zip(pushes, made, strict=True):
        assert set(push) == set(sample)
        assert push["channel"] == sample["channel"]
        row = push["data"]
        assert str(row["id"]) == trade["exchange_trade_id"]
        assert Decimal(str(row["vol"])) == Decimal(trade["contracts"])
        assert row["timestamp"] == trade["timestamp_ms"]
        taker = [row[name] for name in ("taker", "isTaker") if name in row]
        assert taker == [True]
        forms[type(row["id"]), type(row["price"]) is str, "taker" in row] = set(row)
    assert set(forms) == {(str, False, True), (str, True, False), (int, False, False)}
    assert forms[str, False, True] == set(sample["data"])


async def test_a_login_starts_everything_and_filters_narrow_it(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    talk = await logged_in(simulator, voice, account)
    simulator.trade(account, market_id="BTC_USDT", fills=1, maker=False)
    heard = [(await talk.hear())["channel"].removeprefix("push.personal.") for _ in range(4)]
    assert sorted(heard) == ["asset", "order", "order", "order.deal"]
    rules = [{"filter": "order.deal", "rules": ["ETH_USDT"]}]
    await talk.ask(method="personal.filter", param={"filters": rules})
    simulator.trade(account, market_id="BTC_USDT", fills=1)
    simulator.trade(account, market_id="ETH_USDT", fills=1)
    push = await talk.hear()
    assert (push["channel"], push["data"]["symbol"]) == ("push.personal.order.deal", "ETH_USDT")
    assert await talk.is_silent()
    assert (await talk.ask(method="personal.filter", param={"filters": [{"filter": "x"}]}))["channel"] == "rs.error"


async def test_a_login_may_ask_for_silence(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    talk = await voice(FUTURES)
    assert (await talk.log_in(account, now_ms(simulator), subscribe=False))["data"] == "success"
    simulator.trade(account, market_id="BTC_USDT", fills=1)
    assert await talk.is_silent()


@pytest.mark.parametrize("spoil", ["revoke", "expire", "address", "secret", "late"])
async def test_whoever_may_not_log_in_is_told(simulator: SimulatorProcess, voice: Any, spoil: str) -> None:
    account = simulator.account("mexc", products=["linear"])
    moment = now_ms(simulator)
    if spoil == "address":
        simulator.change(account, addresses=["10.1.2.3"])
    elif spoil == "late":
        moment -= 20_000
    elif spoil != "secret":
        simulator.spoil_key(account, spoil)
    talk = await voice(FUTURES)
    answer = await talk.log_in({**account, "secret": "wrong"} if spoil == "secret" else account, moment)
    assert answer["channel"] == "rs.error"
    answer = await talk.ask(method="personal.filter", param={"filters": []})
    assert (answer["channel"], answer["data"]) == ("rs.error", "Not logged in")
    simulator.trade(account, market_id="BTC_USDT")
    assert await talk.is_silent()


async def test_a_deleted_key_ends_its_futures_socket(simulator: SimulatorProcess, voice: Any) -> None:
    account = simulator.account("mexc", products=["linear"])
    talk = await logged_in(simulator, voice, account)
    simulator.spoil_key(account, "revoke")
    assert await talk.is_closed()


async def test_only_pings_keep_a_futures_socket_open(simulator: SimulatorProcess, voice: Any) -> None:
    simulator.limits(silent_cut_s=2.0)
    kept, lost = await voice(FUTURES), await voice(FUTURES)
    keeping = asyncio.ensure_future(for_ever(kept, method="ping"))
    with pytest.raises(ConnectionClosed):
        await for_ever(lost, method="sub.ticker", param={"symbol": "NOPE"})
    keeping.cancel()
    await asyncio.wait([keeping])
    await kept.say(method="ping")
    assert (await kept.hear())["channel"] == "pong"
    assert simulator.counters("mexc")["sockets_cut_silent"] == 1


async def test_unknown_contracts_are_named_and_unknown_methods_met_with_silence(
    simulator: SimulatorProcess, voice: Any
) -> None:
    talk = await voice(FUTURES)
    answer = await talk.ask(method="sub.ticker", param={"symbol": "NOPE_USDT"})
    assert (answer["channel"], answer["data"]) == ("rs.error", "Contract [NOPE_USDT] not exists")
    await talk.say(method="dance")
    await talk.socket.send("{")
    assert await talk.is_silent()


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


async def test_spot_prices_come_in_three_topics(simulator: SimulatorProcess, voice: Any) -> None:
    topics = [
        "spot@public.miniTicker.v3.api.pb@BTCUSDT@UTC+8",
        "spot@public.miniTickers.v3.api.pb@24H",
        "spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT",
    ]
    talk = await voice(SPOT)
    assert (await talk.subscribe(*topics))["msg"] == ",".join(topics)
    first = {push.channel: push for push in [await talk.hear() for _ in topics]}
    assert list(first) == topics
    mini, every, quotes = (first[topic] for topic in topics)
    assert (mini.symbol, mini.publicMiniTicker.symbol) == ("BTCUSDT", "BTCUSDT")
    assert Decimal(mini.publicMiniTicker.low) <= Decimal(mini.publicMiniTicker.price)
    assert Decimal(mini.publicMiniTicker.volume) > Decimal(mini.publicMiniTicker.quantity), "volume is turnover"
    listed = {m["market_id"] for m in simulator.ask("GET", "/markets") if m["product"] == "spot"}
    assert {item.symbol for item in every.publicMiniTickers.items} == listed
    book = quotes.publicAggreBookTicker
    assert Decimal(book.bidPrice) < Decimal(book.askPrice)
    assert (await talk.hear()).sendTime > mini.sendTime


async def test_prices_of_contracts_look_as_documented(simulator: SimulatorProcess, voice: Any) -> None:
    talk = await voice(FUTURES)
    answer = await talk.ask(method="sub.ticker", param={"symbol": "ETH_USDT"})
    assert (answer["channel"], answer["data"]) == ("rs.sub.ticker", "success")
    push = await talk.hear()
    sample = real_message("mexc", "mx10")
    assert set(push) == set(sample)
    assert set(push["data"]) == set(sample["data"]) | {"amount24"}
    assert type(push["data"]["lastPrice"]) in {int, float}
    assert (await talk.hear())["ts"] > push["ts"]
    await talk.say(method="unsub.ticker", param={"symbol": "ETH_USDT"})
    while (await talk.hear())["channel"] != "rs.unsub.ticker":
        pass
    await talk.say(method="sub.tickers", param={})
    assert (await talk.hear())["channel"] == "rs.sub.tickers"
    every = await talk.hear()
    listed = {m["market_id"] for m in simulator.ask("GET", "/markets") if m["product"] != "spot"}
    assert (every["channel"], {row["symbol"] for row in every["data"]}) == ("push.tickers", listed)
