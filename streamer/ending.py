"""Ending tasks for sure.

A cancellation may be lost: Python 3.11's `wait_for`, which the Redis client uses, swallows one that comes at the
moment its answer does (python/cpython#86296). Who loops for ever is therefore asked again.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_SECONDS = 0.5


async def end(tasks: Iterable["asyncio.Task[Any]"], *, within: float | None = None) -> set["asyncio.Task[Any]"]:
    """Cancel these until they have ended; gives those that have not in time."""
    left = {task for task in tasks if not task.done()}
    loop = asyncio.get_running_loop()
    ends_at = None if within is None else loop.time() + within
    while left and (ends_at is None or loop.time() < ends_at):
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_SECONDS)
    return left
