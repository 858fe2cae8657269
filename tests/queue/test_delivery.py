"""Messages reach their actor whoever queued them; one that cannot be read stops nothing."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any
from uuid import UUID, uuid4

import dramatiq
import pytest
import redis

from shared.domain.errors import BadInput, WireUnavailable
from shared.queue.broker import QueueBroker, make_broker, shares
from shared.queue.consumer import PARK, PutBack
from shared.queue.depth import depths
from shared.queue.layout import read_envelope, read_request
from shared.queue.requests import CatchUp, SyncBalances, SyncHistory, WriteTrades
from shared.queue.send import send, send_all
from shared.queue.wire import open_wire


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    client = open_wire(redis_url)
    yield client
    client.close()


Handler = Callable[[str, Any], None]


def a_broker(redis_url: str, handle: Handler, *, threads: int = 8) -> QueueBroker:
    """A worker's broker whose actors hand (name, arguments) to the test."""
    broker = make_broker(open_wire(redis_url), threads=threads)
    for name, queue in (
        ("sync_history", "history"),
        ("catch_up", "live"),
        ("sync_balances", "balances"),
        ("write_trades", "writes"),
    ):

        def act(*, arguments: Any, name: str = name) -> None:
            handle(name, arguments)

        dramatiq.actor(act, broker=broker, actor_name=name, queue_name=queue)

    def park(*, raw: bytes, reason: str) -> None:
        handle("parked", (raw, reason))

    dramatiq.actor(park, broker=broker, actor_name=PARK, queue_name="live")
    return broker


@contextmanager
def working(broker: QueueBroker) -> Iterator[dramatiq.Worker]:
    worker = dramatiq.Worker(broker, worker_threads=8)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout=5_000)
        broker.close()
        broker.client.close()


@contextmanager
def heard(redis_url: str) -> Iterator["Queue[tuple[str, Any]]"]:
    """What a running worker's actors are called with, in the order of their coming."""
    calls: Queue[tuple[str, Any]] = Queue()
    with working(a_broker(redis_url, lambda name, arguments: calls.put((name, arguments)))):
        yield calls


def test_a_request_reaches_its_actor_with_its_arguments(redis_url: str, wire: redis.Redis) -> None:
    request = SyncHistory(connection_id=uuid4(), lane="manual", since_ms=1, until_ms=2, feeds=("spot:BTCUSDT",))
    with heard(redis_url) as calls:
        send(wire, request)
        name, arguments = calls.get(timeout=5)
    assert request == read_request(name, arguments)


def test_two_plain_redis_commands_from_any_language_make_a_request(redis_url: str) -> None:
    connection_id = uuid4()
    with redis.Redis.from_url(redis_url) as plain, heard(redis_url) as calls:
        body = json.dumps({"actor_name": "sync_history", "kwargs": {"connection_id": str(connection_id)}})
        plain.execute_command("HSET", "dramatiq:history.msgs", "my-own-id-1", body)
        plain.execute_command("RPUSH", "dramatiq:history", "my-own-id-1")
        name, arguments = calls.get(timeout=5)
    assert read_request(name, arguments) == SyncHistory(connection_id=connection_id)


def test_a_finished_message_leaves_nothing_behind(redis_url: str, wire: redis.Redis) -> None:
    with heard(redis_url) as calls:
        send(wire, SyncBalances(connection_id=uuid4()))
        calls.get(timeout=5)
    assert depths(wire)["balances"].all == 0
    assert list(wire.scan_iter("dramatiq:__acks__*")) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{not json", "cannot be read"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b'["a list"]', "cannot be read"),
        (b'{"kwargs": {}}', "actor_name"),
        (b'{"actor_name": "sell_everything", "kwargs": {}}', "'sell_everything' is unknown"),
        (b'{"actor_name": "sync_history", "args": [1], "kwargs": {}}', "named arguments only"),
        (None, "without a body"),
    ],
)
def test_a_message_that_cannot_be_read_is_handed_to_be_parked_and_the_next_one_runs(
    redis_url: str, wire: redis.Redis, body: bytes | None, reason: str
) -> None:
    with heard(redis_url) as calls:
        if body is not None:
            wire.hset("dramatiq:history.msgs", "broken", body)  # type: ignore[arg-type]
        wire.rpush("dramatiq:history", "broken")
        send(wire, SyncHistory(connection_id=uuid4()))
        both = dict([calls.get(timeout=5), calls.get(timeout=5)])
    assert set(both) == {"parked", "sync_history"}
    assert reason in both["parked"][1]
    assert both["parked"][0] == (body or b"")
    assert depths(wire)["history"].all == 0


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("sync_history", b"{}", "connection_id"),
        ("sync_history", b'{"connection_id": "not a uuid"}', "UUID"),
        ("sync_history", b'{"connection_id": "%s", "sinze": 1}', "no argument 'sinze'"),
        ("sync_history", b'{"connection_id": "%s", "since_ms": 2, "until_ms": 2}', "wrong way round"),
        ("sync_history", b'{"connection_id": "%s", "until_ms": 2}', "since_ms is missing"),
        ("sync_history", b'{"connection_id": "%s", "since_ms": -1}', "holds no moments"),
        ("sync_history", b'{"connection_id": "%s", "since_ms": 1, "until_ms": 99999999999999999}', "holds no moments"),
        ("sync_history", b'{"connection_id": "%s", "lane": "fast"}', "fast"),
        ("catch_up", b"[]", "cannot be read"),
    ],
)
def test_wrong_arguments_are_named(name: str, arguments: bytes, reason: str) -> None:
    if b"%s" in arguments:
        arguments = arguments % str(uuid4()).encode()
    with pytest.raises(BadInput, match=reason):
        read_request(name, arguments)


