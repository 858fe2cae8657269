"""`python -m scheduler`: decides what is due and queues it, while it leads; stands by while another one does.

Exit codes: 0 stopped as told, 1 a setting cannot be read, 2 a setting makes no sense, 3 Postgres or Redis did
not answer in time, 4 the database is not at the newest migration.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from importlib.metadata import version
from types import FrameType
from uuid import UUID, uuid4

from scheduler import duties
from scheduler.desk import Desk
from scheduler.leading import Leader
from scheduler.ticking import Clock
from shared.domain.errors import BadInput, StoreUnavailable, WireUnavailable
from shared.logs import get_log, set_up
from shared.queue.wire import open_wire, wait_for_wire
from shared.settings import Settings, read_settings
from shared.storage import processes
from shared.storage.due import Every
from shared.storage.pool import Pool, borrow, open_pool
from shared.storage.ready import NotMigrated, wait_for_room, wait_until_migrated
from shared.storage.retention import Keep

PATIENCE = timedelta(seconds=30)
_LOOK_SECONDS = 1.0
_PROVE_EVERY = 10  # looks between two proofs of life

log = get_log()


def main() -> int:
    """Run until told to stop; give the exit code."""
    settings = read_settings()
    set_up(settings, process="scheduler")
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)
    try:
        desk = _desk(settings)
    except BadInput as error:
        return _refused(error, 2)
    except NotMigrated as error:
        return _refused(error, 4)
    except (StoreUnavailable, WireUnavailable) as error:
        return _refused(error, 3)
    stopping = threading.Event()

    def stop(_signum: int, _frame: FrameType | None) -> None:
        # A platform may say it twice, and the second one must not cut the end short.
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, signal.SIG_IGN)
        stopping.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, stop)
    log.info("process.started")
    _lead(settings, desk, stopping)
    log.info("process.stopped")
    return 0


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _refused(error: Exception, code: int) -> int:
    log.error("process.refused", reason=str(error))
    return code


def _desk(settings: Settings) -> Desk:
    wire = open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify, connections=8)
    wait_for_wire(wire, patience=PATIENCE, tell=lambda reason: log.warning("wire.waiting", reason=reason))
    pool = open_pool(
        settings.database_url.get_secret_value(),
        kind="scheduler",
        size=min(4, settings.database_connections),
        pooler=settings.database_pooler,
    )
    try:
        wait_until_migrated(pool, patience=PATIENCE, tell=_tell_waiting)
        wait_for_room(
            pool,
            limit=settings.connection_limit,
            each=settings.database_connections,
            own=1,
            patience=PATIENCE,
            tell=_tell_waiting,
        )
    except BaseException:
        pool.close()
        raise
    return Desk(
        pool=pool,
        wire=wire,
        every=Every(
            catch_up=settings.catch_up_every,
            poll=settings.poll_every,
            balances=settings.balance_every,
            recheck=settings.recheck_every,
            discovery=settings.discovery_every,
            sweep=settings.sweep_every,
            key_check=settings.key_check_every,
        ),
        keep=Keep(
            sessions=settings.keep_sessions,
            events=settings.keep_events,
            quarantine=settings.keep_quarantine,
            evidence=settings.keep_evidence,
        ),
        pack_after=settings.pack_raw_after,
        depth_limit=settings.queue_depth_limit,
    )


def _tell_waiting(reason: str) -> None:
    log.warning("store.waiting", reason=reason)


def _lead(settings: Settings, desk: Desk, stopping: threading.Event) -> None:
    leader = Leader(settings.database_url.get_secret_value(), pooler=settings.database_pooler)
    clock = Clock(desk, duties.ALL)
    process_id = uuid4()
    looks = 0
    while not stopping.is_set():
        clock.follow(leader.look())
        if looks % _PROVE_EVERY == 0:
            _prove(desk.pool, process_id, leads=leader.leads)
        looks += 1
        stopping.wait(_LOOK_SECONDS)
    log.info("process.stopping")
    clock.follow(False)
    clock.stop()
    leader.resign()
    with suppress(StoreUnavailable), borrow(desk.pool, timeout_seconds=2) as db:
        processes.retire(db, process_id)
    desk.pool.close(timeout=2)
    desk.wire.close()


def _prove(pool: Pool, process_id: UUID, *, leads: bool) -> None:
    try:
        with borrow(pool, timeout_seconds=5) as db:
            figures = {"leads": leads}
            if not processes.heartbeat(db, process_id, figures):
                processes.register(
                    db,
                    process_id,
                    kind="scheduler",
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    version=version("tradesync"),
                )
                processes.heartbeat(db, process_id, figures)
    except StoreUnavailable:
        log.warning("process.unseen")


if __name__ == "__main__":
    sys.exit(main())
