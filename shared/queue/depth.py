"""How much waits in the queues: what the scheduler bounds, the streamer minds and the page shows."""

from collections.abc import Iterable

import redis
import redis.asyncio
from msgspec import Struct

from shared.domain.errors import WireUnavailable
from shared.queue.layout import bodies_key, ids_key
from shared.queue.requests import QUEUES


class Depth(Struct, frozen=True):
    """One queue's messages: `waiting` for a worker, and `all` of them, those that run included."""

    waiting: int
    all: int


def depths(client: redis.Redis, queues: Iterable[str] = QUEUES) -> dict[str, Depth]:
    """The depth of each queue. Raises `WireUnavailable`."""
    names = tuple(queues)
    try:
        with client.pipeline(transaction=False) as pipeline:
            for queue in names:
                pipeline.llen(ids_key(queue))
                pipeline.hlen(bodies_key(queue))
            figures = pipeline.execute()
    except redis.RedisError as error:
        raise WireUnavailable from error
    return {name: Depth(figures[2 * at], figures[2 * at + 1]) for at, name in enumerate(names)}


async def depth_soon(client: "redis.asyncio.Redis", queue: str) -> int:
    """All messages of one queue, asked on an event loop. Raises `WireUnavailable`."""
    try:
        return int(await client.hlen(bodies_key(queue)))
    except redis.RedisError as error:
        raise WireUnavailable from error
