"""Listening. A subscription ends only when its reader leaves it; a lost Redis is waited for.

Each time it begins to hear it gives `Missed`, because what was said before is gone: readers look in Postgres then.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator

import msgspec
import redis

from shared.events.kinds import Event, Missed, Sent
from shared.events.publish import AsyncWire

_ALIVE_SECONDS = 1.0  # how long one read waits; also how soon a reader that stops is noticed
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_decoder = msgspec.json.Decoder(Sent)


def subscribe(
    client: redis.Redis, *channels: str, sleep: Callable[[float], None] = time.sleep
) -> Generator[Event | None, None, None]:
    """Events of these channels; None about every second when nothing is said, so that the reader can look around."""
    pause = _FIRST_PAUSE
    while True:
        try:
            with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                subscription.subscribe(*channels)
                yield Missed()
                pause = _FIRST_PAUSE
                while True:
                    yield _read(subscription.get_message(timeout=_ALIVE_SECONDS))
        except (redis.RedisError, OSError):
            yield None
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


async def subscribe_soon(client: AsyncWire, *channels: str) -> AsyncGenerator[Event, None]:
    """Events of these channels, on an event loop. Close it (`aclosing`) or cancel its reader to end it."""
    pause = _FIRST_PAUSE
    while True:
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as subscription:
                await subscription.subscribe(*channels)
                yield Missed()
                pause = _FIRST_PAUSE
                while True:
                    event = _read(await subscription.get_message(timeout=_ALIVE_SECONDS))
                    if event is not None:
                        yield event
        except (redis.RedisError, OSError):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _read(message: "dict[str, object] | None") -> Event | None:
    """The event of a message, None for silence and for what is no event of ours: hints may be lost."""
    if message is None or message["type"] != "message":
        return None
    data = message["data"]
    assert isinstance(data, bytes | str)
    try:
        event: Sent = _decoder.decode(data)
    except msgspec.DecodeError:
        return None
    return event
