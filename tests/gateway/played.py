"""What tests do with any exchange that is played: read its history, hold its sockets, compare with the truth."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal

import websockets

from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load, names
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import HistoryDue, TickerHeard, TradesHeard
from simulator.world import find_dialects

PLAYED = find_dialects()
# Each account mode that an exchange's simulated counterpart knows; most have one.
CASES = [(name, mode) for name in names() if name in PLAYED for mode in PLAYED[name].modes]


def newest(gaps):
    """What is read next, unless a test wants it otherwise."""
    return gaps[-1]


def read_history(gateway, account, key, until, pick=newest):
    """Every trade of every feed, by the loop that the contract describes; `pick` says what of the gaps is next."""
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
            slice_ = history.slice(feed, pick(gaps), memory, account, until)
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
    """A trade as it is compared. The truth tells an inverse trade's cost in the coin that settles it, we in dollars."""
    return {
        "symbol": trade.symbol,
        "side": trade.side.value,
        "price": trade.price,
        "amount": trade.amount,
        "cost": None if trade.product is Product.INVERSE else trade.cost,
        "timestamp_ms": trade.timestamp_ms,
        "fees": sorted((fee.currency, fee.amount) for fee in trade.fees if fee.amount),
    }


def true(trade):
    return {
        **{name: trade[name] for name in ("symbol", "side", "timestamp_ms")},
        **{name: Decimal(trade[name]) for name in ("price", "amount")},
        "cost": None if trade["product"] == Product.INVERSE else Decimal(trade["cost"]),
        "fees": sorted((fee["currency"], Decimal(fee["amount"])) for fee in trade["fees"] if Decimal(fee["amount"])),
    }


def as_read(trades):
    """As history tells them, where that knows coarser moments."""
    return [{**trade, "timestamp_ms": trade.get("rest_timestamp_ms", trade["timestamp_ms"])} for trade in trades]


def keyed(trades):
    """By the ids that the exchange gives them."""
    return {
        (Product(trade["product"]), trade["market_id"], trade["exchange_trade_id"], trade["side"]): true(trade)
        for trade in trades
    }


def name_of(trade):
    return trade.product, trade.market_id, trade.exchange_trade_id, trade.side.value


def name_among(wanted, trade):
    """The same where a socket said it: a provisional trade may go by another id; its identity holds the true one."""
    ids = [trade.exchange_trade_id, *(trade.identity.split(":") if trade.provisional else ())]
    names = [(trade.product, trade.market_id, one, trade.side.value) for one in ids]
    return next((name for name in names if name in wanted), names[0])


def now_ms():
    return time.time_ns() // 1_000_000


class Ear:
    """Holds one protocol's socket as the contract describes, and keeps what it hears."""

    def __init__(self, simulator, exchange, stream, protocol, ticket):
        self.url = through(simulator.url, exchange, stream.url("global", ticket))
        self.headers = stream.headers
        self.ping_s = 20 if stream.answers_pings else None
        self.protocol = protocol
        self.events = []
        self.heard = asyncio.Event()
        self.is_over = False

    async def listen(self):
        try:
            await self._listen()
        except (OSError, websockets.WebSocketException):
            pass
        finally:
            self.is_over = True
            self.heard.set()

    async def _listen(self):
        async with websockets.connect(
            self.url, compression=None, additional_headers=self.headers, ping_interval=self.ping_s
        ) as socket:
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

    async def ended(self):
        """The socket is gone, whoever ended it."""
        await self.ended_or(lambda events: False)

    async def ended_or(self, is_enough):
        while not self.is_over and not is_enough(self.events):
            self.heard.clear()
            async with asyncio.timeout(15):
                await self.heard.wait()

    async def until(self, is_enough):
        while not is_enough(self.events):
            assert not self.is_over, f"the socket ended: {self.events}"
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
        done, pending = await asyncio.wait(waits, timeout=3, return_when=asyncio.FIRST_COMPLETED)
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


def priced(events):
    return {event.ticker.symbol for event in events if isinstance(event, TickerHeard) and event.ticker.last}
