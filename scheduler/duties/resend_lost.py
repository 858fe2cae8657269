"""Messages that Redis lost are sent again: jobs stand in Postgres as queued, and the queue holds fewer than that."""

from datetime import timedelta

from scheduler.desk import Desk
from scheduler.duties.queue_due import QUEUES
from shared.domain.errors import WireUnavailable
from shared.logs import get_log
from shared.queue.depth import depths
from shared.storage.jobs import take_unsent
from shared.storage.notices import count_open
from shared.storage.pool import borrow

EVERY = timedelta(seconds=5)

log = get_log()


def run(desk: Desk) -> int:
    """Send again as many as are missing, the oldest first; give how many. One sent twice does no harm.

    Every open job has its message, that of a running one included: as many as there are fewer were lost.
    """
    try:
        held = sum(depth.all for depth in depths(desk.wire, QUEUES).values())
    except WireUnavailable:
        return 0
    with borrow(desk.pool) as db:
        jobs_open = count_open(db, desk.lost_after)
        missing = min(jobs_open.in_vain, jobs_open.all - held, desk.depth_limit - held)
        if missing <= 0:
            return 0
        jobs = take_unsent(db, desk.lost_after, missing)
    log.warning("job.sent_again", jobs=len(jobs))
    return desk.send(jobs)
