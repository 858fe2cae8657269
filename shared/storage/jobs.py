"""Jobs on record: what is queued or running, by whom, and what became of it.

    queued ──begin──▶ running ──finish──▶ done        (asked again meanwhile: a new one, queued)
      ▲                │  └─────fail────▶ failed
      └──rescue/begin──┘ lease expired; when it ended its worker twice alone: parked, and with it the connection

Who dies takes along whatever ran beside the guilty: after two deaths in company a job is a suspect, and runs alone.

There is one open job per connection and request: asking for the same again is already answered, asking for
something else of the same kind is kept in `again` and comes next. Every begin raises the fence, and every
write of the job checks it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.errors import LeaseLost, TradeSyncError
from shared.storage.values import Db, jsonb, millis

LEASE = timedelta(seconds=15)
CRASHES_IN_COMPANY = 2
CRASHES_ALONE = 2


class Claim(Struct, frozen=True, kw_only=True):
    """The right to run one job. `fence` is checked by every write; `arguments` are those to run with."""

    job_id: UUID
    fence: int
    holder: str
    request: str
    connection_id: UUID | None
    arguments: Mapping[str, Any]
    lane: str
    attempts: int

    @property
    def is_suspect(self) -> bool:
        """Its workers died again and again: it runs alone (`go_alone`), so that it shows whether that is its fault."""
        return self.attempts > CRASHES_IN_COMPANY


class Queued(Struct, frozen=True, kw_only=True):
    """A job whose message is to be sent: the request's name and its fields besides `connection_id`."""

    job_id: UUID
    request: str
    connection_id: UUID | None
    arguments: Mapping[str, Any]
    lane: str


class Job(Struct, frozen=True, kw_only=True):
    """A job as lists show it."""

    id: UUID
    request: str
    connection_id: UUID | None
    arguments: Mapping[str, Any]
    lane: str
    state: str
    queued_ms: int
    attempts: int
    holder: str | None
    error_code: str | None
    error_message: str | None


def queue_job(
    db: Db, request: str, connection_id: UUID, arguments: Mapping[str, Any] | None = None, *, lane: str = "backfill"
) -> Queued | None:
    """Put a job on record. Gives it when a message must be sent, None when an open one answers for it already."""
    found = db.execute(
        """
        INSERT INTO jobs (request, connection_id, arguments, lane)
        VALUES (%(request)s, %(connection_id)s, %(arguments)s, %(lane)s)
        ON CONFLICT (connection_id, request) WHERE state IN ('queued', 'running') DO UPDATE
        SET again = CASE
            WHEN jobs.state = 'queued' AND jobs.arguments = EXCLUDED.arguments THEN jobs.again
            WHEN EXISTS (SELECT FROM jsonb_array_elements(jobs.again) AS asked WHERE asked = EXCLUDED.arguments)
                 OR jsonb_array_length(jobs.again) >= 20 THEN jobs.again
            ELSE jobs.again || jsonb_build_array(EXCLUDED.arguments) END
        RETURNING id, xmax = 0
        """,
        {
            "request": request,
            "connection_id": connection_id,
            "arguments": jsonb(arguments or {}),
            "lane": lane,
        },
    ).fetchone()
    if found is None or not found[1]:
        return None
    return Queued(job_id=found[0], request=request, connection_id=connection_id, arguments=arguments or {}, lane=lane)


