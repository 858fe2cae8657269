"""Pages become rows and proof: windows that hold too much are halved, what is stuck or gone stops only itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.connections import SyncStatus
from shared.domain.errors import ExchangeUnavailable, MarketGone, RateLimited
from shared.domain.trades import Product, Source
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Feed, Request
from shared.queue.requests import CatchUp, SyncHistory
from shared.storage import connections, due, feeds, quarantine
from shared.storage.trades import record_trades, trade_row
from tests.fixtures.stored import a_trade
from tests.workers.conftest import Bench, an_invented_connection
from tests.workers.exchanges.invented import DAY, REACH
from tests.workers.invented_world import NOW, InventedWorld
from workers.desk import Rhythm

HOUR = 3_600_000


def test_a_window_that_holds_too_much_is_halved_until_it_does_not(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "TIMES")
    world.trade("TIMES", *(NOW - 5 * DAY + at * 1_000 for at in range(40)))
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 40
    feed = feeds.find_feed(invented.db, connection_id, "spot:TIMES")
    assert feed is not None
    assert not feed.saturated
    assert feed.covered.covers(Window(NOW - REACH, NOW - 10_000))


def test_a_full_page_at_the_smallest_window_is_a_hole_that_is_reported(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "TIMES")
    crowded = NOW - 5 * DAY
    world.trade("TIMES", *[crowded] * 7, crowded + 1, crowded - 1)
    invented.run(SyncHistory(connection_id=connection_id))
    feed = feeds.find_feed(invented.db, connection_id, "spot:TIMES")
    assert feed is not None
    assert list(feed.saturated) == [Window(crowded, crowded + 1)]
    assert not feed.covered.covers(Window(crowded, crowded + 1))
    assert len(invented.trades(connection_id)) == 7  # five of the crowd, and its neighbours


def test_a_feed_that_turns_up_while_the_backfill_ends_is_read_soon(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    world.trade("PAGES", NOW - DAY)

    def a_stream_hears_of_another(_: Request) -> None:
        late = Feed(Product.SPOT, "TIMES")
        if feeds.ensure_feeds(invented.db, connection_id, [(late, NOW - REACH)]):
            # The scheduler saw that it is due, and that such a job runs already.
            due.set_due(invented.db, connection_id, "backfill", NOW + 60_000)

    world.trouble = a_stream_hears_of_another
    invented.run(SyncHistory(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["backfill"] == NOW
    invented.run(SyncHistory(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["backfill"] is None
    late = feeds.find_feed(invented.db, connection_id, "spot:TIMES")
    assert late is not None
    assert late.covered.covers(Window(NOW - REACH, NOW - 10_000))


def test_a_page_that_does_not_move_on_stops_its_feed_and_no_other(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "STUCK", "PAGES")
    world.trade("PAGES", *(NOW - DAY + at for at in range(12)))
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 12
    assert [item.reason for item in quarantine.listed(invented.db, connection_id=connection_id)] == [
        "page_stuck: A page of history does not move on: the exchange gives the same page again."
    ]
    assert due.due_at(invented.db, connection_id)["backfill"] is not None
    stuck = feeds.find_feed(invented.db, connection_id, "spot:STUCK")
    assert stuck is not None
    assert not stuck.covered


def test_a_market_that_is_gone_is_closed_and_its_coverage_stays(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "GONE", "PAGES")
    world.trade("PAGES", NOW - DAY)
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 1
    gone = feeds.find_feed(invented.db, connection_id, "spot:GONE")
    assert gone is not None
    assert gone.is_closed
    assert connections.get_connection(invented.db, connection_id).sync_status is SyncStatus.LIVE


@pytest.mark.parametrize("request_of", [SyncHistory, CatchUp])
def test_a_feed_of_all_markets_is_never_closed_because_one_is_gone(
    invented: Bench, world: InventedWorld, request_of: Callable[..., Any]
) -> None:
    connection_id = an_invented_connection(invented)
    feeds.ensure_feeds(invented.db, connection_id, [(Feed(Product.SPOT), NOW - REACH)])

    def is_gone(_: Request) -> None:
        raise MarketGone

    world.trouble = is_gone
    invented.run(request_of(connection_id=connection_id))
    feed = feeds.find_feed(invented.db, connection_id, "spot")
    assert feed is not None
    assert not feed.is_closed
    assert [item.reason for item in quarantine.listed(invented.db, connection_id=connection_id)] == [
        "contract_broken: The exchange does not know this market any more. All markets were asked for."
    ]


def test_a_row_that_cannot_be_read_is_kept_and_the_others_are_stored(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    world.trade("PAGES", NOW - DAY, NOW - DAY + 1)
    world.rows.append("no row")  # type: ignore[arg-type]
    bad = {"market": "PAGES", "id": 3, "time": NOW - DAY + 2}
    world.rows[-1] = bad

    original = world.call

    def spoil(*args: object, **known: object) -> object:
        answer = original(*args, **known)  # type: ignore[arg-type]
        if isinstance(answer.data, dict) and "rows" in answer.data:
            answer.data["rows"] = ["broken" if row == bad else row for row in answer.data["rows"]]
        return answer

    world.call = spoil  # type: ignore[method-assign,assignment]
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 2
    assert [item.raw for item in quarantine.listed(invented.db, connection_id=connection_id)] == ['"broken"']


@pytest.mark.parametrize("request_of", [SyncHistory, CatchUp])
def test_what_a_stream_told_unreadably_is_resolved_once_rest_shows_the_same_trade(
    invented: Bench, world: InventedWorld, request_of: Callable[..., SyncHistory | CatchUp]
) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.now += HOUR
    world.trade("PAGES", world.now - 30_000, world.now - 20_000)
    told: dict[str, dict[str, Any]] = {
        "read again": {"raw": world.rows[0]},
        "known by its identity": {"raw": {"price": "NaN"}, "identity": "spot:PAGES:2"},
        "never made": {"raw": {"market": "PAGES", "id": 99, "time": NOW}},
        "contradicted: price": {"raw": world.rows[0] | {"of": "two"}, "identity": "spot:PAGES:1"},
        "half a frame": {"raw": '{"market": "PAG'},
    }
    items = [
        quarantine.Item(connection_id=connection_id, exchange=None, source="stream", reason=reason, **known)
        for reason, known in told.items()
    ]
    quarantine.record(invented.db, items)
    invented.run(request_of(connection_id=connection_id))
    left = {item.reason for item in quarantine.listed(invented.db, connection_id=connection_id)}
    assert left == {"never made", "contradicted: price", "half a frame"}


def test_nothing_is_proven_that_may_not_have_settled_yet(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.now += 60_000
    world.trade("PAGES", world.now - 1_000)
    invented.run(CatchUp(connection_id=connection_id))
    feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
    assert feed is not None
    assert feed.covered.edge == world.now - 10_000
    assert len(invented.trades(connection_id)) == 1  # read, stored, and not vouched for


@pytest.mark.parametrize(("offset_ms", "edge"), [(120_000, -10_000), (-30_000, -40_000), (3_600_000, 3_590_000)])
def test_a_clock_that_is_told_wrong_proves_nothing_that_has_not_happened_yet(
    invented: Bench, world: InventedWorld, offset_ms: int, edge: int
) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    world.offset_ms = offset_ms
    invented.run(SyncHistory(connection_id=connection_id))
    invented.run(CatchUp(connection_id=connection_id))
    feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
    assert feed is not None
    assert feed.covered.edge == world.now + edge


@pytest.mark.parametrize("request_of", [SyncHistory, CatchUp])
def test_a_clock_that_turns_out_to_be_behind_during_a_job_proves_only_what_it_has_reached(
    invented: Bench, world: InventedWorld, request_of: Callable[..., SyncHistory | CatchUp]
) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.now += 3_600_000

    def fall_behind(_: Request) -> None:
        world.offset_ms = -30_000

    world.trouble = fall_behind
    invented.run(request_of(connection_id=connection_id))
    feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
    assert feed is not None
    assert feed.covered.edge == world.now - 40_000
    world.trade("PAGES", world.now - 29_000)  # made by their clock a second later
    world.now += 60_000
    invented.run(CatchUp(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 1


def test_what_waits_for_its_proof_is_not_put_off_by_what_happens_elsewhere(
    invented: Bench, world: InventedWorld
) -> None:
    connection_id = an_invented_connection(invented, "PAGES", "OTHER")
    invented.run(CatchUp(connection_id=connection_id, feeds=("spot:PAGES", "spot:OTHER")))
    waiting = a_trade(symbol="PAGES/USDT", market_id="PAGES", identity="spot:PAGES:1", provisional=True)
    record_trades(invented.db, [trade_row(waiting, connection_id)], source=Source.STREAM)
    invented.db.execute("UPDATE trades SET sync_timestamp = to_timestamp(%s / 1000.0)", (world.now,))
    promised = []
    for _ in range(20):
        world.now += 1_000
        invented.run(CatchUp(connection_id=connection_id, feeds=("spot:OTHER",)))
        feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
        assert feed is not None
        promised.append(feed.due_ms)
    assert set(promised) == {NOW + 2_000}


def test_a_trade_that_reaches_rest_late_is_found_by_the_next_catch_up(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.now += 60_000
    happened = world.now - 3_000
    invented.run(CatchUp(connection_id=connection_id))
    assert invented.trades(connection_id) == {}
    world.trade("PAGES", happened)
    world.now += 60_000
    invented.run(CatchUp(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 1


def test_catching_up_on_a_new_connection_reads_what_is_young_and_leaves_the_rest(
    invented: Bench, world: InventedWorld
) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    world.trade("PAGES", *(NOW - 20 * DAY + at for at in range(30)))
    world.trade("PAGES", NOW - 60_000)
    invented.run(CatchUp(connection_id=connection_id, feeds=("spot:PAGES",)))
    assert len(invented.trades(connection_id)) == 1
    assert due.due_at(invented.db, connection_id)["backfill"] is not None
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 31
    asked = [(request.params["since"], request.params["after"]) for request in world.asked]
    assert len(asked) == len(set(asked))
    windows = invented.db.execute("SELECT sum(trades_synced), sum(trades_updated) FROM trade_sync_sessions").fetchone()
    assert windows == (31, 0)


def test_a_session_that_waits_for_its_budget_has_not_failed(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")

    def used_up(_: Request) -> None:
        if len(world.asked) > 2:
            raise RateLimited(until_ms=NOW + 42_000)

    world.trouble = used_up
    invented.run(SyncHistory(connection_id=connection_id))
    found = invented.db.execute("SELECT status, error_message FROM trade_sync_sessions").fetchall()
    assert found == [("completed", None)]


def test_an_asked_for_range_is_read_again_though_it_is_covered(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.trade("PAGES", NOW - 2 * DAY)
    invented.run(SyncHistory(connection_id=connection_id, lane="manual", since_ms=NOW - 3 * DAY, until_ms=NOW - DAY))
    assert len(invented.trades(connection_id)) == 1
    feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
    assert feed is not None
    assert not feed.recheck


def test_the_daily_recheck_reads_the_last_day_again(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.trade("PAGES", NOW - 5 * HOUR)
    invented.run(SyncHistory(connection_id=connection_id, reason="recheck"))
    assert len(invented.trades(connection_id)) == 1


def test_a_feed_heard_of_later_is_read_from_its_beginning(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    world.trade("LATER", *(NOW - 20 * DAY + at for at in range(3)))
    invented.run(CatchUp(connection_id=connection_id, feeds=("spot:LATER",)))
    assert due.due_at(invented.db, connection_id)["backfill"] is not None
    invented.run(SyncHistory(connection_id=connection_id))
    assert len(invented.trades(connection_id)) == 3


def test_a_job_goes_on_with_itself_when_its_time_is_over(
    make_bench: Callable[..., Bench], world: InventedWorld
) -> None:
    bench = make_bench(world, world.markets, now_ms=lambda: world.now, rhythm=Rhythm(turn=timedelta(0)))
    connection_id = an_invented_connection(bench, "PAGES")
    world.trade("PAGES", *(NOW - DAY + at for at in range(23)))
    jobs = bench.run(SyncHistory(connection_id=connection_id))
    assert jobs > 30  # one page or slice each
    assert len(bench.trades(connection_id)) == 23
    asked = [(request.params["since"], request.params["after"]) for request in world.asked]
    assert len(asked) == len(set(asked))  # nothing twice


def test_a_quiet_market_among_many_is_read_less_often(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(SyncHistory(connection_id=connection_id))
    waits = []
    for _ in range(5):
        invented.db.execute("UPDATE sync_coverage SET proven_at = to_timestamp(%s / 1000.0)", (world.now - 40_000,))
        invented.run(CatchUp(connection_id=connection_id))
        feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
        assert feed is not None
        waits.append(feed.due_ms - world.now)
        world.now += 40_000
    assert all(wait == 80_000 for wait in waits)


def test_a_due_catch_up_leaves_alone_what_is_not_due(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    invented.run(CatchUp(connection_id=connection_id))
    count = len(world.asked)
    invented.run(CatchUp(connection_id=connection_id, reason="due"))
    assert len(world.asked) == count
    invented.run(CatchUp(connection_id=connection_id, reason="live again"))
    assert len(world.asked) == count + 1


class Died(BaseException):
    """The worker is gone in the middle of a job."""


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    moments=st.lists(st.integers(0, 29 * DAY), max_size=60),
    crowd=st.integers(0, 4),
    deaths=st.sets(st.integers(1, 60), max_size=6),
    troubles=st.sets(st.integers(1, 60), max_size=6),
)
def test_whatever_happens_on_the_way_every_trade_is_stored_once(
    invented: Bench, world: InventedWorld, moments: list[int], crowd: int, deaths: set[int], troubles: set[int]
) -> None:
    world.rows.clear()
    world.asked.clear()
    connection_id = an_invented_connection(invented, "PAGES", "TIMES")
    world.trade("PAGES", *(NOW - 20_000 - moment for moment in moments))
    world.trade("TIMES", *(NOW - 20_000 - moment for moment in moments), *[NOW - 3 * DAY] * crowd)
    calls = 0

    def happen(_: Request) -> None:
        nonlocal calls
        calls += 1
        if calls in deaths:
            raise Died
        if calls in troubles:
            raise ExchangeUnavailable

    world.trouble = happen
    for _ in range(30):
        try:
            invented.run(SyncHistory(connection_id=connection_id))
        except Died:
            # Its lease runs out.
            invented.db.execute("UPDATE jobs SET leased_until = now() - interval '1 second', attempts = 0")
        if due.due_at(invented.db, connection_id)["backfill"] is None:
            break
    world.trouble = lambda _: None
    assert sorted(invented.trades(connection_id)) == sorted(f"spot:{row['market']}:{row['id']}" for row in world.rows)
    for feed in feeds.feeds_of(invented.db, connection_id):
        assert feed.covered.covers(Window(NOW - REACH, NOW - 10_000))
