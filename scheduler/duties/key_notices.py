"""Owners are told before a key expires: an event 14, 7 and 1 days before, each once."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage.notices import take_expiring_keys
from shared.storage.pool import borrow

EVERY = timedelta(hours=1)

log = get_log()


def run(desk: Desk) -> int:
    """Put new notices on record; give how many."""
    with borrow(desk.pool) as db:
        expiring = take_expiring_keys(db)
    for notice in expiring:
        log.warning("key.expires", connection=str(notice.connection_id), days=notice.days, expires=notice.expires_ms)
    return len(expiring)
