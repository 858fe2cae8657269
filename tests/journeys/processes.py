"""What runs: found in /proc, so that a test can treat all of it as a platform does, and see that nothing is left."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def descendants(root: int) -> list[int]:
    """All processes below this one, grandchildren included."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                # the name in brackets may hold anything, spaces too
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, waiting = [], [root]
    while waiting:
        one = waiting.pop()
        below = [child for child, parent in parents.items() if parent == one]
        found += below
        waiting += below
    return found


def tell_all(processes: list[int], what: signal.Signals) -> None:
    """Send a signal to each, as a platform does to every process of a container."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, what)


def is_running(process: int) -> bool:
    """Whether it still does something: a zombie that nobody reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def living_in(folder: Path) -> list[int]:
    """All processes that stand in this folder, orphans included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").readlink().is_relative_to(folder) and is_running(int(entry.name)):
                    found.append(int(entry.name))
    return found
