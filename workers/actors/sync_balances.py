"""`sync_balances`: reads all balances of a connection."""

import dramatiq
import msgspec

from shared.queue.requests import SyncBalances
from workers.actors.reading import job_of
from workers.balances import sync_balances
from workers.desk import Desk

PRIORITY = 2  # after what people wait for more


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the request."""

    def act(arguments: msgspec.Raw) -> None:
        job_of(desk, SyncBalances, arguments, sync_balances)

    dramatiq.actor(broker=broker, actor_name=SyncBalances.NAME, queue_name=SyncBalances.QUEUE, priority=PRIORITY)(act)
