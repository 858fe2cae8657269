"""What is due: one statement takes the oldest promises, sets the next ones and puts the jobs on record."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, millis, moment, optional_moment


class Every(Struct, frozen=True, kw_only=True):
    """How often each duty comes. `catch_up` while the stream is live, `poll` while it is not.

    `backfill` is only the net under the chain of continuations: a job goes on by itself, and ends the duty
    with `rest_duty` when nothing is missing.
    """

    catch_up: timedelta = timedelta(minutes=5)
    poll: timedelta = timedelta(seconds=15)
    backfill: timedelta = timedelta(minutes=1)
    balances: timedelta = timedelta(seconds=60)
    recheck: timedelta = timedelta(days=1)
    discovery: timedelta = timedelta(hours=1)
    sweep: timedelta = timedelta(days=7)
    key_check: timedelta = timedelta(days=1)


class Due(Struct, frozen=True, kw_only=True):
    """A job that is on record now and wants its message sent.

    `request` is the request's name, `arguments` its fields besides `connection_id`; `duty` says what was due.
    """

    job_id: UUID
    duty: str
    request: str
    connection_id: UUID
    exchange: str
    arguments: Mapping[str, Any]
    lane: str
    due_ms: int


# duty, the request that answers for it, its lane, its arguments
_REQUESTS = """
    ('catch_up',  'catch_up',      'live',     '{"reason": "due"}'::jsonb),
    ('backfill',  'sync_history',  'backfill', '{"reason": "backfill"}'),
    ('balances',  'sync_balances', 'balances', '{}'),
    ('recheck',   'sync_history',  'backfill', '{"reason": "recheck"}'),
    ('discovery', 'sync_history',  'backfill', '{"reason": "discovery"}'),
    ('sweep',     'sync_history',  'backfill', '{"reason": "sweep"}'),
    ('key_check', 'check_key',     'live',     '{}')
"""

# Several duties of one connection may ask for the same request with other arguments: the first makes the job,
# the others stand in its `again`. A job that is open already takes what is new to it in the same way.
_TAKE = f"""
WITH answers (duty, request, lane, arguments) AS (VALUES {_REQUESTS}),
ripe AS MATERIALIZED (
    SELECT connection_id, duty, due_at FROM duties WHERE due_at <= %(now)s
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
),
awake AS MATERIALIZED (
    SELECT ripe.*, c.exchange_name, c.stream_state,
           c.is_active AND c.removed_at IS NULL AND c.sync_status NOT IN ('suspended', 'parked', 'closed') AS is_awake
    FROM ripe JOIN user_exchange_connections c ON c.id = ripe.connection_id
),
moved AS (
    UPDATE duties d SET due_at = CASE WHEN awake.is_awake THEN %(now)s + CASE
        WHEN d.duty = 'catch_up' AND awake.stream_state = 'live' THEN %(catch_up)s::interval
        WHEN d.duty = 'catch_up' THEN %(poll)s::interval
        WHEN d.duty = 'backfill' THEN %(backfill)s::interval
        WHEN d.duty = 'balances' THEN %(balances)s::interval
        WHEN d.duty = 'recheck' THEN %(recheck)s::interval
        WHEN d.duty = 'discovery' THEN %(discovery)s::interval
        WHEN d.duty = 'sweep' THEN %(sweep)s::interval
        ELSE %(key_check)s::interval END END
    FROM awake WHERE d.connection_id = awake.connection_id AND d.duty = awake.duty
),
asked AS (
    SELECT awake.connection_id, answers.request,
           (array_agg(awake.exchange_name))[1] AS exchange,
           (array_agg(answers.lane ORDER BY awake.due_at, awake.duty))[1] AS lane,
           (array_agg(awake.duty ORDER BY awake.due_at, awake.duty))[1] AS duty,
           array_agg(answers.arguments ORDER BY awake.due_at, awake.duty) AS arguments,
           min(awake.due_at) AS due_at
    FROM awake JOIN answers USING (duty) WHERE awake.is_awake
    GROUP BY awake.connection_id, answers.request
),
queued AS (
    INSERT INTO jobs (request, connection_id, arguments, lane, again)
    SELECT request, connection_id, arguments[1], lane, to_jsonb(arguments[2:])
    FROM asked ORDER BY connection_id, request
    ON CONFLICT (connection_id, request) WHERE state IN ('queued', 'running') DO UPDATE
    SET again = jobs.again || (
        SELECT coalesce(jsonb_agg(DISTINCT news), '[]')
        FROM jsonb_array_elements(jsonb_build_array(EXCLUDED.arguments) || EXCLUDED.again) AS news
        WHERE news <> jobs.arguments
          AND NOT EXISTS (SELECT FROM jsonb_array_elements(jobs.again) AS old WHERE old = news)
    )
    WHERE jobs.arguments <> EXCLUDED.arguments OR EXCLUDED.again <> '[]'
    RETURNING id, request, connection_id, arguments, lane, xmax = 0 AS is_new
)
SELECT queued.id, asked.duty, queued.request, queued.connection_id, asked.exchange, queued.arguments, queued.lane,
       asked.due_at
