"""`catch_up`: reads from the proven edge to now."""

import dramatiq
import msgspec

from shared.queue.requests import CatchUp
from workers.actors.reading import job_of
from workers.catching_up import catch_up
from workers.desk import Desk

PRIORITY = 1  # after what people wait for more


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the request."""

    def act(arguments: msgspec.Raw) -> None:
        job_of(desk, CatchUp, arguments, catch_up)

    dramatiq.actor(broker=broker, actor_name=CatchUp.NAME, queue_name=CatchUp.QUEUE, priority=PRIORITY)(act)
