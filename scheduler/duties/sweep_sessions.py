"""Sync sessions whose process is gone are ended as abandoned, so that nothing says "running" that nobody runs."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage.pool import borrow
from shared.storage.sessions import sweep_orphans

EVERY = timedelta(seconds=10)

log = get_log()


def run(desk: Desk) -> int:
    """End orphans; give how many."""
    with borrow(desk.pool) as db:
        swept = sweep_orphans(db)
    if swept:
        log.warning("session.abandoned", sessions=swept)
    return swept
