"""The worker as a process: what survives kill -9, how it ends, and what it says when it cannot begin."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redis

from shared.gateway import Gateway
from shared.queue.requests import SyncBalances, SyncHistory
from shared.queue.send import send
from shared.settings import Settings
from shared.storage import jobs, quarantine
from shared.vault import new_key
from tests.fixtures.simulator import SimulatorProcess
from tests.workers.conftest import Bench, as_told
from workers import __main__ as worker_main

ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """`python -m workers` in a group of its own; what it says is kept."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers"],
                cwd=ROOT,
                env={**os.environ, "LOG_FORMAT": "json", "WORKER_PROCESSES": "1", **environment},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def signal_group(self, sign: int) -> None:
        os.killpg(self.process.pid, sign)

    def end(self) -> None:
        if self.process.poll() is None:
            self.signal_group(signal.SIGKILL)
        self.process.wait(10)


@pytest.fixture
def start_worker(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Callable[..., WorkerProcess]]:
    started: list[WorkerProcess] = []
    key = new_key()

    def start(**environment: str) -> WorkerProcess:
        known = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "CREDENTIALS_KEY": key,
            "REQUEST_BUDGET": "false",
        }
        worker = WorkerProcess(tmp_path / f"worker-{len(started)}.log", **{**known, **environment})
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.end()


