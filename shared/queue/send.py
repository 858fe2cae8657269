"""Waking a worker: put requests into the queue. It needs a Redis client and nothing else of a worker."""

import time
from collections.abc import Iterable

import redis
import redis.asyncio

from shared.domain.errors import WireUnavailable
from shared.queue.layout import Body, bodies_key, body_of, ids_key
from shared.queue.requests import Request


def send(client: redis.Redis, request: Request) -> str:
    """Queue one request and return its message's id. Raises `WireUnavailable` when Redis is gone or full.

    Delivery is at least once: a try that broke may have arrived.
    """
    return send_all(client, (request,))[0]


def send_all(client: redis.Redis, requests: Iterable[Request]) -> tuple[str, ...]:
    """Queue several requests in one round trip, all or none. Raises `WireUnavailable`."""
    bodies = [body_of(request, now_ms=_now_ms()) for request in requests]
    if not bodies:
        return ()
    try:
        with client.pipeline(transaction=True) as pipeline:
            _push(pipeline, bodies)
            pipeline.execute()
    except (redis.RedisError, OSError) as error:
        raise WireUnavailable(_sentence(error)) from error
    return tuple(body.id for body in bodies)


async def send_soon(client: "redis.asyncio.Redis", requests: Iterable[Request]) -> tuple[str, ...]:
    """The same as `send_all` on an event loop."""
    bodies = [body_of(request, now_ms=_now_ms()) for request in requests]
    if not bodies:
        return ()
    try:
        async with client.pipeline(transaction=True) as pipeline:
            _push(pipeline, bodies)
            await pipeline.execute()
    except (redis.RedisError, OSError) as error:
        raise WireUnavailable(_sentence(error)) from error
    return tuple(body.id for body in bodies)


def _push(pipeline: "redis.client.Pipeline | redis.asyncio.client.Pipeline", bodies: list[Body]) -> None:
    for body in bodies:
        pipeline.hset(bodies_key(body.queue), body.id, body.data)
    for queue in dict.fromkeys(body.queue for body in bodies):
        pipeline.rpush(ids_key(queue), *(body.id for body in bodies if body.queue == queue))


def _sentence(error: Exception) -> str:
    if isinstance(error, redis.OutOfMemoryError) or "OOM" in str(error):
        return "Redis is full and takes no more jobs."
    return f"Redis does not answer: {error or type(error).__name__}."


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
