"""One leads, the others stand by; a leader that dies is followed within seconds."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from scheduler import leading
from scheduler.desk import Desk
from scheduler.leading import Leader
from scheduler.ticking import Clock
from shared.domain.errors import StoreUnavailable
from shared.storage import processes
from shared.vault import new_key
from tests.fixtures.stored import a_connection

ROOT = Path(__file__).parents[2]


def wait_for(is_so: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not become so in time"
        pause.wait(0.05)
    return found


@pytest.fixture
def make_leader(database_url: str) -> Iterator[Callable[[], Leader]]:
    made: list[Leader] = []

    def make() -> Leader:
        made.append(Leader(database_url))
        return made[-1]

    yield make
    for leader in made:
        leader.resign()


def test_of_two_only_one_leads(make_leader: Callable[[], Leader]) -> None:
    first, second = make_leader(), make_leader()
    assert [first.look(), second.look(), first.look(), second.look()] == [True, False, True, False]


def test_the_other_one_leads_when_the_leader_resigns(make_leader: Callable[[], Leader]) -> None:
    first, second = make_leader(), make_leader()
    first.look()
    first.resign()
    assert second.look()


def test_a_leader_whose_connection_died_leads_no_more(
    make_leader: Callable[[], Leader], db: psycopg.Connection
) -> None:
    first, second = make_leader(), make_leader()
    assert first.look()
    db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tradesync:scheduler'")
    db.commit()
    assert wait_for(second.look)
    assert not first.look()
    second.resign()
    assert wait_for(first.look)


def test_a_leader_that_hangs_is_followed(make_leader: Callable[[], Leader], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leading, "_HANGS_AFTER", "100ms")
    first, second = make_leader(), make_leader()
    assert first.look()
    assert wait_for(second.look)
    assert not first.look()


def test_without_postgres_nobody_leads() -> None:
    leader = Leader("postgresql://nobody@127.0.0.1:1/nowhere")
    assert not leader.look()


def test_a_duty_that_fails_comes_again_and_ends_nothing(desk: Desk) -> None:
    ran = threading.Semaphore(0)
    failures: list[Exception] = [ZeroDivisionError(), StoreUnavailable()]

    def run(_: Desk) -> None:
        ran.release()
        if failures:
            raise failures.pop()

    duty: Any = SimpleNamespace(__name__="duties.tried", EVERY=timedelta(milliseconds=20), run=run)
    clock = Clock(desk, (duty,))
    clock.follow(True)
    for _ in range(4):
        assert ran.acquire(timeout=5)
    clock.stop()


def test_while_it_stands_by_nothing_runs_and_missed_ticks_are_caught_up_once(desk: Desk) -> None:
    ran: list[float] = []
    first = threading.Event()

    def run(_: Desk) -> None:
        ran.append(time.monotonic())
        first.set()

    duty: Any = SimpleNamespace(__name__="duties.tried", EVERY=timedelta(hours=1), run=run)
    clock = Clock(desk, (duty,))
    assert not first.wait(0.3)
    # Many beats are missed while another one leads.
    job = clock._scheduler.get_job("duties.tried")
    job.reschedule("interval", seconds=0.05)
    threading.Event().wait(0.4)
    clock.follow(True)
    assert first.wait(5)
    clock.follow(False)
    count = len(ran)
    assert count < 4
    assert not threading.Event().wait(0.3)
    assert len(ran) <= count + 1
    clock.stop()


@pytest.fixture
def start_scheduler(tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Callable[[], Any]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / f"scheduler-{len(started)}.log").open("wb") as out:
            environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CREDENTIALS_KEY": new_key()}
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "scheduler"],
                    cwd=ROOT,
                    env={**os.environ, **environment},
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def leaders(db: psycopg.Connection) -> int:
    return len([process for process in processes.living(db, "scheduler") if process.figures.get("leads")])


@pytest.mark.timeout(90)
def test_the_standby_takes_over_when_the_leader_is_killed(
    start_scheduler: Callable[[], Any], db: psycopg.Connection
) -> None:
    db.autocommit = True
    first = start_scheduler()
    wait_for(lambda: leaders(db) == 1, 40)
    second = start_scheduler()
    wait_for(lambda: len(processes.living(db, "scheduler")) == 2, 40)
    first.kill()
    first.wait(10)
    killed = time.monotonic()
    a_connection(db)
    wait_for(lambda: db.execute("SELECT count(*) FROM jobs").fetchone() == (3,))
    assert time.monotonic() - killed < 10
    second.send_signal(signal.SIGTERM)
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0


def test_the_scheduler_imports_neither_the_gateway_nor_its_library() -> None:
    code = "import sys, scheduler.__main__; sys.exit(any(n in sys.modules for n in ('ccxt', 'shared.gateway')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