def wait_for(is_so: Callable[[], Any], seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not become so in time"
        pause.wait(0.05)
    return found


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def real_bench(make_bench: Callable[..., Bench], simulator: SimulatorProcess) -> Iterator[Bench]:
    gateway = Gateway(simulator_url=simulator.url)
    simulator.limits(off=True)
    yield make_bench(gateway)
    gateway.close()


def running_job(db: psycopg.Connection, connection_id: UUID) -> Any:
    return db.execute(
        "SELECT attempts, holder, state FROM jobs WHERE connection_id = %s AND state = 'running'", (connection_id,)
    ).fetchone()


def test_a_worker_process_ends_when_the_one_that_started_it_was_killed(
    start_worker: Callable[..., WorkerProcess], db: psycopg.Connection
) -> None:
    worker = start_worker()
    wait_for(lambda: worker.said("process.started"))
    db.autocommit = True
    found = db.execute("SELECT pid FROM processes WHERE kind = 'worker'").fetchone()
    assert found is not None
    worker.process.kill()
    worker.process.wait(10)
    wait_for(lambda: not db.execute("SELECT FROM processes WHERE kind = 'worker'").fetchall(), 20)
    wait_for(lambda: not Path(f"/proc/{found[0]}").exists() or "\nState:\tZ" in _status(found[0]), 10)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return "\nState:\tZ"


@pytest.mark.timeout(180)
def test_a_job_whose_worker_was_killed_runs_again_within_twenty_seconds_and_nothing_is_lost(
    start_worker: Callable[..., WorkerProcess],
    make_bench: Callable[..., Bench],
    simulator: SimulatorProcess,
    wire: redis.Redis,
) -> None:
    key = new_key()
    gateway = Gateway(simulator_url=simulator.url)
    bench = make_bench(gateway, key=key)
    simulator.limits(off=True)
    account = simulator.account("bybit", history=3_000)
    connection_id = bench.connect(account)
    environment = {"CREDENTIALS_KEY": key, "SIMULATOR_URL": simulator.url}
    first = start_worker(**environment)
    send(wire, SyncHistory(connection_id=connection_id))
    wait_for(lambda: len(bench.trades(connection_id)) > 200, 60)
    assert running_job(bench.db, connection_id)
    first.signal_group(signal.SIGKILL)
    died = time.monotonic()
    held = bench.trades(connection_id)
    second = start_worker(**environment)
    wait_for(lambda: (found := running_job(bench.db, connection_id)) and found[0] == 2, 40)
    assert time.monotonic() - died < 20
    wait_for(lambda: len(bench.trades(connection_id)) == 3_000, 90)
    assert set(bench.trades(connection_id)) == as_told(simulator.truth(account))
    assert len(held) < 3_000
    second.end()
    gateway.close()


@pytest.mark.timeout(120)
def test_told_twice_to_stop_it_ends_its_job_and_exits_with_zero(
    start_worker: Callable[..., WorkerProcess],
    make_bench: Callable[..., Bench],
    simulator: SimulatorProcess,
    wire: redis.Redis,
) -> None:
    key = new_key()
    gateway = Gateway(simulator_url=simulator.url)
    bench = make_bench(gateway, key=key)
    simulator.limits(off=True)
    connection_id = bench.connect(simulator.account("bybit", history=3_000))
    worker = start_worker(CREDENTIALS_KEY=key, SIMULATOR_URL=simulator.url, WORKER_PROCESSES="2")
    send(wire, SyncHistory(connection_id=connection_id))
    wait_for(lambda: len(bench.trades(connection_id)) > 200, 60)
    told = time.monotonic()
    worker.signal_group(signal.SIGTERM)
    wait_for(lambda: worker.said("process.stopping"))
    worker.signal_group(signal.SIGTERM)
    assert worker.process.wait(25) == 0
    assert time.monotonic() - told < 25
    assert running_job(bench.db, connection_id) is None
    (continued,) = jobs.listed(bench.db, connection_id=connection_id, states=("queued",))
    assert continued.request == "sync_history"
    gateway.close()


@pytest.mark.timeout(60)
def test_a_message_that_makes_no_sense_is_parked_and_the_worker_goes_on(
    start_worker: Callable[..., WorkerProcess], bench: Bench, wire: redis.Redis
) -> None:
    worker = start_worker()
    for number, body in enumerate(
        (
            b"{no json",
            b'{"actor_name": "sell_all", "kwargs": {}}',
            b'{"actor_name": "sync_history", "kwargs": {"connection_id": "?"}}',
            b'{"actor_name": "sync_history", "kwargs": {"connection_id": "%s", "since_ms": 2, "until_ms": 1}}'
            % str(UUID(int=1)).encode(),
        )
    ):
        wire.hset("dramatiq:history.msgs", str(number), body)  # type: ignore[arg-type]
        wire.rpush("dramatiq:history", str(number))
    wait_for(lambda: len(quarantine.listed(bench.db)) == 4)
    assert {item.source for item in quarantine.listed(bench.db)} == {"queue"}
    assert wire.hlen("dramatiq:history.msgs") == 0
    assert worker.process.poll() is None


@pytest.mark.timeout(120)
def test_it_goes_on_when_redis_comes_back_empty(
    start_worker: Callable[..., WorkerProcess], bench: Bench, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    from cli.embedded import ValkeyServer

    server = ValkeyServer(tmp_path / "valkey", durable=False)
    server.start()
    worker = start_worker(REDIS_URL=server.url, SIMULATOR_URL=simulator.url)
    wait_for(lambda: worker.said("process.started"))
    assert server.process is not None
    server.process.kill()
    server.process.wait(10)
    assert server.revive()
    with redis.Redis.from_url(server.url) as client:
        client.hset("dramatiq:live.msgs", "x", b"{")  # type: ignore[arg-type]
        client.rpush("dramatiq:live", "x")
        wait_for(lambda: quarantine.listed(bench.db), 60)
    assert worker.process.poll() is None
    worker.end()
    server.stop()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("environment", "code", "sentence"),
    [
        ({"CREDENTIALS_KEY": "short"}, 2, "CREDENTIALS_KEY"),
        ({"WORKER_QUEUES": "writes,everything"}, 2, "everything"),
        ({"REDIS_URL": "http://example.com"}, 2, "REDIS_URL"),
        ({"WORKER_THREADS": "many"}, 1, "WORKER_THREADS"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_starts(
    start_worker: Callable[..., WorkerProcess], environment: dict[str, str], code: int, sentence: str
) -> None:
    worker = start_worker(**environment)
    assert worker.process.wait(40) == code
    assert sentence in worker.log.read_text()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"redis_url": "redis://127.0.0.1:1"}, "Redis does not answer"),
        ({"database_url": "postgres://nobody@127.0.0.1:1/nowhere"}, "Postgres does not answer"),
    ],
)
def test_a_server_that_does_not_come_is_waited_for_and_named(
    database_url: str,
    redis_url: str,
    wrong: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(worker_main, "PATIENCE", timedelta(seconds=2))
    settings = Settings(
        **{
            "database_url": database_url,
            "redis_url": redis_url,
            "credentials_key": new_key(),
            "_env_file": None,
            **wrong,
        }
    )
    assert worker_main._refused(settings) == 3
    assert sentence in capsys.readouterr().out


def test_a_database_that_was_never_migrated_is_named(
    empty_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worker_main, "PATIENCE", timedelta(seconds=0))
    settings = Settings(database_url=empty_database_url, redis_url=redis_url, credentials_key=new_key(), _env_file=None)
    assert worker_main._refused(settings) == 4
    assert "tradesync migrate" in capsys.readouterr().out


def test_requests_of_two_connections_are_answered(
    start_worker: Callable[..., WorkerProcess],
    make_bench: Callable[..., Bench],
    simulator: SimulatorProcess,
    wire: redis.Redis,
) -> None:
    key = new_key()
    gateway = Gateway(simulator_url=simulator.url)
    bench = make_bench(gateway, key=key)
    accounts = [simulator.account(name) for name in ("bybit", "kucoin")]
    connection_ids = [bench.connect(account) for account in accounts]
    start_worker(CREDENTIALS_KEY=key, SIMULATOR_URL=simulator.url)
    for connection_id in connection_ids:
        send(wire, SyncBalances(connection_id=connection_id))
    wait_for(
        lambda: all(
            [job.state for job in jobs.listed(bench.db, connection_id=connection_id)] == ["done"]
            for connection_id in connection_ids
        ),
        60,
    )
    gateway.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent ended")
@pytest.mark.timeout(90)
def test_workers_whose_master_was_killed_end_by_themselves(start_worker: Callable[..., WorkerProcess]) -> None:
    worker = start_worker()
    wait_for(lambda: worker.said("process.started"), 60)
    worker.process.kill()
    worker.process.wait()
    # What they say goes through the master, and is not heard any more.
    with pytest.raises(ProcessLookupError):
        wait_for(lambda: worker.signal_group(0), 25)
