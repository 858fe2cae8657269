"""A page stores its rows and the coverage they vouch for together, or nothing; and only its rightful reader may."""

import psycopg
import pytest

from shared.domain.errors import LeaseLost
from shared.domain.windows import Coverage, Window
from shared.storage import feeds, jobs, quarantine, sessions
from shared.storage.feeds import Feed
from shared.storage.pages import record_page
from shared.storage.quarantine import Item
from shared.storage.trades import trade_row
from tests.fixtures.stored import NEW_YEAR, a_connection, a_trade

HOUR = 3_600_000
KEY = "spot:BTCUSDT"


@pytest.fixture
def connection(db):
    connection_id = a_connection(db)
    feeds.ensure_feeds(db, connection_id, [(Feed.of(KEY), NEW_YEAR)])
    return connection_id


def a_window(since_hours: float = 0, until_hours: float = 1) -> Window:
    return Window(NEW_YEAR + int(since_hours * HOUR), NEW_YEAR + int(until_hours * HOUR))


def the_feed(db, connection):
    feed = feeds.find_feed(db, connection, KEY)
    assert feed is not None
    return feed


def count(db) -> int:
    return db.execute("SELECT count(*) FROM trades").fetchone()[0]


def test_rows_coverage_cursor_memory_and_counts_move_together(db, connection):
    session = sessions.open_session(db, connection, "historical", holder="w1", window=a_window())
    record_page(
        db,
        connection_id=connection,
        feed=KEY,
        rows=[trade_row(a_trade(number), connection) for number in (1, 2)],
        unreadable=[
            Item(connection_id=connection, exchange="someplace", source="rest", reason="no side", raw={"id": 3})
        ],
        proven=a_window(),
        cursor={"since": NEW_YEAR, "page": ["a", 7]},
        memory={"last_id": 2},
        saturated=a_window(5, 6),
        reach_ms=NEW_YEAR - HOUR,
        session_id=session,
        weight=10,
    )
    feed = the_feed(db, connection)
    assert Coverage([a_window()]) == feed.covered
    assert Coverage([a_window(5, 6)]) == feed.saturated
    assert ({"since": NEW_YEAR, "page": ["a", 7]}, {"last_id": 2}) == (feed.cursor, feed.memory)
    assert NEW_YEAR - HOUR == feed.reach_ms
    assert 2 == count(db)
    assert ["no side"] == [item.reason for item in quarantine.listed(db, connection_id=connection)]
    assert (1, 10, 2, 0, HOUR) == db.execute(
        "SELECT pages, request_weight, trades_synced, trades_updated, proven_ms FROM trade_sync_sessions"
    ).fetchone()


def test_only_what_is_newly_proven_counts_as_gained(db, connection):
    session = sessions.open_session(db, connection, "historical", holder="w1")
    for window in (a_window(0, 2), a_window(1, 3), a_window(0, 3)):
        record_page(db, connection_id=connection, feed=KEY, proven=window, session_id=session)
    assert (3 * HOUR,) == db.execute("SELECT proven_ms FROM trade_sync_sessions").fetchone()
    assert Coverage([a_window(0, 3)]) == the_feed(db, connection).covered


def test_a_page_that_proves_nothing_leaves_the_coverage_and_memory_and_ends_the_slice(db, connection):
    record_page(db, connection_id=connection, feed=KEY, proven=a_window(), cursor={"x": 1}, memory={"m": 1})
    record_page(db, connection_id=connection, feed=KEY, rows=[trade_row(a_trade(), connection)])
    feed = the_feed(db, connection)
    assert (Coverage([a_window()]), None, {"m": 1}) == (feed.covered, feed.cursor, feed.memory)


def test_who_lost_the_lease_stores_nothing(db, other, connection):
    claim = jobs.begin(db, "sync_history", connection, holder="w1")
    assert claim is not None
    db.execute("UPDATE jobs SET leased_until = now() - interval '1 second'")
    successor = jobs.begin(other, "sync_history", connection, holder="w2")
    assert successor is not None
    assert successor.fence > claim.fence
    page = {"connection_id": connection, "feed": KEY, "proven": a_window(), "rows": [trade_row(a_trade(), connection)]}
    with pytest.raises(LeaseLost):
        record_page(db, claim=claim, **page)
    assert (0, Coverage()) == (count(db), the_feed(db, connection).covered)
    record_page(other, claim=successor, **page)
    assert 1 == count(db)


def test_nobody_takes_the_job_over_while_its_page_is_being_stored(db, other, connection):
    claim = jobs.begin(db, "sync_history", connection, holder="w1")
    other.execute("SET lock_timeout = '100ms'")
    with db.transaction():
        record_page(db, connection_id=connection, feed=KEY, proven=a_window(), claim=claim)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            jobs.begin(other, "sync_history", connection, holder="w2")


def test_whatever_fails_after_the_rows_takes_the_rows_along(db, connection):
    with pytest.raises(LookupError, match="ensure_feeds"):
        record_page(db, connection_id=connection, feed="linear", rows=[trade_row(a_trade(), connection)])
    assert 0 == count(db)


def test_a_recheck_ends_where_it_was_read_and_a_hole_where_it_was_filled(db, connection):
    record_page(db, connection_id=connection, feed=KEY, proven=a_window(0, 10), saturated=a_window(11, 12))
    assert 1 == feeds.mark_recheck(db, connection, a_window(8, 20))
    assert Coverage([a_window(8, 10)]) == the_feed(db, connection).recheck
    record_page(db, connection_id=connection, feed=KEY, proven=a_window(8, 9))
    assert Coverage([a_window(9, 10)]) == the_feed(db, connection).recheck
    record_page(db, connection_id=connection, feed=KEY, proven=a_window(10, 12))
    feed = the_feed(db, connection)
    assert (Coverage([a_window(0, 12)]), Coverage()) == (feed.covered, feed.saturated)
