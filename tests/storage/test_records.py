"""The smaller subjects: quarantine, instruments, processes, events, bans, prices, deeds, sessions, retention."""

import time
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from shared.domain.errors import ExchangeUnavailable
from shared.domain.markets import Market
from shared.domain.tickers import Ticker
from shared.domain.trades import Product, Unreadable
from shared.storage import (
    audit,
    bans,
    events,
    instruments,
    jobs,
    processes,
    quarantine,
    retention,
    sessions,
    status,
    tickers,
    users,
)
from tests.fixtures.stored import NEW_YEAR, a_connection, a_user

AGO = "now() - interval '400 days'"


def the_session(db) -> tuple:
    return db.execute(
        "SELECT status, trades_synced, error_code, completed_at IS NOT NULL, sync_duration IS NOT NULL"
        " FROM trade_sync_sessions"
    ).fetchone()


def test_the_same_thing_is_kept_once_and_counted(db):
    connection = a_connection(db)
    items = quarantine.unreadable(
        [Unreadable(reason="no side", raw={"id": 1, "price": Decimal("1.10")}), Unreadable(reason="no id", raw="x")],
        connection_id=connection,
        exchange="someplace",
        source="stream",
    )
    for _ in range(3):
        assert 2 == quarantine.record(db, items)
    kept = {item.reason: item for item in quarantine.listed(db)}
    assert {"no side": 3, "no id": 3} == {reason: item.seen for reason, item in kept.items()}
    assert '{"id":1,"price":1.10}' == kept["no side"].raw


@pytest.mark.parametrize(
    "raw", [b"\xff\x00half a frame", "a\x00b", {"k": {1, 2}}, object(), None, float("nan"), "\ud800"]
)
def test_whatever_came_can_be_kept(db, raw):
    item = quarantine.Item(connection_id=uuid4(), exchange=None, source="stream", reason="what\x00ever", raw=raw)
    quarantine.record(db, [item])
    (kept,) = quarantine.listed(db)
    assert kept.connection_id is None
    assert kept.raw


@pytest.mark.parametrize(
    "raw",
    [
        {"op": "login", "args": [{"apiKey": "opens-it", "n": Decimal(1)}]},
        '{"op":"login","apiKey":"opens-it"}',
        b'{"n":"1","apiKey":"opens-it',
        {"secret": "opens-it", "n": object()},
    ],
)
def test_quarantine_keeps_no_secret(db, raw):
    item = quarantine.Item(connection_id=None, exchange="someplace", source="stream", reason="unreadable", raw=raw)
    quarantine.record(db, [item])
    (kept,) = quarantine.listed(db)
    assert "opens-it" not in kept.raw
    assert "removed" in kept.raw


def test_quarantine_is_shown_to_its_owner_only_and_until_it_is_resolved(db):
    user, other = a_user(db), a_user(db)
    connection = a_connection(db, user_id=user.id)
    quarantine.record(
        db, [quarantine.Item(connection_id=connection, exchange="someplace", source="rest", reason="r", raw={})]
    )
    assert [] == quarantine.listed(db, user_id=other.id)
    (item,) = quarantine.listed(db, user_id=user.id)
    assert quarantine.resolve(db, item.id)
    assert not quarantine.resolve(db, item.id)
    assert [] == quarantine.listed(db)
    assert [True] == [each.is_resolved for each in quarantine.listed(db, include_resolved=True)]


def a_market(**known) -> Market:
    return Market(**{"id": "BTCUSDT", "symbol": "BTC/USDT", "type": "spot", "base": "BTC", "quote": "USDT", **known})


def test_a_delisted_market_stays_readable(db):
    swap = a_market(symbol="BTC/USDT:USDT", type="swap", settle="USDT", contract_size=Decimal("0.001"), linear=True)
    assert 2 == instruments.record_instruments(db, "someplace", [a_market(), swap])
    assert 1 == instruments.record_instruments(db, "someplace", [a_market(), a_market(id="X", symbol="X/USDT")])
    markets = instruments.load_markets(db, "someplace")
    assert "BTC/USDT:USDT" == markets.get(Product.LINEAR, "BTCUSDT").symbol
    assert Decimal("0.001") == markets.get(Product.LINEAR, "BTCUSDT").contract_size
    assert {"BTC/USDT", "BTC/USDT:USDT", "X/USDT"} == {market.symbol for market in markets.all}
    assert () == instruments.load_markets(db, "elsewhere").all


