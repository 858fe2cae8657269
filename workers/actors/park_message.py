"""`park_message`: keeps what cannot be read, from any queue. No program asks for it: the consumer does."""

import dramatiq

from shared.queue.consumer import PARK
from shared.queue.requests import CatchUp
from workers.desk import Desk
from workers.writing import park

PRIORITY = 0


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the consumer."""

    def act(raw: bytes, reason: str) -> None:
        park(desk, raw, reason)

    dramatiq.actor(broker=broker, actor_name=PARK, queue_name=CatchUp.QUEUE, priority=PRIORITY)(act)
