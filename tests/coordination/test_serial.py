"""Calls of one key take turns, and their nonces only rise."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import redis

from shared.coordination.serial import Turns
from shared.domain.errors import RateLimited

NOW = 1_800_000_000_000


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def test_two_calls_of_one_key_never_overlap_and_their_nonces_rise(redis_url: str) -> None:
    account = uuid4()
    inside = threading.Lock()
    nonces: list[int] = []

    def call(_: int) -> None:
        with redis.Redis.from_url(redis_url) as client, Turns(client).turn("somewhere", account, NOW) as nonce:
            assert inside.acquire(blocking=False), "two at once"
            nonces.append(nonce)
            inside.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(20)))
    assert len(set(nonces)) == 20
    assert nonces == sorted(nonces)


def test_two_keys_do_not_wait_for_each_other(wire: redis.Redis) -> None:
    turns = Turns(wire)
    with turns.turn("somewhere", uuid4(), NOW), turns.turn("somewhere", uuid4(), NOW) as nonce:
        assert nonce == NOW


def test_who_waits_too_long_is_told_when_to_come_again(wire: redis.Redis) -> None:
    account = uuid4()
    turns = Turns(wire, sleep=lambda _: None)
    with (
        turns.turn("somewhere", account, NOW),
        pytest.raises(RateLimited) as refused,
        turns.turn("somewhere", account, NOW),
    ):
        pass
    assert refused.value.until_ms > NOW


def test_a_turn_that_ended_late_does_not_end_somebody_elses(wire: redis.Redis) -> None:
    account = uuid4()
    turns = Turns(wire, sleep=lambda _: None)
    with turns.turn("somewhere", account, NOW):
        wire.set(f"turn:somewhere:{account}", "another")
    assert wire.get(f"turn:somewhere:{account}") == b"another"


def test_a_call_that_fails_gives_its_turn_back(wire: redis.Redis) -> None:
    account = uuid4()
    turns = Turns(wire, sleep=lambda _: None)
    with pytest.raises(ZeroDivisionError), turns.turn("somewhere", account, NOW):
        raise ZeroDivisionError
    with turns.turn("somewhere", account, NOW) as nonce:
        assert nonce == NOW + 1
