"""What tests do with any exchange that is played: read its history, hold its sockets, compare with the truth."""

import asyncio
import time
from contextlib import asynccontextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import websockets

from shared.domain.trades import Product
from shared.domain.windows import Coverage, Window
from shared.exchanges import load, names
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Broken, Found, HistoryDue, Live, TickerHeard, TradesHeard
from simulator.clock import Clock
from simulator.exchange import Exchange
from simulator.http import Request as Handshake
from simulator.world import find_dialects

PLAYED = find_dialects()
# Each account mode that an exchange's simulated counterpart knows; most have one.
CASES = [(name, mode) for name in names() if name in PLAYED for mode in PLAYED[name].modes]
FIRST_MODES = [(name, PLAYED[name].modes[0]) for name in names() if name in PLAYED]


def newest(gaps):
    """What is read next, unless a test wants it otherwise."""
    return gaps[-1]


def feeds_of(gateway, account, key):
    """Every feed that the account may have traded in."""
    history, markets = load(account.exchange).history, gateway.markets(account.exchange)
    found = gateway.run(account, key, history.discover(account, markets)) if history.discover is not None else Found()
    return {*history.feeds(account, markets), *found.feeds, *found.sweep}


def read_history(gateway, account, key, until, pick=newest, *, since=None, feeds=None, holes=None):
    """Every trade of every feed, by the loop that the contract describes; `pick` says what of the gaps is next.

    With `holes`, a list, windows that hold more than the exchange can be asked for are put there; without it there
    must be none.
    """
    history, markets = load(account.exchange).history, gateway.markets(account.exchange)
    trades = {}
    for feed in sorted(feeds or feeds_of(gateway, account, key), key=lambda one: one.key):
        wanted = Window(since or history.reach(feed, account, until), until)
        covered, memory = Coverage(), {}
        while gaps := covered.gaps(wanted):
            slice_ = history.slice(feed, pick(gaps), memory, account, until)
            cursor, asked = slice_.cursor, []
            while True:
                assert (slice_, cursor) not in asked, f"it asks for the same page of {feed.key} again and again"
                asked.append((slice_, cursor))
                answer = gateway.call(account, key, history.ask(feed, slice_, cursor, account))
                page = history.read(feed, slice_, cursor, answer, account, markets)
                assert page.unreadable == ()
                trades |= {trade.identity: trade for trade in page.trades}
                memory = memory if page.memory is None else page.memory
                covered = covered if page.proven is None else covered.add(page.proven)
                if page.is_saturated:
                    since_ms, until_ms = slice_.window.since, slice_.window.until
                    if until_ms - since_ms <= history.smallest_ms:
                        assert holes is not None, f"{feed.key} holds more at {slice_.window} than can be read"
                        holes.append(slice_.window)
                        covered = covered.add(slice_.window)
                        break
                    later = Window(until_ms - max((until_ms - since_ms) // 2, history.smallest_ms), until_ms)
                    slice_ = history.slice(feed, later, memory, account, until)
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
        self.simulator, self.exchange, self.stream = simulator, exchange, stream
        self.headers = stream.headers
        self.ping_s = 20 if stream.answers_pings else None
        self.protocol = protocol
        self.events = []
        self.heard = asyncio.Event()
        self.is_over = False
        self.was_heard_of = None  # when it said that it is live

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
                if any(isinstance(event, Live) for event in events):
                    # Nothing was sent since the protocol said so: what it is live by was said and taken before.
                    self.was_heard_of = await asyncio.to_thread(self._is_heard_of)
                if events:
                    self.heard.set()

    def _is_heard_of(self):
        """Whether the exchange tells a socket at this host what happens to an account."""
        host = urlsplit(self.url).path.split("/")[2]
        rows = self.simulator.ask("GET", "/sockets", exchange=self.exchange)
        return any(row["accounts"] for row in rows if row["host"] in {host, "*"})

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


# ── Silence ───────────────────────────────────────────────────────────────────────────────────────────

PROTOCOL_PING_MS = 20_000  # what holds a socket says one so often, where they are answered
PATIENCE_MS = 180_000


def rules_of(ear):
    """The rules that the exchange keeps on an ear's socket."""
    _, _, host, *path = urlsplit(ear.url).path.split("/")
    asked = Handshake(method="GET", host=host, path="/" + "/".join(path), query=urlsplit(ear.url).query, headers={})
    rules, _ = Exchange(PLAYED[ear.exchange], Clock(), 1).find_socket(asked)
    return rules


def left_in_silence(protocol, now):
    """When it first speaks and when it gives its socket up, if it hears nothing more: ms from now, None for never."""
    began, spoke = now, None
    while protocol.deadline < began + PATIENCE_MS:
        now = max(now, protocol.deadline)
        events = protocol.tick(now)
        if protocol.outbox() and spoke is None:
            spoke = now - began
        if any(isinstance(event, Broken) for event in events):
            return spoke, now - began
    return spoke, None


def assert_it_keeps_its_socket_alive(ear):
    """A live conversation that hears nothing more speaks before it is cut, and finds out that its socket is dead."""
    rules, stream = rules_of(ear), ear.stream
    ear.protocol.outbox()
    spoke_ms, gave_up_ms = left_in_silence(ear.protocol, now_ms())
    assert rules.answers_pings or not stream.answers_pings, "its pings are never answered: say `answers_pings=False`"
    assert stream.answers_pings or gave_up_ms is not None, (
        "nothing tells a dead socket from a quiet one: give it a ping"
    )
    if rules.silent_cut_s is not None:
        is_pinged = rules.frames_count and stream.answers_pings
        first_ms = PROTOCOL_PING_MS if is_pinged else PATIENCE_MS if spoke_ms is None else spoke_ms
        assert first_ms < rules.silent_cut_s * 1000, f"the exchange cuts who is silent for {rules.silent_cut_s} s"
    if rules.longest_life_s is not None and stream.lifetime_ms is not None:
        assert stream.lifetime_ms < rules.longest_life_s * 1000, "its successor would come too late"
