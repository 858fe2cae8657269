"""The clock: APScheduler calls each duty on its beat while this process leads, in memory, and remembers nothing.

A tick that could not run is caught up once, however many were missed. A duty that fails is told and comes
again: none ends the process.
"""

from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from scheduler.desk import Desk
from shared.domain.errors import TradeSyncError
from shared.logs import bound, get_log

log = get_log()


class Clock:
    """Runs the duties while it is not paused."""

    def __init__(self, desk: Desk, duties: tuple[ModuleType, ...]) -> None:
        self._desk = desk
        self._scheduler: Any = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(max(4, len(duties)))},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        for at, duty in enumerate(duties):
            # The first beat comes at once, one duty after the other.
            first = datetime.now(UTC) + timedelta(milliseconds=50 * at)
            self._scheduler.add_job(
                self._run,
                "interval",
                args=(duty,),
                seconds=duty.EVERY.total_seconds(),
                id=duty.__name__,
                next_run_time=first,
            )
        self._scheduler.start(paused=True)
        self._is_paused = True

    def follow(self, leads: bool) -> None:
        """Run while leading, rest while not."""
        if leads and self._is_paused:
            self._scheduler.resume()
        elif not leads and not self._is_paused:
            self._scheduler.pause()
        self._is_paused = not leads

    def stop(self) -> None:
        """End, and wait for what is running."""
        self._scheduler.shutdown(wait=True)

    def _run(self, duty: ModuleType) -> None:
        name = duty.__name__.rpartition(".")[2]
        with bound(duty=name):
            try:
                duty.run(self._desk)
            except TradeSyncError as error:
                log.warning("duty.failed", error=error.code, reason=str(error))
            except Exception:
                # The root of a duty: one that fails is told, and comes again on its next beat.
                log.exception("duty.failed")
