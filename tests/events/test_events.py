"""Events over a real Valkey: heard by those who listen, lost without harm, and heard again after a break."""

import asyncio
from contextlib import aclosing, closing
from decimal import Decimal
from uuid import uuid4

import msgspec
import redis
import redis.asyncio

from shared.domain.tickers import Ticker
from shared.events import kinds
from shared.events.kinds import ConnectionChanged, LeasesFreed, Missed, StreamChanged, TickersChanged, TradesRecorded
from shared.events.publish import counts, publish, publish_soon
from shared.events.subscribe import subscribe, subscribe_soon

USER, OTHER, CONNECTION = uuid4(), uuid4(), uuid4()


def a_trades_event(user_id=USER):
    return TradesRecorded(user_id=user_id, lines=msgspec.Raw(b'[{"id":7,"price":"64000.10"}]'))


def heard(listening):
    """The next event, past moments of silence."""
    return next(event for event in listening if event is not None)


def test_what_is_published_is_heard_with_every_digit(redis_url):
    with redis.Redis.from_url(redis_url) as client, closing(subscribe(client, kinds.TICKERS)) as listening:
        assert heard(listening) == Missed()
        said = TickersChanged(
            exchange="x", tickers=(Ticker(symbol="BTC/USDT", last=Decimal("64000.10"), timestamp_ms=5),), at_ms=6
        )
        assert publish(client, said)
        assert heard(listening) == said


def test_each_user_hears_only_their_own(redis_url):
    with redis.Redis.from_url(redis_url) as client, closing(subscribe(client, kinds.trades_of(USER))) as listening:
        assert heard(listening) == Missed()
        publish(client, a_trades_event(OTHER), a_trades_event())
        event = heard(listening)
        assert event.user_id == USER
        assert msgspec.json.decode(event.lines) == [{"id": 7, "price": "64000.10"}]


def test_a_message_that_is_no_event_is_passed_over(redis_url):
    with redis.Redis.from_url(redis_url) as client, closing(subscribe(client, kinds.CONNECTIONS)) as listening:
        assert heard(listening) == Missed()
        client.publish(kinds.CONNECTIONS, "nonsense")
        client.publish(kinds.CONNECTIONS, b'{"type":"unheard of"}')
        publish(client, ConnectionChanged(connection_id=CONNECTION, change="added"))
        assert heard(listening) == ConnectionChanged(connection_id=CONNECTION, change="added")


def test_publishing_without_redis_is_counted_and_raises_nothing():
    before = counts["lost"]
    with redis.Redis(port=1, retry=None) as client:
        assert not publish(client, a_trades_event())
        assert not publish(client, a_trades_event(), a_trades_event())
    assert counts["lost"] == before + 3


def test_after_a_failure_redis_is_left_alone_for_a_while(redis_url):
    now = [100.0]
    with redis.Redis(port=1, retry=None) as client:
        publish(client, a_trades_event(), clock=lambda: now[0])
        client.connection_pool = redis.ConnectionPool.from_url(redis_url)  # it is back
        assert not publish(client, a_trades_event(), clock=lambda: now[0] + 1.9)
        assert publish(client, a_trades_event(), clock=lambda: now[0] + 2.1)


async def test_an_event_loop_hears_what_it_publishes(redis_url):
    async with (
        redis.asyncio.Redis.from_url(redis_url) as client,
        aclosing(subscribe_soon(client, kinds.CONNECTIONS, kinds.about(USER))) as listening,
    ):
        assert await anext(listening) == Missed()
        said = (
            LeasesFreed(holder=uuid4()),
            StreamChanged(user_id=USER, connection_id=CONNECTION, state="live", at_ms=1),
        )
        assert await publish_soon(client, *said)
        assert (await anext(listening), await anext(listening)) == said


async def test_a_listener_whose_socket_is_cut_says_that_it_may_have_missed_something_and_hears_again(redis_url):
    async with (
        redis.asyncio.Redis.from_url(redis_url) as client,
        redis.asyncio.Redis.from_url(redis_url) as operator,
        aclosing(subscribe_soon(client, kinds.CONNECTIONS)) as listening,
    ):
        assert await anext(listening) == Missed()
        await operator.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(10):
            assert await anext(listening) == Missed()
            await publish_soon(operator, LeasesFreed(holder=USER))
            assert await anext(listening) == LeasesFreed(holder=USER)


async def test_publishing_on_an_event_loop_without_redis_raises_nothing():
    async with redis.asyncio.Redis(port=1, retry=None) as client:
        assert not await publish_soon(client, a_trades_event())