def begin(
    db: Db,
    request: str,
    connection_id: UUID,
    arguments: Mapping[str, Any] | None = None,
    *,
    holder: str,
    lane: str = "backfill",
    lease: timedelta = LEASE,
) -> Claim | None:
    """A message arrived: take the open job of this connection and request, or make one (a message from outside).

    None: somebody else is running it (then it is asked for again, if the arguments say something else), it was
    parked because it ended its worker twice while alone, or the connection rests or is gone. The claim's arguments
    are those on record.
    """
    with db.transaction():
        awake = db.execute(
            """
            SELECT FROM user_exchange_connections
            WHERE id = %s AND is_active AND removed_at IS NULL AND sync_status NOT IN ('suspended', 'parked', 'closed')
            """,
            (connection_id,),
        ).fetchone()
        if awake is None:
            db.execute(
                """
                UPDATE jobs SET state = 'done', finished_at = now(), again = '[]', error_code = 'resting'
                WHERE connection_id = %s AND request = %s AND state = 'queued'
                """,
                (connection_id, request),
            )
            return None
        open_job = db.execute(
            """
            SELECT id, state, alone, leased_until < now()
            FROM jobs WHERE connection_id = %s AND request = %s AND state IN ('queued', 'running') FOR UPDATE
            """,
            (connection_id, request),
        ).fetchone()
        if open_job is None:
            if queue_job(db, request, connection_id, arguments, lane=lane) is None:
                return None
        else:
            job_id, state, alone, is_orphan = open_job
            if state == "running" and not is_orphan:
                queue_job(db, request, connection_id, arguments, lane=lane)
                return None
            if alone >= CRASHES_ALONE:
                _park(db, job_id)
                return None
        row = db.execute(
            """
            UPDATE jobs
            SET state = 'running', attempts = attempts + 1, fence = fence + 1, holder = %s, started_at = now(),
                leased_until = now() + %s
            WHERE connection_id = %s AND request = %s AND state IN ('queued', 'running')
            RETURNING id, fence, arguments, lane, attempts
            """,
            (holder, lease, connection_id, request),
        ).fetchone()
    assert row is not None
    return Claim(
        job_id=row[0],
        fence=row[1],
        holder=holder,
        request=request,
        connection_id=connection_id,
        arguments=row[2],
        lane=row[3],
        attempts=row[4],
    )


def go_alone(db: Db, claim: Claim, lease: timedelta = LEASE) -> None:
    """From here on no other job runs beside it: if its worker ends now, it is to blame. Raises `LeaseLost`."""
    found = db.execute(
        """
        UPDATE jobs SET alone = alone + 1, leased_until = now() + %s
        WHERE id = %s AND fence = %s AND state = 'running'
        """,
        (lease, claim.job_id, claim.fence),
    )
    if found.rowcount != 1:
        raise LeaseLost


def renew(db: Db, claim: Claim, lease: timedelta = LEASE) -> None:
    """Keep the job for another while, and lock it until the transaction ends. Raises `LeaseLost`."""
    found = db.execute(
        "UPDATE jobs SET leased_until = now() + %s WHERE id = %s AND fence = %s AND state = 'running'",
        (lease, claim.job_id, claim.fence),
    )
    if found.rowcount != 1:
        raise LeaseLost


def finish(
    db: Db, claim: Claim, *, go_on_with: Mapping[str, Any] | None = None, lane: str | None = None
) -> Queued | None:
    """The job is done. Gives what must be sent next: its own continuation, or what was asked for meanwhile.

    `go_on_with` are the continuation's arguments (None: there is nothing to go on with). Raises `LeaseLost`.
    """
    with db.transaction():
        row = db.execute(
            """
            UPDATE jobs SET state = 'done', finished_at = now(), leased_until = NULL, again = '[]'
            WHERE id = %s AND fence = %s AND state = 'running'
            RETURNING (SELECT again FROM jobs before WHERE before.id = jobs.id)
            """,
            (claim.job_id, claim.fence),
        ).fetchone()
        if row is None:
            raise LeaseLost
        return _next(db, claim, row[0], go_on_with, lane)


def fail(db: Db, claim: Claim, error: TradeSyncError | Exception) -> Queued | None:
    """The job ended with an error that is on record now. What was asked for meanwhile comes next. Raises `LeaseLost`.

    When the same is tried again is the duty's business (`connections.touch_failure`).
    """
    code = error.code if isinstance(error, TradeSyncError) else "failed"
    sentence = str(error) if isinstance(error, TradeSyncError) else type(error).__name__
    with db.transaction():
        row = db.execute(
            """
            UPDATE jobs SET state = 'failed', finished_at = now(), leased_until = NULL, again = '[]',
                            error_code = %s, error_message = %s
            WHERE id = %s AND fence = %s AND state = 'running'
            RETURNING (SELECT again FROM jobs before WHERE before.id = jobs.id)
            """,
            (code, sentence, claim.job_id, claim.fence),
        ).fetchone()
        if row is None:
            raise LeaseLost
        return _next(db, claim, row[0], None, None)


def _next(
    db: Db, claim: Claim, asked: list[Any], go_on_with: Mapping[str, Any] | None, lane: str | None
) -> Queued | None:
    waiting = [*asked, *([] if go_on_with is None or go_on_with in asked else [go_on_with])]
    if not waiting or claim.connection_id is None:
        return None
    queued = queue_job(db, claim.request, claim.connection_id, waiting[0], lane=lane or claim.lane)
    for arguments in waiting[1:]:
        queue_job(db, claim.request, claim.connection_id, arguments, lane=lane or claim.lane)
    return queued