def test_what_the_exchange_says_now_comes_before_what_it_said_once(db):
    instruments.record_instruments(db, "someplace", [a_market(symbol="OLD/USDT")])
    markets = instruments.load_markets(db, "someplace", [a_market(symbol="NEW/USDT")])
    assert ["NEW/USDT"] == [market.symbol for market in markets.all]


def test_a_process_lives_as_long_as_it_says_so(db):
    one, two = uuid4(), uuid4()
    for each, kind in ((one, "worker"), (two, "web")):
        processes.register(db, each, kind=kind, host="h", pid=1, version="0.1")
    assert processes.heartbeat(db, one, {"streams": 3})
    assert processes.heartbeat(db, one)
    assert not processes.heartbeat(db, uuid4())
    assert [{"streams": 3}] == [each.figures for each in processes.living(db, "worker")]
    db.execute("UPDATE processes SET seen_at = now() - interval '1 minute' WHERE id = %s", (one,))
    assert [two] == [each.id for each in processes.living(db)]
    processes.retire(db, two)
    assert [] == processes.living(db)


def test_happenings_are_read_newest_first(db):
    connection = a_connection(db)
    events.record_event(db, "gap.opened", connection_id=connection, fields={"since": 1})
    events.record_event(db, "duty.run")
    assert ["duty.run", "gap.opened"] == [event.name for event in events.latest(db)]
    assert [{"since": 1}] == [event.fields for event in events.latest(db, connection_id=connection)]
    assert {"duty.run": 1, "gap.opened": 1} == events.counts(db, timedelta(minutes=1))
    assert [] == events.latest(db, user_id=a_user(db).id)


def test_a_shorter_ban_never_replaces_a_longer_one(db):
    later = int(time.time() * 1000) + 3_600_000
    bans.record_ban(db, "someplace", "address:default", later, "418")
    bans.record_ban(db, "someplace", "address:default", later - 60_000, "429")
    bans.record_ban(db, "someplace", "account:x", NEW_YEAR, "long over")
    assert [("418", later)] == [(ban.reason, ban.until_ms) for ban in bans.standing(db)]
    assert bans.lift_ban(db, "someplace", "address:default")
    assert [] == bans.standing(db)


def test_a_price_never_goes_back_in_time(db):
    def told(last: str | None, at: int | None, bid: str | None = None) -> Ticker:
        return Ticker(symbol="BTC/USDT", last=last and Decimal(last), bid=bid and Decimal(bid), timestamp_ms=at)

    assert 1 == tickers.record_tickers(db, "someplace", [told("1", NEW_YEAR), told("2", NEW_YEAR + 1)])
    assert 0 == tickers.record_tickers(db, "someplace", [told("1", NEW_YEAR)])
    assert 1 == tickers.record_tickers(db, "someplace", [told(None, NEW_YEAR + 2, bid="1.9")])
    assert 0 == tickers.record_tickers(db, "someplace", [])
    (price,) = tickers.prices(db, "someplace")
    assert (Decimal(2), Decimal("1.9"), NEW_YEAR + 2) == (
        price.ticker.last,
        price.ticker.bid,
        price.ticker.timestamp_ms,
    )


def test_deeds_are_on_record(db):
    connection = a_connection(db)
    audit.record_deed(db, "ann@example.com", "connection.added", connection_id=connection, details={"n": 1})
    audit.record_deed(db, "cli:root", "keys.rotated")
    assert ["keys.rotated", "connection.added"] == [deed.action for deed in audit.deeds(db)]
    assert [{"n": 1}] == [deed.details for deed in audit.deeds(db, connection_id=connection)]


