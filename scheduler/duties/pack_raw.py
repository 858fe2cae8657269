"""Raw rows that are no longer young are packed: many of one connection together, compressed."""

from datetime import timedelta

from scheduler.desk import Desk
from shared.logs import get_log
from shared.storage.archive import pack
from shared.storage.pool import borrow

EVERY = timedelta(minutes=15)

log = get_log()


def run(desk: Desk) -> int:
    """Pack in small batches; give how many rows."""
    with borrow(desk.pool) as db:
        packed = pack(db, desk.pack_after)
    if packed:
        log.info("archive.packed", rows=packed)
    return packed