FROM queued JOIN asked USING (connection_id, request)
WHERE queued.is_new
ORDER BY asked.due_at, queued.connection_id
"""  # noqa: S608 — made of this file's own words


def take_due(db: Db, now_ms: int, limit: int, every: Every) -> list[Due]:
    """Take at most `limit` due duties, oldest promise first, and give the jobs that came of them.

    Each next promise counts from now, so that a missed tick is caught up and not repeated. A duty whose job is
    still open gives none. Two schedulers never take the same duty.
    """
    rows = db.execute(
        _TAKE.encode(),
        {
            "now": moment(now_ms),
            "limit": limit,
            "catch_up": every.catch_up,
            "poll": every.poll,
            "backfill": every.backfill,
            "balances": every.balances,
            "recheck": every.recheck,
            "discovery": every.discovery,
            "sweep": every.sweep,
            "key_check": every.key_check,
        },
    ).fetchall()
    return [
        Due(
            job_id=row[0],
            duty=row[1],
            request=row[2],
            connection_id=row[3],
            exchange=row[4],
            arguments=row[5],
            lane=row[6],
            due_ms=millis(row[7]),
        )
        for row in rows
    ]


def set_due(db: Db, connection_id: UUID, duty: str, due_ms: int) -> None:
    """This duty is due at that moment, unless the connection rests."""
    _set(db, connection_id, duty, due_ms, earlier_only=False)


def pull_in(db: Db, connection_id: UUID, duty: str, due_ms: int) -> None:
    """This duty is due at that moment or earlier, unless the connection rests."""
    _set(db, connection_id, duty, due_ms, earlier_only=True)


def pull_in_all(db: Db, duty: str, *, within: timedelta) -> int:
    """This duty of every connection that does not rest is due by then, one sooner than another; how many it was not."""
    return db.execute(
        """
        UPDATE duties d SET due_at = now() + random() * %(within)s
        FROM user_exchange_connections c
        WHERE d.duty = %(duty)s AND c.id = d.connection_id AND d.due_at > now() + %(within)s
          AND c.is_active AND c.removed_at IS NULL AND c.sync_status NOT IN ('suspended', 'parked', 'closed')
        """,
        {"duty": duty, "within": within},
    ).rowcount


def rest_duty(db: Db, connection_id: UUID, duty: str) -> None:
    """This duty has nothing to do until it is pulled in again (a backfill that is complete)."""
    db.execute("UPDATE duties SET due_at = NULL WHERE connection_id = %s AND duty = %s", (connection_id, duty))


def due_at(db: Db, connection_id: UUID) -> dict[str, int | None]:
    """When each duty of a connection is due (epoch ms); None: not now."""
    rows = db.execute("SELECT duty, due_at FROM duties WHERE connection_id = %s", (connection_id,)).fetchall()
    return {duty: None if at is None else millis(at) for duty, at in rows}


def oldest_promise(db: Db) -> int | None:
    """The moment (epoch ms) the most overdue duty was promised for, or None: nothing is promised."""
    row = db.execute("SELECT min(due_at) FROM duties WHERE due_at IS NOT NULL").fetchone()
    return None if row is None or row[0] is None else millis(row[0])


def _set(db: Db, connection_id: UUID, duty: str, due_ms: int, *, earlier_only: bool) -> None:
    db.execute(
        """
        UPDATE duties d SET due_at = CASE WHEN %(earlier_only)s THEN least(d.due_at, %(at)s) ELSE %(at)s END
        FROM user_exchange_connections c
        WHERE d.connection_id = %(id)s AND d.duty = %(duty)s AND c.id = d.connection_id
          AND c.is_active AND c.sync_status NOT IN ('suspended', 'parked', 'closed')
        """,
        {"id": connection_id, "duty": duty, "at": optional_moment(due_ms), "earlier_only": earlier_only},
    )
