"""How fast one worker process reads 100,000 trades of history, and how it keeps to an exchange's limit.

./dev bench backfill
"""

import time

from benchmarks.record import Figure
from benchmarks.world import UNLIMITED, World, world
from cli.demo import enrol

TRADES = 100_000
LIMITED = 20_000
LONGEST = 900.0


def measure() -> list[Figure]:
    """Each exchange alone without a limit, all together, and one under the limits it has."""
    figures = []
    for exchange in ("binance", "bybit", "kucoin"):
        with world(exchanges=(exchange,), accounts=0, settings=UNLIMITED) as running:
            rate, wrong = _read(running, {exchange: TRADES})
        figures.append(Figure(f"{exchange}, one account of {TRADES:,}", round(rate), "trades/s", least=3_000))
        figures.append(Figure(f"{exchange}: missing, doubled or different", wrong, "trades", most=0))
    with world(exchanges=("binance", "bybit", "kucoin"), accounts=0, settings=UNLIMITED) as running:
        rate, wrong = _read(running, dict.fromkeys(("binance", "bybit", "kucoin"), TRADES // 3))
    figures.append(Figure(f"three accounts of {TRADES // 3:,} at once", round(rate), "trades/s", least=3_000))
    figures.append(Figure("at once: missing, doubled or different", wrong, "trades", most=0))
    return figures


def _read(running: World, sizes: dict[str, int]) -> tuple[float, int]:
    """Connect accounts with so much history each: trades a second until all is proven, and how many are wrong."""
    for exchange, size in sizes.items():
        running.simulator.ask("POST", "/accounts", {"exchange": exchange, "history": size})
    wanted = sum(len(account["trades"]) for account in running.simulator.truth()["accounts"])
    enrol(running.desk, running.logins, running.simulator.accounts())
    running.wait("SELECT count(*) > 0 FROM trades", 60)
    began, before = time.monotonic(), running.count()
    running.wait("SELECT count(*) >= %(wanted)s FROM trades", LONGEST, {"wanted": wanted})
    took = time.monotonic() - began
    running.wait_until_confirmed()
    tallies = running.compare().exchanges.values()
    return (wanted - before) / took, sum(each.missing + each.duplicates + each.different for each in tallies)
