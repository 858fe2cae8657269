"""The KuCoin dialect: what unmodified clients of others read from it is what happened, and it keeps its rules."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro
import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from simulator.clock import Clock
from simulator.dialect import OrderFilled
from simulator.kucoin import DIALECT
from simulator.server import serve
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fill
from simulator.world import World
from tests.fixtures.waiting import until

API, FUTURES = "https://api.kucoin.com", "https://api-futures.kucoin.com"
DAY = 86_400_000


class Place:
    """A running simulator with this one exchange, and an account or two."""

    def __init__(self, world: World, base: str) -> None:
        self.world = world
        self.base = base
        self.exchange = world.exchanges["kucoin"]

    def account(self, mode: str = "classic", *products: str, **wishes: Any) -> Account:
        return self.exchange.make_account(mode=mode, products=products or (SPOT, LINEAR), **wishes)

    def fill(self, account: Account, market: str = "BTC-USDT", product: str = SPOT, **wish: Any) -> list[Fill]:
        events = self.exchange.trade(account, market=self.exchange.markets[product, market], **{"fills": 1, **wish})
        return [event.fill for event in events if isinstance(event, OrderFilled)]

    def through(self, address: str) -> str:
        scheme, _, rest = address.partition("://")
        there = self.base if scheme in {"http", "https"} else self.base.replace("http", "ws", 1)
        return f"{there}/kucoin/{rest}"

    def rewritten(self, urls: Any) -> Any:
        if isinstance(urls, dict):
            return {name: self.rewritten(url) for name, url in urls.items()}
        return self.through(urls) if isinstance(urls, str) else urls

    def client(self, account: Account | None, kind: Any = ccxt.kucoin, **options: Any) -> Any:
        client = kind({"enableRateLimit": False, "options": options, "timeout": 20_000})
        client.urls["api"] = self.rewritten(client.urls["api"])
        if account is not None:
            client.apiKey, client.secret, client.password = account.api_key, account.secret, account.passphrase
        return client


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    world = World(exchanges=["kucoin"], seed=7, clock=Clock())
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(world, host="127.0.0.1", port=0, weather=None, ready=ready.set_result, stop=stop)
    )
    yield Place(world, f"http://127.0.0.1:{await ready}")
    stop.set()
    await serving


@asynccontextmanager
async def pro(place: Place, account: Account | None, **options: Any) -> AsyncIterator[Any]:
    client = place.client(account, ccxt.pro.kucoin, **options)
    try:
        yield client
    finally:
        await client.close()


async def ask(place: Place, account: Account | None, path: str, host: str = API, **changes: Any) -> httpx.Response:
    """One signed call, by hand. `changes` replace headers; None leaves one out; `clock` shifts the time."""
    method = changes.pop("method", "GET")
    stamp = str(place.exchange.now_ms() + changes.pop("clock", 0))
    headers: dict[str, Any] = {}
    if account is not None:
        headers = {
            "KC-API-KEY": account.api_key,
            "KC-API-TIMESTAMP": stamp,
            "KC-API-SIGN": digest(account.secret, f"{stamp}{method}{path}"),
            "KC-API-PASSPHRASE": digest(account.secret, account.passphrase),
            "KC-API-KEY-VERSION": "2",
        }
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    async with httpx.AsyncClient() as client:
        kept = {name: value for name, value in headers.items() if value is not None}
        return await client.request(method, place.through(host + path), headers=kept)


def digest(secret: str, text: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


async def data_of(place: Place, account: Account | None, path: str, host: str = API) -> Any:
    answer = (await ask(place, account, path, host)).json()
    assert answer["code"] == "200000", answer
    return answer["data"]


async def code_of(place: Place, account: Account, path: str, host: str = API, **changes: Any) -> str:
    return (await ask(place, account, path, host, **changes)).json()["code"]


def in_floats(fill_ms: int, read_ms: int) -> bool:
    """ccxt multiplies nanoseconds with a float: what it reads may be a millisecond off (sheet 9, units of time)."""
    return abs(fill_ms - read_ms) <= 1


def assert_same(trades: list[dict[str, Any]], fills: list[Fill], hidden: frozenset[str] = frozenset()) -> None:
    """What third-party clients were told, and what happened; `hidden` are the orders that makers had hidden."""
    wanted = by_id([truth(fill) for fill in fills])
    read = by_id([theirs(trade) for trade in trades])
    assert read.keys() <= wanted.keys()
    for key, trade in read.items():
        told = wanted[key]
        assert in_floats(told.pop("timestamp"), trade.pop("timestamp"))
        if told["order"] in hidden and told["takerOrMaker"] == "maker":
            # ccxt believes `liquidity`; the maker of a hidden order shows itself by `feeType` only (sheet 6).
            told.pop("takerOrMaker"), trade.pop("takerOrMaker")
        assert trade == told


async def in_thread(work: Callable[[], Any]) -> Any:
    """ccxt's synchronous client, beside the loop that the simulator runs on."""
    return await asyncio.to_thread(work)


