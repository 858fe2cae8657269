"""The record of what is proven, feed by feed: for people, for programs, and for whoever has to believe it."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from psycopg.rows import dict_row

from shared.domain.windows import Coverage, Window
from shared.storage.evidence import Proof, proofs
from shared.storage.values import Db, coverage, millis, optional_millis


class FeedRecord(Struct, frozen=True, kw_only=True):
    """One feed's windows (epoch ms, half open); together they leave nothing out from `wanted_since_ms` to `until_ms`.

    `proven`: read over REST to their end. `streamed`: heard on a socket that was live all the time, not proven yet.
    `saturated`: the exchange gives no way to read all of it. `unknown`: neither. `beyond_reach_ms`: what is older can
    not be read any more (None: the feed was never read). `trades` are stored in it, `unconfirmed` of them not proven.
    """

    feed: str
    state: str
    beyond_reach_ms: int | None
    wanted_since_ms: int | None
    until_ms: int
    proven: tuple[Window, ...]
    streamed: tuple[Window, ...]
    saturated: tuple[Window, ...]
    unknown: tuple[Window, ...]
    trades: int
    unconfirmed: int
    evidence: tuple[Proof, ...]


_FEEDS = """
    SELECT s.*, coalesce(t.trades, 0) AS trades, coalesce(t.unconfirmed, 0) AS unconfirmed
    FROM sync_coverage s LEFT JOIN (
        SELECT product, market_id, count(*) AS trades, count(*) FILTER (WHERE confirmed_at IS NULL) AS unconfirmed
        FROM trades WHERE connection_id = %(id)s GROUP BY GROUPING SETS ((product), (product, market_id))
    ) t ON t.product = s.product AND coalesce(t.market_id, '') = s.market_id
    WHERE s.connection_id = %(id)s AND (%(feed)s::text IS NULL OR s.feed = %(feed)s) ORDER BY s.feed
"""


def feed_records(db: Db, connection_id: UUID, now_ms: int, *, feed: str | None = None) -> list[FeedRecord]:
    """The record of each feed of a connection, or of one."""
    heard = _heard(db, connection_id, now_ms)
    behind: dict[str, list[Proof]] = {}
    for proof in proofs(db, connection_id, feed=feed):
        behind.setdefault(proof.feed, []).append(proof)
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_FEEDS, {"id": connection_id, "feed": feed})
        return [_record(row, heard, behind.get(row["feed"], []), now_ms) for row in cursor.fetchall()]


def _record(row: dict[str, object], heard: Coverage, behind: list[Proof], now_ms: int) -> FeedRecord:
    proven, saturated = coverage(row["covered"]), coverage(row["saturated"])  # type: ignore[arg-type]
    since = row["wanted_since"]
    since_ms = optional_millis(since) if isinstance(since, datetime) else None
    reach = row["reach"]
    whole = Window(since_ms, now_ms) if since_ms is not None and since_ms < now_ms else None
    known = Coverage((*proven, *saturated))
    open_ = known.gaps(whole) if whole else ()
    streamed = [part for gap in open_ for each in heard if (part := gap.meet(each))]
    unknown = [part for gap in open_ for part in Coverage(streamed).gaps(gap)]
    state = "closed" if row["is_closed"] else "swept" if row["is_sweep"] else "read"
    return FeedRecord(
        feed=str(row["feed"]),
        state=state,
        beyond_reach_ms=optional_millis(reach) if isinstance(reach, datetime) else None,
        wanted_since_ms=since_ms,
        until_ms=now_ms,
        proven=tuple(proven),
        streamed=tuple(streamed),
        saturated=tuple(saturated),
        unknown=tuple(unknown),
        trades=int(str(row["trades"])),
        unconfirmed=int(str(row["unconfirmed"])),
        evidence=tuple(behind),
    )


def _heard(db: Db, connection_id: UUID, now_ms: int) -> Coverage:
    """When this connection's stream was live."""
    rows = db.execute(
        """
        SELECT started_at, completed_at, status = 'running' FROM trade_sync_sessions
        WHERE connection_id = %s AND sync_type = 'realtime'
        """,
        (connection_id,),
    ).fetchall()
    windows = []
    for began, ended, is_running in rows:
        until = now_ms if is_running else millis(ended) if ended else 0
        if millis(began) < until:
            windows.append(Window(millis(began), until))
    return Coverage(windows)
