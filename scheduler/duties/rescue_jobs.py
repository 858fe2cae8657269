"""Jobs whose worker is gone run again: their lease has expired, so somebody else may have them."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage.jobs import rescue_orphans
from shared.storage.pool import borrow

EVERY = timedelta(seconds=2)

log = get_log()


def run(desk: Desk) -> int:
    """Queue orphans again; give how many. Those that ended their worker twice while alone are parked."""
    with borrow(desk.pool) as db:
        jobs = rescue_orphans(db)
    for job in jobs:
        log.warning("job.rescued", request=job.request, connection=str(job.connection_id), job=str(job.job_id))
    desk.send(jobs)
    return len(jobs)
