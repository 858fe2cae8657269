"""An exchange's sockets break, and there is trading until new ones are let in: how soon then the gap is closed."""

import time
from collections import defaultdict
from collections.abc import Callable
from math import ceil

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, percentile, told, verdict
from benchmarks.reliability.scene import TRY, Scene, scene
from shared import exchanges

CLOSED_WITHIN, GIVE_UP = 10.0, 120.0
ACCOUNTS = 4
REFUSED = 1.0
LASTED = 61.0
"""A stream that lived for a minute tries again at once when it breaks; one that breaks all the time waits longer."""
ENOUGH = 20


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Break those of one exchange after the other, several times; several accounts of each."""
    gaps: defaultdict[str, list[float]] = defaultdict(list)
    with scene(asked, accounts=ACCOUNTS) as here:
        for number in here.tries(ceil(asked.repeats / ACCOUNTS)):
            with here.attempt(number):
                began = time.monotonic()
                for exchange in sorted(set(here.accounts.values())):
                    found = _break(here, exchange)
                    gaps[exchange] += found
                    say(f"{number + 1}: {exchange} {told(found)}")
                    here.settle(180)
                here.wait(LASTED - (time.monotonic() - began))
        lost = here.verdict(180)
    return [_row(asked, name, gaps[name], lost) for name in sorted(gaps)]


def _row(asked: Asked, name: str, took: list[float], lost: list[str]) -> Row:
    wrong = [remark for remark in lost if remark.startswith((f"{name}-", TRY))]
    late = [f"closed {seconds:.1f} s after it was live" for seconds in sorted(took) if seconds > CLOSED_WITHIN]
    return Row(
        f"{exchanges.load(name).title}: sockets break; trades made until they are live again are stored after that",
        f"p99 ≤ {CLOSED_WITHIN:g} s",
        told(took),
        f"streams {len(took)}",
        str(asked.seed),
        verdict(is_met=percentile(took, 99) <= CLOSED_WITHIN and not wrong, is_enough=len(took) >= ENOUGH),
        (*wrong, *late),
    )


def _break(here: Scene, exchange: str) -> list[float]:
    """For each account: seconds from its being live again to the last of its trades being stored."""
    accounts = {name for name, its_exchange in here.accounts.items() if its_exchange == exchange}
    here.simulator.ask("POST", "/weather", {"name": "refused_reconnect", "exchange": exchange, "chance": 1.0})
    here.simulator.ask("POST", "/weather", {"name": "drop", "exchange": exchange})
    here.until(lambda: not _heard(here) & accounts, GIVE_UP)
    here.trade(3, sorted(accounts))
    here.wait(REFUSED)
    here.simulator.clear_weather()
    live: dict[str, float] = {}
    stored: dict[str, float] = {}
    began = time.monotonic()
    while time.monotonic() - began < GIVE_UP and not accounts <= live.keys() & stored.keys():
        streamed, rows, heard = here.owners(), here.stored(), _heard(here)
        now = time.monotonic()
        for name in accounts:
            if name in streamed and name in heard:
                live.setdefault(name, now)
            if rows.get(name, 0) >= here.made[name]:
                stored.setdefault(name, now)
        here.desk.supervisor.mend()
        time.sleep(0.05)
    never = began + GIVE_UP
    return [max(0.0, stored.get(name, never) - live.get(name, began)) for name in sorted(accounts)]


def _heard(here: Scene) -> set[str]:
    return {name for socket in here.sockets() for name in socket["accounts"]}