def test_a_session_counts_while_it_runs_and_ends_once(db):
    session = sessions.open_session(db, a_connection(db), "catch_up", holder="w")
    sessions.count(db, session, synced=2)
    sessions.close_session(db, session, error=ExchangeUnavailable())
    sessions.close_session(db, session)
    sessions.count(db, session, synced=5)
    assert ("failed", 2, "exchange_unavailable", True, True) == the_session(db)


def test_a_session_whose_process_died_is_swept_and_one_that_lives_is_not(db):
    connection = a_connection(db)
    dead = sessions.open_session(db, connection, "historical", holder="w1")
    alive = sessions.open_session(db, connection, "historical", holder="w2")
    db.execute("UPDATE trade_sync_sessions SET leased_until = now() - interval '1 second'")
    sessions.heartbeat_all(db, [alive])
    assert 1 == sessions.sweep_orphans(db)
    assert {dead: "abandoned", alive: "running"} == {
        line.id: line.status for line in status.latest_sessions(db, connection_id=connection)
    }
    assert sessions.LEASE < timedelta(seconds=60)


def test_balance_runs_of_one_day_share_a_row(db):
    connection = a_connection(db)
    took = timedelta(seconds=1)
    for at, error in ((NEW_YEAR, None), (NEW_YEAR + 60_000, ExchangeUnavailable()), (NEW_YEAR + 86_400_000, None)):
        sessions.record_balance_run(db, connection, now_ms=at, took=took, weight=2, error=error)
    assert [("2026-01-01", 2, "failed", 4.0, timedelta(seconds=2)), ("2026-01-02", 1, "completed", 2.0, took)] == (
        db.execute(
            "SELECT day::text, runs, status, request_weight, sync_duration FROM trade_sync_sessions ORDER BY day"
        ).fetchall()
    )


def test_streamed_trades_count_for_the_running_stream(db):
    one, other = a_connection(db), a_connection(db)
    for connection in (one, other):
        sessions.open_session(db, connection, "realtime", holder="s")
    sessions.count_streamed(db, {one: 3})
    sessions.count_streamed(db, {one: 4})
    assert [0, 7] == sorted(row[0] for row in db.execute("SELECT trades_synced FROM trade_sync_sessions"))


def test_what_is_old_goes_and_what_is_young_running_or_unresolved_stays(db):
    connection = a_connection(db)
    old, running, young = (sessions.open_session(db, connection, "manual", holder="w") for _ in range(3))
    for session in (old, young):
        sessions.close_session(db, session)
    db.execute(f"UPDATE trade_sync_sessions SET started_at = {AGO} WHERE id <> %s", (young,))
    for name in ("old", "young"):
        events.record_event(db, name)
        quarantine.record(
            db, [quarantine.Item(connection_id=connection, exchange="x", source="rest", reason=name, raw=name)]
        )
    db.execute(f"UPDATE events SET at = {AGO} WHERE name = 'old'")
    db.execute(f"UPDATE quarantine SET last_seen_at = {AGO}")
    db.execute("UPDATE quarantine SET resolved_at = now() WHERE reason = 'old'")
    for request in ("done_one", "failed_one"):
        claim = jobs.begin(db, request, connection, holder="w")
        assert claim is not None
        if request == "done_one":
            jobs.finish(db, claim)
        else:
            jobs.fail(db, claim, ExchangeUnavailable())
    jobs.queue_job(db, "queued_one", connection)
    db.execute("UPDATE jobs SET finished_at = now() - interval '1 day', queued_at = now() - interval '300 days'")
    user = a_user(db)
    users.add_token(db, user.id, "session", lasts=timedelta(days=-2))
    bans.record_ban(db, "someplace", "address:default", NEW_YEAR, "over")

    gone = retention.prune(db, retention.Keep(), batch=1)
    assert {
        "sessions": 1,
        "events": 1,
        "quarantine": 1,
        "jobs": 1,
        "processes": 0,
        "tokens": 1,
        "bans": 1,
        "evidence": 0,
    } == gone
    assert {running, young} == {line.id for line in status.latest_sessions(db)}
    assert ["young"] == [event.name for event in events.latest(db)]
    assert ["young"] == [item.reason for item in quarantine.listed(db, include_resolved=True)]
    assert {"failed_one", "queued_one"} == {job.request for job in jobs.listed(db)}
