"""The broker that workers run on: dramatiq over Redis, set up so that a killed worker's job is back in seconds."""

import ctypes
import signal
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from shared.queue.consumer import AGAIN, Consumer, PutBack
from shared.queue.layout import NAMESPACE
from shared.queue.requests import QUEUES

HEARTBEAT_MS = 15_000
_ALWAYS = 1_000_000  # commands in a million that look for what dead workers held
_WRITES_AT_A_TIME = 256
_SIGNAL_AT_PARENTS_END = 1  # prctl(2): PR_SET_PDEATHSIG


class StopOnce(dramatiq.Middleware):
    """A platform tells every process of a container to stop, perhaps twice; a worker takes the second for "die now"."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:  # noqa: ARG002 — dramatiq's signature
        stop: Any = signal.getsignal(signal.SIGTERM)

        def first_only(signum: int, frame: FrameType | None) -> None:
            signal.signal(signum, signal.SIG_IGN)
            stop(signum, frame)

        signal.signal(signal.SIGTERM, first_only)


class EndWithMaster(dramatiq.Middleware):
    """Where only the process that started the workers is killed, they end as if told to stop (Linux tells them)."""

    def after_process_boot(self, broker: dramatiq.Broker) -> None:  # noqa: ARG002 — dramatiq's signature
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_END, int(signal.SIGTERM), 0, 0, 0)


class ReturnToQueue(dramatiq.Middleware):
    """Turns `PutBack` into the message's return."""

    def after_process_message(
        self,
        broker: dramatiq.Broker,  # noqa: ARG002 — dramatiq's signature
        message: "dramatiq.MessageProxy",
        *,
        result: Any = None,  # noqa: ARG002 — dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        if isinstance(exception, PutBack):
            message.options[AGAIN] = True


class QueueBroker(RedisBroker):
    """Dramatiq's Redis broker with our consumer, and without delayed queues: what is due later stands in Postgres."""

    def __init__(self, client: redis.Redis, *, shares: dict[str, int], middleware: list[dramatiq.Middleware]) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            client=client,
            middleware=middleware,
            namespace=NAMESPACE,
            heartbeat_timeout=HEARTBEAT_MS,
            maintenance_chance=_ALWAYS,
        )
        self._shares = shares
        self._consumers: dict[str, Consumer] = {}

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:  # noqa: ARG002 — dramatiq's signature
        # One consumer for good: after a broken connection it still knows what it had fetched.
        if queue_name not in self._consumers:
            self._consumers[queue_name] = Consumer(self, queue_name, self._shares.get(queue_name, prefetch))
        return self._consumers[queue_name]


def make_broker(
    client: redis.Redis,
    *,
    threads: int,
    queues: Iterable[str] = QUEUES,
    middleware: Iterable[dramatiq.Middleware] = (),
) -> QueueBroker:
    """The broker of one worker process with this many threads, serving these queues (none: all)."""
    served = tuple(queues) or QUEUES
    return QueueBroker(
        client, shares=shares(threads, served), middleware=[StopOnce(), EndWithMaster(), ReturnToQueue(), *middleware]
    )


def shares(threads: int, queues: Iterable[str]) -> dict[str, int]:
    """How many messages of each queue one process holds at a time.

    Long jobs leave threads to short ones: history and balances together never take all, so that a trade
    just heard is written at once. Writes are prefetched, because a thread sleeps when nothing is at hand.
    """
    served = tuple(queues)
    slow: list[str] = [queue for queue in ("history", "balances", "live") if queue in served]
    if len(served) == 1:
        held: dict[str, int] = dict.fromkeys(slow, threads)
    else:
        parts = {"history": 3 * threads // 8, "balances": threads // 4, "live": threads // 4}
        held = {queue: max(1, parts[queue]) for queue in slow}
    if "writes" in served:
        held["writes"] = _WRITES_AT_A_TIME
    return held
