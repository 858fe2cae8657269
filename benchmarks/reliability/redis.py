"""Redis forgets everything, or is gone for a minute and comes back empty; we go on trading meanwhile."""

from collections.abc import Callable

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.outages import GONE, LONG, Trouble, row
from benchmarks.reliability.page import Row
from benchmarks.reliability.scene import Scene

ENOUGH = 20


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Wipe it in the middle of trading, again and again; then kill it, a minute each time."""
    wiped = Trouble(
        "Redis wiped while there is trading", 2.0, lambda here: here.valkey.flush(), _nothing, asked.repeats
    )
    gone = Trouble(
        "Redis gone for 60 s, and back without its memory", GONE, _kill, _come_back, min(asked.repeats, LONG)
    )
    return [row(asked, wiped, say, enough=ENOUGH), row(asked, gone, say, enough=LONG)]


def _nothing(_: Scene) -> None:
    """It is there."""


def _kill(here: Scene) -> None:
    server = here.valkey
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.process = None


def _come_back(here: Scene) -> None:
    if not here.valkey.revive():
        raise RuntimeError("Redis does not come back")
    here.valkey.flush()
