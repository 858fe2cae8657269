"""`up`: the same processes for real keys, on servers that come with it or on those the environment names."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.journeys.processes import descendants, is_running

ROOT = Path(__file__).parents[2]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`tradesync up`, and the port of its page. No exchange is reached: they would be asked on a port nobody serves."""
    started = subprocess.Popen(
        [sys.executable, "-m", "cli", "up", "--port", "0", "--folder", str(folder)],
        env={**os.environ, "SIMULATOR_URL": "http://127.0.0.1:9", "PYTHONPATH": str(ROOT), **environment},
        cwd=folder.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert started.stdout is not None
    try:
        said = ""
        for line in started.stdout:
            said += line
            if found := re.search(r"The page is at http://127\.0\.0\.1:(\d+)", line):
                yield started, int(found[1])
                break
        else:
            raise AssertionError(said)
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


def page_answers(port: int) -> bool:
    page = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        page.request("GET", "/healthz")
        return page.getresponse().status == 200
    finally:
        page.close()


def commands(process: int) -> str:
    return " ".join(Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ") for one in descendants(process))


@ON_LINUX
@pytest.mark.timeout(120)
def test_up_brings_its_own_servers_and_takes_them_down(tmp_path: Path) -> None:
    with running(tmp_path / "state") as (up, port):
        assert page_answers(port)
        environment = json.loads((tmp_path / "state" / "environment.json").read_text())
        assert 0o600 == (tmp_path / "state" / "environment.json").stat().st_mode & 0o777
        known = subprocess.run(
            [sys.executable, "-m", "cli", "user", "add", "a@example.com"], env={**os.environ, **environment},
            input="long enough\n", cwd=ROOT, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert 0 == known.returncode, known.stderr
        assert "postgres" in commands(up.pid)
        assert environment["CREDENTIALS_KEY"] not in commands(up.pid)
        ran = descendants(up.pid)
        up.terminate()
        assert 0 == up.wait(25)
        assert [] == [process for process in ran if is_running(process)]


@ON_LINUX
@pytest.mark.timeout(120)
def test_up_uses_the_servers_that_the_environment_names(
    tmp_path: Path, empty_database_url: str, redis_url: str
) -> None:
    with running(tmp_path / "state", DATABASE_URL=empty_database_url, REDIS_URL=redis_url) as (up, port):
        assert page_answers(port)
        assert "-m web" in commands(up.pid)
        assert not re.search(r"bin/postgres|valkey-server|redis-server", commands(up.pid))


@pytest.mark.timeout(120)
def test_up_with_a_setting_that_is_wrong_says_which(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "up", "--port", "0", "--folder", str(tmp_path / "state")],
        env={**os.environ, "BALANCE_EVERY": "soon"}, cwd=ROOT, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert "BALANCE_EVERY is wrong: write a span of time" in done.stderr
