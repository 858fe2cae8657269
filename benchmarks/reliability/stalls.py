"""Every open socket falls silent and stays open: how soon that is noticed, and what is traded meanwhile stored."""

import time
from collections import defaultdict
from collections.abc import Callable
from math import ceil
from uuid import UUID

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, told, verdict
from benchmarks.reliability.scene import TRY, Scene, scene
from shared import exchanges
from shared.domain.connections import Account
from shared.domain.markets import Markets

STORED_WITHIN, GIVE_UP = 60.0, 120.0
PINGS_PATIENCE = 40.0
"""Where the exchange answers protocol pings: one every 20 s, given up when it is 20 s late (`streamer/sockets.py`)."""
LOOKING = 3.0
"""Seconds that our looking may be late on a busy computer."""
ENOUGH = 3


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Silence all at once, several times, at different moments of their heartbeats."""
    noticed: defaultdict[str, list[float]] = defaultdict(list)
    stored: defaultdict[str, list[float]] = defaultdict(list)
    times = ceil(asked.repeats / 5)
    with scene(asked) as here:
        for number in here.tries(times):
            with here.attempt(number):
                here.wait(here.dice.uniform(2, 25))
                for into, found in zip((noticed, stored), _silence(here), strict=True):
                    for exchange, took in found.items():
                        into[exchange].append(took)
                here.simulator.clear_weather()
                here.settle()
                say(f"{number + 1}: noticed within {max(each[-1] for each in noticed.values()):.1f} s, "
                    f"stored within {max(each[-1] for each in stored.values()):.1f} s")  # fmt: skip
        lost = here.verdict()
    return [_row(asked, name, noticed[name], stored[name], lost) for name in sorted(noticed)]


def _row(asked: Asked, name: str, noticed: list[float], stored: list[float], lost: list[str]) -> Row:
    exchange = exchanges.load(name)
    rule = heartbeat_rule(name)
    late = [f"noticed after {seconds:.1f} s" for seconds in noticed if seconds > rule + LOOKING]
    late += [f"stored after {seconds:.1f} s" for seconds in stored if seconds > STORED_WITHIN]
    late += [remark for remark in lost if remark.startswith((f"{name}-", TRY))]
    return Row(
        f"{exchange.title}: sockets that are silent are noticed, and what was traded meanwhile is stored",
        f"≤ {rule:g} s (its heartbeats), ≤ {STORED_WITHIN:g} s",
        f"noticed: longest {max(noticed):.1f} s; stored: {told(stored)}",
        f"times {len(noticed)}",
        str(asked.seed),
        verdict(is_met=not late, is_enough=len(noticed) >= ENOUGH),
        tuple(late),
    )


def heartbeat_rule(name: str) -> float:
    """After so many seconds of silence each of this exchange's private sockets is given up, by what we keep to."""
    exchange = exchanges.load(name)
    account = Account(connection_id=UUID(int=0), exchange=name, products=exchange.products, mode=exchange.modes[-1])
    rules = []
    for stream in exchange.streams:
        if stream.serves(account):
            patience = stream.protocol(Markets(())).patience_ms / 1000
            rules.append(min(patience, PINGS_PATIENCE) if stream.answers_pings else patience)
    return max(rules)


def _silence(here: Scene) -> tuple[dict[str, float], dict[str, float]]:
    """By exchange: seconds until the silent sockets were let go, and until what was traded meanwhile was stored."""
    accounts = here.accounts
    of_exchange = {exchange: name for name, exchange in accounts.items()}
    for exchange in of_exchange:
        here.simulator.ask("POST", "/weather", {"name": "stall", "exchange": exchange, "only_open": True})
    began = time.monotonic()
    here.trade(2)
    noticed: dict[str, float] = {}
    stored: dict[str, float] = {}
    while time.monotonic() - began < GIVE_UP and not accounts.keys() <= noticed.keys() & stored.keys():
        since = time.monotonic() - began
        old = {name for socket in here.sockets() if socket["open_ms"] > since * 1000 for name in socket["accounts"]}
        rows = here.stored()
        for name in accounts:
            if name not in old:
                noticed.setdefault(name, since)
            if rows.get(name, 0) >= here.made[name]:
                stored.setdefault(name, since)
        time.sleep(0.1)
    return (
        {exchange: noticed.get(name, GIVE_UP) for exchange, name in of_exchange.items()},
        {exchange: stored.get(name, GIVE_UP) for exchange, name in of_exchange.items()},
    )
