"""Taking messages out of a queue: woken the moment one arrives, and never stopped by one that cannot be read.

Dramatiq's own consumer polls, forgets the ids of what it fetched (so that a body that is no JSON can be
neither acknowledged nor parked) and loses its prefetched messages when the connection breaks. This one
keeps dramatiq's layout and delivery (ack sets, heartbeats, maintenance) and does these three things otherwise.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import dramatiq
import redis
from dramatiq import errors
from dramatiq.brokers.redis import RedisBroker

from shared.domain.errors import BadInput
from shared.queue.layout import NAMESPACE, ids_key, read_envelope

PARK = "park_message"
"""The name of the actor that is handed what cannot be read: its text and the reason."""

AGAIN = "again"
"""The option that turns a message's acknowledgement into its return to the queue."""


class PutBack(Exception):
    """Raised by an actor that could do nothing with its message: it returns to the end of its queue."""


_BEAT_SECONDS = 1.0
_WAIT_SECONDS = 1.0

# Ids come with their bodies. The heartbeat is dramatiq's: maintenance takes back what a silent worker held.
_FETCH = """
local namespace, queue, worker = KEYS[1], ARGV[1], ARGV[2]
redis.call('zadd', namespace .. ':__heartbeats__', ARGV[3], worker)
local ids = redis.call('lpop', namespace .. ':' .. queue, ARGV[4])
if not ids then return {} end
redis.call('sadd', namespace .. ':__acks__.' .. worker .. '.' .. queue, unpack(ids))
local bodies = redis.call('hmget', namespace .. ':' .. queue .. '.msgs', unpack(ids))
local answer = {}
for at, id in ipairs(ids) do
    answer[2 * at - 1] = id
    answer[2 * at] = bodies[at] or ''
end
return answer
"""


class Consumer(dramatiq.Consumer):
    """One queue's messages for one worker process. Hands out at most `prefetch` at a time.

    Acknowledging makes room at once, from any thread.
    """

    def __init__(
        self, broker: RedisBroker, queue: str, prefetch: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self._broker = broker
        self._client: redis.Redis = broker.client
        self._fetch = self._client.register_script(_FETCH)
        self._clock = clock
        self._fetched: deque[tuple[str, bytes]] = deque()
        self._out: set[str] = set()
        self._room = threading.Event()
        self._beat_at = 0.0

    def __next__(self) -> "dramatiq.MessageProxy | None":
        try:
            return self._next()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise _closed(error) from None
        except redis.ResponseError as error:
            # A full Redis refuses the heartbeat too; a restarting one is loading.
            raise _closed(error) from None

    def _next(self) -> "dramatiq.MessageProxy | None":
        self._beat()
        if not self._fetched:
            self._room.clear()
            room = self.prefetch - len(self._out)
            if room <= 0:
                self._room.wait(_WAIT_SECONDS)
                return None
            self._take(room)
        if not self._fetched:
            # Moving the first id onto its own place waits for one without taking it, whoever queues it:
            # an id that arrives wakes every waiting worker, and nothing is lost with one that dies here.
            self._client.blmove(ids_key(self.queue), ids_key(self.queue), _WAIT_SECONDS, "LEFT", "LEFT")  # type: ignore[arg-type]
            return None
        message_id, body = self._fetched.popleft()
        self._out.add(message_id)
        return dramatiq.MessageProxy(_message(self.queue, message_id, body))

    def _take(self, room: int) -> None:
        answer: Any = self._fetch(
            keys=[NAMESPACE], args=[self.queue, self._broker.broker_id, time.time_ns() // 1_000_000, room]
        )
        texts = iter(answer)
        for message_id, body in zip(texts, texts, strict=True):
            self._fetched.append((message_id.decode("utf-8", "surrogateescape"), body))

    def _beat(self) -> None:
        # An unknown command is dramatiq's heartbeat and maintenance, and nothing else.
        if self._clock() - self._beat_at >= _BEAT_SECONDS:
            self._broker.do_beat(self.queue)
            self._beat_at = self._clock()

    def ack(self, message: "dramatiq.MessageProxy") -> None:
        if message.options.get(AGAIN):
            self.requeue((message,))
        else:
            self._settle("ack", message)

    def nack(self, message: "dramatiq.MessageProxy") -> None:
        self._settle("nack", message)

    def _settle(self, command: str, message: "dramatiq.MessageProxy") -> None:
        message_id: str = message.options["redis_message_id"]
        try:
            getattr(self._broker, f"do_{command}")(self.queue, _bytes(message_id))
        except redis.RedisError as error:
            raise _closed(error) from None
        self._done(message_id)

    def requeue(self, messages: "Iterable[dramatiq.MessageProxy]") -> None:
        ids: list[str] = [message.options["redis_message_id"] for message in messages]
        self._put_back(ids)
        for message_id in ids:
            self._done(message_id)

    def close(self) -> None:
        """Put back what was fetched and not handed out. Messages at work stay ours until they are acknowledged."""
        ids = [message_id for message_id, _ in self._fetched]
        self._put_back(ids)
        self._fetched.clear()

    def _put_back(self, ids: list[str]) -> None:
        if not ids:
            return
        try:
            self._broker.do_requeue(self.queue, *map(_bytes, ids))
        except redis.RedisError as error:
            raise _closed(error) from None

    def _done(self, message_id: str) -> None:
        self._out.discard(message_id)
        self._room.set()


def _closed(error: redis.RedisError) -> Exception:
    closed: Any = errors.ConnectionClosed  # dramatiq leaves it untyped
    made: Exception = closed(error)
    return made


def _bytes(message_id: str) -> bytes:
    return message_id.encode("utf-8", "surrogateescape")


def _message(queue: str, message_id: str, body: bytes) -> "dramatiq.Message[None]":
    try:
        envelope = read_envelope(body)
    except BadInput as error:
        return _own(queue, message_id, PARK, {"raw": body, "reason": str(error)})
    return _own(queue, message_id, envelope.actor_name, {"arguments": envelope.kwargs})


def _own(queue: str, message_id: str, actor: str, arguments: dict[str, Any]) -> "dramatiq.Message[None]":
    return dramatiq.Message(
        queue_name=queue,
        actor_name=actor,
        args=(),
        kwargs=arguments,
        options={"redis_message_id": message_id, "throws": PutBack},
        message_id=message_id,
    )
