"""What is older than the settings say goes: ended sessions, events, jobs, resolved quarantine, dead processes."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage.pool import borrow
from shared.storage.retention import prune

EVERY = timedelta(minutes=10)

log = get_log()


def run(desk: Desk) -> int:
    """Delete in small batches; give how many rows."""
    with borrow(desk.pool) as db:
        gone = prune(db, desk.keep)
    if any(gone.values()):
        log.info("retention.pruned", **{name: count for name, count in gone.items() if count})
    return sum(gone.values())
