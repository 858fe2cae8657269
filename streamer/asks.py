"""What streams ask of workers: catch-ups after each (re)connect and where only REST can tell, and key checks.

Asked for again and again within a moment it is one request. Each is put on record in Postgres first, so that a
Redis that refuses or forgets it costs a minute and not the request.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.errors import StoreUnavailable, WireUnavailable
from shared.events.publish import AsyncWire
from shared.logs import get_log
from shared.queue.requests import CatchUp, CheckKey
from shared.queue.send import send_soon
from shared.storage import connections, jobs
from shared.storage.values import Db
from streamer.store import Store

_LINGER_SECONDS = 0.3  # fills of one moment are asked for together
_APART_SECONDS = 1.0  # then at most this often for one connection
_CHECKS_APART_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_SEND_SECONDS = 3.0

log = get_log()


class Wish(Struct, kw_only=True):
    """A catch-up that was not sent yet. No feeds: all of them."""

    due_at: float
    reason: str
    feeds: set[str]
    orders: set[str]
    is_for_all: bool


class Asks:
    """Collects wishes from the sockets (never blocking them) and sends them on."""

    def __init__(self, store: Store, wire: AsyncWire, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._wire, self._clock = store, wire, clock
        self._wishes: dict[UUID, Wish] = {}
        self._asked_at: dict[UUID, float] = {}
        self._checks: dict[UUID, float] = {}
        self._due_checks: set[UUID] = set()
        self._news = asyncio.Event()
        self.sent = 0

    def catch_up(self, connection_id: UUID, reason: str) -> None:
        """All feeds of a connection, at once."""
        self._wish(connection_id, reason, self._clock()).is_for_all = True
        self._news.set()

    def catch_up_feed(self, connection_id: UUID, feed: str, order_id: str | None) -> None:
        """One feed, soon: others of the same moment go along."""
        now = self._clock()
        due_at = max(now + _LINGER_SECONDS, self._asked_at.get(connection_id, 0.0) + _APART_SECONDS)
        wish = self._wish(connection_id, "filled", due_at)
        wish.feeds.add(feed)
        if order_id is not None:
            wish.orders.add(order_id)
        self._news.set()

    def check_key(self, connection_id: UUID) -> None:
        """Detect an account's mode and powers again, once a minute at most."""
        now = self._clock()
        if now - self._checks.get(connection_id, -_CHECKS_APART_SECONDS) >= _CHECKS_APART_SECONDS:
            self._checks[connection_id] = now
            self._due_checks.add(connection_id)
            self._news.set()

    def forget(self, connection_id: UUID) -> None:
        """This connection is not ours any more."""
        for known in (self._asked_at, self._checks):
            known.pop(connection_id, None)

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._wishes or self._due_checks:
                try:
                    await self.flush()
                except Exception:  # a fault of ours in one request must not end the asking: the scheduler asks too
                    log.exception("asks.failed")
                soonest = min((wish.due_at for wish in self._wishes.values()), default=None)
                if soonest is not None:
                    pause = min(max(soonest - self._clock(), 0.01), _LINGER_SECONDS)
                    await asyncio.sleep(pause)

    async def flush(self, *, is_last: bool = False) -> None:
        """Send what is due; with `is_last` all there is. What cannot be sent waits for the next time."""
        now = self._clock()
        ready = {connection_id: wish for connection_id, wish in self._wishes.items() if is_last or wish.due_at <= now}
        checks, self._due_checks = self._due_checks, set()
        for connection_id in ready:
            del self._wishes[connection_id]
            self._asked_at[connection_id] = now
        requests: list[CatchUp | CheckKey] = [CheckKey(connection_id=connection_id) for connection_id in checks]
        requests += [_request(connection_id, wish) for connection_id, wish in sorted(ready.items())]
        if requests and not await self._send(requests):
            for connection_id, wish in ready.items():
                wish.due_at = now + _AGAIN_SECONDS
                self._wishes.setdefault(connection_id, wish)
            self._due_checks |= checks
            if checks and not is_last:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _send(self, requests: Sequence[CatchUp | CheckKey]) -> bool:
        """Whether they are on record or sent: either is enough."""
        is_on_record = True
        try:
            requests = await self._store.run(_record, requests)
        except StoreUnavailable:
            is_on_record = False
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await send_soon(self._wire, requests)
        except (WireUnavailable, TimeoutError):
            log.warning("queue.refused", requests=len(requests), is_on_record=is_on_record)
            return is_on_record
        self.sent += len(requests)
        return True

    def _wish(self, connection_id: UUID, reason: str, due_at: float) -> Wish:
        wish = self._wishes.get(connection_id)
        if wish is None:
            wish = Wish(due_at=due_at, reason=reason, feeds=set(), orders=set(), is_for_all=False)
            self._wishes[connection_id] = wish
        elif due_at < wish.due_at:
            wish.due_at, wish.reason = due_at, reason
        return wish


def _request(connection_id: UUID, wish: Wish) -> CatchUp:
    if wish.is_for_all:
        return CatchUp(connection_id=connection_id, reason=wish.reason)
    order_id = next(iter(wish.orders)) if len(wish.orders) == 1 else None
    return CatchUp(connection_id=connection_id, feeds=tuple(sorted(wish.feeds)), order_id=order_id, reason=wish.reason)


def _record(db: Db, requests: Sequence[CatchUp | CheckKey]) -> list[CatchUp | CheckKey]:
    """Those that no open job answers for. A connection that is gone asks for nothing."""
    return [
        request
        for request in requests
        if (connection := connections.find_connection(db, request.connection_id)) and connection.removed_ms is None
        if jobs.queue_job(db, request.NAME, request.connection_id, _arguments(request), lane="live") is not None
    ]


def _arguments(request: CatchUp | CheckKey) -> Mapping[str, Any]:
    if isinstance(request, CheckKey):
        return {}
    told: dict[str, Any] = {"reason": request.reason}
    if request.feeds:
        told["feeds"] = request.feeds
    if request.order_id is not None:
        told["order_id"] = request.order_id
    return told