def truth(fill: Fill) -> dict[str, Any]:
    """What a third-party client should say of a fill: its own words, exact numbers."""
    return {
        "id": fill.trade_id,
        "order": fill.order.id or "0",
        "symbol": fill.market.symbol,
        "side": fill.side,
        "takerOrMaker": "maker" if fill.maker else "taker",
        "price": fill.price,
        "amount": fill.size,
        "timestamp": fill.timestamp_ms,
    }


def theirs(trade: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: Decimal(str(trade[name])) for name in ("price", "amount")}
    words = {name: trade[name] for name in ("id", "order", "symbol", "side", "takerOrMaker", "timestamp")}
    return {**words, **numbers}


def by_id(trades: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    found = {(trade["symbol"], trade["id"], trade["order"]): trade for trade in trades}
    assert len(found) == len(trades)
    return found


def all_of(account: Account, product: str) -> list[dict[str, Any]]:
    return [truth(fill) for fill in account.all_fills() if fill.market.product == product]


def as_decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


# REST, read by ccxt


async def test_markets_are_read_by_an_unmodified_client(place):
    client = place.client(None)
    markets = await in_thread(client.load_markets)
    for market in place.exchange.markets.values():
        read = markets[market.symbol]
        assert (read["id"], read["type"]) == (market.id, "spot" if market.product == SPOT else "swap")
        if market.product != SPOT:
            assert as_decimal(read["contractSize"]) == market.contract_size
            assert read["inverse"] is (market.product == INVERSE)
    assert markets["WAXP/USDT"]["id"] == "WAX-USDT"
    assert markets["BTC/USDT:USDT"]["id"] == "XBTUSDTM"


async def test_a_keyed_client_loads_markets_with_its_private_calls(place):
    client = place.client(place.account())
    await in_thread(client.load_markets)
    assert client.options["hf"] is True


async def test_classic_spot_fills_are_paged_to_the_last_row(place):
    account = place.account("classic", SPOT, history=150)
    for _ in range(5):
        place.exchange.trade(account)
    client = place.client(account, uta=False, hf=True)
    client.number = str

    def read() -> list[Any]:
        client.load_markets()
        rows: list[Any] = []
        for market in place.exchange.open_markets(SPOT):
            last: dict[str, Any] = {}
            while page := client.fetch_my_trades(market.symbol, None, 20, last):
                rows += page
                last = {"lastId": min(int(trade["info"]["id"]) for trade in page)}
        return rows

    trades = await in_thread(read)
    assert by_id([theirs(trade) for trade in trades]) == by_id(all_of(account, SPOT))
    fees = {(trade["symbol"], trade["id"]): trade["fee"] for trade in trades}
    for fill in account.all_fills():
        fee = fees[fill.market.symbol, fill.trade_id]
        assert (as_decimal(fee["cost"]), fee["currency"]) == (fill.fees[0].amount, fill.fees[0].currency)
    assert {fee["currency"] for fee in fees.values()} <= {"USDT", "USDC", "EUR", "BTC", "KCS"}


async def test_futures_fills_are_read_window_by_window(place):
    account = place.account("classic", LINEAR, history=120)
    client = place.client(account, uta=False)
    client.number = str
    now = place.exchange.now_ms()

    def read() -> list[Any]:
        client.load_markets()
        rows: list[Any] = []
        for week in range(13):
            until = now - week * 7 * DAY
            since = until - 7 * DAY + 1
            page = 1
            wanted = {"type": "swap", "until": until}
            while found := client.fetch_my_trades(None, since, 20, {**wanted, "currentPage": page}):
                rows += found
                page += 1
        return rows

    trades = await in_thread(read)
    read_ids = by_id([theirs(trade) for trade in trades])
    assert len(read_ids) == len(account.all_fills()) == 120
    for fill in account.all_fills():
        row = read_ids[fill.market.symbol, fill.trade_id, fill.order.id]
        # ccxt takes `createdAt`, the age of the order, for the moment of the fill; `tradeTime` tells it (sheet 3).
        assert row["timestamp"] == fill.order.created_ms
        assert row == {**truth(fill), "timestamp": fill.order.created_ms}
    moments = {(trade["symbol"], trade["id"]): int(trade["info"]["tradeTime"]) // 10**6 for trade in trades}
    assert all(moments[fill.market.symbol, fill.trade_id] == fill.timestamp_ms for fill in account.all_fills())


async def test_unified_executions_are_read_with_their_fees(place):
    account = place.account("unified", history=80)
    client = place.client(account)
    client.number = str

    def read() -> list[Any]:
        client.load_markets()
        rows = client.fetch_my_trades(None, None, 200, {"type": "swap"})
        for market in place.exchange.open_markets(SPOT):
            rows += client.fetch_my_trades(market.symbol, None, 200)
        return rows

    trades = await in_thread(read)
    assert client.options["uta"] is True
    assert len(trades) == len(account.all_fills()) == 80
    assert_same(trades, account.all_fills())
    for trade in trades:
        fills = [fill for fill in account.all_fills() if fill.trade_id == trade["id"]]
        fee = next(fill.fees[0] for fill in fills if fill.market.symbol == trade["symbol"])
        assert (as_decimal(trade["fee"]["cost"]), trade["fee"]["currency"]) == (fee.amount, fee.currency)


async def test_balances_are_read_from_every_wallet(place):
    classic, unified = place.account(), place.account("unified")
    for account in (classic, unified):
        for _ in range(20):
            place.exchange.trade(account)

    def read() -> dict[str, Any]:
        spot = place.client(classic, uta=False)
        both = place.client(unified, uta=True)
        for client in (spot, both):
            client.number = str
            client.load_markets()
        return {
            "trade_hf": spot.fetch_balance(),
            "contract": spot.fetch_balance({"type": "swap"}),
            "unified": both.fetch_balance(),
        }

    found = await in_thread(read)
    for account, wallet in ((classic, "trade_hf"), (classic, "contract"), (unified, "unified")):
        held = account.wallets[wallet]
        assert held
        for asset, holding in held.items():
            name = "WAXP" if asset == "WAX" else asset  # ccxt renames this coin
            assert as_decimal(found[wallet][name]["total"]) == holding.total
            assert as_decimal(found[wallet][name]["free"]) == holding.free


async def test_the_key_tells_what_it_may_do(place):
    reader = place.account()
    told = await data_of(place, reader, "/api/v1/user/api-key")
    assert (told["permission"], str(told["uid"])) == ("General", reader.uid)
    assert "ipWhitelist" not in told
    strong = place.account("unified", permissions=frozenset({"read", "trade", "withdraw", "transfer", "margin"}))
    strong.addresses = ["127.0.0.1", "10.0.0.1"]
    told = await data_of(place, strong, "/api/v1/user/api-key")
    assert told["permission"] == "General,Spot,Futures,Margin,Transfer,Withdraw,Unified"
    assert told["ipWhitelist"] == "127.0.0.1,10.0.0.1"


async def test_the_account_tells_its_model(place):
    for mode, word in (("classic", "CLASSIC"), ("unified", "UNIFIED")):
        found = await data_of(place, place.account(mode), "/api/ua/v1/account/mode")
        assert found == {"selfAccountMode": word}


# The rules of REST


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "200000"),
        ({"KC_API_KEY_VERSION": "3"}, "200000"),
        ({"KC_API_KEY": None}, "400001"),
        ({"KC_API_SIGN": None}, "400001"),
        ({"KC_API_TIMESTAMP": None}, "400001"),
        ({"KC_API_PASSPHRASE": None}, "400001"),
        ({"KC_API_TIMESTAMP": "soon"}, "400002"),
        ({"clock": -6_000}, "400002"),
        ({"clock": 6_000}, "400002"),
        ({"clock": -4_000}, "200000"),
        ({"clock": 4_000}, "200000"),
        ({"KC_API_KEY": "nobody"}, "400003"),
        ({"KC_API_PASSPHRASE": "plain"}, "400004"),
        ({"KC_API_KEY_VERSION": None}, "400004"),
        ({"KC_API_SIGN": "bm8="}, "400005"),
    ],
)
async def test_each_header_is_looked_at(place, changes, code):
    assert await code_of(place, place.account(), "/api/v1/accounts", **changes) == code


