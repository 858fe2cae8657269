"""Child processes that cannot outlive us: their own session, and on Linux a signal when their parent ends."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG = 1
ON_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None


def die_with_parent(stop_signal: signal.Signals) -> None:
    """Ask the kernel for `stop_signal` when our parent ends. Runs in the child, between fork and exec.

    The signal fires when the parent's *thread* ends: children are started from the main thread.
    """
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)


def start_child(
    command: Sequence[str | Path],
    *,
    stop_signal: signal.Signals,
    output: IO[Any] | int,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    prepare: Callable[[], None] | None = None,
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches us and not it."""
    parent = os.getpid()

    def before_exec() -> None:
        if prepare is not None:
            prepare()
        die_with_parent(stop_signal)
        if ON_LINUX and user is None and prepare is None and os.getppid() != parent:
            os._exit(1)  # the parent ended before the kernel was asked

    identity: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return subprocess.Popen(  # noqa: S603 — programs we found or are
        [str(part) for part in command],
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
        preexec_fn=before_exec,  # noqa: PLW1509 — the kernel takes PDEATHSIG only from the child itself
        **identity,
    )


def stop_child(child: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, waiting its seconds, until the child is gone; SIGKILL at last. Then reap it."""
    for stop_signal, seconds in steps:
        if child.poll() is not None:
            return
        child.send_signal(stop_signal)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    if child.poll() is None:
        child.kill()
        child.wait()


def free_port() -> int:
    """Find a port nobody listens on right now. Never a default one: whoever uses those by accident must fail."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in {5432, 6379}:
            return port
