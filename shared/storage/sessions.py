"""Sync sessions: one row of `trade_sync_sessions` for each run of a sync, alive as long as its lease is renewed."""

from datetime import timedelta
from uuid import UUID

from shared.domain.errors import TradeSyncError
from shared.domain.windows import Window
from shared.storage.values import Db, moment

LEASE = timedelta(seconds=45)


def open_session(
    db: Db,
    connection_id: UUID,
    sync_type: str,
    *,
    holder: str,
    window: Window | None = None,
    lease: timedelta = LEASE,
) -> UUID:
    """Begin a session: historical, catch_up, realtime, manual or recheck. `window` is what was asked for."""
    row = db.execute(
        """
        INSERT INTO trade_sync_sessions (connection_id, sync_type, holder, window_since, window_until, leased_until)
        VALUES (%s, %s, %s, %s, %s, now() + %s) RETURNING id
        """,
        (
            *(connection_id, sync_type, holder),
            *((moment(window.since), moment(window.until)) if window else (None, None)),
            lease,
        ),
    ).fetchone()
    assert row is not None
    session_id: UUID = row[0]
    return session_id


def count(
    db: Db,
    session_id: UUID,
    *,
    pages: int = 0,
    weight: float = 0.0,
    synced: int = 0,
    updated: int = 0,
    proven_ms: int = 0,
    lease: timedelta = LEASE,
) -> None:
    """Add to a session's counters, and prove that it lives. Without figures it is a heartbeat."""
    db.execute(
        """
        UPDATE trade_sync_sessions
        SET pages = pages + %s, request_weight = request_weight + %s, trades_synced = trades_synced + %s,
            trades_updated = trades_updated + %s, proven_ms = proven_ms + %s,
            heartbeat_at = now(), leased_until = now() + %s
        WHERE id = %s AND status = 'running'
        """,
        (pages, weight, synced, updated, proven_ms, lease, session_id),
    )


def heartbeat_all(db: Db, session_ids: list[UUID], lease: timedelta = LEASE) -> None:
    """Prove that many sessions live, in one statement (a streamer's)."""
    db.execute(
        """
        UPDATE trade_sync_sessions SET heartbeat_at = now(), leased_until = now() + %s
        WHERE id = ANY (%s) AND status = 'running'
        """,
        (lease, session_ids),
    )


def count_streamed(db: Db, counts: dict[UUID, int]) -> None:
    """Add new streamed trades to the running realtime sessions of these connections."""
    db.execute(
        """
        UPDATE trade_sync_sessions s SET trades_synced = trades_synced + told.n
        FROM unnest(%s::uuid[], %s::int[]) AS told (connection_id, n)
        WHERE s.connection_id = told.connection_id AND s.sync_type = 'realtime' AND s.status = 'running'
        """,
        (list(counts), list(counts.values())),
    )


def close_session(db: Db, session_id: UUID, *, error: TradeSyncError | Exception | None = None) -> None:
    """End a session: completed, or failed with its error. One that was ended already stays as it is."""
    code = None if error is None else error.code if isinstance(error, TradeSyncError) else "failed"
    sentence = None if error is None else str(error) if isinstance(error, TradeSyncError) else type(error).__name__
    db.execute(
        """
        UPDATE trade_sync_sessions
        SET status = %s, completed_at = clock_timestamp(), sync_duration = clock_timestamp() - started_at,
            error_code = %s, error_message = %s, leased_until = NULL
        WHERE id = %s AND status = 'running'
        """,
        ("completed" if error is None else "failed", code, sentence, session_id),
    )


def end_of_former_owners(db: Db, connection_id: UUID, holder: UUID) -> int:
    """End the realtime sessions that former owners of this connection's streams have left running. Gives how many.

    `holder` owns them now, or nothing is done: whoever was thought dead ends nothing of its successor's.
    """
    found = db.execute(
        """
        UPDATE trade_sync_sessions
        SET status = 'abandoned', completed_at = now(), sync_duration = heartbeat_at - started_at, leased_until = NULL
        WHERE connection_id = %(connection_id)s AND sync_type = 'realtime' AND status = 'running'
              AND holder <> 'streamer:' || %(holder)s::text
              AND EXISTS (SELECT FROM stream_leases WHERE connection_id = %(connection_id)s AND holder = %(holder)s)
        """,
        {"connection_id": connection_id, "holder": holder},
    )
    return found.rowcount


def sweep_orphans(db: Db, limit: int = 1000) -> int:
    """End the sessions whose process is gone (lease expired): abandoned. Gives how many."""
    found = db.execute(
        """
        UPDATE trade_sync_sessions
        SET status = 'abandoned', completed_at = now(), sync_duration = heartbeat_at - started_at, leased_until = NULL
        WHERE id IN (SELECT id FROM trade_sync_sessions WHERE status = 'running' AND leased_until < now()
                     ORDER BY leased_until LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        (limit,),
    )
    return found.rowcount


def record_balance_run(
    db: Db,
    connection_id: UUID,
    *,
    now_ms: int,
    took: timedelta,
    weight: float = 0.0,
    error: TradeSyncError | None = None,
) -> None:
    """One more balance run of the connection's day (UTC): they share one row."""
    db.execute(
        """
        INSERT INTO trade_sync_sessions AS s (
            connection_id, sync_type, status, day, started_at, completed_at, sync_duration, request_weight, pages,
            error_code, error_message)
        VALUES (%(connection_id)s, 'balance', %(status)s, %(day)s, now() - %(took)s, now(), %(took)s, %(weight)s, 1,
                %(code)s, %(sentence)s)
        ON CONFLICT (connection_id, day) WHERE sync_type = 'balance' DO UPDATE SET
            runs = s.runs + 1, pages = s.pages + 1, status = EXCLUDED.status, completed_at = now(),
            sync_duration = s.sync_duration + EXCLUDED.sync_duration,
            request_weight = s.request_weight + EXCLUDED.request_weight, heartbeat_at = now(),
            error_code = EXCLUDED.error_code, error_message = EXCLUDED.error_message
        """,
        {
            "connection_id": connection_id,
            "status": "completed" if error is None else "failed",
            "day": moment(now_ms).date(),
            "took": took,
            "weight": weight,
            "code": error and error.code,
            "sentence": error and str(error),
        },
    )