async def test_keys_are_refused_for_their_own_reasons(place):
    account = place.account()
    path = "/api/v1/accounts?currency=USDT"
    account.addresses = ["10.9.8.7"]
    assert await code_of(place, account, path) == "400006"
    account.addresses = []
    account.frozen = True
    assert await code_of(place, account, path) == "411100"
    account.frozen = False
    account.permissions = set()
    assert await code_of(place, account, path) == "400007"
    account.permissions = {"read"}
    assert await code_of(place, account, path) == "200000"
    account.revoked = True
    assert await code_of(place, account, path) == "400003"


async def test_a_changed_query_breaks_the_signature(place):
    account = place.account()
    stamp = str(place.exchange.now_ms())
    sign = digest(account.secret, f"{stamp}GET/api/v1/accounts")
    changes = {"KC_API_TIMESTAMP": stamp, "KC_API_SIGN": sign}
    assert await code_of(place, account, "/api/v1/accounts?type=main", **changes) == "400005"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/hf/fills",
        "/api/v1/hf/fills?symbol=NOPE-USDT",
        "/api/v1/hf/fills?symbol=BTC-USDT&limit=101",
        "/api/v1/hf/fills?symbol=BTC-USDT&limit=0",
        "/api/v1/hf/fills?symbol=BTC-USDT&lastId=x",
        "/api/v3/hf/margin/fills?symbol=BTC-USDT",
        "/api/v1/fills?startAt=1700000000000&endAt=1700604800001",
        "/api/v1/hf/accounts/ledgers?limit=201",
        "/api/ua/v1/classic/order/execution?tradeType=SPOT",
        "/api/ua/v1/classic/order/execution?symbol=BTC-USDT",
        "/api/ua/v1/account/balance?accountType=ATTIC",
    ],
)
async def test_a_wrong_parameter_is_refused(place, path):
    assert await code_of(place, place.account(), path) == "400100"


async def test_unknown_paths_and_foreign_models_are_refused(place):
    account = place.account()
    assert (await ask(place, account, "/api/v9/nothing")).status_code == 404
    assert await code_of(place, account, "/api/ua/v1/unified/account/balance") == "112010"
    assert await code_of(place, account, "/api/ua/v1/unified/order/execution?tradeType=FUTURES") == "112010"


