"""Figures for metrics, the demo's report and the benchmarks: counts and delays, worked out by Postgres."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, optional_moment


class Delays(Struct, frozen=True, kw_only=True):
    """How long streamed trades took from the exchange's clock to our row, in milliseconds; None without any."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Counts(Struct, frozen=True, kw_only=True):
    """What /metrics shows: never with a user, connection or symbol in it."""

    connections: Mapping[tuple[str, str], int]  # (exchange, sync_status)
    streams: Mapping[tuple[str, str], int]  # (exchange, stream_state)
    jobs: Mapping[tuple[str, str], int]  # (request, state): queued, running, parked
    quarantined: Mapping[tuple[str, str], int]  # (exchange, source), unresolved
    oldest_queued_seconds: float
    overdue_seconds: float
    unexplained: Mapping[str, int]  # changes of balances that nothing explains yet, by exchange
    trades: int  # an estimate from the planner's statistics


def stream_delays(db: Db, *, since_ms: int | None = None, connection_id: UUID | None = None) -> Delays:
    """The delays of the trades that a stream brought first, of those stored since then."""
    row = db.execute(
        """
        SELECT count(*), percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY delay)
        FROM (
            SELECT (extract(epoch FROM sync_timestamp - exchange_timestamp) * 1000)::double precision AS delay
            FROM trades
            WHERE source = 'stream' AND (%(since)s::timestamptz IS NULL OR sync_timestamp >= %(since)s)
              AND (%(connection_id)s::uuid IS NULL OR connection_id = %(connection_id)s)
        ) AS streamed
        """,
        {"since": optional_moment(since_ms), "connection_id": connection_id},
    ).fetchone()
    assert row is not None
    p50, p95, p99, longest = row[1] or (None, None, None, None)
    return Delays(count=row[0], p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=longest)


def recent_delays(db: Db, within: timedelta = timedelta(minutes=5), rows: int = 10_000) -> Delays:
    """The same for the newest rows only: cheap however large the table is."""
    row = db.execute(
        """
        SELECT count(*), percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY delay)
        FROM (
            SELECT (extract(epoch FROM sync_timestamp - exchange_timestamp) * 1000)::double precision AS delay
            FROM (SELECT * FROM trades ORDER BY id DESC LIMIT %s) AS newest
            WHERE source = 'stream' AND sync_timestamp > now() - %s::interval
        ) AS streamed
        """,
        (rows, within),
    ).fetchone()
    assert row is not None
    p50, p95, p99, longest = row[1] or (None, None, None, None)
    return Delays(count=row[0], p50_ms=p50, p95_ms=p95, p99_ms=p99, max_ms=longest)


def counts(db: Db) -> Counts:
    """All counts for metrics, in a few cheap queries."""
    connections: dict[tuple[str, str], int] = {}
    streams: dict[tuple[str, str], int] = {}
    for exchange, status, stream, number in db.execute(
        """
        SELECT exchange_name, sync_status, stream_state, count(*) FROM user_exchange_connections
        WHERE removed_at IS NULL GROUP BY 1, 2, 3
        """
    ):
        connections[exchange, status] = connections.get((exchange, status), 0) + number
        streams[exchange, stream] = streams.get((exchange, stream), 0) + number
    jobs = {
        (request, state): number
        for request, state, number in db.execute(
            "SELECT request, state, count(*) FROM jobs WHERE state IN ('queued', 'running', 'parked') GROUP BY 1, 2"
        )
    }
    quarantined = {
        (exchange, source): number
        for exchange, source, number in db.execute(
            """
            SELECT coalesce(exchange, ''), source, count(*) FROM quarantine WHERE resolved_at IS NULL GROUP BY 1, 2
            """
        )
    }
    row = db.execute(
        """
        SELECT coalesce(extract(epoch FROM now() -
                   (SELECT min(queued_at) FROM jobs WHERE state = 'queued')), 0)::float8,
               greatest(coalesce(extract(epoch FROM now() -
                   (SELECT min(due_at) FROM duties WHERE due_at IS NOT NULL)), 0), 0)::float8,
               (SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'trades'::regclass)
        """
    ).fetchone()
    assert row is not None
    return Counts(
        connections=connections,
        streams=streams,
        jobs=jobs,
        quarantined=quarantined,
        unexplained=dict(
            db.execute(
                """
                SELECT c.exchange_name, count(*) FROM balance_gaps g
                JOIN user_exchange_connections c ON c.id = g.connection_id
                WHERE g.closed_at IS NULL AND c.removed_at IS NULL GROUP BY 1
                """
            ).fetchall()
        ),
        oldest_queued_seconds=row[0],
        overdue_seconds=row[1],
        trades=row[2],
    )


def completeness(db: Db) -> dict[UUID, tuple[int, int, int]]:
    """Per connection: stored trades, provisional ones, unconfirmed ones."""
    return {
        row[0]: (row[1], row[2], row[3])
        for row in db.execute(
            """
            SELECT connection_id, count(*), count(*) FILTER (WHERE provisional),
                   count(*) FILTER (WHERE confirmed_at IS NULL)
            FROM trades GROUP BY connection_id
            """
        )
    }
