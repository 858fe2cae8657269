"""Every exchange that has a simulated counterpart: what the simulator says happened is what we read of it.

The simulator knows nothing of our reading, so that a mistake on either side shows here.
"""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from uuid import uuid4

import pytest
import websockets

from shared.domain.connections import Account, Credentials, Verdict
from shared.domain.errors import KeyRejected
from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load, names
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Broken, HistoryDue, Live, Refused, TickerHeard, TradesHeard
from shared.gateway import Gateway
from simulator.world import find_dialects

PLAYED = find_dialects()
# Each account mode that an exchange's simulated counterpart knows; most have one.
CASES = [(name, mode) for name in names() if name in PLAYED for mode in PLAYED[name].modes]


@pytest.fixture
def simulator(start_simulator, exchange):
    return start_simulator("--exchanges", exchange, "--no-limits")


@pytest.fixture
def gateway(simulator):
    made = Gateway(simulator_url=simulator.url)
    yield made
    made.close()


@pytest.fixture
def person(simulator, gateway, exchange, mode):
    """A simulated account with a past, our account for it and its key."""
    made = simulator.account(exchange, history=400, **({"mode": mode} if mode else {}))
    found = load(exchange)
    key = Credentials({name: made[name] for name in ("api_key", "secret", "passphrase") if made[name]})
    account = Account(connection_id=uuid4(), exchange=exchange, products=found.products)
    report = gateway.run(account, key, found.check_key(account))
    assert (report.can_read, report.can_withdraw) == (Verdict.YES, Verdict.NO)
    assert report.uid == made["uid"]
    account = Account(
        connection_id=account.connection_id,
        exchange=exchange,
        products=report.products or found.products,
        mode=report.mode,
        uid=report.uid,
        details=report.details,
    )
    return made, account, key


