"""`demo` as it is typed: by itself as a proof, twice on one folder; and in a person's hands, with processes dying."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.waiting import until
from tests.journeys.processes import descendants, is_running, living_in

ROOT = Path(__file__).parents[2]
TRADESYNC = [sys.executable, "-m", "cli"]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def run(*words: str, folder: Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TRADESYNC, *words, "--folder", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=seconds,
    )  # fmt: skip


@pytest.mark.timeout(420)
def test_the_demo_proves_that_nothing_was_lost_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    made = 0
    for name in ("first", "second"):
        report = tmp_path / f"{name}.json"
        done = run("demo", "--for", "5s", "--rate", "20", "--report", str(report), folder=tmp_path / "state")
        assert 0 == done.returncode, done.stderr[-3000:] + done.stdout[-3000:]
        figures = json.loads(report.read_text())
        assert figures == json.loads(done.stdout)
        assert {"made", "stored", "missing", "duplicates", "different", "provisional"} == set().union(
            *figures["exchanges"].values()
        )
        for tally in figures["exchanges"].values():
            assert tally == {
                "made": tally["made"], "stored": tally["made"],
                "missing": 0, "duplicates": 0, "different": 0, "provisional": 0,
            }  # fmt: skip
        assert {"p50", "p95", "p99", "max"} == set(figures["latency_ms"])
        assert figures["tickers"]["received"] > 0
        assert figures["balances"]["synced"] > 0
        assert 0 == figures["balances"]["different"]
        assert figures["sessions"] > 0
        assert {"explained", "unexplained", "closed"} == set(figures["ledger"])
        assert figures["seconds"] > 5
        now_made = sum(tally["made"] for tally in figures["exchanges"].values())
        assert now_made > made, "the second run adds to the first"
        made = now_made


class Desk:
    """A demo in a person's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.demo = subprocess.Popen(
            [*TRADESYNC, "demo", "--port", "0", "--rate", "5", "--folder", str(folder)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def address(self) -> tuple[str, int]:
        """Where it says that the page is; it says so when it runs."""
        assert self.demo.stdout is not None
        for line in self.demo.stdout:
            if found := re.search(r"The page +http://([\d.]+):(\d+)", line):
                return found[1], int(found[2])
        raise AssertionError("it ended without saying where the page is")

    def environment(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "environment.json").read_text())
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path / "state")
    yield one
    one.demo.kill()
    one.demo.wait()
    assert one.demo.stdout is not None
    one.demo.stdout.close()


@ON_LINUX
@pytest.mark.timeout(240)
def test_a_demo_mends_itself_and_leaves_nothing_running(desk: Desk) -> None:
    host, port = desk.address()
    page = http.client.HTTPConnection(host, port, timeout=10)
    page.request("GET", "/healthz")
    assert 200 == page.getresponse().status
    page.close()

    second = run("demo", "--port", "0", folder=desk.folder)
    assert 2 == second.returncode
    assert f"process {desk.demo.pid}" in second.stderr

    url = desk.environment()["DATABASE_URL"]

    def stored() -> int:
        try:
            with psycopg.connect(url) as db:
                row = db.execute("SELECT count(*) FROM trades").fetchone()
                return int(row[0]) if row else 0
        except psycopg.OperationalError:
            return 0

    until(lambda: stored() > 0, within=60)
    for victim in (b"workers", b"/postgres"):
        before = stored()
        for process in descendants(desk.demo.pid):
            with suppress(OSError):  # Postgres' own come and go
                command = Path(f"/proc/{process}/cmdline").read_bytes()
                if victim in command and os.getpgid(process) == process:
                    os.kill(process, signal.SIGKILL)
        until(lambda before=before: stored() > before, within=60, what=f"trades go on after {victim!r} was killed")

    ran = descendants(desk.demo.pid)
    assert len(ran) > 6
    desk.demo.send_signal(signal.SIGTERM)
    desk.demo.send_signal(signal.SIGTERM)
    assert 0 == desk.demo.wait(25)
    assert [] == [process for process in ran if is_running(process)]
    assert [] == living_in(desk.folder), "nor do those whose parent was killed"
    assert not (desk.folder / "environment.json").exists()


@ON_LINUX
@pytest.mark.timeout(120)
def test_a_demo_that_is_killed_takes_everything_with_it(desk: Desk) -> None:
    desk.address()
    ran = descendants(desk.demo.pid)
    desk.demo.kill()
    desk.demo.wait()
    until(lambda: not [process for process in ran if is_running(process)], within=30, what="nothing is left running")
    until(lambda: not living_in(desk.folder), within=5, what="nor an orphan")