async def test_spot_fills_default_to_twenty_and_never_repeat_a_row(place):
    account = place.account("classic", SPOT)
    fills = place.fill(account, fills=1)
    for _ in range(44):
        fills += place.fill(account)
    first = await data_of(place, account, "/api/v1/hf/fills?symbol=BTC-USDT")
    assert len(first["items"]) == 20
    assert first["lastId"] == first["items"][-1]["id"]
    assert first["items"][0]["tradeId"] == int(fills[-1].trade_id)
    second = await data_of(place, account, f"/api/v1/hf/fills?symbol=BTC-USDT&lastId={first['lastId']}")
    third = await data_of(place, account, f"/api/v1/hf/fills?symbol=BTC-USDT&lastId={second['lastId']}")
    read = [row["tradeId"] for page in (first, second, third) for row in page["items"]]
    assert read == [int(fill.trade_id) for fill in reversed(fills)]
    fourth = await data_of(place, account, f"/api/v1/hf/fills?symbol=BTC-USDT&lastId={third['lastId']}")
    assert fourth["items"] == []


def age(account: Account, fill: Fill, moment_ms: int) -> None:
    """Puts a fill into the past."""
    fill.timestamp_ms = fill.visible_ms = fill.order.created_ms = moment_ms
    for rows in account.fills.values():
        rows.sort(key=lambda one: (one.timestamp_ms, one.sequence))


async def test_spot_fills_older_than_a_week_are_silently_not_there(place):
    account, now = place.account("classic", SPOT), place.exchange.now_ms()
    (old,), (young,) = place.fill(account), place.fill(account)
    age(account, old, now - 7 * DAY - 60_000)
    age(account, young, now - 6 * DAY)
    path = f"/api/v1/hf/fills?symbol=BTC-USDT&startAt={now - 30 * DAY}&endAt={now}"
    found = await data_of(place, account, path)
    assert [row["orderId"] for row in found["items"]] == [young.order.id]
    assert found["items"][0]["createdAt"] == young.timestamp_ms


async def test_one_end_of_a_futures_window_means_a_day(place):
    account, now = place.account("classic", LINEAR), place.exchange.now_ms()
    fills = [place.fill(account, "XBTUSDTM", LINEAR)[0] for _ in range(3)]
    for fill, days in zip(fills, (8, 2.5, 1.5), strict=True):
        age(account, fill, now - int(days * DAY))

    async def read(query: str) -> list[str]:
        found = await data_of(place, account, f"/api/v1/fills{query}", FUTURES)
        return [row["tradeId"] for row in found["items"]]

    ids = [fill.trade_id for fill in fills]
    assert await read(f"?startAt={now - 3 * DAY}") == [ids[1]]
    assert await read(f"?endAt={now - DAY}") == [ids[2]]
    assert await read("") == [ids[2], ids[1]]
    assert await read(f"?startAt={now - 10 * DAY}&endAt={now - 4 * DAY}") == [ids[0]]
    assert await read(f"?orderId={fills[1].order.id}") == [ids[1]]
    too_long = f"/api/v1/fills?startAt={now - 8 * DAY}&endAt={now}"
    assert await code_of(place, account, too_long, FUTURES) == "400100"
    assert await data_of(place, account, "/api/v1/recentFills", FUTURES) == []


async def test_a_resting_futures_order_is_older_than_its_fill(place):
    account, now = place.account("classic", LINEAR), place.exchange.now_ms()
    (fill,) = place.fill(account, "XBTUSDTM", LINEAR)
    fill.order.created_ms = now - DAY
    (row,) = (await data_of(place, account, "/api/v1/fills", FUTURES))["items"]
    assert row["createdAt"] == now - DAY
    assert row["tradeTime"] // 10**6 == fill.timestamp_ms
    assert (row["size"], row["value"], row["feeCurrency"]) == (int(fill.size), f"{fill.cost.normalize():f}", "USDT")


async def test_a_tax_stands_beside_the_fee(place):
    for mode, path in (
        ("classic", "/api/v1/hf/fills?symbol=BTC-USDT"),
        ("unified", "/api/ua/v1/unified/order/execution?tradeType=SPOT&symbol=BTC-USDT"),
    ):
        account = place.account(mode, SPOT, details={"taxed": True})
        (fill,) = place.fill(account)
        (row,) = (await data_of(place, account, path))["items"]
        assert [Decimal(row["fee"]), Decimal(row["tax"])] == [fee.amount for fee in fill.fees]
        assert fill.fees[1].amount > 0


async def test_the_ledger_keeps_three_days_and_names_symbols_in_a_text(place):
    account, now = place.account("classic", SPOT), place.exchange.now_ms()
    (old,), (young,) = place.fill(account, "ETH-USDT"), place.fill(account, side="buy")
    age(account, old, now - 3 * DAY - 60_000)
    rows = await data_of(place, account, "/api/v1/hf/accounts/ledgers?bizType=TRADE_EXCHANGE")
    assert {json.loads(row["context"])["symbol"] for row in rows} == {"BTC-USDT"}
    moved = {row["currency"]: (row["direction"], Decimal(row["amount"])) for row in rows}
    assert moved["BTC"] == ("in", young.amount)
    assert moved["USDT"] == ("out", young.cost)
    assert len(await data_of(place, account, "/api/v1/hf/accounts/ledgers?limit=1")) == 1
    left = await data_of(place, account, f"/api/v1/hf/accounts/ledgers?lastId={rows[0]['id']}")
    assert left == rows[1:]


