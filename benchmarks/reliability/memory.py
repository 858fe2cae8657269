"""Redis takes nothing more, for 30 s of trading: what is heard is stored all the same, while it lasts."""

from collections.abc import Callable

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.outages import LONG, RATE
from benchmarks.reliability.page import Row, told, verdict
from benchmarks.reliability.scene import scene

SECONDS, STORED_WITHIN = 30.0, 10.0


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Fill it, trade, and look whether all is stored before there is room again."""
    took: list[float] = []
    failures: list[str] = []
    trades = 0
    times = min(asked.repeats, LONG)
    with scene(asked) as here:
        for number in range(times):
            here.valkey.fill()
            here.begin_trading(RATE)
            here.wait(SECONDS)
            made = here.end_trading()
            stored = here.until(lambda: not here.missing(), 60)
            here.valkey.empty()
            if stored is None:
                failures.append(f"{here.missing()} of {made} trades were not stored while it was full")
            else:
                took.append(stored)
            trades += made
            say(f"{number + 1}: {made} trades, {'not stored' if stored is None else f'stored after {stored:.1f} s'}")
            here.settle()
        failures += [*here.verdict(), *here.remarks]
    late = [f"stored after {seconds:.1f} s" for seconds in took if seconds > STORED_WITHIN]
    return [
        Row(
            "Redis at its memory limit for 30 s: ingestion goes on, all is stored while it is full",
            f"0 lost; ≤ {STORED_WITHIN:g} s after the last trade",
            f"{len(failures)} lost or dead; {told(took)}",
            f"times {times}, trades {trades:,}",
            str(asked.seed),
            verdict(is_met=not failures and not late, is_enough=times >= LONG),
            (*failures, *late),
        )
    ]
