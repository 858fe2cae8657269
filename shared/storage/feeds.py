"""Feeds and their coverage: what of a connection's history is proven, and where reading goes on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg.rows import dict_row

from shared.domain.windows import Coverage, Window
from shared.exchanges.kit.contract import Feed
from shared.storage.values import Db, Row, coverage, jsonb, millis, moment, optional_millis, window_range


class FeedRecord(Struct, frozen=True, kw_only=True):
    """One feed of a connection.

    `wanted_since_ms` is where its history begins: the reach when it was first read; None while only a stream
    has mentioned it (`ensure_feeds` fills it in). `reach_ms` is how far back it could be read when last asked.
    `saturated` are holes that the exchange cannot fill, `recheck` covered windows that are to be read again.
    `cursor` is what `pages.record_page` was given last: the unfinished slice; `memory` what the exchange
    module remembers of the feed.
    """

    connection_id: UUID
    key: str
    covered: Coverage
    saturated: Coverage
    recheck: Coverage
    wanted_since_ms: int | None
    reach_ms: int | None
    cursor: Any
    memory: Mapping[str, Any]
    is_sweep: bool
    is_closed: bool
    closed_reason: str | None
    due_ms: int
    found_ms: int
    proven_ms: int | None

    @property
    def feed(self) -> Feed:
        """The feed in the exchange module's words."""
        return Feed.of(self.key)


def ensure_feeds(
    db: Db, connection_id: UUID, feeds: Iterable[tuple[Feed, int]], *, is_sweep: bool = False
) -> tuple[str, ...]:
    """Make sure these feeds, each with the moment its history begins (epoch ms), are there. Gives what is new.

    A feed that is there already keeps all it has; a swept one that turns up as traded is read like the others
    from now on (and is given as new); a missing beginning is filled in, and moves back but never forward.
    """
    rows = [
        {
            "feed": feed.key,
            "product": feed.product.value,
            "market_id": feed.market_id,
            "since": moment(since_ms).isoformat(),
        }
        for feed, since_ms in feeds
    ]
    if not rows:
        return ()
    found = db.execute(
        """
        WITH told AS (
            SELECT DISTINCT ON (feed) *
            FROM jsonb_to_recordset(%(rows)s) AS r (feed text, product text, market_id text, since timestamptz)
            ORDER BY feed, since
        ),
        known AS (
            SELECT s.feed, s.is_sweep, s.wanted_since
            FROM sync_coverage s WHERE s.connection_id = %(connection_id)s AND s.feed IN (SELECT feed FROM told)
        ),
        stored AS (
            INSERT INTO sync_coverage (connection_id, feed, product, market_id, wanted_since, reach, is_sweep)
            SELECT %(connection_id)s, t.feed, t.product, t.market_id, t.since, t.since, %(is_sweep)s
            FROM told t LEFT JOIN known k USING (feed)
            WHERE k.feed IS NULL OR k.wanted_since IS NULL OR t.since < k.wanted_since
               OR (k.is_sweep AND NOT %(is_sweep)s)
            ORDER BY t.feed
            ON CONFLICT (connection_id, feed) DO UPDATE SET
                wanted_since = least(sync_coverage.wanted_since, EXCLUDED.wanted_since),
                due_at = CASE WHEN sync_coverage.is_sweep AND NOT EXCLUDED.is_sweep THEN now()
                              ELSE sync_coverage.due_at END,
                is_sweep = sync_coverage.is_sweep AND EXCLUDED.is_sweep
            RETURNING feed
        )
        SELECT s.feed FROM stored s LEFT JOIN known k USING (feed)
        WHERE k.feed IS NULL OR (k.is_sweep AND NOT %(is_sweep)s) ORDER BY s.feed
        """,
        {"rows": jsonb(rows), "connection_id": connection_id, "is_sweep": is_sweep},
    ).fetchall()
    return tuple(row[0] for row in found)


def feeds_of(db: Db, connection_id: UUID, *, include_closed: bool = False) -> list[FeedRecord]:
    """Every feed of a connection, in one query, by key."""
    with db.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT * FROM sync_coverage WHERE connection_id = %s AND (%s OR NOT is_closed) ORDER BY feed",
            (connection_id, include_closed),
        )
        return [_feed(row) for row in cursor]


def find_feed(db: Db, connection_id: UUID, key: str) -> FeedRecord | None:
    """One feed, closed or not, or None."""
    with db.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "SELECT * FROM sync_coverage WHERE connection_id = %s AND feed = %s", (connection_id, key)
        ).fetchone()
        return _feed(row) if row else None


