"""One page of history: its rows and the coverage they vouch for, in one transaction, by its rightful reader only."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.domain.trades import Source
from shared.domain.windows import Window
from shared.storage import jobs, quarantine, sessions
from shared.storage.evidence import Evidence, record_evidence
from shared.storage.jobs import Claim
from shared.storage.trades import Recorded, record_trades
from shared.storage.values import Db, jsonb, moment, optional_moment, window_range

LEASE = timedelta(seconds=15)


def record_page(
    db: Db,
    *,
    connection_id: UUID,
    feed: str,
    rows: bytes | str | Sequence[Any] = (),
    unreadable: Sequence[quarantine.Item] = (),
    proven: Window | None = None,
    cursor: Any = None,
    memory: Mapping[str, Any] | None = None,
    saturated: Window | None = None,
    reach_ms: int | None = None,
    due_ms: int | None = None,
    claim: Claim | None = None,
    session_id: UUID | None = None,
    weight: float = 0.0,
    lease: timedelta = LEASE,
    with_lines: bool = True,
    evidence: Evidence | None = None,
) -> Recorded:
    """Store one page of a feed (its key), all of it or nothing.

    `rows` are `trade_row`s, `unreadable` what of the page goes to quarantine. `proven` joins the coverage and
    leaves the recheck. `cursor` is the unfinished slice from now on: what it holds is the caller's, None ends
    the slice. `memory` replaces the feed's memory (None keeps it). `saturated` is a hole to report. `due_ms`:
    when the feed is looked at next. The claim's and the session's leases are renewed by `lease`, and the
    session counts the page. `with_lines` as in `record_trades`. Raises `LeaseLost` when the claim is not
    ours any more: nothing is stored then. `evidence` is what stands behind `proven`.
    """
    with db.transaction():
        if claim is not None:
            jobs.renew(db, claim, lease)
        recorded = record_trades(db, rows, Source.REST, with_lines=with_lines) if rows else Recorded()
        if unreadable:
            quarantine.record(db, unreadable)
        gained_ms = _move_coverage(db, connection_id, feed, proven, cursor, memory, saturated, reach_ms, due_ms)
        if evidence is not None and proven is not None:
            record_evidence(db, connection_id, feed, proven, evidence)
        if session_id is not None:
            sessions.count(
                db,
                session_id,
                pages=1,
                weight=weight,
                synced=recorded.new,
                updated=recorded.confirmed,
                proven_ms=gained_ms,
                lease=lease,
            )
    return recorded


def _move_coverage(
    db: Db,
    connection_id: UUID,
    feed: str,
    proven: Window | None,
    cursor: Any,
    memory: Mapping[str, Any] | None,
    saturated: Window | None,
    reach_ms: int | None,
    due_ms: int | None,
) -> int:
    """Move the feed's record. Gives how many milliseconds of history are proven that were not before."""
    found = db.execute(
        """
        WITH before AS (
            SELECT covered AS had FROM sync_coverage
            WHERE connection_id = %(connection_id)s AND feed = %(feed)s FOR UPDATE
        )
        UPDATE sync_coverage SET
            covered = covered + %(proven)s::tstzmultirange,
            recheck = recheck - %(proven)s::tstzmultirange,
            saturated = saturated - %(proven)s::tstzmultirange + %(saturated)s::tstzmultirange,
            proven_at = CASE WHEN %(proven)s::tstzmultirange = '{}' THEN proven_at ELSE now() END,
            cursor = %(cursor)s,
            memory = coalesce(%(memory)s, memory),
            reach = coalesce(%(reach)s, reach),
            due_at = coalesce(%(due_at)s, due_at)
        FROM before WHERE connection_id = %(connection_id)s AND feed = %(feed)s
        RETURNING (SELECT coalesce(sum(extract(epoch FROM upper(gain) - lower(gain)) * 1000), 0)::bigint
                   FROM unnest(%(proven)s::tstzmultirange - before.had) AS gain)
        """,
        {
            "connection_id": connection_id,
            "feed": feed,
            "proven": "{}" if proven is None else window_range(proven),
            "saturated": "{}" if saturated is None else window_range(saturated),
            "cursor": None if cursor is None else jsonb(cursor),
            "memory": None if memory is None else jsonb(memory),
            "reach": optional_moment(reach_ms),
            "due_at": None if due_ms is None else moment(due_ms),
        },
    ).fetchone()
    if found is None:
        raise LookupError(f"the connection {connection_id} has no feed {feed!r}: ensure_feeds comes first")
    return int(found[0])