async def test_accounts_from_before_the_migration_have_their_own_list(place):
    account = place.account("classic", SPOT, details={"hf": False})
    (fill,) = place.fill(account)
    assert (await data_of(place, account, "/api/v1/hf/fills?symbol=BTC-USDT"))["items"] == []
    found = await data_of(place, account, "/api/v1/fills")
    assert (found["totalNum"], found["items"][0]["tradeId"]) == (1, fill.trade_id)
    assert (await data_of(place, account, "/api/v1/limit/fills"))[0]["orderId"] == fill.order.id
    assert await data_of(place, account, "/api/v1/hf/accounts/opened") is False
    migrated = place.account("classic", SPOT)
    place.fill(migrated)
    assert (await data_of(place, migrated, "/api/v1/fills"))["items"] == []


@pytest.mark.parametrize(
    ("kind", "classic", "unified"),
    [
        ("trade", "trade", "NORMAL"),
        ("liquidation", "liquid", "LIQUID"),
        ("adl", "adl", "ADL"),
        ("settlement", "settlement", "SETTLEMENT"),
    ],
)
async def test_forced_fills_say_so(place, kind, classic, unified):
    account = place.account("classic", LINEAR)
    place.fill(account, "XBTUSDTM", LINEAR, kind=kind)
    (row,) = (await data_of(place, account, "/api/v1/fills", FUTURES))["items"]
    assert row["tradeType"] == classic
    account = place.account("unified", LINEAR)
    place.fill(account, "XBTUSDTM", LINEAR, kind=kind)
    path = "/api/ua/v1/unified/order/execution?tradeType=FUTURES"
    (row,) = (await data_of(place, account, path))["items"]
    assert row["fillType"] == unified
    assert (row["orderId"] == "0") is (kind != "trade")


