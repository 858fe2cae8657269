"""A number of symbols on one public socket after another."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any, Protocol

from shared.domain.errors import RateLimited, TradeSyncError
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Broken, Closing, Event, Exchange, TickerHeard, TickerProtocol, TickerStream
from shared.logs import get_log
from streamer.backoff import Backoff
from streamer.connects import Connects
from streamer.ending import end
from streamer.sockets import Garbled, Socket, Way
from streamer.tickets import ExchangeTime, Tickets

_LASTED_SECONDS = 60.0
_SUCCEEDED_WITHIN_SECONDS = 10.0
_RETIRE_SHARE = (0.90, 0.97)

log = get_log()


class Place(Protocol):
    """What the sockets of one exchange share, and who wants its prices."""

    exchange: Exchange
    markets: Markets
    clock: ExchangeTime
    tickets: Tickets
    connects: Connects
    simulator_url: str

    def heard(self, ticker: Ticker) -> None:
        """A price."""

    def garbled(self, garbled: Garbled) -> None:
        """A message that cannot be read."""


class Conversation:
    """One socket of a line: whether a price was heard on it, and whether it will end soon."""

    def __init__(self, place: Place, protocol: TickerProtocol) -> None:
        loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.socket = Socket(protocol, hear=self._hear, garbled=place.garbled, now=place.clock)
        self.heard: asyncio.Future[None] = loop.create_future()
        self.closing: asyncio.Future[str] = loop.create_future()
        self._place = place

    def retire(self, reason: str) -> None:
        """A successor is wanted."""
        if not self.closing.done():
            self.closing.set_result(reason)

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, TickerHeard):
                self._place.heard(event.ticker)
                if not self.heard.done():
                    self.heard.set_result(None)
            elif isinstance(event, Closing):
                self.retire(event.reason)
            elif isinstance(event, Broken):
                self.socket.end(event.reason, is_sane=False)


class PriceLine:
    """The symbols that share a socket. Each successor is heard before the one before it is left."""

    def __init__(self, place: Place, stream: TickerStream) -> None:
        self.stream = stream
        self.symbols: frozenset[str] = frozenset()
        self._place = place
        self._open: set[Conversation] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def follow(self, symbols: frozenset[str]) -> None:
        """Want these from now on."""
        if symbols == self.symbols:
            return
        self.symbols = symbols
        for conversation in self._open:
            conversation.protocol.follow(symbols, self._place.clock())
            conversation.socket.act()
        if not self._tasks:
            self._start(None)

    async def close(self) -> None:
        """End it."""
        self._is_closed = True
        await end(list(self._tasks))

    def _start(self, before: Conversation | None) -> None:
        if not self._is_closed:
            task = asyncio.ensure_future(self._keep(before))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _keep(self, before: Conversation | None) -> None:
        """Hold a socket until it has a successor; open another whenever one broke."""
        backoff = Backoff()
        while True:
            at_least = 0.0
            began = time.monotonic()
            try:
                conversation = await self._opened()
                if await self._read(conversation, before):
                    return
                before = None
            except RateLimited as error:
                at_least = max(0.0, error.until_ms / 1000 - time.time())
                self._say("prices.waiting", error.sentence)
            except TradeSyncError as error:
                self._say("prices.waiting", error.sentence)
            except Exception:  # a fault of ours may pass, and prices are no reason to stop
                log.exception("prices.failed", exchange=self._place.exchange.id)
            if time.monotonic() - began >= _LASTED_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.next(at_least=at_least))

    async def _opened(self) -> Conversation:
        """A new socket that was told what to follow. Raises what kept it from opening."""
        place, stream = self._place, self.stream
        await place.connects.permit(place.exchange.id, stream.connects)
        ticket = await place.tickets.prepare_public(place.exchange.id, stream)
        conversation = Conversation(place, stream.protocol(place.markets))
        conversation.protocol.follow(self.symbols, place.clock())
        address = through(place.simulator_url, place.exchange.id, stream.url(place.exchange.regions[0], ticket))
        async with place.connects.at_once:
            way = Way(
                address=address, headers=stream.headers, answers_pings=stream.answers_pings, tls=place.connects.tls
            )
            await conversation.socket.open(way)
        conversation.protocol.follow(self.symbols, place.clock())  # they may have changed meanwhile
        conversation.socket.act()
        return conversation

    async def _read(self, conversation: Conversation, before: Conversation | None) -> bool:
        """One socket's life. True when it has a successor."""
        self._open.add(conversation)
        timer: asyncio.TimerHandle | None = None
        handing_over: asyncio.Task[Any] | None = None
        if before is not None:
            handing_over = asyncio.ensure_future(_hand_over(before, conversation))
        if self.stream.lifetime_ms is not None:
            life = self.stream.lifetime_ms / 1000 * random.uniform(*_RETIRE_SHARE)  # noqa: S311 — spreading
            timer = asyncio.get_running_loop().call_later(life, conversation.retire, "its life is nearly over")
        conversation.closing.add_done_callback(lambda told: None if told.cancelled() else self._start(conversation))
        try:
            reason = await conversation.socket.read()
        finally:
            self._open.discard(conversation)
            if timer is not None:
                timer.cancel()
            if handing_over is not None:
                handing_over.cancel()
        if conversation.closing.done():
            return True
        conversation.closing.cancel()
        self._say("prices.lost", reason)
        return False

    def _say(self, event: str, reason: str) -> None:
        log.warning(event, exchange=self._place.exchange.id, stream=self.stream.name, reason=reason)


async def _hand_over(before: Conversation, after: Conversation) -> None:
    await asyncio.wait({after.heard}, timeout=_SUCCEEDED_WITHIN_SECONDS)
    before.socket.end("succeeded")
