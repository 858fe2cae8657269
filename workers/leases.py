"""Keeps the leases of running jobs alive from one thread, so that a job that dies is seen dead within seconds.

Each page of history renews its job's lease too; this is for the time between, when an exchange is slow.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from shared.domain.errors import LeaseLost, StoreUnavailable
from shared.logs import get_log
from shared.storage import jobs, sessions
from shared.storage.jobs import Claim
from shared.storage.pool import Pool, borrow

LEASE = timedelta(seconds=12)
_RENEW_SECONDS = 3.0

log = get_log()


class Leases:
    """The claims this process holds. `is_lost` tells a job that somebody else has taken over."""

    def __init__(self, pool: Pool, *, every_second: Callable[[], None] | None = None) -> None:
        self._pool = pool
        self._held: dict[UUID, Claim] = {}
        self._sessions: dict[UUID, UUID] = {}
        self._lost: set[UUID] = set()
        self._door = threading.Lock()
        self._ended = threading.Event()
        self._besides = every_second
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """Renew nothing more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def hold(self, claim: Claim) -> None:
        """Renew this claim from now on."""
        with self._door:
            self._held[claim.job_id] = claim

    def hold_session(self, claim: Claim, session_id: UUID) -> None:
        """Keep this session alive with the claim."""
        with self._door:
            self._sessions[claim.job_id] = session_id

    def let_go(self, claim: Claim) -> None:
        """The job is over."""
        with self._door:
            self._held.pop(claim.job_id, None)
            self._sessions.pop(claim.job_id, None)
            self._lost.discard(claim.job_id)

    def is_lost(self, claim: Claim) -> bool:
        """Whether somebody else has it."""
        return claim.job_id in self._lost

    def renew(self) -> None:
        """Renew all once. Postgres being away is no reason to stop a job: its next write will tell."""
        with self._door:
            claims, session_ids = list(self._held.values()), list(self._sessions.values())
        if not claims:
            return
        try:
            with borrow(self._pool) as db:
                for claim in claims:
                    try:
                        jobs.renew(db, claim, LEASE)
                    except LeaseLost:
                        self._mark_lost(claim)
                if session_ids:
                    sessions.heartbeat_all(db, session_ids)
        except StoreUnavailable:
            log.warning("lease.not_renewed", jobs=len(claims))

    def _mark_lost(self, claim: Claim) -> None:
        with self._door:
            if claim.job_id not in self._held:
                return  # it ended while we looked
            self._lost.add(claim.job_id)
        log.warning("lease.lost", job=str(claim.job_id))

    def _keep(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            try:
                self.renew()
                if self._besides is not None:
                    self._besides()
            except Exception:
                # The root of this thread: whatever went wrong, leases are renewed again in a moment.
                log.exception("lease.renewal_failed")