async def test_unified_executions_page_by_row_and_keep_large_numbers(place):
    account = place.account("unified", SPOT)
    fills = [place.fill(account)[0] for _ in range(7)]
    path = "/api/ua/v1/unified/order/execution?tradeType=SPOT&symbol=BTC-USDT&pageSize=3"
    read, last = [], ""
    while True:
        page = await data_of(place, account, path + last)
        if not page["items"]:
            break
        read += page["items"]
        last = f"&lastId={page['lastId']}"
    assert [row["tradeId"] for row in read] == [fill.trade_id for fill in reversed(fills)]
    assert all(int(row["tradeId"]) > 2**53 for row in read)
    assert [row["executionTime"] // 10**6 for row in read] == [fill.timestamp_ms for fill in reversed(fills)]


async def test_a_pool_tells_what_is_left_and_refuses_when_it_is_empty(place):
    account = place.account()
    answer = await ask(place, account, "/api/v1/user/api-key")
    now = place.exchange.now_ms()
    assert answer.headers["gw-ratelimit-limit"] == "2000"
    assert answer.headers["gw-ratelimit-remaining"] == "1980"
    assert 0 < int(answer.headers["gw-ratelimit-reset"]) <= 30_000
    for _ in range(99):
        place.exchange.windows.take(("uid", account.uid, "management"), 20, limit=2000, span_ms=30_000, now_ms=now)
    refused = await ask(place, account, "/api/v1/user/api-key")
    assert (refused.status_code, refused.json()["code"]) == (429, "429000")
    assert refused.headers["gw-ratelimit-remaining"] == "0"
    assert int(refused.headers["gw-ratelimit-reset"]) > 0
    assert await code_of(place, account, "/api/v1/hf/accounts/opened") == "200000"
    assert await code_of(place, place.account(), "/api/v1/user/api-key") == "200000"
    for _ in range(20):
        refused = await ask(place, account, "/api/v1/user/api-key")
    assert (refused.status_code, refused.text) == (403, "error code: 1015")


async def test_limits_can_be_switched_off(place):
    place.exchange.enforcing = False
    account = place.account()
    now = place.exchange.now_ms()
    place.exchange.windows.take(("uid", account.uid, "management"), 2000, limit=2000, span_ms=30_000, now_ms=now)
    answer = await ask(place, account, "/api/v1/user/api-key")
    assert answer.headers["gw-ratelimit-remaining"] == "0"
    assert answer.json()["code"] == "200000"


# Sockets, heard by ccxt.pro


async def heard(client: Any, count: int, **params: Any) -> list[dict[str, Any]]:
    """Trades from the socket until so many are there."""
    found: dict[tuple[str, str, str], Any] = {}
    async with asyncio.timeout(20):
        while len(found) < count:
            for trade in await client.watch_my_trades(None, None, None, params):
                found[trade["symbol"], trade["id"], trade["order"]] = trade
    return list(found.values())


async def subscribed(place: Place, account: Account) -> None:
    """Waits until somebody listens to the account."""
    await asyncio.to_thread(until, lambda: place.exchange.listeners.of(account))


def trade_some(place: Place, account: Account, product: str, orders: int = 40) -> list[Fill]:
    """Some orders' worth of executions, and what they were."""
    before = len(account.all_fills())
    for number in range(orders):
        markets = place.exchange.open_markets(product)
        place.fill(account, markets[number % len(markets)].id, product, fills=1 + number % 3)
    return account.all_fills()[before:]


@pytest.mark.parametrize(("product", "kind"), [(SPOT, "spot"), (LINEAR, "swap")])
async def test_classic_fills_are_heard_without_their_fees(place, product, kind):
    account = place.account("classic", product)
    async with pro(place, account, uta=False, hf=True) as client:
        await client.load_markets()
        listening = asyncio.create_task(heard(client, 1, type=kind))
        await subscribed(place, account)
        first = place.fill(account, place.exchange.open_markets(product)[0].id, product)
        await listening
        listening = asyncio.create_task(heard(client, 60, type=kind))
        fills = first + trade_some(place, account, product, 60)
        trades = await listening
    hidden = {fill.order.id for fill in fills if product == SPOT and fill.maker and fill.sequence % 16 == 0}
    assert_same(trades, fills, frozenset(hidden))


async def test_a_classic_fill_has_no_fee_on_the_socket(place):
    account = place.account("classic", SPOT)
    async with pro(place, account, uta=False, hf=True) as client:
        await client.load_markets()
        listening = asyncio.create_task(heard(client, 1))
        await subscribed(place, account)
        place.fill(account)
        (trade,) = await listening
    assert trade["fee"]["cost"] is None
    assert "fee" not in trade["info"]


async def test_unified_fills_are_heard_from_the_light_channel(place):
    account = place.account("unified")
    async with pro(place, account) as client:
        await client.load_markets()
        listening = asyncio.create_task(heard(client, 1))
        await subscribed(place, account)
        fills = place.fill(account)
        await listening
        listening = asyncio.create_task(heard(client, 60))
        fills += trade_some(place, account, SPOT, 30) + trade_some(place, account, LINEAR, 30)
        trades = await listening
    assert_same(trades, fills)


@pytest.mark.parametrize(
    ("symbol", "params", "swapped"),
    [
        ("BTC/USDT", {}, False),
        ("BTC/USDT", {"spotMethod": "/market/ticker"}, False),
        ("BTC/USDT:USDT", {}, False),
        ("BTC/USDT", {"uta": True}, True),
        ("BTC/USDT:USDT", {"uta": True}, True),
    ],
)
async def test_prices_are_heard(place, symbol, params, swapped):
    async with pro(place, None) as client:
        await client.load_markets()
        async with asyncio.timeout(20):
            ticker = await client.watch_ticker(symbol, params)
    market = next(one for one in place.exchange.markets.values() if one.symbol == symbol)
    last = as_decimal(ticker["last"])
    assert abs(last - market.price) <= 3 * market.tick
    best = (as_decimal(ticker["ask"]), as_decimal(ticker["bid"])) if swapped else None
    # ccxt reads `a` as the bid and `b` as the ask of the unified ticker (sheet 7).
    bid, ask_price = best or (as_decimal(ticker["bid"]), as_decimal(ticker["ask"]))
    assert (bid, ask_price) == (last - market.tick, last)


# Sockets, by hand


@asynccontextmanager
async def classic_socket(
    place: Place, account: Account | None, host: str = API, token: str = ""
) -> AsyncIterator[ClientConnection]:
    async with opened(await endpoint(place, account, host, token)) as socket:
        yield socket


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[ClientConnection]:
    async with asyncio.timeout(20), connect(address, compression=None, proxy=None) as socket:
        yield socket


async def endpoint(place: Place, account: Account | None, host: str = API, token: str = "") -> str:
    kind = "private" if account is not None else "public"
    answer = (await ask(place, account, f"/api/v1/bullet-{kind}", host, method="POST")).json()["data"]
    server = answer["instanceServers"][0]
    assert (server["pingInterval"], server["pingTimeout"]) == (18_000, 10_000)
    return f"{server['endpoint']}?token={token or answer['token']}&connectId=c1"


async def hear(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


async def say(socket: ClientConnection, **message: Any) -> Any:
    await socket.send(json.dumps(message))
    return await hear(socket)


ORDERS = {"type": "subscribe", "privateChannel": True, "response": True}


async def test_a_welcome_comes_first_and_then_the_acknowledgement(place):
    account = place.account("classic", SPOT)
    async with classic_socket(place, account) as socket:
        assert await hear(socket) == {"id": "c1", "type": "welcome"}
        assert await say(socket, id="2", topic="/spotMarket/tradeOrdersV2", **ORDERS) == {"id": "2", "type": "ack"}
        pong = await say(socket, id="9", type="ping")
        assert (pong["id"], pong["type"]) == ("9", "pong")


async def test_an_order_is_told_event_by_event_and_only_matches_are_fills(place):
    account = place.account("classic", SPOT)
    async with classic_socket(place, account) as socket:
        await hear(socket)
        await say(socket, id="2", topic="/spotMarket/tradeOrdersV2", **ORDERS)
        fills = place.fill(account, fills=3, maker=True, size=Decimal("0.3"), price=Decimal(64_000))
        told = [await hear(socket) for _ in range(3 + len(fills))]
    assert {message["topic"] for message in told} == {"/spotMarket/tradeOrdersV2"}
    rows = [message["data"] for message in told]
    matches = len(fills)
    assert [row["type"] for row in rows] == ["received", "open", *["match"] * matches, "filled"]
    for row, fill in zip(rows[2:-1], fills, strict=True):
        assert (row["tradeId"], row["matchPrice"], row["matchSize"], row["feeType"]) == (
            fill.trade_id,
            f"{fill.price.normalize():f}",
            f"{fill.size.normalize():f}",
            "makerFee",
        )
        assert (row["ts"] // 10**6, row["orderTime"]) == (fill.timestamp_ms, fill.order.created_ms)
    assert (rows[1]["filledSize"], rows[-2]["remainSize"], rows[-1]["filledSize"]) == ("0", "0", "0.3")
    assert all("tradeId" not in row for row in (*rows[:2], rows[-1]))
    assert not any(name.startswith("fee") and name != "feeType" for row in rows for name in row)


async def test_the_first_version_of_the_order_topic_leaves_received_out(place):
    account = place.account("classic", SPOT)
    async with classic_socket(place, account) as socket:
        await hear(socket)
        await say(socket, id="2", topic="/spotMarket/tradeOrders", **ORDERS)
        place.fill(account, maker=True)
        assert [(await hear(socket))["data"]["type"] for _ in range(3)] == ["open", "match", "filled"]


async def test_futures_have_their_own_token_socket_and_topic(place):
    account = place.account("classic")
    address = await endpoint(place, account, FUTURES)
    assert "/ws-api-futures.kucoin.com/" in address
    async with opened(address) as socket:
        await hear(socket)
        refused = await say(socket, id="2", topic="/spotMarket/tradeOrdersV2", **ORDERS)
        assert refused["code"] == 404
        await say(socket, id="3", topic="/contractMarket/tradeOrders", **ORDERS)
        place.fill(account)
        (fill,) = place.fill(account, "XBTUSDTM", LINEAR, maker=False, kind="liquidation")
        match = next(row for row in [await hear(socket), await hear(socket)] if row["data"]["type"] == "match")
    assert match["data"]["tradeId"] == fill.trade_id
    assert match["data"]["matchSize"] == f"{fill.size:f}"
    assert match["data"]["tradeType"] == "liquid"


async def test_a_token_opens_one_socket_for_a_day(place):
    account = place.account("classic", SPOT)
    address = await endpoint(place, account)
    async with opened(address) as socket:
        assert (await hear(socket))["type"] == "welcome"
    for bad, words in ((address, "token is expired"), (address.replace("token=", "token=x"), "token is invalid")):
        async with opened(bad) as socket:
            assert await hear(socket) == {"id": "c1", "type": "error", "code": 401, "data": words}
            with pytest.raises(ConnectionClosed):
                await socket.recv()
    address = await endpoint(place, account)
    place.exchange.skew_ms = DAY
    async with opened(address) as socket:
        assert (await hear(socket))["data"] == "token is expired"


async def test_a_token_that_dies_is_told_and_takes_its_socket_along(place):
    account = place.account("classic", SPOT)
    async with classic_socket(place, account) as socket:
        await hear(socket)
        await say(socket, id="2", topic="/spotMarket/tradeOrdersV2", **ORDERS)
        place.world.play("token_dies", "kucoin", account, None)
        assert await hear(socket) == {"id": "", "type": "error", "code": 401, "data": "token is expired"}
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_a_client_that_does_not_ping_is_cut(place):
    place.exchange.rules["silent_cut_s"] = 1.0
    async with classic_socket(place, None) as socket:
        await hear(socket)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert place.exchange.counters["sockets_cut_silent"] == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "dance"}, 415),
        ({"type": "subscribe", "topic": "/market/nothing:BTC-USDT"}, 404),
        ({"type": "subscribe", "topic": "/market/ticker:NOPE-USDT"}, 404),
        ({"type": "subscribe", "topic": "/market/ticker"}, 404),
        ({"type": "subscribe", "topic": "/market/ticker:" + ",".join(["BTC-USDT"] * 101)}, 509),
        ({"type": "subscribe", "topic": "/spotMarket/tradeOrdersV2", "privateChannel": True}, 403),
    ],
)
async def test_what_a_public_socket_refuses(place, message, code):
    async with classic_socket(place, None) as socket:
        await hear(socket)
        answer = await say(socket, id="5", **message)
    assert (answer["id"], answer["type"], answer["code"]) == ("5", "error", code)


