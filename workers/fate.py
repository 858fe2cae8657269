"""The one place that turns an error into a job's fate.

| Error | Job | Connection |
|---|---|---|
| LeaseLost | ends quietly: somebody else has it | |
| RateLimited(until) | done for now; its duty is due at `until` | degraded where the exchange called it a ban |
| Transient | failed; its duty is due after a growing pause | degraded after the third in a row |
| UserActionNeeded | failed | suspended, its owner told |
| AccountModeChanged | done; goes on after the mode was detected again | |
| ContractBroken | failed; what broke is in quarantine; its duty is due after a growing pause | |
| BadInput | failed: what was asked for makes no sense | |
| anything else | failed, loudly: it is our fault; its duty is due after a growing pause | |

A job that ended its worker twice while it ran alone is parked by `storage.jobs`, and with it the connection.
"""

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from msgspec import Struct

from shared.domain.errors import (
    AccountModeChanged,
    BadInput,
    ContractBroken,
    LeaseLost,
    RateLimited,
    StoreUnavailable,
    TradeSyncError,
    Transient,
    UserActionNeeded,
    WireUnavailable,
)
from shared.events.kinds import ConnectionChanged
from shared.logs import bound, get_log
from shared.queue.consumer import PutBack
from shared.queue.layout import make_request
from shared.queue.requests import CatchUp, CheckKey, Request, SyncBalances, SyncHistory, WriteTrades
from shared.storage import connections, due, events, jobs, quarantine
from shared.storage.jobs import Claim, Queued
from shared.storage.pool import borrow
from shared.storage.values import Db
from workers.desk import Desk
from workers.leases import LEASE

JobRequest = SyncHistory | CatchUp | SyncBalances | CheckKey
Told = MutableMapping[str, Any]

_STORE_PAUSE_SECONDS = 1.0

log = get_log()


class Outcome(Struct, frozen=True, kw_only=True):
    """How a job ended well. `go_on_with` is the request that continues it (None: nothing is left to do)."""

    word: str = "ok"
    go_on_with: JobRequest | None = None


Work = Callable[[Desk, Claim, Any, Told], Outcome]


def run_job(
    desk: Desk, request: JobRequest, work: Work, *, detect: Callable[[Desk, Claim, Told], object] | None = None
) -> None:
    """Claim the job of this request, do its work, and record what became of it. Raises `PutBack` only.

    `work` is given the request on record, which may say more than the message did. `detect` asks the exchange
    for the account's mode again. When Postgres is away the message returns to its queue.
    """
    name, connection_id = request.NAME, request.connection_id
    if desk.stopping.is_set():
        raise PutBack
    with bound(request=name, connection=str(connection_id)):
        with desk.company.beside() as may:
            if not may:
                raise PutBack
            claim = _claim(desk, request)
            if claim is None:
                log.debug("job.not_needed")
                return
            if not claim.is_suspect:
                _hold_and_run(desk, claim, work, detect)
                return
        _run_alone(desk, claim, work, detect)


def _claim(desk: Desk, request: JobRequest) -> Claim | None:
    try:
        with borrow(desk.pool) as db:
            return jobs.begin(
                db,
                request.NAME,
                request.connection_id,
                arguments_of(request),
                holder=desk.holder,
                lane=_lane_of(request),
                lease=LEASE,
            )
    except StoreUnavailable:
        desk.stopping.wait(_STORE_PAUSE_SECONDS)
        raise PutBack from None


def _hold_and_run(desk: Desk, claim: Claim, work: Work, detect: Callable[[Desk, Claim, Told], object] | None) -> None:
    desk.leases.hold(claim)
    try:
        with bound(job=str(claim.job_id)):
            _run(desk, claim, work, detect)
    finally:
        desk.leases.let_go(claim)


def _run_alone(desk: Desk, claim: Claim, work: Work, detect: Callable[[Desk, Claim, Told], object] | None) -> None:
    """Run a suspect when no other job does, however long that takes."""
    desk.leases.hold(claim)
    try:
        with desk.company.alone(), bound(job=str(claim.job_id)):
            try:
                with borrow(desk.pool) as db:
                    jobs.go_alone(db, claim, LEASE)
            except (LeaseLost, StoreUnavailable):
                return  # somebody else has it, or will when its lease is over
            log.warning("job.runs_alone", attempt=claim.attempts)
            _run(desk, claim, work, detect)
    finally:
        desk.leases.let_go(claim)


def _run(desk: Desk, claim: Claim, work: Work, detect: Callable[[Desk, Claim, Told], object] | None) -> None:
    began = time.monotonic()
    told: dict[str, Any] = {"attempt": claim.attempts}
    error: BaseException | None = None
    try:
        told["outcome"] = _work(desk, claim, work, detect, told)
    except Exception as caught:  # noqa: BLE001 — the root of a job: no error of one job ends the process
        error = caught
        told["outcome"] = _settle(desk, claim, caught)
    took_ms = round((time.monotonic() - began) * 1000)
    if error is None or isinstance(error, LeaseLost):
        log.info("job.finished", **told, took_ms=took_ms)
    elif isinstance(error, RateLimited) and not error.ban:
        log.info("job.finished", **told, until=error.until_ms, reason=str(error), took_ms=took_ms)
    elif isinstance(error, Transient | UserActionNeeded | BadInput):
        log.warning("job.failed", **told, error=error.code, reason=str(error), took_ms=took_ms)
    elif isinstance(error, TradeSyncError):
        log.error("job.failed", **told, error=error.code, reason=str(error), took_ms=took_ms)
    else:
        log.error("job.failed", **told, error=type(error).__name__, exc_info=error, took_ms=took_ms)


