"""Telling others. It never raises: an event is a hint, and what it hints at is in Postgres already."""

import time
from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

import msgspec
import redis
import redis.asyncio

from shared.events.kinds import Sent

AsyncWire = redis.asyncio.Redis  # what `shared.queue.wire.open_async_wire` opens

_QUIET_SECONDS = 2.0
_encode = msgspec.json.Encoder().encode
_quiet_until: "WeakKeyDictionary[object, float]" = WeakKeyDictionary()

counts: Counter[str] = Counter()  # of this process: how many events were "sent" and how many "lost"


def publish(client: redis.Redis, *events: Sent, clock: Callable[[], float] = time.monotonic) -> bool:
    """Tell whoever listens, in one round trip. False when Redis did not take them.

    After a failure Redis is left alone for two seconds, so that its absence does not slow down real work.
    """
    if not events or clock() < _quiet_until.get(client, 0.0):
        counts["lost"] += len(events)
        return not events
    try:
        with client.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.publish(event.channel, _encode(event))
            pipeline.execute()
    except (redis.RedisError, OSError):
        _failed(client, len(events), clock)
        return False
    counts["sent"] += len(events)
    return True


async def publish_soon(client: AsyncWire, *events: Sent, clock: Callable[[], float] = time.monotonic) -> bool:
    """The same as `publish` on an event loop."""
    if not events or clock() < _quiet_until.get(client, 0.0):
        counts["lost"] += len(events)
        return not events
    try:
        async with client.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.publish(event.channel, _encode(event))
            await pipeline.execute()
    except (redis.RedisError, OSError):
        _failed(client, len(events), clock)
        return False
    counts["sent"] += len(events)
    return True


def _failed(client: object, many: int, clock: Callable[[], float]) -> None:
    _quiet_until[client] = clock() + _QUIET_SECONDS
    counts["lost"] += many