async def test_several_symbols_in_one_topic_and_one_left_out_later(place):
    async with classic_socket(place, None) as socket:
        await hear(socket)
        topic = "/market/ticker:BTC-USDT,ETH-USDT"
        assert await say(socket, id="1", type="subscribe", topic=topic, response=True) == {"id": "1", "type": "ack"}
        topics = {(await hear(socket))["topic"] for _ in range(2)}
        assert topics == {"/market/ticker:BTC-USDT", "/market/ticker:ETH-USDT"}
        await say(socket, id="2", type="unsubscribe", topic="/market/ticker:ETH-USDT", response=True)
        assert {(await hear(socket))["topic"] for _ in range(2)} == {"/market/ticker:BTC-USDT"}


async def test_futures_prices_are_told_in_nanoseconds(place):
    async with classic_socket(place, None, FUTURES) as socket:
        await hear(socket)
        await say(socket, id="1", type="subscribe", topic="/contractMarket/tickerV2:XBTUSDTM", response=True)
        data = (await hear(socket))["data"]
    assert data["symbol"] == "XBTUSDTM"
    assert abs(data["ts"] // 10**6 - place.exchange.now_ms()) < 10_000
    assert Decimal(data["bestBidPrice"]) < Decimal(data["bestAskPrice"])


@asynccontextmanager
async def unified_socket(place: Place, account: Account) -> AsyncIterator[ClientConnection]:
    token = (await ask(place, account, "/api/v2/bullet-private", method="POST")).json()["data"]["token"]
    async with opened(place.through(f"wss://wsapi-push.kucoin.com/?token={token}")) as socket:
        yield socket


CHANNEL = {"action": "subscribe", "channel": "execution", "tradeType": "UNIFIED"}


async def test_unified_executions_carry_fees_and_ids_that_no_float_holds(place):
    account = place.account("unified")
    async with unified_socket(place, account) as socket:
        welcome = await hear(socket)
        assert (welcome["message"], welcome["pingInterval"]) == ("welcome", 18_000)
        assert await say(socket, id="3", **CHANNEL) == {"id": "3", "result": True}
        (spot,) = place.fill(account)
        (forced,) = place.fill(account, "XBTUSDTM", LINEAR, kind="adl")
        first, second = [await hear(socket) for _ in range(2)]
    assert first["T"] == "execution.UNIFIED"
    data = first["d"]
    assert data["ti"] == int(spot.trade_id) > 2**53
    assert (data["f"], data["fC"]) == (f"{spot.fees[0].amount.normalize():f}", spot.fees[0].currency)
    assert isinstance(data["E"], str)
    assert int(data["E"]) // 10**6 == spot.timestamp_ms
    assert (second["d"]["ti"], second["d"]["oi"], second["d"]["fT"]) == (forced.trade_id, "0", "ADL")


async def test_the_order_channel_tells_sums_and_the_last_fill(place):
    account = place.account("unified", SPOT)
    async with unified_socket(place, account) as socket:
        await hear(socket)
        await say(socket, id="3", action="subscribe", channel="orderAll", tradeType="UNIFIED")
        fills = place.fill(account, fills=2, size=Decimal("0.4"), maker=True)
        rows = [(await hear(socket))["d"] for _ in range(2 + len(fills))]
    assert [Decimal(row["lS"]) for row in rows[1:-1]] == [fill.size for fill in fills]
    assert [Decimal(row["fS"]) for row in rows[1:-1]] == [fill.filled for fill in fills]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"action": "subscribe", "channel": "gossip"}, "invalid `channel`: gossip"),
        ({"action": "subscribe", "channel": "execution"}, "missing `tradeType` for topic: execution"),
        ({"action": "shout", "channel": "execution"}, "invalid `action`"),
    ],
)
async def test_a_unified_socket_says_why_not(place, message, reason):
    async with unified_socket(place, place.account("unified")) as socket:
        await hear(socket)
        assert await say(socket, id="4", **message) == {"id": "4", "result": False, "reason": reason}


