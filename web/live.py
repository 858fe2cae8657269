"""The live feed: one hub per process hears what happened and hands it to every open page of that user.

Events over Redis are hints that make it fast. Postgres is asked when a page resumes, when hearing begins anew, and
every few seconds in any case, so that a lost hint costs seconds and no trade.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from shared.domain.errors import StoreUnavailable
from shared.events.kinds import (
    TICKERS,
    Event,
    Missed,
    TickersChanged,
    TradesRecorded,
    about,
    trades_of,
)
from shared.events.subscribe import subscribe_soon
from shared.logs import get_log
from shared.queue.wire import open_async_wire
from shared.settings import Settings
from shared.storage import reading
from shared.storage.pool import Pool, borrow
from shared.storage.trades import TradeLine
from web import present
from web.door import find_user, get_user
from web.pages import prices_of, snapshot

FLUSH_SECONDS = 0.1
LOOK_SECONDS = 3.0
QUIET_SECONDS = 15.0
MOST_LINES = 200  # of one flush; who trades faster sees the newest, the table holds them all
MOST_WAITING = 200  # messages of one page that does not read; then it is cut and resumes


class Watcher:
    """One open page: its messages, and the newest row it has been told of."""

    def __init__(self, user_id: UUID, after: int) -> None:
        self.user_id, self.last_id = user_id, after
        self.messages: asyncio.Queue[bytes | None] = asyncio.Queue(MOST_WAITING)

    def tell(self, name: str, value: Any, *, last_id: int | None = None) -> None:
        """Queue a message; a page that does not keep up is cut, and resumes by itself where it was."""
        if last_id is not None:
            self.last_id = max(self.last_id, last_id)
        mark = f"id: {self.last_id}\n" if last_id is not None else ""
        data = msgspec.json.encode(value).decode()
        try:
            self.messages.put_nowait(f"{mark}event: {name}\ndata: {data}\n\n".encode())
        except asyncio.QueueFull:
            self.end()

    def end(self) -> None:
        """End the feed: what waits is dropped, and the page comes back."""
        while not self.messages.empty():
            self.messages.get_nowait()
        self.messages.put_nowait(None)


class Hub:
    """Who watches what, and the one subscription that serves them."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._pool = pool
        self._wire = open_async_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify)
        self._watchers: dict[UUID, set[Watcher]] = defaultdict(set)
        self._changed = asyncio.Event()
        self._fresh: dict[UUID, list[TradeLine]] = defaultdict(list)
        self._prices: dict[tuple[str, str], present.Shown] = {}
        self._stirred: set[UUID] = set()
        self._log = get_log()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear and tell for as long as the application lives."""
        tasks = [asyncio.create_task(work()) for work in (self._hear, self._flush, self._look)]
        try:
            yield
        finally:
            self.end_all()
            for task in tasks:
                await _end(task)
            await self._wire.aclose()

    def end_all(self) -> None:
        """End every open feed."""
        for watcher in self._everyone():
            watcher.end()

    def join(self, watcher: Watcher) -> None:
        """From now on this page is told."""
        if not self._watchers[watcher.user_id]:
            self._changed.set()
        self._watchers[watcher.user_id].add(watcher)

    def leave(self, watcher: Watcher) -> None:
        """This page is closed."""
        self._watchers[watcher.user_id].discard(watcher)
        if not self._watchers[watcher.user_id]:
            del self._watchers[watcher.user_id]
            self._changed.set()

    def _everyone(self) -> list[Watcher]:
        return [watcher for group in self._watchers.values() for watcher in group]

    async def _hear(self) -> None:
        while True:
            self._changed.clear()
            channels = [TICKERS, *(name(user) for user in self._watchers for name in (trades_of, about))]
            hearing = asyncio.create_task(self._hear_channels(channels))
            try:
                await self._changed.wait()
            finally:
                await _end(hearing)

    async def _hear_channels(self, channels: list[str]) -> None:
        async for event in subscribe_soon(self._wire, *channels):
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case Missed():
                self._stirred.update(self._watchers)
            case TradesRecorded():
                with suppress(msgspec.DecodeError):
                    self._fresh[event.user_id].extend(reading.decode_lines(bytes(event.lines)))
            case TickersChanged():
                name = present.title(event.exchange)
                for ticker in event.tickers:
                    if ticker.last is not None:
                        shown = {"exchange": name, "symbol": ticker.symbol, "last": present.plain(ticker.last)}
                        self._prices[event.exchange, ticker.symbol] = shown
            case _ if hasattr(event, "user_id"):
                self._stirred.add(event.user_id)
            case _:
                pass

    async def _flush(self) -> None:
        """Tell what was heard, ten times a second: one message for many trades."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            fresh, self._fresh = self._fresh, defaultdict(list)
            for user_id, lines in fresh.items():
                for watcher in self._watchers.get(user_id, ()):
                    _tell_trades(watcher, lines)
            prices, self._prices = self._prices, {}
            if prices:
                for watcher in self._everyone():
                    watcher.tell("prices", list(prices.values()))

    async def _look(self) -> None:
        """Every few seconds ask Postgres: states of connections, and any trade whose hint was lost."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for user_id, group in list(self._watchers.items()):
                try:
                    await self._catch_up(user_id, group)
                except StoreUnavailable:
                    self._log.warning("page.store_unavailable")
                    break

    async def _catch_up(self, user_id: UUID, group: Iterable[Watcher]) -> None:
        watchers = list(group)
        state = await run_in_threadpool(snapshot, self._pool, user_id)
        for watcher in watchers:
            watcher.tell("connections", state)
        mark = min(watcher.last_id for watcher in watchers)
        lines = await run_in_threadpool(_since, self._pool, user_id, mark)
        for watcher in watchers:
            _tell_trades(watcher, [line for line in lines if line.id > watcher.last_id])


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancel until it has ended: `wait_for` of Python 3.11, which redis-py uses, may swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)


def _tell_trades(watcher: Watcher, lines: list[TradeLine]) -> None:
    if lines:
        newest = lines[-MOST_LINES:]
        watcher.tell("trades", [present.trade(line) for line in newest], last_id=max(line.id for line in lines))


def _since(pool: Pool, user_id: UUID, after: int) -> list[TradeLine]:
    with borrow(pool) as db:
        return reading.trades_since(db, user_id, after, limit=MOST_LINES)


async def feed(request: Request) -> Response:
    """Server-sent events: `trades`, `prices`, `connections`. Resumes after `Last-Event-ID`, or after `?after=`."""
    user = await get_user(request)
    hub: Hub = request.app.state.hub
    watcher = Watcher(user.id, _mark(request))

    async def messages() -> AsyncIterator[bytes]:
        hub.join(watcher)
        try:
            yield b"retry: 1000\n\n"
            _tell_trades(watcher, await run_in_threadpool(_since, request.app.state.pool, user.id, watcher.last_id))
            watcher.tell("connections", await run_in_threadpool(snapshot, request.app.state.pool, user.id))
            watcher.tell("prices", await run_in_threadpool(prices_of, request.app.state.pool, user.id))
            while True:
                try:
                    async with asyncio.timeout(QUIET_SECONDS):
                        message = await watcher.messages.get()
                except TimeoutError:
                    if await find_user(request) is None:
                        return  # logged out elsewhere
                    message = b": still here\n\n"
                if message is None:
                    return
                yield message
        finally:
            hub.leave(watcher)

    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(messages(), media_type="text/event-stream", headers=headers)


def _mark(request: Request) -> int:
    for text in (request.headers.get("last-event-id"), request.query_params.get("after")):
        if text and text.isascii() and text.isdigit() and len(text) < 19:
            return int(text)
    return 0
