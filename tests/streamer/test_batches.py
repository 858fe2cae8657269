"""Trades on their way out: queued together; recorded directly when the queue refuses; a gap when nothing takes them."""

import asyncio
from uuid import uuid4

import pytest

from shared.domain.errors import StoreUnavailable
from shared.queue.wire import open_async_wire
from shared.storage.pool import open_pool
from streamer.batches import LARGEST_BATCH, Batches, Queue
from streamer.store import Store
from tests.fixtures.stored import a_trade
from tests.fixtures.waiting import becoming
from tests.streamer.somewhere import exchange_at

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture
async def ways_out(stage):
    """Makes batches with these ways out: Redis or none, Postgres or none."""
    made = []

    def make(*, wire_url=None, pool=None, **limits):
        wire = open_async_wire(wire_url or stage.redis_url)
        store = Store(pool or stage.pool, threads=2)
        gaps = {}
        queue = Queue(wire, holder="test", **{key: limits.pop(key) for key in ("deepest",) if key in limits})
        batches = Batches(queue, store, wire, gap=gaps.update, **limits)
        made.append((batches, store, wire))
        return batches, gaps

    yield make
    for batches, store, wire in made:
        batches.close()
        store.close()
        await wire.aclose()


async def test_trades_of_one_moment_go_together(stage, server, ways_out):
    batches, _ = ways_out()
    exchange, connection = exchange_at(server), stage.connect()
    for number in range(20):
        batches.add(exchange, connection, [a_trade(number)])
    await batches.drain()
    (batch,) = stage.queued("writes")
    assert [row["exchange_trade_id"] for row in batch["rows"]] == [str(number) for number in range(20)]


async def test_no_batch_is_larger_than_the_largest(stage, server, ways_out):
    batches, _ = ways_out()
    batches.add(exchange_at(server), stage.connect(), [a_trade(number) for number in range(LARGEST_BATCH + 1)])
    await batches.drain()
    assert sorted(len(batch["rows"]) for batch in stage.queued("writes")) == [1, LARGEST_BATCH]


async def test_what_the_queue_refuses_is_recorded_directly(stage, server, ways_out):
    batches, gaps = ways_out(wire_url=NOWHERE)
    batches.add(exchange_at(server), stage.connect(), [a_trade(1), a_trade(2)])
    await batches.drain()
    assert stage.stored_trades() == ["spot:BTCUSDT:1", "spot:BTCUSDT:2"]
    assert batches.counts["recorded"] == 2
    assert gaps == {}


async def test_a_full_redis_is_passed_by(stage, server, ways_out):
    batches, _ = ways_out()
    stage.redis.config_set("maxmemory", 1)
    try:
        batches.add(exchange_at(server), stage.connect(), [a_trade(1)])
        await batches.drain()
    finally:
        stage.redis.config_set("maxmemory", 0)
    assert stage.stored_trades() == ["spot:BTCUSDT:1"]


async def test_a_queue_that_is_too_deep_is_passed_by(stage, server, ways_out):
    batches, _ = ways_out(deepest=2)
    stage.redis.hset("dramatiq:writes.msgs", mapping={"a": "1", "b": "2", "c": "3"})
    batches.add(exchange_at(server), stage.connect(), [a_trade(1)])
    await batches.drain()
    assert stage.stored_trades() == ["spot:BTCUSDT:1"]


async def test_when_nothing_takes_them_trades_wait_and_go_out_later(stage, server, ways_out):
    store_is_away = open_pool("postgresql://nobody@127.0.0.1:1/nothing", kind="test", size=1)
    batches, gaps = ways_out(wire_url=NOWHERE, pool=store_is_away)
    batches.add(exchange_at(server), connection := stage.connect(), [a_trade(1)])
    await becoming(lambda: batches._lines["somewhere"].under_way == 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await batches.drain()
    batches._store = Store(stage.pool, threads=1)  # it is back
    batches.add(exchange_at(server), connection, [a_trade(2)])
    await batches.drain()
    store_is_away.close()
    batches._store.close()
    assert stage.stored_trades() == ["spot:BTCUSDT:1", "spot:BTCUSDT:2"]
    assert gaps == {}


async def test_when_there_is_no_room_left_the_oldest_go_and_the_gap_is_told(stage, server, ways_out):
    batches, gaps = ways_out(wire_url=NOWHERE, room=5)
    first, second = stage.connect(), stage.connect()
    exchange = exchange_at(server)
    batches.add(exchange, first, [a_trade(number) for number in range(3)])
    batches.add(exchange, second, [a_trade(number) for number in range(5)])
    await batches.drain()
    await becoming(lambda: gaps == {first: 3})
    assert stage.all("SELECT DISTINCT connection_id FROM trades") == [(second,)]


async def test_a_batch_that_nobody_expected_does_not_end_its_exchange(stage, server, ways_out, monkeypatch):
    batches, gaps = ways_out()
    connection = stage.connect()
    exchange = exchange_at(server)

    async def broken(*_):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(batches, "deliver", broken)
    batches.add(exchange, connection, [a_trade(1)])
    await becoming(lambda: gaps == {connection: 1})
    monkeypatch.undo()
    batches.add(exchange, connection, [a_trade(2)])
    await becoming(lambda: stage.queued_trades() == ["spot:BTCUSDT:2"])


async def test_trades_heard_while_redis_is_gone_are_stored_and_the_streams_stay(stage, server):
    connection = stage.connect()
    streamer = stage.start(wire_url=NOWHERE)
    await becoming(lambda: stage.state(connection) == "live")
    identity = await server.trade(connection)
    await becoming(lambda: stage.stored_trades() == [identity])
    assert server.joins[connection] == 1
    await becoming(lambda: streamer.batches.counts["recorded"] == 1)
    assert stage.one("SELECT state FROM jobs WHERE request = 'catch_up'") == "queued"


async def test_a_gap_is_on_record_and_read_again(stage):
    streamer = stage.start()
    connection = stage.connect()
    streamer._gap({connection: 7, uuid4(): 1})
    await becoming(lambda: stage.one("SELECT fields ->> 'rows' FROM events WHERE name = 'gap.opened'") == "7")
    await becoming(lambda: {asked["reason"] for asked in stage.queued("live")} >= {"gap"})


async def test_streams_outlive_postgres(stage, server, monkeypatch):
    connection = stage.connect()
    streamer = stage.start()
    await becoming(lambda: stage.state(connection) == "live")
    answers = streamer._store.run

    async def away(*_, **__):
        raise StoreUnavailable

    monkeypatch.setattr(streamer._store, "run", away)
    server.cut(connection)
    await becoming(lambda: server.joins[connection] == 2)
    identity = await server.trade(connection)
    await becoming(lambda: stage.queued_trades() == [identity])
    monkeypatch.setattr(streamer._store, "run", answers)
    sessions = "SELECT status FROM trade_sync_sessions ORDER BY started_at"
    await becoming(lambda: stage.all(sessions) == [("failed",), ("running",)])
    assert stage.state(connection) == "live"
