"""How fast one worker process reads 100,000 trades of history, and how it keeps to an exchange's limit.

./dev bench backfill
"""

import time

from benchmarks.record import Figure
from benchmarks.world import UNLIMITED, World, world
from cli.demo import enrol
from shared import exchanges

TRADES = 100_000
LIMITED = 20_000
LONGEST = 900.0
REFUSALS = ("status_429", "status_418", "status_403")


def measured() -> list[Figure]:
    """Each exchange alone without a limit, all together, and each under the limits it has."""
    figures = []
    names = exchanges.names()
    for exchange in names:
        with world(exchanges=(exchange,), accounts=0, settings=UNLIMITED) as running:
            rate, wrong = _read(running, {exchange: TRADES})
        figures.append(Figure(f"{exchange}, one account of {TRADES:,}", round(rate), "trades/s", least=3_000))
        figures.append(Figure(f"{exchange}: missing, doubled or different", wrong, "trades", most=0))
    with world(exchanges=names, accounts=0, settings=UNLIMITED) as running:
        rate, wrong = _read(running, dict.fromkeys(names, TRADES // len(names)))
    figures.append(
        Figure(f"{len(names)} accounts of {TRADES // len(names):,} at once", round(rate), "trades/s", least=3_000)
    )
    figures.append(Figure("at once: missing, doubled or different", wrong, "trades", most=0))
    for exchange in names:
        figures += _limited(exchange)
    return figures


def _limited(exchange: str) -> list[Figure]:
    """Under the exchange's own limits: how much of its allowance backfill used, and how often it was refused."""
    pools = {pool.name: pool for pool in exchanges.load(exchange).pools}
    with world(exchanges=(exchange,), accounts=0, settings={"BACKFILL_SHARE": "1"}) as running:
        running.simulator.ask("POST", "/accounts", {"exchange": exchange, "history": LIMITED})
        enrol(running.desk, running.logins, running.simulator.accounts())
        running.wait("SELECT count(*) > 0 FROM trades", 60)
        began, before = time.monotonic(), _weight(running)
        running.wait(
            "SELECT count(*) >= %(wanted)s OR extract(epoch FROM now()) >= %(end)s FROM trades",
            120,
            {"wanted": LIMITED, "end": time.time() + 90},
        )
        spent, took = _weight(running) - before, time.monotonic() - began
        counters = running.simulator.ask("GET", "/counters")[exchange]
    largest = max(pools.values(), key=lambda pool: pool.capacity / pool.per_ms)
    allowed = largest.capacity * max(1.0, took * 1000 / largest.per_ms)
    refused = sum(number for name, number in counters.items() if name in REFUSALS)
    return [
        Figure(f"{exchange}, limited: {LIMITED:,} trades within", round(took, 1), "s"),
        Figure(
            f"{exchange}, limited: spent of what its largest pool allows in that time",
            round(100 * spent / allowed),
            "%",
        ),
        Figure(f"{exchange}, limited: refused by the exchange", refused + len(counters["bans"]), "requests", most=0),
    ]


def _weight(running: World) -> float:
    row = running.db.execute("SELECT coalesce(sum(request_weight), 0) FROM trade_sync_sessions").fetchone()
    assert row is not None
    return float(row[0])


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
