"""Redis or Postgres taken away while there is trading: what is lost, and how soon all is current again."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, told, verdict
from benchmarks.reliability.scene import Scene, scene

RATE = 20.0
GONE = 60.0
CURRENT_WITHIN = 60.0
LONG = 3
"""Outages of a minute: so many, however often the rest is done."""


@dataclass(frozen=True)
class Trouble:
    """What is done to a server: `begin`, `seconds` of trading, `end`."""

    what: str
    seconds: float
    begin: Callable[[Scene], object]
    end: Callable[[Scene], object]
    many: int


def row(asked: Asked, trouble: Trouble, say: Callable[[str], None], *, enough: int) -> Row:
    """Play it several times. Failures: what is lost, who died of it, and where it took too long."""
    took: list[float] = []
    trades = stored = 0
    with scene(asked) as here:
        for number in here.tries(trouble.many):
            with here.attempt(number):
                before = here.stored_now()
                here.begin_trading(RATE)
                here.wait(2)
                trouble.begin(here)
                here.wait(trouble.seconds)
                made = here.end_trading()
                meanwhile = here.stored_now(before) - before
                trouble.end(here)
                back = time.monotonic()
                here.settle()
                took.append(time.monotonic() - back)
                trades += made
                stored += meanwhile
                say(f"{number + 1}: {made} trades, {meanwhile} stored meanwhile, current after {took[-1]:.1f} s")
        failures = [*here.verdict(), *here.remarks]
    late = [f"current after {seconds:.1f} s" for seconds in took if seconds > CURRENT_WITHIN]
    return Row(
        f"{trouble.what}: no trade lost, all stored and every stream live again",
        f"0 lost; ≤ {CURRENT_WITHIN:g} s after it is back",
        f"{len(failures)} lost or dead; {told(took)}; {stored:,} stored meanwhile",
        f"times {len(took)}, trades {trades:,}",
        str(asked.seed),
        verdict(is_met=not failures and not late, is_enough=len(took) >= enough),
        (*failures, *late),
    )
