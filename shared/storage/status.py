"""What pages and the command line show: how connections are, how far history is, how long it will take."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.rows import dict_row

from shared.domain.windows import Coverage, Window
from shared.storage.values import Db, Row, coverage, millis, moment, optional_millis


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """A connection at a glance.

    `wanted_ms` is how much history is readable at all, `proven_ms` how much of it is proven, `left_ms` how
    long the rest takes at the speed of the last minutes (None: nothing is left, or no speed is known yet).
    `explained_until_ms`: up to when spot balances were held against the trades (None: never); `unexplained` changes are
    open. `proven_until_ms` is the oldest proven edge of its active feeds: "synced up to". `feeds_unread` have no
    beginning yet. `next_due_ms` is the next moment anything is due.
    """

    id: UUID
    user_id: UUID
    email: str
    exchange: str
    label: str
    sync_status: str
    stream_state: str
    stream_reason: str | None
    stream_changed_ms: int | None
    error_code: str | None
    error_message: str | None
    last_sync_ms: int | None
    account_mode: str
    products: tuple[str, ...]
    key_expires_ms: int | None
    created_ms: int
    feeds: int
    feeds_unread: int
    feeds_closed: int
    feeds_sweep: int
    holes: int
    wanted_ms: int
    proven_ms: int
    proven_until_ms: int | None
    left_ms: int | None
    trades: int
    quarantined: int
    explained_until_ms: int | None
    unexplained: int
    open_jobs: tuple[str, ...]
    next_due_ms: int | None

    @property
    def progress(self) -> float:
        """The proven share of the readable history, 0 to 1; 0 while no feed is known."""
        return min(1.0, self.proven_ms / self.wanted_ms) if self.wanted_ms else 0.0


class FeedStatus(Struct, frozen=True, kw_only=True):
    """A feed at a glance: what is missing of it, where the exchange cannot fill it, since when it is not readable."""

    connection_id: UUID
    key: str
    covered: Coverage
    gaps: tuple[Window, ...]
    saturated: Coverage
    wanted_since_ms: int | None
    reach_ms: int | None
    proven_until_ms: int | None
    proven_ms: int | None
    is_sweep: bool
    is_closed: bool
    closed_reason: str | None


class SessionLine(Struct, frozen=True, kw_only=True):
    """One row of `trade_sync_sessions`."""

    id: UUID
    connection_id: UUID
    sync_type: str
    status: str
    started_ms: int
    completed_ms: int | None
    duration: timedelta | None
    runs: int
    pages: int
    request_weight: float
    trades_synced: int
    trades_updated: int
    error_code: str | None
    error_message: str | None


# The speed of a backfill: history proven per second of the sessions that worked in the last five minutes.
_STATUS = """
WITH chosen AS MATERIALIZED (
    SELECT * FROM user_exchange_connections c
    WHERE removed_at IS NULL AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
      AND (%(connection_id)s::uuid IS NULL OR id = %(connection_id)s)
    ORDER BY created_at, id LIMIT %(limit)s OFFSET %(offset)s
),
read AS (
    SELECT s.connection_id, count(*) AS feeds,
           count(*) FILTER (WHERE wanted_since IS NULL) AS unread,
           count(*) FILTER (WHERE is_closed) AS closed,
           count(*) FILTER (WHERE is_sweep) AS sweep,
           count(*) FILTER (WHERE saturated <> '{}') AS holes,
           coalesce(sum(extract(epoch FROM %(now)s - wanted_since)) FILTER (WHERE NOT is_sweep AND NOT is_closed), 0)
               AS wanted,
           coalesce(sum((SELECT sum(extract(epoch FROM upper(r) - lower(r)))
                         FROM unnest(covered * tstzmultirange(
                             tstzrange(wanted_since, greatest(wanted_since, %(now)s)))) AS r))
                    FILTER (WHERE NOT is_sweep AND NOT is_closed), 0) AS proven,
           CASE WHEN bool_and(covered <> '{}') FILTER (WHERE NOT is_sweep AND NOT is_closed)
                THEN min(upper(covered)) FILTER (WHERE NOT is_sweep AND NOT is_closed) END AS edge
    FROM sync_coverage s JOIN chosen ON chosen.id = s.connection_id GROUP BY s.connection_id
),
speed AS (
    SELECT s.connection_id, sum(s.proven_ms) / 1000.0 AS proven,
           sum(extract(epoch FROM coalesce(completed_at, heartbeat_at) - started_at)) AS took
    FROM trade_sync_sessions s JOIN chosen ON chosen.id = s.connection_id
    WHERE s.proven_ms > 0 AND s.started_at > now() - interval '5 minutes' AND s.sync_type IN ('historical', 'manual')
    GROUP BY s.connection_id
)
SELECT chosen.*, u.email, read.*, speed.proven AS recently_proven, speed.took AS recently_took,
       (SELECT count(*) FROM trades t WHERE t.connection_id = chosen.id) AS trades,
       (SELECT count(*) FROM quarantine q WHERE q.connection_id = chosen.id AND resolved_at IS NULL) AS quarantined,
       (SELECT read_at FROM balance_judged b WHERE b.connection_id = chosen.id) AS explained_until,
       (SELECT count(*) FROM balance_gaps g WHERE g.connection_id = chosen.id AND closed_at IS NULL) AS unexplained,
       ARRAY(SELECT request FROM jobs j WHERE j.connection_id = chosen.id AND state IN ('queued', 'running') ORDER BY 1)
           AS open_jobs,
       (SELECT min(due_at) FROM duties d WHERE d.connection_id = chosen.id) AS next_due
