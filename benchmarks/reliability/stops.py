"""SIGTERM to every process at once, and again at once, in the middle of work: how soon all have ended, and how."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, told, verdict
from benchmarks.reliability.scene import Scene, scene

ENDED_WITHIN, GIVE_UP = 20.0, 40.0
ENOUGH = 20
RATE = 30.0
OURS = ("scheduler", "worker", "streamer", "web")


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """End and start everything again and again while there is trading and reading."""
    took: list[float] = []
    failures: list[str] = []
    with scene(asked, in_pairs=True, settings={"CATCH_UP_EVERY": "5s", "BALANCE_EVERY": "5s"}) as here:
        for number in here.tries(asked.repeats):
            with here.attempt(number):
                here.begin_trading(RATE)
                here.wait(here.dice.uniform(1, 4))
                seconds, unclean = _end_all(here)
                took.append(seconds)
                failures += [f"time {number + 1}: {what}" for what in unclean]
                say(f"{number + 1}: {seconds:.1f} s {'; '.join(unclean)}")
                here.end_trading()
                here.settle()
        lost = here.verdict()
    clean = len(took) - len({failure.partition(":")[0] for failure in failures})
    late = [seconds for seconds in took if seconds > ENDED_WITHIN]
    return [
        Row(
            "SIGTERM to every process at once, twice: all ended clean, with exit code 0; no trade lost",
            f"≤ {ENDED_WITHIN:g} s",
            f"{told(took)}; clean {clean} of {len(took)}; {len(lost)} trades missing or different",
            f"times {len(took)}, processes {len(took) * 7}",
            str(asked.seed),
            verdict(is_met=not failures and not late and not lost, is_enough=len(took) >= ENOUGH),
            (*failures, *lost),
        )
    ]


def _end_all(here: Scene) -> tuple[float, list[str]]:
    """Seconds until all of ours had ended, and what was not clean."""
    ours = {name: pid for name, pid in here.desk.supervisor.process_ids().items() if name.partition("-")[0] in OURS}
    began = time.monotonic()
    for _time in range(2):
        for pid in ours.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
    ended = here.until(lambda: ours.keys() <= here.desk.supervisor.exit_codes().keys(), GIVE_UP, mends=False)
    codes = here.desk.supervisor.exit_codes()
    unclean = [f"{name} ended with {codes[name]}" for name in ours if codes.get(name, 0) != 0]
    unclean += [f"{name} did not end within {GIVE_UP:g} s" for name in ours if name not in codes]
    for name in ours.keys() - codes.keys():
        here.desk.supervisor.strike(name, signal.SIGKILL)
    held = here.rows("SELECT count(*) FROM stream_leases WHERE holder IS NOT NULL AND leased_until > now()")[0][0]
    if held and ended is not None:
        unclean.append(f"{held} streams were not handed over")
    return time.monotonic() - began if ended is None else ended, unclean
