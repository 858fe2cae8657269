"""`sync_history`: reads what is missing of a connection's history."""

import dramatiq
import msgspec

from shared.queue.requests import SyncHistory
from workers.actors.reading import job_of
from workers.desk import Desk
from workers.history import sync_history

PRIORITY = 3  # after what people wait for more


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the request."""

    def act(arguments: msgspec.Raw) -> None:
        job_of(desk, SyncHistory, arguments, sync_history)

    dramatiq.actor(broker=broker, actor_name=SyncHistory.NAME, queue_name=SyncHistory.QUEUE, priority=PRIORITY)(act)