def rescue_orphans(db: Db, limit: int = 100) -> list[Queued]:
    """Jobs whose worker is gone (lease expired) are queued again and given to be sent; crashers are parked."""
    with db.transaction():
        rows = db.execute(
            """
            SELECT id, alone FROM jobs WHERE state = 'running' AND leased_until < now()
            ORDER BY leased_until LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            (limit,),
        ).fetchall()
        for job_id, alone in rows:
            if alone >= CRASHES_ALONE:
                _park(db, job_id)
        saved = [job_id for job_id, alone in rows if alone < CRASHES_ALONE]
        return _sent(
            db,
            """
            UPDATE jobs SET state = 'queued', holder = NULL, leased_until = NULL, sent_at = now()
            WHERE id = ANY (%s) RETURNING id, request, connection_id, arguments, lane
            """,
            (saved,),
        )


def take_unsent(db: Db, older_than: timedelta = timedelta(seconds=60), limit: int = 500) -> list[Queued]:
    """Jobs that wait in vain since their message was sent: Redis may have lost it. Given to be sent again.

    A second message for a job does no harm: `begin` finds it running or done... and a done one runs once more.
    Ask only when the queue is short, else what merely waits its turn is sent twice.
    """
    return _sent(
        db,
        """
        UPDATE jobs SET sent_at = now() WHERE id IN (
            SELECT id FROM jobs WHERE state = 'queued' AND sent_at < now() - %s
            ORDER BY queued_at LIMIT %s FOR UPDATE SKIP LOCKED
        ) RETURNING id, request, connection_id, arguments, lane
        """,
        (older_than, limit),
    )


def parked(db: Db, limit: int = 100) -> list[Job]:
    """The jobs that crashed their workers, newest first."""
    return listed(db, states=("parked",), limit=limit)


def listed(db: Db, *, connection_id: UUID | None = None, states: tuple[str, ...] = (), limit: int = 100) -> list[Job]:
    """The newest jobs, of one connection and in some states where given."""
    rows = db.execute(
        """
        SELECT id, request, connection_id, arguments, lane, state, queued_at, attempts, holder, error_code,
               error_message
        FROM jobs
        WHERE (%(connection_id)s::uuid IS NULL OR connection_id = %(connection_id)s)
          AND (%(states)s::text[] = '{}' OR state = ANY (%(states)s))
        ORDER BY queued_at DESC LIMIT %(limit)s
        """,
        {"connection_id": connection_id, "states": list(states), "limit": limit},
    ).fetchall()
    return [
        Job(
            id=row[0],
            request=row[1],
            connection_id=row[2],
            arguments=row[3],
            lane=row[4],
            state=row[5],
            queued_ms=millis(row[6]),
            attempts=row[7],
            holder=row[8],
            error_code=row[9],
            error_message=row[10],
        )
        for row in rows
    ]


def open_count(db: Db) -> dict[str, int]:
    """How many jobs are queued and running, by request."""
    rows = db.execute(
        "SELECT request, count(*) FROM jobs WHERE state IN ('queued', 'running') GROUP BY request"
    ).fetchall()
    return dict(rows)


def _park(db: Db, job_id: UUID) -> None:
    sentence = "This job ended its worker twice while nothing else ran there; an operator has to look at it."
    db.execute(
        """
        WITH parked AS (
            UPDATE jobs SET state = 'parked', finished_at = now(), leased_until = NULL, again = '[]',
                            error_code = 'job_crashed', error_message = %(sentence)s
            WHERE id = %(id)s RETURNING connection_id
        ), resting AS (
            UPDATE duties SET due_at = NULL WHERE connection_id IN (SELECT connection_id FROM parked)
        )
        UPDATE user_exchange_connections
        SET sync_status = 'parked', error_code = 'job_crashed', error_message = %(sentence)s
        WHERE id IN (SELECT connection_id FROM parked) AND sync_status NOT IN ('suspended', 'closed')
        """,
        {"id": job_id, "sentence": sentence},
    )


def _sent(db: Db, query: str, arguments: tuple[Any, ...]) -> list[Queued]:
    rows = db.execute(query.encode(), arguments).fetchall()
    return [Queued(job_id=row[0], request=row[1], connection_id=row[2], arguments=row[3], lane=row[4]) for row in rows]
