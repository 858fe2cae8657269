"""Postgres from an event loop: functions of `shared.storage` run in a few threads, each with a borrowed connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from shared.storage.pool import Pool, borrow
from shared.storage.values import Db

P = ParamSpec("P")
T = TypeVar("T")
_PATIENCE_SECONDS = 5.0


class Store:
    """The way to Postgres. At most `threads` calls run at a time; the others wait their turn."""

    def __init__(self, pool: Pool, *, threads: int) -> None:
        self._pool = pool
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    async def run(self, work: Callable[Concatenate[Db, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `work` with a connection. Raises `StoreUnavailable` when there is none soon."""

        def borrowed() -> T:
            with borrow(self._pool, _PATIENCE_SECONDS) as db:
                return work(db, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, borrowed)

    def close(self) -> None:
        """Take no more work. What runs is not waited for: its connection's timeouts end it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
