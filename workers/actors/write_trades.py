"""`write_trades`: stores a batch of streamed trades. It comes before everything else."""

import dramatiq
import msgspec

from shared.queue.requests import WriteTrades
from workers.desk import Desk
from workers.writing import write_trades

PRIORITY = 0


def declare(broker: dramatiq.Broker, desk: Desk) -> None:
    """Answer to the request."""

    def act(arguments: msgspec.Raw) -> None:
        write_trades(desk, arguments)

    dramatiq.actor(broker=broker, actor_name=WriteTrades.NAME, queue_name=WriteTrades.QUEUE, priority=PRIORITY)(act)
