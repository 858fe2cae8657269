"""The module and the simulated exchange, written by different hands from the same facts, agree on what happened."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.client import connect

from shared.domain.connections import Account, Credentials
from shared.domain.errors import AccountModeChanged, AddressNotAllowed, KeyRejected, TradeSyncError
from shared.domain.markets import Markets
from shared.domain.trades import Product, Trade
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Feed, Live, TickerHeard, TradesHeard
from shared.gateway import Gateway
from tests.fixtures.simulator import SimulatorProcess

KUCOIN = load("kucoin")
MODES = ("classic", "unified")


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kucoin", "--no-limits")


@pytest.fixture
def gateway(simulator: SimulatorProcess) -> Iterator[Gateway]:
    gateway = Gateway(simulator_url=simulator.url)
    yield gateway
    gateway.close()


@pytest.fixture
def markets(gateway: Gateway) -> Markets:
    return gateway.markets("kucoin")


class Customer:
    """An account of the simulator as tradesync connects it."""

    def __init__(self, simulator: SimulatorProcess, gateway: Gateway, mode: str, **options: Any) -> None:
        self.simulator, self.gateway = simulator, gateway
        self.told = simulator.account("kucoin", mode=mode, **options)
        self.key = Credentials({name: self.told[name] for name in ("api_key", "secret", "passphrase")})
        self.account = Account(
            connection_id=uuid4(), exchange="kucoin", products=(Product.SPOT, Product.LINEAR), uid=self.told["uid"]
        )
        self.report = self.run(KUCOIN.check_key(self.account))
        self.account = Account(
            **{name: getattr(self.account, name) for name in ("connection_id", "exchange", "products", "uid")},
            mode=self.report.mode,
            details=self.report.details,
        )

    def run(self, steps: Any) -> Any:
        return self.gateway.run(self.account, self.key, steps)

    def read(self, feed: Feed, window: Window, markets: Markets) -> list[Trade]:
        """Everything of a feed in a window, slice by slice and page by page."""
        trades: list[Trade] = []
        gap: Window | None = window
        while gap is not None:
            slice_ = KUCOIN.history.slice(feed, gap, {}, self.account, window.until)
            cursor = slice_.cursor
            while True:
                request = KUCOIN.history.ask(feed, slice_, cursor, self.account)
                answer = self.gateway.call(self.account, self.key, request)
                page = KUCOIN.history.read(feed, slice_, cursor, answer, self.account, markets)
                assert page.unreadable == ()
                trades += page.trades
                cursor = page.next
                if cursor is None:
                    break
            assert page.proven == slice_.window
            if slice_.window.since > gap.since:
                gap = Window(gap.since, slice_.window.since)
            else:
                gap = Window(slice_.window.until, gap.until) if slice_.window.until < gap.until else None
        return trades

    def read_all(self, markets: Markets) -> dict[str, Trade]:
        """Every feed that is known or found, to its reach."""
        found = self.run(KUCOIN.history.discover(self.account, markets))
        feeds = {*KUCOIN.history.feeds(self.account, markets), *found.feeds, *found.sweep}
        now = self.simulator.ask("GET", "/clock")["now_ms"]
        read = {}
        for feed in feeds:
            window = Window(KUCOIN.history.reach(feed, self.account, now), now)
            read |= {trade.identity: trade for trade in self.read(feed, window, markets)}
        return read

    def truth(self) -> list[dict[str, Any]]:
        return self.simulator.truth(self.told)["trades"]


def compared(trade: Trade) -> tuple[Any, ...]:
    return (
        trade.symbol,
        trade.exchange_trade_id,
        trade.side,
        trade.price,
        trade.amount,
        trade.cost,
        frozenset((fee.currency, fee.amount) for fee in trade.fees if fee.amount),
        trade.taker_or_maker,
        trade.timestamp_ms,
        trade.kind,
    )


def wanted(row: dict[str, Any]) -> tuple[Any, ...]:
    return (
        row["symbol"],
        row["exchange_trade_id"],
        row["side"],
        Decimal(row["price"]),
        Decimal(row["amount"]),
        Decimal(row["cost"]),
        frozenset((fee["currency"], Decimal(fee["amount"])) for fee in row["fees"] if Decimal(fee["amount"])),
        row["taker_or_maker"],
        row["timestamp_ms"],
        row["kind"],
    )


@pytest.mark.parametrize("mode", MODES)
def test_history_is_read_to_its_last_trade(simulator, gateway, markets, mode):
    customer = Customer(simulator, gateway, mode, history=400)
    simulator.trade(customer.told, count=400)
    assert customer.account.mode == mode
    read = customer.read_all(markets)
    assert sorted(map(compared, read.values()), key=str) == sorted(map(wanted, customer.truth()), key=str)


@pytest.mark.parametrize("mode", MODES)
def test_wallets_hold_what_the_exchange_says(simulator, gateway, mode):
    customer = Customer(simulator, gateway, mode, history=100)
    wallets = customer.run(KUCOIN.balances(customer.account))
    assert wallets.missing == {}
    found = {(one.account_type, one.asset): one.total for one in wallets.balances if one.total}
    told = {}
    for row in simulator.truth(customer.told)["balances"]:
        told[row["wallet"], row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    assert sorted((asset, total) for (_, asset), total in found.items()) == sorted(
        (asset, total) for (_, asset), total in told.items() if total
    )


def test_a_key_that_only_reads_is_told_from_others(simulator, gateway):
    report = Customer(simulator, gateway, "classic").report
    assert (report.can_read, report.can_trade, report.can_withdraw) == ("yes", "no", "no")
    trader = Customer(simulator, gateway, "classic", permissions=["read", "trade"]).report
    assert (trader.can_trade, trader.can_withdraw) == ("yes", "no")
    mover = Customer(simulator, gateway, "unified", permissions=["read", "withdraw"]).report
    assert mover.can_withdraw == "yes"


def test_each_refusal_is_understood(simulator, gateway):
    customer = Customer(simulator, gateway, "classic")

    def refusal() -> type[TradeSyncError]:
        with pytest.raises(TradeSyncError) as refused:
            customer.run(KUCOIN.check_key(customer.account))
        return type(refused.value)

    simulator.spoil_key(customer.told, "revoke")
    assert refusal() is KeyRejected
    simulator.spoil_key(customer.told, "restore")
    simulator.change(customer.told, addresses=["10.1.2.3"])
    assert refusal() is AddressNotAllowed
    simulator.change(customer.told, addresses=[])
    customer.key = Credentials({name: customer.key.reveal(name) for name in customer.key} | {"passphrase": "wrong"})
    assert refusal() is KeyRejected


def test_an_account_that_became_classic_again_is_noticed(simulator, gateway):
    customer = Customer(simulator, gateway, "unified")
    simulator.change(customer.told, mode="classic")
    with pytest.raises(AccountModeChanged):
        customer.run(KUCOIN.balances(customer.account))
    assert customer.run(KUCOIN.check_key(customer.account)).mode == "classic"


def conversation(simulator: SimulatorProcess, gateway: Gateway, protocol: Any, address: str, until: Any) -> list[Any]:
    """Speaks with a socket until an event is what `until` says; all events."""
    now = gateway.clock_offset_ms("kucoin") + simulator.ask("GET", "/clock")["now_ms"]
    heard: list[Any] = []
    with connect(through(simulator.url, "kucoin", address), ping_interval=None) as socket:
        protocol.open(now)
        while not any(until(event, heard) for event in heard):
            for frame in protocol.outbox():
                socket.send(frame)
            heard += protocol.receive(socket.recv(timeout=10), now)
    return heard


@pytest.mark.parametrize("mode", MODES)
def test_each_private_socket_hears_what_happens(simulator, gateway, markets, mode):
    customer = Customer(simulator, gateway, mode)
    heard: list[Trade] = []
    for stream in KUCOIN.streams:
        if not stream.serves(customer.account):
            continue
        ticket = customer.run(stream.prepare(customer.account))
        protocol = stream.protocol(markets)
        protocol.join(customer.account, customer.key, ticket, 0)
        made: list[Any] = []

        def is_all(event: Any, events: list[Any], made: list[Any] = made, stream: Any = stream) -> bool:
            if isinstance(event, Live) and not made:
                products = ["spot"] if stream.name == "spot" else ["linear"] if stream.name == "futures" else []
                for product in products or ["spot", "linear"]:
                    market = {"spot": "BTC-USDT", "linear": "XBTUSDTM"}[product]
                    made.extend(simulator.trade(customer.told, product=product, market_id=market, fills=3))
            trades = [trade for one in events if isinstance(one, TradesHeard) for trade in one.trades]
            return bool(made) and len(trades) >= len(made)

        events = conversation(simulator, gateway, protocol, stream.url("global", ticket), is_all)
        for event in events:
            if isinstance(event, TradesHeard):
                assert event.unreadable == ()
                heard += event.trades
    confirmed = customer.read_all(markets)
    assert {trade.identity for trade in heard} == set(confirmed)
    for trade in heard:
        read = confirmed[trade.identity]
        assert (trade.side, trade.price, trade.amount, trade.kind) == (read.side, read.price, read.amount, read.kind)
        assert trade.taker_or_maker == read.taker_or_maker
        assert trade.provisional == (mode == "classic")
        assert trade.provisional or trade.fees == read.fees


@pytest.mark.parametrize(("name", "symbol"), [("spot", "BTC/USDT"), ("futures", "BTC/USDT:USDT")])
def test_prices_are_heard(simulator, gateway, markets, name, symbol):
    stream = next(stream for stream in KUCOIN.ticker_streams if stream.name == name)
    ticket = gateway.run_public("kucoin", stream.prepare())
    protocol = stream.protocol(markets)
    protocol.follow(frozenset({symbol}), 0)
    events = conversation(
        simulator,
        gateway,
        protocol,
        stream.url("global", ticket),
        lambda event, _: isinstance(event, TickerHeard),
    )
    ticker = events[-1].ticker
    assert ticker.symbol == symbol
    assert ticker.bid < ticker.ask
    told = {m["symbol"]: Decimal(m["price"]) for m in simulator.ask("GET", "/markets")}
    assert abs(ticker.last / told[symbol] - 1) < Decimal("0.01")