FROM chosen JOIN users u ON u.id = chosen.user_id
LEFT JOIN read ON read.connection_id = chosen.id LEFT JOIN speed ON speed.connection_id = chosen.id
ORDER BY chosen.created_at, chosen.id
"""


def connection_statuses(
    db: Db,
    now_ms: int,
    *,
    user_id: UUID | None = None,
    connection_id: UUID | None = None,
    limit: int = 1_000,
    offset: int = 0,
) -> list[ConnectionStatus]:
    """How connections are, of one user or one alone where given, oldest first."""
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            _STATUS,
            {
                "now": moment(now_ms),
                "user_id": user_id,
                "connection_id": connection_id,
                "limit": limit,
                "offset": offset,
            },
        )
        return [_status(row) for row in cursor]


def _status(row: Row) -> ConnectionStatus:
    wanted_ms, proven_ms = int((row["wanted"] or 0) * 1000), int((row["proven"] or 0) * 1000)
    return ConnectionStatus(
        id=row["id"],
        user_id=row["user_id"],
        email=row["email"],
        exchange=row["exchange_name"],
        label=row["label"],
        sync_status=row["sync_status"],
        stream_state=row["stream_state"],
        stream_reason=row["stream_reason"],
        stream_changed_ms=optional_millis(row["stream_changed_at"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        last_sync_ms=optional_millis(row["last_sync_at"]),
        account_mode=row["account_mode"],
        products=tuple(row["products"]),
        key_expires_ms=optional_millis(row["key_expires_at"]),
        created_ms=millis(row["created_at"]),
        feeds=row["feeds"] or 0,
        feeds_unread=row["unread"] or 0,
        feeds_closed=row["closed"] or 0,
        feeds_sweep=row["sweep"] or 0,
        holes=row["holes"] or 0,
        wanted_ms=wanted_ms,
        proven_ms=proven_ms,
        proven_until_ms=optional_millis(row["edge"]),
        left_ms=_left_ms(wanted_ms - proven_ms, row["recently_proven"], row["recently_took"]),
        trades=row["trades"],
        quarantined=row["quarantined"],
        explained_until_ms=optional_millis(row["explained_until"]),
        unexplained=row["unexplained"],
        open_jobs=tuple(row["open_jobs"]),
        next_due_ms=optional_millis(row["next_due"]),
    )


def _left_ms(missing_ms: int, proven_seconds: Any, took_seconds: Any) -> int | None:
    # Up to ten minutes of the newest history are always on their way; they are no backfill.
    if missing_ms <= 600_000 or not proven_seconds or not took_seconds:
        return None
    return int(missing_ms * float(took_seconds) / float(proven_seconds))


def feed_statuses(db: Db, connection_id: UUID, now_ms: int) -> list[FeedStatus]:
    """How each feed of a connection is, by key."""
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SELECT * FROM sync_coverage WHERE connection_id = %s ORDER BY feed", (connection_id,))
        return [_feed_status(row, now_ms) for row in cursor]


def _feed_status(row: Row, now_ms: int) -> FeedStatus:
    covered = coverage(row["covered"])
    since_ms = optional_millis(row["wanted_since"])
    gaps = covered.gaps(Window(since_ms, now_ms)) if since_ms is not None and since_ms < now_ms else ()
    return FeedStatus(
        connection_id=row["connection_id"],
        key=row["feed"],
        covered=covered,
        gaps=gaps,
        saturated=coverage(row["saturated"]),
        wanted_since_ms=since_ms,
        reach_ms=optional_millis(row["reach"]),
        proven_until_ms=covered.edge,
        proven_ms=optional_millis(row["proven_at"]),
        is_sweep=row["is_sweep"],
        is_closed=row["is_closed"],
        closed_reason=row["closed_reason"],
    )


def latest_sessions(
    db: Db, *, user_id: UUID | None = None, connection_id: UUID | None = None, limit: int = 50
) -> list[SessionLine]:
    """The newest sync sessions, of one user or connection where given."""
    rows = db.execute(
        """
        SELECT s.id, s.connection_id, s.sync_type, s.status, s.started_at, s.completed_at, s.sync_duration, s.runs,
               s.pages, s.request_weight, s.trades_synced, s.trades_updated, s.error_code, s.error_message
        FROM trade_sync_sessions s JOIN user_exchange_connections c ON c.id = s.connection_id
        WHERE (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s)
          AND (%(connection_id)s::uuid IS NULL OR s.connection_id = %(connection_id)s)
        ORDER BY s.started_at DESC LIMIT %(limit)s
        """,
        {"user_id": user_id, "connection_id": connection_id, "limit": limit},
    ).fetchall()
    return [
        SessionLine(
            id=row[0],
            connection_id=row[1],
            sync_type=row[2],
            status=row[3],
            started_ms=millis(row[4]),
            completed_ms=optional_millis(row[5]),
            duration=row[6],
            runs=row[7],
            pages=row[8],
            request_weight=row[9],
            trades_synced=row[10],
            trades_updated=row[11],
            error_code=row[12],
            error_message=row[13],
        )
        for row in rows
    ]