def test_numbers_inside_rows_stay_as_they_were_written() -> None:
    row = b'{"connection_id":"x","raw":{"price":1.2345678901234567890123}}'
    envelope = read_envelope(b'{"actor_name":"write_trades","kwargs":{"exchange":"e","rows":[%s]}}' % row)
    assert row in bytes(envelope.kwargs)


def test_an_idle_worker_starts_a_job_within_a_blink(redis_url: str, wire: redis.Redis) -> None:
    with heard(redis_url) as calls:
        send(wire, CatchUp(connection_id=uuid4()))
        calls.get(timeout=5)
        took = []
        for _ in range(20):
            began = time.perf_counter()
            send(wire, CatchUp(connection_id=uuid4()))
            calls.get(timeout=5)
            took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.1


def test_a_message_that_could_not_be_worked_on_returns_to_its_queue(redis_url: str, wire: redis.Redis) -> None:
    tries: Queue[UUID] = Queue()

    def refuse_once(name: str, arguments: Any) -> None:
        request = read_request(name, arguments)
        assert isinstance(request, CatchUp)
        is_first = tries.empty()
        tries.put(request.connection_id)
        if is_first:
            raise PutBack

    with working(a_broker(redis_url, refuse_once)):
        send(wire, CatchUp(connection_id=uuid4()))
        wait_until(lambda: depths(wire)["live"].all == 0)
    assert tries.qsize() == 2


def test_history_leaves_a_thread_to_trades_just_heard(redis_url: str, wire: redis.Redis) -> None:
    release = threading.Event()
    written: Queue[str] = Queue()

    def handle(name: str, _: Any) -> None:
        if name == "write_trades":
            written.put(name)
        else:
            release.wait(20)

    with working(a_broker(redis_url, handle)):
        send_all(wire, [SyncHistory(connection_id=uuid4()) for _ in range(50)])
        send_all(wire, [SyncBalances(connection_id=uuid4()) for _ in range(50)])
        send_all(wire, [CatchUp(connection_id=uuid4()) for _ in range(50)])
        wait_until(lambda: depths(wire)["history"].waiting == 47)
        send(wire, WriteTrades(exchange="e", rows=[]))
        assert written.get(timeout=5) == "write_trades"
        release.set()


def test_a_worker_of_one_queue_uses_all_its_threads_for_it() -> None:
    assert shares(8, ("history",)) == {"history": 8}
    assert shares(8, ("writes", "live", "balances", "history")) == {
        "history": 3,
        "balances": 2,
        "live": 2,
        "writes": 256,
    }


def test_what_a_dead_worker_held_runs_again_within_twenty_seconds(redis_url: str, wire: redis.Redis) -> None:
    dead = make_broker(open_wire(redis_url), threads=8)
    dead.declare_queue("history")
    request = SyncHistory(connection_id=uuid4())
    send(wire, request)
    consumer = dead.consume("history")
    while next(consumer) is None:
        pass
    began = time.monotonic()  # and the dead worker's broker is never touched again
    with heard(redis_url) as calls:
        name, arguments = calls.get(timeout=25)
    assert read_request(name, arguments) == request
    assert 10 < time.monotonic() - began < 20


def test_a_stopping_worker_puts_back_what_it_had_fetched(redis_url: str, wire: redis.Redis) -> None:
    broker = make_broker(open_wire(redis_url), threads=8)
    broker.declare_queue("writes")
    for _ in range(10):
        send(wire, WriteTrades(exchange="e", rows=[]))
    consumer = broker.consume("writes")
    while next(consumer) is None:
        pass
    assert depths(wire)["writes"].waiting == 0
    consumer.close()
    assert depths(wire)["writes"].waiting == 9


def test_a_full_redis_refuses_with_a_sentence(redis_url: str, wire: redis.Redis) -> None:
    wire.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(WireUnavailable, match="full"):
            send(wire, SyncBalances(connection_id=uuid4()))
    finally:
        wire.config_set("maxmemory", "0")


def wait_until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """Return when it is so; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "it did not become so in time"
        pause.wait(0.02)
