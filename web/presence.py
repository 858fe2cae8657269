"""This process's row in `processes`: its proof of life, for `tradesync status` and metrics."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from uuid import uuid4

from starlette.concurrency import run_in_threadpool

from shared.domain.errors import StoreUnavailable
from shared.storage import processes
from shared.storage.pool import Pool, borrow

EVERY_SECONDS = 10.0


@asynccontextmanager
async def shown(pool: Pool) -> AsyncIterator[None]:
    """Show that this process lives for as long as it does; a database that is away is waited for."""
    process_id = uuid4()

    def beat() -> None:
        with suppress(StoreUnavailable), borrow(pool, 3) as db:
            if not processes.heartbeat(db, process_id):
                processes.register(
                    db, process_id, kind="web", host=socket.gethostname(), pid=os.getpid(), version=version("tradesync")
                )

    def leave() -> None:
        with suppress(StoreUnavailable), borrow(pool, 1) as db:
            processes.retire(db, process_id)

    async def keep_beating() -> None:
        while True:
            await run_in_threadpool(beat)
            await asyncio.sleep(EVERY_SECONDS)

    task = asyncio.create_task(keep_beating())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await run_in_threadpool(leave)
