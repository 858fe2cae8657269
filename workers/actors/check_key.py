"""`check_key`: asks again what a key may do."""

import dramatiq
import msgspec

from shared.queue.requests import CheckKey
from workers.actors.reading import job_of
from workers.checking import check_key
from workers.desk import Desk

PRIORITY = 1  # after what people wait for more


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the request."""

    def act(arguments: msgspec.Raw) -> None:
        job_of(desk, CheckKey, arguments, check_key)

    dramatiq.actor(broker=broker, actor_name=CheckKey.NAME, queue_name=CheckKey.QUEUE, priority=PRIORITY)(act)
