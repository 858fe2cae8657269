"""The module and the simulated exchange, written by different hands from the same facts, agree on the odd cases."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.connections import Account, Credentials, Verdict
from shared.domain.errors import AddressNotAllowed, ContractBroken, KeyRejected, MarketGone, PermissionMissing
from shared.domain.trades import Product, Trade
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Feed, Request
from shared.gateway import Gateway
from streamer.sockets import Socket, Way
from tests.fixtures.simulator import SimulatorProcess

MEXC = load("mexc")
HISTORY = MEXC.history
ENDPOINT = {endpoint.name: endpoint for endpoint in MEXC.endpoints}
SPOT = Feed(Product.SPOT, "BTCUSDT")


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "mexc", "--no-limits")


@pytest.fixture
def gateway(simulator: SimulatorProcess) -> Iterator[Gateway]:
    gateway = Gateway(simulator_url=simulator.url)
    yield gateway
    gateway.close()


class Customer:
    """An account of the simulator as tradesync connects it."""

    def __init__(self, simulator: SimulatorProcess, gateway: Gateway, **options: Any) -> None:
        self.gateway = gateway
        self.told = simulator.account("mexc", **options)
        self.key = Credentials({name: self.told[name] for name in ("api_key", "secret")})
        known = {"connection_id": uuid4(), "exchange": "mexc", "products": MEXC.products}
        self.report = self.run(MEXC.check_key(Account(**known)), Account(**known))
        self.account = Account(**known, details=self.report.details)

    def run(self, steps: Any, account: Account | None = None) -> Any:
        return self.gateway.run(account or self.account, self.key, steps)

    def read(self, feed: Feed, window: Window) -> dict[str, Trade]:
        """Everything of a feed in a window, halved where it is full."""
        markets = self.gateway.markets("mexc")
        trades: dict[str, Trade] = {}
        slice_ = HISTORY.slice(feed, window, {}, self.account, window.until)
        cursor = slice_.cursor
        while True:
            request = HISTORY.ask(feed, slice_, cursor, self.account)
            answer = self.gateway.call(self.account, self.key, request)
            page = HISTORY.read(feed, slice_, cursor, answer, self.account, markets)
            trades |= {trade.identity: trade for trade in page.trades}
            if page.is_saturated:
                middle = (slice_.window.since + slice_.window.until) // 2
                assert slice_.window.until - slice_.window.since > HISTORY.smallest_ms, "a hole"
                halves = (Window(slice_.window.since, middle), Window(middle, slice_.window.until))
                return trades | self.read(feed, halves[0]) | self.read(feed, halves[1])
            if page.next is None:
                assert page.proven == slice_.window
                return trades
            cursor = page.next


def test_more_fills_within_a_second_than_a_page_holds_are_all_read(simulator, gateway):
    customer = Customer(simulator, gateway, products=["spot"])
    wish = {"market_id": "BTCUSDT", "fills": 60, "size": "1", "maker": False}
    simulator.ask("POST", "/trades", account=customer.told["name"], trades=[wish] * 4)
    told = {trade["exchange_trade_id"]: trade for trade in simulator.truth(customer.told)["trades"]}
    assert len(told) > 200
    now = simulator.ask("GET", "/clock")["now_ms"]
    read = customer.read(SPOT, Window(now - 600_000, now + 2_000)).values()
    assert {trade.exchange_trade_id for trade in read} == told.keys()
    assert all(told[t.exchange_trade_id]["rest_timestamp_ms"] == t.timestamp_ms for t in read)


def test_contracts_that_were_traded_are_found_and_only_those(simulator, gateway):
    customer = Customer(simulator, gateway, history=120, products=["linear"])
    found = customer.run(HISTORY.discover(customer.account, gateway.markets("mexc")))
    told = {(trade["product"], trade["market_id"]) for trade in simulator.truth(customer.told)["trades"]}
    assert {(feed.product, feed.market_id) for feed in found.feeds if feed.product is not Product.SPOT} == told
    assert {feed.product for feed in found.sweep} <= {Product.SPOT}


def test_a_key_reports_its_own_rights(simulator, gateway):
    reader = Customer(simulator, gateway).report
    assert (reader.can_read, reader.can_trade, reader.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    assert reader.expires_ms is not None
    strong = Customer(simulator, gateway, permissions=["read", "trade", "withdraw"]).report
    assert (strong.can_trade, strong.can_withdraw) == (Verdict.YES, Verdict.YES)
    half = Customer(simulator, gateway, details={"scopes": ["SPOT_ACCOUNT_READ"]})
    assert half.report.products == (Product.SPOT,)
    wallets = half.run(MEXC.balances(half.account))
    assert wallets.missing.keys() == {"futures"}
    with pytest.raises(PermissionMissing):
        gateway.call(half.account, half.key, Request(ENDPOINT["contractPrivateGetPositionOpenPositions"]))


@pytest.mark.parametrize("endpoint", ["spotPrivateGetAccount", "contractPrivateGetAccountAssets"])
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda simulator, told: simulator.spoil_key(told, "revoke"), KeyRejected),
        (lambda simulator, told: simulator.spoil_key(told, "expire"), KeyRejected),
        (lambda simulator, told: simulator.change(told, addresses=["192.0.2.1"]), AddressNotAllowed),
    ],
    ids=["revoked", "expired", "bound elsewhere"],
)
def test_both_systems_say_what_is_wrong_with_a_key(simulator, gateway, endpoint, spoil, kind):
    customer = Customer(simulator, gateway)
    spoil(simulator, customer.told)
    with pytest.raises(kind):
        gateway.call(customer.account, customer.key, Request(ENDPOINT[endpoint]))
    wrong = Credentials({"api_key": customer.told["api_key"], "secret": "x" * 32})
    with pytest.raises(KeyRejected):
        gateway.call(customer.account, wrong, Request(ENDPOINT[endpoint]))


def test_markets_that_are_unknown_are_gone_in_both_systems(simulator, gateway):
    customer = Customer(simulator, gateway)
    for name in ("spotPrivateGetMyTrades", "contractPrivateGetOrderListOrderDeals"):
        with pytest.raises(MarketGone):
            gateway.call(customer.account, customer.key, Request(ENDPOINT[name], {"symbol": "NOPE"}))


def test_a_dead_listen_key_is_found_out_and_replaced(simulator, gateway):
    customer = Customer(simulator, gateway)
    stream = next(stream for stream in MEXC.streams if stream.name == "spot")
    ticket = customer.run(stream.prepare(customer.account))
    customer.run(stream.renew(customer.account, ticket))
    simulator.weather("token_dies", customer.told)
    with pytest.raises(ContractBroken):
        customer.run(stream.renew(customer.account, ticket))
    assert customer.run(stream.prepare(customer.account)) != ticket


def test_listen_keys_never_run_out(simulator, gateway):
    customer = Customer(simulator, gateway)
    stream = next(stream for stream in MEXC.streams if stream.name == "spot")
    tickets = {customer.run(stream.prepare(customer.account))["listen_key"] for _ in range(70)}
    assert len(tickets) == 30


@pytest.mark.parametrize("sends_pings", [True, False])
async def test_a_socket_lives_on_only_where_no_protocol_pings_are_sent(simulator, gateway, monkeypatch, sends_pings):
    monkeypatch.setattr("streamer.sockets._PING_SECONDS", 0.2)
    simulator.start_trading(5)
    (stream,) = (stream for stream in MEXC.ticker_streams if stream.name == "spot")
    protocol = stream.protocol(await asyncio.to_thread(gateway.markets, "mexc"))
    protocol.follow(frozenset({"BTC/USDT"}), time.time_ns() // 1_000_000)
    heard: list[Any] = []

    def hear(events: Any) -> None:
        heard.extend(events)
        if len(heard) >= 4:
            socket.end("enough")

    socket = Socket(protocol, hear=hear, garbled=lambda _: None, now=lambda: time.time_ns() // 1_000_000)
    await socket.open(Way(address=through(simulator.url, "mexc", stream.url("global", {})), answers_pings=sends_pings))
    reason = await socket.read()
    assert stream.answers_pings is False
    assert (reason == "enough") is not sends_pings
