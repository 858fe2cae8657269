"""Prices of what connected users hold: one set of public sockets per exchange, held by one streamer.

Which symbols are wanted is looked up every few seconds and changes while the sockets run. The latest prices are
told several times a second and stored once a second, in one statement per exchange.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from shared.domain.errors import StoreUnavailable, TradeSyncError
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.events.kinds import TickersChanged
from shared.events.publish import AsyncWire, publish_soon
from shared.exchanges.kit.contract import Exchange, TickerStream
from shared.logs import get_log
from shared.storage import balances
from shared.storage.tickers import record_tickers
from streamer.connects import Connects
from streamer.price_lines import PriceLine
from streamer.price_wishes import symbols_for
from streamer.sockets import Garbled
from streamer.store import Store
from streamer.tickets import ExchangeTime, Tickets

_LOOK_SECONDS = 5.0
_TELL_SECONDS = 0.25
_STORE_SECONDS = 1.0

log = get_log()


class ExchangePrices:
    """All price sockets of one exchange, and the latest prices."""

    def __init__(
        self,
        exchange: Exchange,
        markets: Markets,
        clock: ExchangeTime,
        *,
        tickets: Tickets,
        connects: Connects,
        simulator_url: str,
    ) -> None:
        self.exchange, self.markets, self.clock = exchange, markets, clock
        self.tickets, self.connects, self.simulator_url = tickets, connects, simulator_url
        self.counts: Counter[str] = Counter()
        self._lines: list[PriceLine] = []
        self._untold: dict[str, Ticker] = {}
        self._unstored: dict[str, Ticker] = {}

    def follow(self, symbols: frozenset[str]) -> None:
        """Want these from now on: those followed stay on their socket, new ones fill up what there is."""
        for stream in self.exchange.ticker_streams:
            mine = frozenset(symbol for symbol in symbols if self._stream_of(symbol) is stream)
            lines = [line for line in self._lines if line.stream is stream]
            wanted = [set(line.symbols & mine) for line in lines]
            for symbol in sorted(mine.difference(*wanted) if wanted else mine):
                room = next((line for line in wanted if len(line) < stream.symbols_per_socket), None)
                if room is None:
                    room = set()
                    wanted.append(room)
                    lines.append(PriceLine(self, stream))
                    self._lines.append(lines[-1])
                room.add(symbol)
            for line, its in zip(lines, wanted, strict=True):
                line.follow(frozenset(its))

    def heard(self, ticker: Ticker) -> None:
        """A price: it is told and stored with the next ones."""
        self.counts["received"] += 1
        self._untold[ticker.symbol] = self._unstored[ticker.symbol] = ticker

    def garbled(self, garbled: Garbled) -> None:
        """A message about prices that cannot be read: the next one will do."""
        self.counts["unreadable"] += 1
        log.warning("prices.unreadable", exchange=self.exchange.id, reason=garbled.reason)

    def untold(self) -> tuple[Ticker, ...]:
        """What changed since this was asked last."""
        told, self._untold = self._untold, {}
        return tuple(told.values())

    async def store(self, store: Store) -> None:
        """Store what changed since the last time; what cannot be stored now waits."""
        changed, self._unstored = self._unstored, {}
        try:
            if changed:
                await store.run(record_tickers, self.exchange.id, changed.values())
        except StoreUnavailable:
            self._unstored = changed | self._unstored

    async def close(self) -> None:
        """End all sockets."""
        await asyncio.gather(*(line.close() for line in self._lines))

    def _stream_of(self, symbol: str) -> TickerStream | None:
        market = self.markets.find_symbol(symbol)
        if market is None:
            return None
        return next((stream for stream in self.exchange.ticker_streams if market.product in stream.products), None)


class Prices:
    """The prices of the exchanges that this streamer is to follow (`is_ours`)."""

    def __init__(
        self,
        exchanges: Callable[[str], Exchange],
        *,
        store: Store,
        wire: AsyncWire,
        tickets: Tickets,
        connects: Connects,
        simulator_url: str,
        default_symbols: tuple[str, ...],
        is_ours: Callable[[str], bool],
    ) -> None:
        self._exchanges, self._store, self._wire, self._tickets = exchanges, store, wire, tickets
        self._connects, self._simulator_url = connects, simulator_url
        self._default_symbols, self._is_ours = default_symbols, is_ours
        self._places: dict[str, ExchangePrices] = {}
        self._wanted: frozenset[str] = frozenset()
        self._news = asyncio.Event()

    def want(self, exchanges: Iterable[str]) -> None:
        """These exchanges have connections now: their prices are wanted."""
        wanted = frozenset(name for name in exchanges if self._is_ours(name))
        if wanted != self._wanted:
            self._wanted = wanted
            self._news.set()

    @property
    def received(self) -> int:
        """How many prices were heard."""
        return sum(place.counts["received"] for place in self._places.values())

    def parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs for ever: looking what is wanted, telling, storing."""
        return {"prices.look": self._look(), "prices.tell": self._tell(), "prices.keep": self._keep()}

    async def close(self) -> None:
        """End all sockets, once the parts have ended."""
        await asyncio.gather(*(place.close() for place in self._places.values()))

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            self._news.clear()
            try:
                await self._follow()
            except TradeSyncError as error:
                log.warning("prices.waiting", reason=error.sentence)
            except Exception:  # prices are no reason to stop
                log.exception("prices.failed")

    async def _follow(self) -> None:
        wanted = self._wanted
        for name in [name for name in self._places if name not in wanted]:
            await self._places.pop(name).close()
        if not wanted:
            return
        held = await self._store.run(balances.held_assets)
        for name in sorted(wanted):
            exchange = self._exchanges(name)
            if not exchange.ticker_streams:
                continue
            region = exchange.regions[0]
            markets = await self._tickets.markets(name, region)
            place = self._places.get(name)
            if place is None:
                clock = await self._tickets.clock(name, region)
                place = self._places[name] = ExchangePrices(
                    exchange,
                    markets,
                    clock,
                    tickets=self._tickets,
                    connects=self._connects,
                    simulator_url=self._simulator_url,
                )
            place.markets = markets
            place.follow(symbols_for(held.get(name, ()), markets, self._default_symbols))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            at_ms = time.time_ns() // 1_000_000
            told = [
                TickersChanged(exchange=name, tickers=tickers, at_ms=at_ms)
                for name, place in self._places.items()
                if (tickers := place.untold())
            ]
            if told:
                await publish_soon(self._wire, *told)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_STORE_SECONDS)
            for place in list(self._places.values()):
                try:
                    await place.store(self._store)
                except Exception:  # prices are no reason to stop
                    log.exception("prices.failed", exchange=place.exchange.id)