async def test_public_unified_prices_refuse_what_is_not_there(place):
    async with opened(place.through("wss://x-push-spot.kucoin.com/")) as socket:
        assert (await hear(socket))["message"] == "welcome"
        good = {"action": "SUBSCRIBE", "channel": "ticker", "tradeType": "SPOT"}
        assert await say(socket, id="1", **good, symbol="BTC-USDT") == {"id": "1", "result": True}
        assert (await hear(socket))["T"] == "ticker.SPOT"
        assert (await say(socket, id="2", **good, symbol="NOPE-USDT"))["result"] is False
        assert (await say(socket, id="3", **{**good, "tradeType": "FUTURES"}, symbol="BTC-USDT"))["result"] is False


async def test_a_classic_account_hears_nothing_of_a_unified_one(place):
    classic, unified = place.account("classic", SPOT), place.account("unified", SPOT)
    async with classic_socket(place, classic) as socket:
        await hear(socket)
        await say(socket, id="2", topic="/spotMarket/tradeOrdersV2", **ORDERS)
        place.fill(unified)
        (mine,) = place.fill(classic, maker=False)
        assert (await hear(socket))["data"]["orderId"] == mine.order.id


def test_the_same_seed_makes_the_same_accounts():
    def made() -> tuple[Any, ...]:
        world = World(exchanges=["kucoin"], seed=3, clock=Clock(start_ms=1_795_190_000_000, wall=lambda: 0.0))
        world.stock(accounts=2, history=30)
        return tuple(
            (account.api_key, account.mode, [fill.as_truth() for fill in account.all_fills()])
            for account in world.accounts()
        )

    assert made() == made()
    assert [mode for _, mode, _ in made()] == list(DIALECT.modes)
