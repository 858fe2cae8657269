"""Looks after Redis' memory: warns before it is full, and keeps a reserve that lets a full one drain.

Every command of the queue begins with a small write, taking and acknowledging included: at its memory limit
Redis refuses even what would make it smaller. A ballast of one megabyte is thrown out then.
"""

from datetime import timedelta

import redis

from scheduler.desk import Desk
from shared.domain.errors import WireUnavailable
from shared.logs import get_log
from shared.queue.wire import WireState, wire_state
from shared.storage import events
from shared.storage.pool import borrow

EVERY = timedelta(seconds=5)
BALLAST = "tradesync:ballast"
BALLAST_BYTES = 1_000_000
_FULL = 0.95
_ROOMY = 0.6

log = get_log()


def run(desk: Desk) -> int:
    """Look once; give how many warnings there are."""
    try:
        state = wire_state(desk.wire)
        _mind_ballast(desk.wire, state)
    except WireUnavailable as error:
        log.warning("wire.lost", reason=str(error))
        return 1
    warnings = state.warnings()
    for sentence in warnings:
        log.warning("wire.endangered", reason=sentence)
    if state.used_share >= _FULL:
        with borrow(desk.pool) as db:
            events.record_event(db, "wire.full", fields={"used": round(state.used_share, 3)})
    return len(warnings)


def _mind_ballast(wire: redis.Redis, state: WireState) -> None:
    if not state.limit_bytes or state.limit_bytes < 8 * BALLAST_BYTES:
        return
    try:
        if state.used_share >= _FULL and wire.delete(BALLAST):
            log.error("wire.ballast_dropped", used=round(state.used_share, 3))
        elif state.used_share < _ROOMY and not wire.exists(BALLAST):
            wire.set(BALLAST, b"\0" * BALLAST_BYTES)
    except redis.RedisError as error:
        raise WireUnavailable from error
