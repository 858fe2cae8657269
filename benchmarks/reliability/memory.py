"""Redis is full for 30 s of trading: by what others put there, or so that it takes nothing at all."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.outages import CURRENT_WITHIN, LONG, RATE
from benchmarks.reliability.page import Row, told, verdict
from benchmarks.reliability.scene import Scene, scene

SECONDS = 30.0
PLAN = 25_000_000
"""The memory of the smallest plans one can rent, in bytes."""
LIKELY = 0.5
"""At least so much must be stored while Redis takes nothing at all. What a socket does not tell whole waits."""


@dataclass(frozen=True)
class Full:
    """One way of being full."""

    what: str
    bar: str
    begin: Callable[[Scene], object]
    stored_at_least: float
    patience: float
    """Seconds after the last trade that it stays full, if not all is stored sooner."""


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Both ways, a few times each."""
    crowded = Full(
        "Redis at the limit of its memory, full of other data: ingestion goes on, all is stored while it is full",
        f"0 lost; ≤ {CURRENT_WITHIN:g} s after the last trade",
        lambda here: here.valkey.crowd(),
        1.0,
        CURRENT_WITHIN,
    )
    closed = Full(
        "Redis takes nothing, not even what would empty it: ingestion goes on, all is stored when it takes again",
        f"0 lost; half stored meanwhile, all ≤ {CURRENT_WITHIN:g} s after it takes again",
        lambda here: here.valkey.fill(),
        LIKELY,
        5.0,
    )
    return [_row(asked, full, say) for full in (crowded, closed)]


def _row(asked: Asked, full: Full, say: Callable[[str], None]) -> Row:
    took: list[float] = []
    failures: list[str] = []
    trades = stored = 0
    times = min(asked.repeats, LONG)
    with scene(asked) as here:
        for number in here.tries(times):
            with here.attempt(number):
                here.valkey.limit(PLAN)
                here.wait(8)  # the scheduler sets its reserve aside
                full.begin(here)
                here.begin_trading(RATE)
                here.wait(SECONDS)
                made = here.end_trading()
                seconds = here.until(lambda: not here.missing(), full.patience)
                left = here.missing()
                here.valkey.empty()
                if seconds is None:
                    seconds = here.until(lambda: not here.missing(), CURRENT_WITHIN * 2) or CURRENT_WITHIN * 2
                took.append(seconds)
                if left > made * (1 - full.stored_at_least):
                    failures.append(f"{left} of {made} trades were not stored while it was full")
                trades, stored = trades + made, stored + made - left
                say(f"{number + 1}: {made} trades, {made - left} stored while full, the last {seconds:.1f} s after")
                here.settle()
        failures += [*here.verdict(), *here.remarks]
    late = [f"stored after {seconds:.1f} s" for seconds in took if seconds > CURRENT_WITHIN]
    return Row(
        full.what,
        full.bar,
        f"{stored:,} of {trades:,} stored while it was full; the last: {told(took)}",
        f"times {times}, trades {trades:,}",
        str(asked.seed),
        verdict(is_met=not failures and not late, is_enough=times >= LONG),
        (*failures, *late),
    )
