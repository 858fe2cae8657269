"""An exchange's clock that was put back: what was proven of moments that it has yet to stamp is proven no more.

A job that opens finds the newest proof later than the exchange's clock allows. Small steps need no such find: the
edge is read again by `planning.OVERLAP_MS` each time.
"""

from shared.domain.windows import Window
from shared.gateway.clocks import KEEP_MS
from shared.logs import get_log
from shared.storage import due, events, feeds
from shared.storage.pool import borrow
from workers.reading import Run

# So inexactly a clock is measured through slow answers.
_INEXACT_MS = 2_000

log = get_log()


def doubt_proofs(run: Run) -> None:
    """Take back what no clock of the exchange can have proven, and all since it may have been put back.

    Another process may have measured it last, as long ago as an offset is trusted; so much is read again.
    """
    with borrow(run.desk.pool) as db:
        newest_ms = feeds.newest_proof(db, run.connection.id)
    if newest_ms is None or newest_ms <= run.settled_ms() + _INEXACT_MS:
        return
    run.offset_ms = run.desk.gateway.measure_clock(run.exchange.id, run.connection.region).ms
    settled_ms = run.settled_ms()
    if newest_ms <= settled_ms + _INEXACT_MS:
        return
    with borrow(run.desk.pool) as db, db.transaction():
        doubted = feeds.forget_coverage(db, run.connection.id, Window(settled_ms - KEEP_MS, newest_ms))
        due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())
        fields = {"exchange": run.exchange.id, "by_ms": newest_ms - settled_ms}
        events.record_event(db, "clock.put_back", connection_id=run.connection.id, fields=fields)
    log.warning("clock.put_back", feeds=doubted, **fields)
