"""The supervisor: brings back what dies, later and later, and stops in reverse, whatever it takes."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import supervisor as room
from cli.supervisor import StartFailed, Supervisor
from tests.fixtures.waiting import until

TELLS_ITS_END = """
import pathlib, signal, sys
def end(*_):
    with pathlib.Path("ended").open("a") as file:
        file.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
while True:
    signal.pause()
"""
STUBBORN = """
import pathlib, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path("stubborn").write_text(str(child.pid))
while True:
    signal.pause()
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(room, "STOP_WITHIN", 2.0)
    one = Supervisor(tmp_path / "logs", {}, tmp_path, said.append)
    yield one
    one.stop()


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def test_the_last_started_is_stopped_first(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        supervisor.start(name, python(TELLS_ITS_END, name), ready=(tmp_path / name).exists)
    supervisor.stop()
    assert ["third", "second", "first"] == (tmp_path / "ended").read_text().split()


def test_what_does_not_stop_is_killed_with_its_children(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start("stubborn", python(STUBBORN), ready=(tmp_path / "stubborn").exists)
    until((tmp_path / "stubborn").read_text)
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began < 8
    assert ["stubborn did not stop in time and is killed."] == said
    child = Path("/proc") / (tmp_path / "stubborn").read_text()
    until(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


def test_what_dies_leaves_no_children_behind(supervisor: Supervisor, tmp_path: Path) -> None:
    leader = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
    )
    supervisor.start("leader", python(leader))
    supervisor.watch(lambda: supervisor.deaths > 0, every=0.01)
    child = Path("/proc") / (tmp_path / "child").read_text()
    until(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text())


def test_what_dies_is_reported_and_comes_back_later_and_later(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start("weak", python("import sys; print('I cannot'); sys.exit(3)"))
    supervisor.watch(lambda: len(said) >= 2, every=0.01)
    assert "weak ended by itself (exit code 3); again in 1 s. It said last:\n  I cannot" == said[0]
    assert "again in 2 s" in said[1]
    assert 2 == supervisor.deaths


def test_a_process_that_never_gets_ready_says_what_it_said_last(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailed, match=r"(?s)weak did not start.*no such luck"):
        supervisor.start("weak", python("print('no such luck')"), ready=lambda: False)


def test_something_that_runs_once_and_fails_says_so(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailed, match=r"(?s)migrations failed \(exit code 4\).*a bad step"):
        supervisor.once("migrations", python("import sys; print('a bad step'); sys.exit(4)"))


def test_only_what_was_said_since_the_start_is_told(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "one.log").write_text("long ago\n")
    supervisor.once("one", python("print('now')"))
    assert "  now" == supervisor.last_words("one")


def test_a_wish_to_stop_ends_the_waiting(supervisor: Supervisor) -> None:
    supervisor.stopping.set()
    supervisor.start("slow", python("import signal; signal.pause()"), ready=lambda: False)
    supervisor.watch()
