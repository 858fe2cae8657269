"""Whether all says the truth after the trouble: sessions, leases, errors, coverage, jobs. One sentence for each lie."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress

import psycopg

# Who holds something, where a process's row still tells its number.
SESSIONS = """
    SELECT c.label, s.sync_type, p.pid FROM trade_sync_sessions s
    JOIN user_exchange_connections c ON c.id = s.connection_id
    LEFT JOIN processes p ON p.id::text = split_part(s.holder, ':', 2)
    WHERE s.status = 'running'
"""
LEASES = """
    SELECT c.label, 'stream', p.pid FROM stream_leases l
    JOIN user_exchange_connections c ON c.id = l.connection_id
    LEFT JOIN processes p ON p.id = l.holder
    WHERE l.holder IS NOT NULL
    UNION ALL SELECT c.label, j.request, p.pid FROM jobs j
    JOIN user_exchange_connections c ON c.id = j.connection_id
    LEFT JOIN processes p ON p.id::text = split_part(j.holder, ':', 2)
    WHERE j.state = 'running'
"""
TROUBLED = """
    SELECT label, sync_status, stream_state, coalesce(error_message, 'no error') FROM user_exchange_connections
    WHERE removed_at IS NULL AND is_active AND exchange_name = ANY (%(exchanges)s)
          AND (sync_status <> 'live' OR stream_state <> 'live' OR error_message IS NOT NULL)
"""
HOLES = """
    SELECT c.label, s.feed FROM sync_coverage s JOIN user_exchange_connections c ON c.id = s.connection_id
    CROSS JOIN (SELECT to_timestamp(%(until)s / 1000.0) AS until) w
    WHERE c.removed_at IS NULL AND c.exchange_name = ANY (%(exchanges)s) AND NOT s.is_closed AND NOT s.is_sweep
          AND (s.saturated <> '{}' OR NOT s.covered @> tstzmultirange(
                   tstzrange(least(greatest(s.wanted_since, s.reach), w.until), w.until)))
"""
PARKED = """
    SELECT c.label, j.request FROM jobs j JOIN user_exchange_connections c ON c.id = j.connection_id
    WHERE j.state = 'parked'
"""


def lies(db: psycopg.Connection, *, exchanges: Collection[str], until_ms: int) -> list[str]:
    """What is not as it is said to be right now; what is under way may be true a moment later."""
    asked = {"exchanges": list(exchanges), "until": until_ms}
    return [
        *(f"{label}: a {kind} session runs, and nobody runs it" for label, kind in _of_the_dead(db, SESSIONS)),
        *(f"{label}: a dead process has its {what} lease" for label, what in _of_the_dead(db, LEASES)),
        *(
            f"{label}: says {status}, stream {stream}, {error!r}, and the trouble is over"
            for label, status, stream, error in db.execute(TROUBLED, asked)
        ),
        *(f"{label}: {feed} is not covered to the end of trading" for label, feed in db.execute(HOLES, asked)),
        *(f"{label}: its {request} is parked" for label, request in db.execute(PARKED)),
    ]


def wrongly_suspended(suspended: Mapping[str, str], spoilt: Collection[str]) -> list[str]:
    """Connections that were suspended although nobody had spoilt their keys."""
    return [f"{label}: was suspended for no reason: {why}" for label, why in suspended.items() if label not in spoilt]


def _of_the_dead(db: psycopg.Connection, query: str) -> list[tuple[str, str]]:
    return [(label, what) for label, what, pid in db.execute(query.encode()) if pid is None or not _is_alive(pid)]


def _is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
