"""Postgres is gone for a minute while there is trading: nobody can store anything, and nothing may be lost by it."""

from collections.abc import Callable

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.outages import GONE, LONG, Trouble, row
from benchmarks.reliability.page import Row
from benchmarks.reliability.scene import Scene


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Stop it for a minute, a few times."""
    gone = Trouble(
        "Postgres gone for 60 s", GONE, lambda here: here.postgres.stop(), _come_back, min(asked.repeats, LONG)
    )
    return [row(asked, gone, say, enough=LONG)]


def _come_back(here: Scene) -> None:
    if not here.postgres.revive():
        raise RuntimeError("Postgres does not come back")
