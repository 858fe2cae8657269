"""How fast sockets are opened: back-off without an end, and the exchanges' limits of new sockets."""

import asyncio

import pytest

from shared.coordination.budgets import Budgets
from shared.domain.errors import RateLimited, WireUnavailable
from shared.exchanges.kit.contract import Pool
from shared.queue.wire import open_wire
from streamer.backoff import Backoff
from streamer.connects import Connects
from tests.fixtures.waiting import within

POOL = Pool(name="sockets", scope="address", capacity=2, per_ms=400)


def test_pauses_grow_to_the_longest_and_never_end():
    backoff = Backoff(first=1, longest=60, uniform=lambda _, ceiling: ceiling)
    assert [backoff.next() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    for _ in range(5000):
        assert backoff.next() == 60
    backoff.reset()
    assert backoff.next() == 1


def test_pauses_lie_anywhere_below_their_ceiling():
    backoff = Backoff(first=1, longest=8, uniform=lambda floor, _: floor)
    assert [backoff.next(), backoff.next()] == [0, 0]
    assert backoff.next(at_least=30) == 30


class Counted:
    """A shared count that says what it is told to."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def take_connect(self, exchange, name, *, capacity, per_ms, now_ms):
        self.asked.append((exchange, name, capacity, per_ms))
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_connect_waits_until_the_shared_count_has_room():
    counted = Counted(30, 20, 0)
    began = asyncio.get_running_loop().time()
    await Connects(counted).permit("somewhere", POOL)
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert counted.asked == [("somewhere", "sockets", 2, 400)] * 3


async def test_who_comes_first_connects_first():
    connects, order = Connects(Counted(20, 0, 20, 0)), []

    async def one(name):
        await connects.permit("somewhere", POOL)
        order.append(name)

    await asyncio.gather(one("first"), one("second"), one("third"))
    assert order == ["first", "second", "third"]


async def test_a_ban_is_told_and_not_waited_for():
    with pytest.raises(RateLimited):
        await Connects(Counted(RateLimited(until_ms=9))).permit("somewhere", POOL)


async def test_without_a_limit_or_a_count_nobody_waits():
    counted = Counted(10_000_000)
    await Connects(counted).permit("somewhere", None)
    await Connects(None).permit("somewhere", POOL)
    assert counted.asked == []


async def test_without_redis_a_process_keeps_an_even_pace_of_its_own():
    now = [1_000]
    connects = Connects(Counted(*[WireUnavailable()] * 9), now_ms=lambda: now[0])
    await connects.permit("somewhere", POOL)
    waiting = asyncio.create_task(connects.permit("somewhere", POOL))
    await asyncio.wait({waiting}, timeout=0.05)
    assert not waiting.done()
    now[0] += 400
    await within(2, waiting)


async def test_two_processes_share_the_exchanges_limit(redis_url):
    with open_wire(redis_url) as wire:
        first, second = (Connects(Budgets(wire, egress="here")) for _ in range(2))
        pool = Pool(name="sockets", scope="address", capacity=3, per_ms=600)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(connects.permit("somewhere", pool) for connects in (first, second) for _ in range(2)))
        assert asyncio.get_running_loop().time() - began >= 0.55