def set_reach(db: Db, connection_id: UUID, reaches: Mapping[str, int]) -> None:
    """Keep how far back each feed (by key) can be read now (epoch ms)."""
    db.execute(
        """
        UPDATE sync_coverage s SET reach = told.reach
        FROM jsonb_to_recordset(%s) AS told (feed text, reach timestamptz)
        WHERE s.connection_id = %s AND s.feed = told.feed AND s.reach IS DISTINCT FROM told.reach
        """,
        (
            jsonb([{"feed": key, "reach": moment(at_ms).isoformat()} for key, at_ms in reaches.items()]),
            connection_id,
        ),
    )


def postpone(db: Db, connection_id: UUID, keys: Sequence[str], due_ms: int) -> None:
    """These feeds are not looked at before `due_ms` (a sweep that found nothing, a feed that fails alone)."""
    db.execute(
        "UPDATE sync_coverage SET due_at = %s WHERE connection_id = %s AND feed = ANY (%s)",
        (moment(due_ms), connection_id, list(keys)),
    )


def pull_in(db: Db, connection_id: UUID, keys: Sequence[str], due_ms: int) -> None:
    """These feeds are looked at at that moment, or earlier where they are due earlier."""
    db.execute(
        "UPDATE sync_coverage SET due_at = least(due_at, %s) WHERE connection_id = %s AND feed = ANY (%s)",
        (moment(due_ms), connection_id, list(keys)),
    )


def close_feed(db: Db, connection_id: UUID, key: str, reason: str) -> None:
    """The exchange does not serve this feed any more: it is not asked again, and its coverage stays."""
    db.execute(
        """
        UPDATE sync_coverage SET is_closed = true, closed_reason = %s, cursor = NULL
        WHERE connection_id = %s AND feed = %s
        """,
        (reason, connection_id, key),
    )


def reopen_feed(db: Db, connection_id: UUID, key: str) -> None:
    """A closed feed is served again."""
    db.execute(
        """
        UPDATE sync_coverage SET is_closed = false, closed_reason = NULL, due_at = now()
        WHERE connection_id = %s AND feed = %s
        """,
        (connection_id, key),
    )


def mark_recheck(db: Db, connection_id: UUID, window: Window, keys: Sequence[str] = ()) -> int:
    """What of this window is covered is to be read again, in these feeds or all. Gives how many feeds that concerns.

    What is not covered is a gap and read anyway. Reading the window (`record_page` proves it) ends the recheck.
    """
    found = db.execute(
        """
        UPDATE sync_coverage SET recheck = recheck + covered * %(window)s
        WHERE connection_id = %(connection_id)s AND NOT is_closed AND covered && %(window)s
          AND (%(keys)s::text[] = '{}' OR feed = ANY (%(keys)s))
        """,
        {"window": window_range(window), "connection_id": connection_id, "keys": list(keys)},
    )
    return found.rowcount


def newest_proof(db: Db, connection_id: UUID) -> int | None:
    """The newest proven moment of all feeds that are read (epoch ms), or None when nothing is proven."""
    row = db.execute(
        "SELECT max(upper(covered)) FROM sync_coverage WHERE connection_id = %s AND NOT is_closed", (connection_id,)
    ).fetchone()
    return None if row is None or row[0] is None else millis(row[0])


def forget_coverage(db: Db, connection_id: UUID, window: Window, keys: Sequence[str] = ()) -> int:
    """Take a window out of the coverage: it counts as never read, by whoever doubts it. Gives how many feeds had it."""
    found = db.execute(
        """
        UPDATE sync_coverage SET covered = covered - %(window)s, recheck = recheck - %(window)s
        WHERE connection_id = %(connection_id)s AND covered && %(window)s
          AND (%(keys)s::text[] = '{}' OR feed = ANY (%(keys)s))
        """,
        {"window": window_range(window), "connection_id": connection_id, "keys": list(keys)},
    )
    return found.rowcount


def _feed(row: Row) -> FeedRecord:
    return FeedRecord(
        connection_id=row["connection_id"],
        key=row["feed"],
        covered=coverage(row["covered"]),
        saturated=coverage(row["saturated"]),
        recheck=coverage(row["recheck"]),
        wanted_since_ms=optional_millis(row["wanted_since"]),
        reach_ms=optional_millis(row["reach"]),
        cursor=row["cursor"],
        memory=row["memory"],
        is_sweep=row["is_sweep"],
        is_closed=row["is_closed"],
        closed_reason=row["closed_reason"],
        due_ms=millis(row["due_at"]),
        found_ms=millis(row["found_at"]),
        proven_ms=optional_millis(row["proven_at"]),
    )
