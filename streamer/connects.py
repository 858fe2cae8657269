"""Opening sockets no faster than an exchange allows from one address, whoever opens them.

The count is shared with other processes; while that cannot be asked, this process keeps to an even pace of its own.
"""

import asyncio
import random
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

from shared.domain.errors import WireUnavailable
from shared.exchanges.kit.contract import Pool

_AT_ONCE = 64  # handshakes under way: more would only wait for each other's CPU


class SharedCount(Protocol):
    """The count that all processes share (`shared.coordination.budgets`)."""

    def take_connect(self, exchange: str, name: str, *, capacity: float, per_ms: int, now_ms: int) -> int:
        """0 when a connect was taken, else the milliseconds to wait. Raises `RateLimited` and `WireUnavailable`."""


class Connects:
    """Who wants to open a socket waits here first: `async with connects.one(exchange, pool): …`."""

    def __init__(
        self, shared: SharedCount | None, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        self._shared = shared
        self._now_ms = now_ms
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="connects")
        self._lines: dict[tuple[str, str], asyncio.Lock] = {}
        self._last: dict[tuple[str, str], int] = {}
        self.at_once = asyncio.Semaphore(_AT_ONCE)
        self.tls = ssl.create_default_context()  # one for all: each costs 1.1 MB

    async def permit(self, exchange: str, pool: Pool | None) -> None:
        """Wait until one more socket may be opened. First come, first served. Raises `RateLimited` under a ban."""
        if pool is None or self._shared is None:
            return
        key = (exchange, pool.name)
        async with self._lines.setdefault(key, asyncio.Lock()):  # only the first in line asks
            while True:
                wait_ms = await self._ask(self._shared, key, pool)
                if not wait_ms:
                    return
                await asyncio.sleep(wait_ms / 1000 * random.uniform(1.0, 1.1))  # noqa: S311 — spreading, not secrecy

    async def _ask(self, shared: SharedCount, key: tuple[str, str], pool: Pool) -> int:
        now = self._now_ms()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads,
                partial(shared.take_connect, *key, capacity=pool.capacity, per_ms=pool.per_ms, now_ms=now),
            )
        except WireUnavailable:
            pace = round(2 * pool.per_ms / pool.capacity)
            wait = self._last.get(key, 0) + pace - now
            if wait <= 0:
                self._last[key] = now
            return max(0, wait)

    def close(self) -> None:
        """Ask nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
