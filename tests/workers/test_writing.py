"""Batches that streams told: stored at once, bad rows parked, REST asked for what is provisional."""

from collections.abc import Callable
from uuid import UUID, uuid4

import msgspec
import pytest

from shared.domain.trades import Source
from shared.events.kinds import TradesRecorded
from shared.queue.consumer import PutBack
from shared.queue.layout import body_of, read_envelope
from shared.queue.requests import CatchUp, SyncHistory, WriteTrades
from shared.storage import due, feeds, quarantine, sessions
from shared.storage.pool import open_pool
from shared.storage.trades import trade_row
from tests.fixtures.stored import a_trade
from tests.workers.conftest import Bench, an_invented_connection
from tests.workers.invented_world import NOW, InventedWorld
from workers.writing import park, write_trades


@pytest.fixture
def connection_id(invented: Bench) -> UUID:
    return an_invented_connection(invented, "PAGES")


def message(*rows: object) -> msgspec.Raw:
    """The arguments as they come out of the queue."""
    body = body_of(WriteTrades(exchange="invented", rows=list(rows)), now_ms=NOW)
    return read_envelope(body.data).kwargs


def test_a_batch_is_stored_and_told(invented: Bench, connection_id: UUID) -> None:
    write_trades(invented.desk, message(*(trade_row(a_trade(at), connection_id) for at in range(3))))
    assert len(invented.trades(connection_id)) == 3
    (told,) = [event for event in invented.published if isinstance(event, TradesRecorded)]
    assert len(msgspec.json.decode(told.lines)) == 3


def test_a_batch_heard_twice_is_stored_once_and_told_once(invented: Bench, connection_id: UUID) -> None:
    for _ in range(2):
        write_trades(invented.desk, message(trade_row(a_trade(), connection_id)))
    assert len(invented.trades(connection_id)) == 1
    assert len([event for event in invented.published if isinstance(event, TradesRecorded)]) == 1


@pytest.mark.parametrize("poison", [{"price": "NaN"}, {"side": "hold"}, {"price": "ten"}, {"symbol": None}])
def test_one_bad_row_of_a_batch_is_parked_and_the_rest_is_stored(
    invented: Bench, connection_id: UUID, poison: dict[str, object]
) -> None:
    rows = [trade_row(a_trade(at), connection_id) for at in range(9)]
    rows[4] |= poison
    write_trades(invented.desk, message(*rows))
    assert len(invented.trades(connection_id)) == 8
    (kept,) = quarantine.listed(invented.db)
    assert kept.reason.startswith("cannot be stored")


def test_rows_of_a_connection_nobody_knows_harm_no_other(invented: Bench, connection_id: UUID) -> None:
    write_trades(invented.desk, message(trade_row(a_trade(1), uuid4()), trade_row(a_trade(2), connection_id), "no row"))
    assert len(invented.trades(connection_id)) == 1


@pytest.mark.parametrize("arguments", [b"{}", b"[]", b'{"exchange": 5, "rows": []}'])
def test_a_batch_that_is_none_is_parked_with_its_reason(invented: Bench, arguments: bytes) -> None:
    write_trades(invented.desk, msgspec.Raw(arguments))
    (kept,) = quarantine.listed(invented.db)
    assert (kept.source, "write_trades cannot be read" in kept.reason) == ("queue", True)


def test_a_message_that_cannot_be_read_is_kept_whole(invented: Bench) -> None:
    park(invented.desk, b"\xffno json", "The message cannot be read.")
    (kept,) = quarantine.listed(invented.db)
    assert (kept.source, kept.reason) == ("queue", "The message cannot be read.")
    assert "no json" in kept.raw


def test_new_trades_count_in_the_running_stream_session(invented: Bench, connection_id: UUID) -> None:
    session = sessions.open_session(invented.db, connection_id, "realtime", holder="streamer")
    write_trades(invented.desk, message(*(trade_row(a_trade(at), connection_id) for at in range(4))))
    row = invented.db.execute("SELECT trades_synced FROM trade_sync_sessions WHERE id = %s", (session,)).fetchone()
    assert row == (4,)


def test_a_provisional_trade_makes_its_feed_due_at_once(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    invented.run(SyncHistory(connection_id=connection_id))
    due.set_due(invented.db, connection_id, "catch_up", NOW + 10**9)
    trade = a_trade(market_id="PAGES", symbol="PAGES/USDT", identity="spot:PAGES:1", provisional=True)
    write_trades(invented.desk, message(trade_row(trade, connection_id)))
    assert due.due_at(invented.db, connection_id)["catch_up"] == NOW + 1_000
    feed = feeds.find_feed(invented.db, connection_id, "spot:PAGES")
    assert feed is not None
    assert feed.due_ms == NOW + 1_000


def test_a_provisional_trade_is_looked_for_until_rest_shows_it(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    invented.run(SyncHistory(connection_id=connection_id))
    due.set_due(invented.db, connection_id, "catch_up", NOW + 10**9)
    trade = a_trade(market_id="PAGES", identity="spot:PAGES:1", exchange_trade_id="1", provisional=True)
    world.now += 60_000
    write_trades(invented.desk, message(trade_row(trade, connection_id)))
    invented.db.execute("UPDATE trades SET sync_timestamp = to_timestamp(%s / 1000.0)", (world.now - 8_000,))
    due.set_due(invented.db, connection_id, "catch_up", NOW + 10**9)
    invented.run(CatchUp(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["catch_up"] == world.now + 4_000  # half its age
    world.trade("PAGES", world.now - 5_000)
    world.now += 4_000
    invented.run(CatchUp(connection_id=connection_id, reason="due"))
    (stored,) = invented.trades(connection_id).values()
    assert (stored["is_confirmed"], stored["provisional"]) == (True, False)


def test_an_order_that_filled_is_looked_for_until_rest_shows_it(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    invented.run(SyncHistory(connection_id=connection_id))
    world.now += 60_000
    looks = 0

    def appear(_: object) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            world.trade("PAGES", world.now - 500)

    world.trouble = appear
    invented.run(CatchUp(connection_id=connection_id, feeds=("spot:PAGES",), order_id="o1"))
    assert looks == 2
    assert len(invented.trades(connection_id)) == 1


def test_while_postgres_is_away_a_batch_returns_to_its_queue(
    make_bench: Callable[..., Bench], world: InventedWorld
) -> None:
    gone = open_pool("postgresql://nobody@127.0.0.1:1/nowhere?connect_timeout=1", kind="test", size=1)
    gone.timeout = 0.1
    bench = make_bench(world, world.markets, pool=gone)
    bench.desk.stopping.set()
    with pytest.raises(PutBack):
        write_trades(bench.desk, message(trade_row(a_trade(), uuid4())))
    with pytest.raises(PutBack):
        park(bench.desk, b"x", "y")
    gone.close()


def test_a_stored_rest_row_is_not_touched_by_the_stream(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    world.trade("PAGES", NOW - 86_400_000)
    invented.run(SyncHistory(connection_id=connection_id))
    before = invented.trades(connection_id)
    late = a_trade(market_id="PAGES", identity="spot:PAGES:1", exchange_trade_id="1", provisional=True)
    write_trades(invented.desk, message(trade_row(late, connection_id)))
    assert invented.trades(connection_id) == before
    assert Source.STREAM  # the stream brings speed, REST brings proof
