"""What has to be asked over REST before and beside a socket: tickets, their renewal, market lists, clocks.

The gateway blocks, so it is asked from a few threads of its own.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from shared.domain.connections import Account, Credentials
from shared.domain.errors import TradeSyncError
from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Lane, Steps, Stream, TickerStream, Ticket
from shared.logs import get_log
from shared.storage.connections import SealedKey
from shared.storage.stream_leases import Streamed

T = TypeVar("T")
_THREADS = 12
_MEASURE_SECONDS = 30.0

log = get_log()


class Rest(Protocol):
    """What a streamer asks of the gateway."""

    def run(
        self, account: Account, credentials: Credentials, steps: Steps[T], *, lane: Lane, proxy: str | None = None
    ) -> T:
        """A conversation of several calls."""

    def run_public(self, exchange_id: str, steps: Steps[T], *, lane: Lane, region: str = "global") -> T:
        """The same without a key."""

    def markets(self, exchange_id: str, region: str = "global", *, is_fresh: bool = False) -> Markets:
        """An exchange's market list."""

    def clock_offset_ms(self, exchange_id: str, region: str = "global") -> int:
        """What to add to our time to get the exchange's; measured when what is known is old."""

    def measure_clock(self, exchange_id: str, region: str = "global") -> object:
        """Measure it now."""


class ExchangeTime:
    """An exchange's clock as far as we know it: calling it gives its time in epoch ms."""

    __slots__ = ("offset_ms",)

    def __init__(self) -> None:
        self.offset_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms


class Tickets:
    """The gateway from an event loop. `open_key` opens a connection's credentials, just before they are used."""

    def __init__(self, rest: Rest, open_key: Callable[[SealedKey], Credentials]) -> None:
        self._rest = rest
        self._open_key = open_key
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="rest")
        self._clocks: dict[tuple[str, str], ExchangeTime] = {}

    async def prepare(self, stream: Stream, streamed: Streamed) -> tuple[Credentials, Ticket]:
        """Open the key and fetch what this stream needs first. Raises the errors of `shared.domain.errors`."""

        def prepared() -> tuple[Credentials, Ticket]:
            credentials = self._open_key(streamed.sealed)
            if stream.prepare is None:
                return credentials, {}
            steps = stream.prepare(streamed.account)
            ticket = self._rest.run(streamed.account, credentials, steps, lane="live", proxy=streamed.egress_proxy)
            return credentials, ticket

        return await self._in_thread(prepared)

    async def renew(self, stream: Stream, streamed: Streamed, ticket: Ticket) -> None:
        """Keep a ticket alive. Raises like `prepare`."""

        def renewed() -> None:
            assert stream.renew is not None
            steps = stream.renew(streamed.account, ticket)
            self._rest.run(
                streamed.account, self._open_key(streamed.sealed), steps, lane="live", proxy=streamed.egress_proxy
            )

        await self._in_thread(renewed)

    async def prepare_public(self, exchange_id: str, stream: TickerStream) -> Ticket:
        """Fetch what a public socket needs first."""
        if stream.prepare is None:
            return {}
        return await self._in_thread(partial(self._rest.run_public, exchange_id, stream.prepare(), lane="live"))

    async def markets(self, exchange_id: str, region: str, *, is_fresh: bool = False) -> Markets:
        """The market list. Raises `ExchangeUnavailable` when it was never read."""
        return await self._in_thread(partial(self._rest.markets, exchange_id, region, is_fresh=is_fresh))

    async def clock(self, exchange_id: str, region: str) -> ExchangeTime:
        """This exchange's clock, measured if it can be; `keep_time` measures it again."""
        key = (exchange_id, region)
        if key not in self._clocks:
            self._clocks[key] = ExchangeTime()
            await self._measure(key)
        return self._clocks[key]

    async def remeasure(self, exchange_id: str, region: str) -> None:
        """Measure a clock that was called wrong."""
        try:
            await self._in_thread(partial(self._rest.measure_clock, exchange_id, region))
        except TradeSyncError as error:
            log.warning("clock.unknown", exchange=exchange_id, error=error.code)
            return
        await self._measure((exchange_id, region))

    async def keep_time(self) -> None:
        """Take over what the gateway measures, for ever."""
        while True:
            await asyncio.sleep(_MEASURE_SECONDS)
            for key in list(self._clocks):
                await self._measure(key)

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _measure(self, key: tuple[str, str]) -> None:
        try:
            self._clocks[key].offset_ms = await self._in_thread(partial(self._rest.clock_offset_ms, *key))
        except TradeSyncError as error:
            log.warning("clock.unknown", exchange=key[0], error=error.code)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
