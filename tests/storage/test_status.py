"""What is shown: progress, gaps, the time left, lists that page, and a live page that resumes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.trades import Side, Source
from shared.domain.windows import Window
from shared.storage import archive, connections, feeds, figures, jobs, quarantine, reading, schema, sessions, status
from shared.storage.feeds import Feed
from shared.storage.pages import record_page
from shared.storage.reading import TradeFilter
from shared.storage.trades import record_trades, trade_row
from tests.fixtures.stored import NEW_YEAR, a_connection, a_trade, a_user

DAY = 86_400_000
NOW = NEW_YEAR + 10 * DAY
BTC, ETH = Feed.of("spot:BTCUSDT"), Feed.of("spot:ETHUSDT")


def only_status(db, **known) -> status.ConnectionStatus:
    (found,) = status.connection_statuses(db, NOW, **known)
    return found


def test_a_new_connection_has_made_no_progress(db):
    connection = a_connection(db)
    found = only_status(db, connection_id=connection)
    assert (0.0, None, None, 0, 0) == (found.progress, found.left_ms, found.proven_until_ms, found.feeds, found.trades)


def test_progress_is_the_proven_share_of_all_feeds_and_the_edge_that_of_the_slowest(db):
    connection = a_connection(db)
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR), (ETH, NEW_YEAR)])
    feeds.ensure_feeds(db, connection, [(Feed.of("spot:DOGEUSDT"), NEW_YEAR)], is_sweep=True)
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NEW_YEAR, NOW))
    found = only_status(db)
    assert (0.5, None, 3, 1) == (found.progress, found.proven_until_ms, found.feeds, found.feeds_sweep)
    record_page(db, connection_id=connection, feed=ETH.key, proven=Window(NEW_YEAR, NEW_YEAR + 5 * DAY))
    found = only_status(db)
    assert (0.75, NEW_YEAR + 5 * DAY) == (found.progress, found.proven_until_ms)
    record_page(db, connection_id=connection, feed=ETH.key, proven=Window(NEW_YEAR - DAY, NOW + DAY))
    assert 1.0 == only_status(db).progress


def test_the_time_left_comes_from_the_speed_of_the_last_minutes(db):
    connection = a_connection(db)
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)])
    session = sessions.open_session(db, connection, "historical", holder="w")
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NOW - 4 * DAY, NOW), session_id=session)
    db.execute("UPDATE trade_sync_sessions SET started_at = heartbeat_at - interval '20 seconds'")
    assert 30_000 == only_status(db).left_ms
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NEW_YEAR, NOW), session_id=session)
    assert only_status(db).left_ms is None


def test_a_status_tells_jobs_quarantine_and_trades_of_its_own_connection_only(db):
    user = a_user(db)
    one, other = a_connection(db, user_id=user.id), a_connection(db)
    record_trades(db, [trade_row(a_trade(number), one) for number in (1, 2)], Source.REST)
    record_trades(db, [trade_row(a_trade(1), other)], Source.REST)
    jobs.queue_job(db, "sync_history", one)
    quarantine.record(db, [quarantine.Item(connection_id=other, exchange="x", source="rest", reason="r", raw=1)])
    found = only_status(db, user_id=user.id)
    assert (one, user.email, 2, 0, ("sync_history",)) == (
        found.id,
        found.email,
        found.trades,
        found.quarantined,
        found.open_jobs,
    )
    assert 2 == len(status.connection_statuses(db, NOW))
    connections.remove_connection(db, one)
    assert [other] == [each.id for each in status.connection_statuses(db, NOW)]


def test_each_feed_tells_its_gaps(db):
    connection = a_connection(db)
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)])
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NEW_YEAR + DAY, NEW_YEAR + 2 * DAY))
    (feed,) = status.feed_statuses(db, connection, NEW_YEAR + 3 * DAY)
    assert (Window(NEW_YEAR, NEW_YEAR + DAY), Window(NEW_YEAR + 2 * DAY, NEW_YEAR + 3 * DAY)) == feed.gaps
    assert NEW_YEAR + 2 * DAY == feed.proven_until_ms


def identities(lines) -> list[str]:
    return [line.identity.rpartition(":")[2] for line in lines]


def test_a_list_pages_through_trades_of_one_moment_without_loss_or_repeat(db):
    connection = a_connection(db)
    trades = [a_trade(number, timestamp_ms=NEW_YEAR + number // 4) for number in range(11)]
    record_trades(db, [trade_row(trade, connection) for trade in trades], Source.REST)
    seen, before = [], None
    while lines := reading.list_trades(db, TradeFilter(connection_id=connection), before=before, limit=3):
        seen += lines
        before = reading.page_mark(lines[-1])
    assert 11 == len(seen) == len({line.id for line in seen})
    moments = [line.exchange_timestamp for line in seen]
    assert sorted(moments, reverse=True) == moments
    assert list(reversed([line.id for line in seen])) == [
        line.id for line in reading.each_trade(db, TradeFilter(connection_id=connection))
    ]


def test_a_list_keeps_to_what_was_asked_for(db):
    user = a_user(db)
    mine, elsewhere, other = (
        a_connection(db, user_id=user.id),
        a_connection(db, user_id=user.id, exchange="elsewhere"),
        a_connection(db),
    )
    record_trades(
        db,
        [
            trade_row(a_trade(1), mine),
            trade_row(a_trade(2, side=Side.SELL, symbol="ETH/USDT"), mine),
            trade_row(a_trade(3, provisional=True), elsewhere),
            trade_row(a_trade(4), other),
        ],
        Source.STREAM,
    )

    def found(**wanted) -> list[str]:
        return sorted(identities(reading.list_trades(db, TradeFilter(**wanted))))

    assert ["1", "2", "3"] == found(user_id=user.id)
    assert ["3"] == found(user_id=user.id, exchange="elsewhere")
    assert ["2"] == found(user_id=user.id, symbol="ETH/USDT")
    assert ["2"] == found(side="sell")
    assert ["3"] == found(is_provisional=True)
    assert ["2", "3"] == found(since_ms=NEW_YEAR + 2, until_ms=NEW_YEAR + 4)
    assert ["4"] == found(connection_id=other)
    assert [] == found(user_id=user.id, connection_id=other)
    assert 4 == reading.count_trades(db, TradeFilter())
    assert {"spot:BTCUSDT:4"} == reading.stored_identities(db, other)


def test_a_live_page_that_was_cut_resumes_where_it_was(db):
    user = a_user(db)
    connection = a_connection(db, user_id=user.id)
    record_trades(db, [trade_row(a_trade(number), connection) for number in range(5)], Source.STREAM)
    record_trades(db, [trade_row(a_trade(9), a_connection(db))], Source.STREAM)
    lines = reading.trades_since(db, user.id, 0)
    assert ["0", "1", "2", "3", "4"] == identities(lines)
    db.execute("UPDATE trades SET sync_timestamp = now() - interval '1 minute'")
    assert ["3", "4"] == identities(reading.trades_since(db, user.id, lines[2].id))
    assert ["4"] == identities(reading.trades_since(db, user.id, 0, limit=1))


def test_a_row_committed_late_under_a_lower_id_still_reaches_the_live_page(db, other):
    user = a_user(db)
    connection = a_connection(db, user_id=user.id)
    with other.transaction():
        record_trades(other, [trade_row(a_trade(1), connection)], Source.STREAM)
        record_trades(db, [trade_row(a_trade(2), connection)], Source.STREAM)
        (seen,) = reading.trades_since(db, user.id, 0)
    assert {"1", "2"} == set(identities(reading.trades_since(db, user.id, seen.id)))


def test_raw_is_shown_to_its_owner_only(db):
    user = a_user(db)
    recorded = record_trades(
        db, [trade_row(a_trade(raw={"p": Decimal("1.10")}), a_connection(db, user_id=user.id))], Source.STREAM
    )
    assert '{"p":1.10}' == archive.raw_of(db, recorded.new_ids[0], user.id)
    assert archive.raw_of(db, recorded.new_ids[0], a_user(db).id) is None


def test_delays_are_those_of_streamed_trades(db):
    connection = a_connection(db)
    assert figures.Delays(count=0, p50_ms=None, p95_ms=None, p99_ms=None, max_ms=None) == figures.stream_delays(db)
    record_trades(db, [trade_row(a_trade(number), connection) for number in range(100)], Source.STREAM)
    record_trades(db, [trade_row(a_trade(1000), connection)], Source.REST)
    db.execute("UPDATE trades SET sync_timestamp = now()")
    db.execute(
        "UPDATE trades SET exchange_timestamp = sync_timestamp - (exchange_trade_id || ' ms')::interval"
        " WHERE source = 'stream'"
    )
    for delays in (figures.stream_delays(db), figures.recent_delays(db, timedelta(minutes=1))):
        assert (100, 99.0) == (delays.count, delays.max_ms)
        assert delays.p50_ms == pytest.approx(49.5)


def test_counts_for_metrics_name_no_user(db):
    one = a_connection(db)
    a_connection(db, exchange="elsewhere")
    connections.set_stream_state(db, one, "live")
    jobs.queue_job(db, "sync_history", one)
    record_trades(db, [trade_row(a_trade(), one)], Source.STREAM)
    found = figures.counts(db)
    assert {("someplace", "new"): 1, ("elsewhere", "new"): 1} == found.connections
    assert {("someplace", "live"): 1, ("elsewhere", "off"): 1} == found.streams
    assert {("sync_history", "queued"): 1} == found.jobs
    assert 0 <= found.oldest_queued_seconds < 60
    assert {one: (1, 0, 1)} == figures.completeness(db)


def test_a_database_that_was_never_migrated_is_told_apart(empty_database_url):
    import psycopg

    with psycopg.connect(empty_database_url, autocommit=True) as empty:
        assert schema.current_schema(empty) is None
        assert not schema.is_current(empty)
