"""Keeps our processes running on a desk: started in order, watched, started again when they die, stopped in reverse.

Each child has a session of its own, so that Ctrl-C reaches only us, and ends with us even when we are killed. What
children say goes to a file each. On a platform none of this runs: there each process is a container.
"""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType

from cli.embedded.children import start_child

STOP_WITHIN = 22.0
SETTLED_AFTER = 60.0
LONGEST_BACK_OFF = 30.0
LOG_KEPT = 20_000_000


class StartFailed(Exception):
    """A process did not come up; the sentence says which, and what it said last."""


@dataclass
class Child:
    """One process that is to run as long as we do."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started: float
    back_off: float = 1.0
    again_at: float | None = None
    is_struck: bool = False


@dataclass
class Supervisor:
    """Starts children with one environment, and is told to stop by SIGINT or SIGTERM (`stopping`)."""

    logs: Path
    environment: Mapping[str, str]
    folder: Path
    say: Callable[[str], None]
    stopping: Event = field(default_factory=Event)
    deaths: int = 0
    _children: list[Child] = field(default_factory=list)
    _began_at: dict[str, int] = field(default_factory=dict)

    def listen_to_signals(self) -> None:
        """Take the first SIGINT or SIGTERM as the wish to stop. More of them change nothing: we are at it."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            self.stopping.set()

        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, stop)

    def once(self, name: str, command: Sequence[str]) -> None:
        """Run something to its end before going on."""
        process = self._launch(name, command)
        code = process.wait()
        if code != 0:
            raise StartFailed(f"{name} failed (exit code {code}). It said last:\n{self.last_words(name)}")

    def start(self, name: str, command: Sequence[str], *, ready: Callable[[], bool] | None = None) -> None:
        """Start a process, and where `ready` is given wait until it says so."""
        self._children.append(Child(name, command, self._launch(name, command), time.monotonic()))
        if ready is not None:
            self.wait_for(name, ready)

    def wait_for(self, name: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a process is ready, or we are told to stop. Raises `StartFailed` when it ends or is late."""
        process = next(child.process for child in self._children if child.name == name)
        until = time.monotonic() + seconds
        while not self.stopping.is_set() and not ready():
            if process.poll() is not None or time.monotonic() > until:
                raise StartFailed(f"{name} did not start. It said last:\n{self.last_words(name)}")
            self.stopping.wait(0.02)

    def watch(self, until: Callable[[], bool] = lambda: False, *, every: float = 0.1) -> None:
        """Return when told to stop, or when `until` says so. Meanwhile bring the dead back."""
        while not self.stopping.wait(every) and not until():
            self.mend()

    def mend(self) -> None:
        """Start again what has died, later and later while it keeps dying."""
        for child in self._children:
            now = time.monotonic()
            if child.again_at is not None:
                if now >= child.again_at:
                    child.process, child.started = self._launch(child.name, child.command), now
                    child.again_at = None
            elif (code := child.process.poll()) is not None:
                self.deaths += 1
                _kill_group(child.process.pid)
                if child.is_struck or now - child.started > SETTLED_AFTER:
                    child.back_off = 1.0
                if child.is_struck:
                    child.again_at, child.is_struck = now + child.back_off, False
                    continue
                child.again_at = now + child.back_off
                self.say(
                    f"{child.name} ended by itself ({_told(code)}); again in {child.back_off:.0f} s. "
                    f"It said last:\n{self.last_words(child.name)}"
                )
                child.back_off = min(child.back_off * 2, LONGEST_BACK_OFF)

    def strike(self, name: str, what: signal.Signals) -> None:
        """Send a signal to a process and its children; none to one that is down. If it ends it, that is no fault."""
        for child in self._children:
            if child.name == name and child.process.poll() is None:
                child.is_struck = child.is_struck or what in {signal.SIGKILL, signal.SIGTERM}
                with suppress(ProcessLookupError):
                    os.killpg(child.process.pid, what)

    def process_ids(self) -> dict[str, int]:
        """The processes that run right now, by name."""
        return {child.name: child.process.pid for child in self._children if child.process.poll() is None}

    def exit_codes(self) -> dict[str, int]:
        """How each process that does not run right now ended, by name; below 0: minus the signal that ended it."""
        ended = ((child.name, child.process.poll()) for child in self._children)
        return {name: code for name, code in ended if code is not None}

    def stop(self) -> None:
        """Stop all, the last started first, within 22 s altogether; what is left then is killed with its children."""
        until = time.monotonic() + STOP_WITHIN
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
            with suppress(subprocess.TimeoutExpired):  # the next is told all the same, and the time is shared
                child.process.wait(min(5.0, max(0.0, until - time.monotonic())))
        for child in reversed(self._children):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - time.monotonic()))
            if child.process.poll() is None:
                self.say(f"{child.name} did not stop in time and is killed.")
            _kill_group(child.process.pid)
            child.process.wait()
        self._children.clear()

    def last_words(self, name: str, lines: int = 6) -> str:
        """The end of what a process said since it was started."""
        with suppress(OSError), (self.logs / f"{name}.log").open("rb") as log:
            log.seek(self._began_at.get(name, 0))
            said = log.read().decode(errors="replace").splitlines()[-lines:]
            return "\n".join(f"  {line[:400]}" for line in said)
        return ""

    def _launch(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_KEPT:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            self._began_at[name] = log.seek(0, os.SEEK_END)
            return start_child(
                command, stop_signal=signal.SIGTERM, output=log, environment=self.environment, folder=self.folder
            )


def _kill_group(leader: int) -> None:
    """End what a process leaves behind: its own children, who would go on without it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def room(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our rooms as a process, whatever else lies where we stand (-P)."""
    return [sys.executable, "-P", "-m", name, *arguments]


def answers(port: int, path: str) -> Callable[[], bool]:
    """Whether a server of this machine answers a request with 200."""

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def _told(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
