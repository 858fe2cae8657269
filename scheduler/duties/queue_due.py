"""What is due is put on record as a job and sent, the oldest promise first, as long as the queue is short."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.domain.errors import WireUnavailable
from shared.logs import get_log
from shared.queue.depth import depths
from shared.storage.due import take_due
from shared.storage.pool import borrow

EVERY = timedelta(seconds=1)
QUEUES = ("live", "balances", "history")
_AT_ONCE = 1_000

log = get_log()


def run(desk: Desk) -> int:
    """Queue what is due; give how many jobs were sent. While Redis is away nothing is taken."""
    sent = 0
    try:
        room = desk.depth_limit - sum(depth.all for depth in depths(desk.wire, QUEUES).values())
    except WireUnavailable as error:
        log.warning("wire.lost", reason=str(error))
        return 0
    # A few rounds at most: this tick must end before the next one.
    for _ in range(4):
        if room <= 0:
            break
        with borrow(desk.pool) as db:
            jobs = take_due(db, desk.now_ms(), min(room, _AT_ONCE), desk.every)
        sent += desk.send(jobs)
        room -= len(jobs)
        if len(jobs) < _AT_ONCE // 2:
            break
    if sent:
        log.debug("due.queued", jobs=sent, room=room)
    return sent