def _work(
    desk: Desk, claim: Claim, work: Work, detect: Callable[[Desk, Claim, Told], object] | None, told: Told
) -> str:
    request = request_of(claim)
    assert not isinstance(request, WriteTrades)
    try:
        outcome = work(desk, claim, request, told)
    except AccountModeChanged:
        if detect is None:
            raise
        detect(desk, claim, told)
        outcome = Outcome(word="mode_changed", go_on_with=request)
    following = outcome.go_on_with
    with borrow(desk.pool) as db:
        queued = jobs.finish(db, claim, go_on_with=None if following is None else arguments_of(following))
    _send(desk, queued)
    return outcome.word


def _settle(desk: Desk, claim: Claim, error: Exception) -> str:
    """Record what an error means, and give the word for it. It never raises: the next look will find the job."""
    if isinstance(error, LeaseLost):
        return "taken_over"
    try:
        with borrow(desk.pool) as db, db.transaction():
            jobs.renew(db, claim, LEASE)  # whoever lost it says nothing of the connection: it may have a new key
            word = _decide(db, claim, error)
            waits = isinstance(error, RateLimited) and not error.ban
            queued = jobs.finish(db, claim) if waits else jobs.fail(db, claim, error)
        _send(desk, queued)
        if word == "suspended" and claim.connection_id is not None:
            desk.tell(ConnectionChanged(connection_id=claim.connection_id, change="suspended"))
    except LeaseLost:
        return "taken_over"
    except StoreUnavailable:
        return "unrecorded"
    return word


def _decide(db: Db, claim: Claim, error: Exception) -> str:
    connection_id = claim.connection_id
    assert connection_id is not None
    if isinstance(error, BadInput):
        return "refused"
    if isinstance(error, UserActionNeeded):
        if connections.suspend(db, connection_id, error):
            events.record_event(db, "connection.suspended", connection_id=connection_id, fields={"error": error.code})
            log.warning("connection.suspended", error=error.code)
        return "suspended"
    if isinstance(error, ContractBroken):
        _keep(db, claim, error)
    if isinstance(error, RateLimited) and not error.ban:
        due.set_due(db, connection_id, duty_of(claim), error.until_ms)
        return "waits"
    known = error if isinstance(error, TradeSyncError) else TradeSyncError("Something went wrong on our side.")
    until_ms = error.until_ms if isinstance(error, RateLimited) else None
    connections.touch_failure(db, connection_id, duty_of(claim), known, until_ms=until_ms)
    return "later"


def _keep(db: Db, claim: Claim, error: ContractBroken) -> None:
    quarantine.record(
        db,
        [
            quarantine.Item(
                connection_id=claim.connection_id,
                exchange=None,
                source="rest",
                reason=f"{error.code}: {error.sentence}",
                raw={"request": claim.request, "arguments": claim.arguments},
            )
        ],
    )


def _send(desk: Desk, queued: Queued | None) -> None:
    if queued is None or queued.connection_id is None:
        return
    try:
        desk.send(make_request(queued.request, queued.connection_id, queued.arguments))
    except WireUnavailable as error:
        # It is on record; the scheduler sends what waits in vain.
        log.warning("job.not_sent", reason=str(error))
    except BadInput as error:
        log.error("job.not_sent", reason=str(error))  # noqa: TRY400 — the sentence says all


def request_of(claim: Claim) -> Request:
    """The claimed job's request."""
    assert claim.connection_id is not None
    return make_request(claim.request, claim.connection_id, claim.arguments)


def arguments_of(request: JobRequest) -> dict[str, Any]:
    """A request's fields besides its connection, without those left as they are: what a job on record keeps."""
    defaults = type(request)(connection_id=request.connection_id)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name in request.__struct_fields__
        if name != "connection_id" and (value := getattr(request, name)) != getattr(defaults, name)
    }


def duty_of(claim: Claim) -> str:
    """Which duty of the connection is due again when this job fails."""
    if claim.request == CatchUp.NAME:
        return "catch_up"
    if claim.request == SyncBalances.NAME:
        return "balances"
    if claim.request == CheckKey.NAME:
        return "key_check"
    reason = str(claim.arguments.get("reason", ""))
    return reason if reason in {"recheck", "discovery", "sweep"} else "backfill"


def _lane_of(request: JobRequest) -> str:
    if isinstance(request, SyncHistory):
        return request.lane
    return "balances" if isinstance(request, SyncBalances) else "live"
