"""The Procfile itself, under a process manager, against separate servers, ended the way a platform ends it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cli.desk import free_or
from shared.vault import new_key
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.processes import descendants, is_running, tell_all

ROOT = Path(__file__).parents[2]
STOPPED_WITHIN = 25.0
# honcho kills after 5 s, a platform after 30.
MANAGER = "import honcho.manager as m, honcho.command as c; m.KILL_WAIT = 28; c.main()"
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Platform:
    """honcho with our Procfile; what everything says is collected."""

    def __init__(self, environment: dict[str, str], folder: Path, *names: str) -> None:
        self.environment = {**environment, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.folder = folder
        self.said: list[str] = []
        self.manager = subprocess.Popen(
            [sys.executable, "-c", MANAGER, "-f", str(ROOT / "Procfile"), "-d", str(folder), "start", *names],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.manager.stdout is not None
        with self.manager.stdout as out:
            self.said.extend(out)

    def end(self) -> list[int]:
        """SIGTERM to every process, twice; gives those that ran."""
        running = [*descendants(self.manager.pid), self.manager.pid]
        tell_all(running, signal.SIGTERM)
        tell_all(running, signal.SIGTERM)
        self.manager.wait(STOPPED_WITHIN)
        self._reader.join(5)
        return running

    def exit_codes(self) -> dict[str, int]:
        """How each process ended, as honcho tells it."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", "".join(self.said))
        return {name: int(code) for name, code in re.findall(r"system +\| (\S+) stopped \(rc=(-?\d+)\)", text)}

    def close(self) -> None:
        left = [*descendants(self.manager.pid), self.manager.pid]
        tell_all(left, signal.SIGKILL)
        self.manager.wait()
        self._reader.join(5)


@pytest.fixture
def world() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--accounts", "2", "--seed", "5") as simulator:
        yield simulator


@pytest.fixture
def platform(world: SimulatorProcess, empty_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ} | {
        "DATABASE_URL": empty_database_url.replace("postgresql://", "postgres://"),
        "REDIS_URL": redis_url,
        "CREDENTIALS_KEY": new_key(),
        "SIMULATOR_URL": world.url,
        "WEB_HOST": "127.0.0.1",
        "WORKER_THREADS": "4",
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
    }
    release = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("release: "))
    for _time in ("the first deploy", "the next one"):
        subprocess.run(
            ["/bin/sh", "-c", release.partition(": ")[2]], env=environment | {"PYTHONPATH": str(ROOT)}, check=True,
            cwd=tmp_path,
        )  # fmt: skip
    started = Platform(
        environment, tmp_path, "-p", str(free_or(0, 0)), "-c", "worker=2,streamer=2",
        "web", "worker", "scheduler", "streamer",
    )  # fmt: skip
    yield started
    started.close()


def enrol(platform: Platform, accounts: list[dict[str, Any]]) -> None:
    told = {"users": [{"email": "a@example.com", "role": "user", "password": "long enough"}], "accounts": accounts}
    subprocess.run(
        [sys.executable, "-m", "cli.enrol"], input=json.dumps(told), env=platform.environment, text=True, check=True,
        cwd=platform.folder, stdout=subprocess.DEVNULL,
    )  # fmt: skip


@ON_LINUX
@pytest.mark.timeout(240)
def test_the_procfile_runs_twice_as_wide_and_ends_cleanly_when_every_process_is_told_twice(
    platform: Platform, world: SimulatorProcess, empty_database_url: str
) -> None:
    accounts = world.accounts()
    enrol(platform, accounts)
    with psycopg.connect(empty_database_url, autocommit=True) as db:

        def count(statement: str) -> int:
            row = db.execute(statement.encode()).fetchone()
            assert row is not None
            return int(row[0])

        until(
            lambda: (
                count("SELECT count(*) FROM user_exchange_connections WHERE stream_state = 'live'") == len(accounts)
            ),
            within=90,
        )
        until(
            lambda: count("SELECT count(DISTINCT holder) FROM stream_leases") == 2,
            within=30,
            what="both streamers hold some",
        )
        for account in accounts:
            world.trade(account, 5)
        made = sum(len(account["trades"]) for account in world.all_truth())
        until(lambda: count("SELECT count(*) FROM trades") == made, within=30, what=f"{made} trades are stored")
        kinds = count("SELECT count(DISTINCT kind) FROM processes WHERE seen_at > now() - interval '30 seconds'")
        assert kinds >= 3

        ran = platform.end()

        expected = {"web.1", "worker.1", "worker.2", "scheduler.1", "streamer.1", "streamer.2"}
        assert dict.fromkeys(expected, 0) == platform.exit_codes(), "".join(platform.said[-60:])
        assert [] == [process for process in ran if is_running(process)]
        assert 0 == count("SELECT count(*) FROM stream_leases WHERE leased_until > now()"), "leases are handed over"
        assert made == count("SELECT count(*) FROM trades")
