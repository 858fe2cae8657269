"""Trades a second through stream, queue, worker and commit, and what each process spends on one.

    ./dev bench sustained

The simulator runs on the same cores. History is not read meanwhile, so that only the stream's way is measured;
afterwards all of it is proven over REST and compared with the truth.
"""

import time

from benchmarks.record import Figure
from benchmarks.world import UNLIMITED, World, world
from shared import exchanges

RATES = (4_200, 4_700, 5_500)
SECONDS = 20.0
KEEPS_UP = 0.98


def measured() -> list[Figure]:
    """The highest rate that is kept up with, and the CPU time of each process there."""
    settings = {
        **UNLIMITED,
        "BALANCE_EVERY": "1h",
        "CATCH_UP_EVERY": "1h",
        "RECHECK_EVERY": "90d",
        "DISCOVERY_EVERY": "1h",
    }
    best: tuple[float, dict[str, float]] = (0.0, {})
    with world(exchanges=exchanges.names(), accounts=10, settings=settings) as running:
        running.wait_until_live()
        time.sleep(5)  # the first reading of history ends
        for rate in RATES:
            stored, cpu = _at(running, rate)
            if stored > best[0]:
                best = (stored, cpu)
            if stored < KEEPS_UP * rate:
                break
        running.wait_until_confirmed()
        result = running.compare()
    tallies = result.exchanges.values()
    figures = [
        Figure("missing", sum(each.missing for each in tallies), "trades", most=0),
        Figure("doubled", sum(each.duplicates for each in tallies), "trades", most=0),
        Figure("different", sum(each.different for each in tallies), "trades", most=0),
    ]
    stored, cpu = best
    figures.insert(0, Figure("sustained", round(stored), "trades/s", least=4_000))
    for name, seconds in sorted(cpu.items(), key=lambda pair: -pair[1]):
        figures.append(Figure(f"CPU of {name}", round(seconds / (stored * SECONDS) * 1e6, 1), "µs a trade"))
    return figures


def _at(running: World, rate: int) -> tuple[float, dict[str, float]]:
    """Trade at this rate for a while: stored trades a second, and the CPU seconds of each process."""
    before = running.count()
    began, cpu = time.monotonic(), running.cpu()
    running.simulator.trade(rate)
    time.sleep(SECONDS)
    stored, after, took = running.count() - before, running.cpu(), time.monotonic() - began
    running.simulator.trade(0)
    running.wait("SELECT count(*) = 0 FROM trades WHERE sync_timestamp > clock_timestamp() - interval '2 s'", 60)
    return stored / took, {name: after[name] - cpu.get(name, 0.0) for name in after}