def read_history(gateway, account, key, until):
    """Every trade of every feed, by the loop that the contract describes."""
    found = load(account.exchange)
    history, markets = found.history, gateway.markets(account.exchange)
    feeds = set(history.feeds(account, markets))
    if history.discover is not None:
        discovered = gateway.run(account, key, history.discover(account, markets))
        feeds |= {*discovered.feeds, *discovered.sweep}
    trades = {}
    for feed in sorted(feeds, key=lambda one: one.key):
        wanted = Window(history.reach(feed, account, until), until)
        covered, memory = Coverage(), {}
        while gaps := covered.gaps(wanted):
            slice_ = history.slice(feed, gaps[-1], memory, account, until)
            cursor = slice_.cursor
            while True:
                answer = gateway.call(account, key, history.ask(feed, slice_, cursor, account))
                page = history.read(feed, slice_, cursor, answer, account, markets)
                assert page.unreadable == ()
                trades |= {trade.identity: trade for trade in page.trades}
                memory = memory if page.memory is None else page.memory
                covered = covered if page.proven is None else covered.add(page.proven)
                if page.is_saturated:
                    window = slice_.window
                    half = Window((window.since + window.until) // 2, window.until)
                    slice_ = history.slice(feed, half, memory, account, until)
                    cursor = slice_.cursor
                elif page.next is None:
                    break
                else:
                    cursor = page.next
    return trades


def shown(trade):
    return {
        "symbol": trade.symbol,
        "side": trade.side.value,
        "price": trade.price,
        "amount": trade.amount,
        "cost": trade.cost,
        "timestamp_ms": trade.timestamp_ms,
        "fees": sorted((fee.currency, fee.amount) for fee in trade.fees if fee.amount),
    }


def true(trade):
    return {
        **{name: trade[name] for name in ("symbol", "side", "timestamp_ms")},
        **{name: Decimal(trade[name]) for name in ("price", "amount", "cost")},
        "fees": sorted((fee["currency"], Decimal(fee["amount"])) for fee in trade["fees"] if Decimal(fee["amount"])),
    }


def keyed(trades):
    """By the ids that the exchange gives them."""
    return {
        (Product(trade["product"]), trade["market_id"], trade["exchange_trade_id"], trade["side"]): true(trade)
        for trade in trades
    }


def name_of(trade):
    return trade.product, trade.market_id, trade.exchange_trade_id, trade.side.value


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_history_is_the_truth(simulator, gateway, person):
    made, account, key = person
    found, now = load(account.exchange), now_ms()
    read = {name_of(trade): shown(trade) for trade in read_history(gateway, account, key, now).values()}
    products = {product.value for product in account.products}
    wanted = keyed(trade for trade in simulator.truth(made)["trades"] if trade["product"] in products)
    reach = max(found.history.reach(found.history.feed_of(product, ""), account, now) for product in account.products)
    assert read.items() <= wanted.items()
    assert [name for name, row in wanted.items() if row["timestamp_ms"] > reach and name not in read] == []
    assert read


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_a_revoked_key_is_a_rejected_key(simulator, gateway, person):
    made, account, key = person
    simulator.spoil_key(made, "revoke")
    with pytest.raises(KeyRejected):
        gateway.run(account, key, load(account.exchange).balances(account))


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_balances_are_read_for_every_coin_the_account_holds(simulator, gateway, person):
    made, account, key = person
    wallets = gateway.run(account, key, load(account.exchange).balances(account))
    assert wallets.missing == {}
    held = {}
    for balance in wallets.balances:
        held[balance.asset] = held.get(balance.asset, Decimal(0)) + balance.total
    true_totals = {}
    for balance in simulator.truth(made)["balances"]:
        total = Decimal(balance["free"]) + Decimal(balance["locked"])
        true_totals[balance["asset"]] = true_totals.get(balance["asset"], Decimal(0)) + total
    assert {asset: total for asset, total in held.items() if total} == {a: t for a, t in true_totals.items() if t}


def now_ms():
    return time.time_ns() // 1_000_000


class Ear:
    """Holds one protocol's socket as the contract describes, and keeps what it hears."""

    def __init__(self, simulator, exchange, stream, protocol, ticket):
        self.url = through(simulator.url, exchange, stream.url("global", ticket))
        self.protocol = protocol
        self.events = []
        self.heard = asyncio.Event()

    async def listen(self):
        async with websockets.connect(self.url, compression=None) as socket:
            self.protocol.open(now_ms())
            while True:
                for frame in self.protocol.outbox():
                    await socket.send(frame)
                wait = (self.protocol.deadline - now_ms()) / 1000
                try:
                    async with asyncio.timeout(min(max(wait, 0.001), 1)):
                        frame = await socket.recv()
                except TimeoutError:
                    events = self.protocol.tick(now_ms()) if self.protocol.deadline <= now_ms() else []
                else:
                    events = self.protocol.receive(frame, now_ms())
                self.events += events
                if events:
                    self.heard.set()

    async def until(self, is_enough):
        while not is_enough(self.events):
            self.heard.clear()
            async with asyncio.timeout(15):
                await self.heard.wait()


def trades_of(events):
    return [trade for event in events if isinstance(event, TradesHeard) for trade in event.trades]


async def private_ears(simulator, gateway, account, key):
    """One ear for each private socket that the account needs."""
    found, markets = load(account.exchange), await asyncio.to_thread(gateway.markets, account.exchange)
    ears = []
    for stream in found.streams:
        if stream.serves(account):
            ticket = {}
            if stream.prepare is not None:
                ticket = await asyncio.to_thread(gateway.run, account, key, stream.prepare(account))
            protocol = stream.protocol(markets)
            protocol.join(account, key, ticket, now_ms())
            ears.append(Ear(simulator, account.exchange, stream, protocol, ticket))
    return ears


async def collected(ears, count):
    """All events, as soon as so many trades are among them or nothing comes any more."""
    while True:
        for ear in ears:
            ear.heard.clear()
        events = [event for ear in ears for event in ear.events]
        if len(trades_of(events)) >= count:
            return events
        waits = [asyncio.create_task(ear.heard.wait()) for ear in ears]
        done, pending = await asyncio.wait(waits, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        if not done:
            return events


def told_to_read(events, account):
    """The feeds that the socket says only REST can tell more of."""
    feed_of = load(account.exchange).history.feed_of
    return {feed_of(event.product, event.market_id) for event in events if isinstance(event, HistoryDue)}


@asynccontextmanager
async def listening(ears):
    tasks = [asyncio.create_task(ear.listen()) for ear in ears]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(("exchange", "mode"), CASES)
async def test_each_trade_is_heard_once_and_as_it_happened(simulator, gateway, person):
    made, account, key = person
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        for ear in ears:
            await ear.until(lambda events: Live(account.connection_id) in events)
        happened = await asyncio.to_thread(simulator.trade, made, 40)
        wanted = keyed(trade for trade in happened if trade["product"] in {p.value for p in account.products})
        events = await collected(ears, len(wanted))
    assert not [event for event in events if isinstance(event, Refused | Broken)]
    assert [row for event in events if isinstance(event, TradesHeard) for row in event.unreadable] == []
    heard = trades_of(events)
    assert len({trade.identity for trade in heard}) == len(heard)
    read = {name_of(trade): trade for trade in heard}
    feed_of = load(account.exchange).history.feed_of
    due = told_to_read(events, account)
    # Where a socket only says that something filled, it must say so of every feed that has a fill.
    assert [trade for name, trade in wanted.items() if name not in read and feed_of(*name[:2]) not in due] == []
    assert read.keys() <= wanted.keys()
    for name, trade in read.items():
        # A provisional row lacks its fee; REST tells it.
        told = {"fees": wanted[name]["fees"]} if trade.provisional else {}
        assert shown(trade) | told == wanted[name]


@pytest.mark.parametrize("exchange", sorted(PLAYED.keys() & set(names())))
async def test_prices_follow_what_is_wanted(simulator, gateway, exchange):
    found, markets = load(exchange), await asyncio.to_thread(gateway.markets, exchange)
    await asyncio.to_thread(simulator.start_trading, 20)
    for stream in found.ticker_streams:
        symbols = [market.symbol for market in markets.all if market.product in stream.products]
        first, second = symbols[0], symbols[-1]
        ticket = {}
        if stream.prepare is not None:
            ticket = await asyncio.to_thread(gateway.run_public, exchange, stream.prepare())
        protocol = stream.protocol(markets)
        protocol.follow(frozenset({first}), now_ms())
        ear = Ear(simulator, exchange, stream, protocol, ticket)
        async with listening([ear]):
            await ear.until(lambda events, symbol=first: symbol in priced(events))
            protocol.follow(frozenset({second}), now_ms())
            await ear.until(lambda events, symbol=second: symbol in priced(events))


def priced(events):
    return {event.ticker.symbol for event in events if isinstance(event, TickerHeard) and event.ticker.last}
