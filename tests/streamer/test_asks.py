"""What streams ask of workers: together, not too often, and never lost."""

import asyncio
from uuid import uuid4

import pytest

from shared.queue.wire import open_async_wire
from streamer.asks import Asks
from streamer.ending import end
from streamer.store import Store
from tests.fixtures.waiting import becoming


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
async def asks(stage):
    wire, store = open_async_wire(stage.redis_url), Store(stage.pool, threads=1)
    yield Asks(store, wire, clock=Clock())
    store.close()
    await wire.aclose()


async def test_fills_of_one_moment_are_asked_for_together(stage, asks):
    connection = stage.connect()
    asks.catch_up_feed(connection, "spot:A", "o1")
    await asks.flush()
    asks._clock.now += 0.2
    asks.catch_up_feed(connection, "spot:B", "o2")
    await asks.flush()
    assert stage.queued("live") == []
    asks._clock.now += 0.11
    await asks.flush()
    (asked,) = stage.queued("live")
    assert (asked["feeds"], asked["order_id"]) == (["spot:A", "spot:B"], None)


async def test_one_order_alone_is_named(stage, asks):
    asks.catch_up_feed(stage.connect(), "spot:A", "o1")
    await asks.flush(is_last=True)
    assert [asked["order_id"] for asked in stage.queued("live")] == ["o1"]


async def test_one_connection_is_asked_for_once_a_second(stage, asks):
    connection = stage.connect()
    asks.catch_up_feed(connection, "spot:A", None)
    asks._clock.now += 0.31
    await asks.flush()
    asks.catch_up_feed(connection, "spot:B", None)
    asks._clock.now += 0.9
    await asks.flush()
    assert asks.sent == 1
    asks._clock.now += 0.11
    await asks.flush()
    assert stage.one("SELECT jsonb_array_length(again) FROM jobs") == 1


async def test_all_feeds_are_asked_for_at_once_and_take_the_others_along(stage, asks):
    connection = stage.connect()
    asks.catch_up_feed(connection, "spot:A", None)
    asks.catch_up(connection, "connected")
    await asks.flush()
    (asked,) = stage.queued("live")
    assert (asked["feeds"], asked["reason"]) == ([], "connected")


async def test_a_key_is_checked_once_a_minute(stage, asks):
    connection = stage.connect()
    for pause in (0, 59, 1):
        asks._clock.now += pause
        asks.check_key(connection)
        await asks.flush()
        stage.all("DELETE FROM jobs RETURNING id")
    assert asks.sent == 2


async def test_a_connection_that_is_gone_asks_for_nothing(stage, asks):
    asks.catch_up(uuid4(), "connected")
    asks.catch_up(connection := stage.connect(), "connected")
    await asks.flush()
    assert [asked["connection_id"] for asked in stage.queued("live")] == [str(connection)]


async def test_what_is_asked_while_it_runs_goes_out_by_itself(stage, asks):
    asks._clock.now = 0.0
    running = asyncio.ensure_future(asks.run())
    asks.catch_up(stage.connect(), "connected")
    await becoming(lambda: stage.queued("live"))
    assert await end([running]) == set()
