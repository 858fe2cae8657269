"""The storm on our own side: which process or server is struck when, drawn from a seed alone. `blows` does it.

The simulator's weather troubles the exchanges meanwhile. The same seed makes the same storm, so that one which
found something can be played again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

PAIRS = ("worker", "worker-2", "streamer", "streamer-2", "scheduler", "scheduler-2", "web")
CALM_FIRST = 3.0
BETWEEN = (1.5, 4.0)
PAUSE = 5.0
CLEAR = "clear"
"""The end of what lasts: what was stopped goes on, what was gone is back."""

# Whom each may strike, and for how many seconds where it lasts. A claim lasts 9 s (streamer) or 12 s (worker):
# who is stopped for longer is thought dead, and wakes to find its work with another.
_PROCESS = {"kill": None, "stop": (6.0, 20.0), "terminate": None}
_VALKEY = {"flush": None, "fill": (5.0, 12.0), "pause": (PAUSE, PAUSE), "stop": (3.0, 12.0), "kill": (0.5, 6.0)}
_POSTGRES = {"restart": (0.5, 8.0), "cut": None, "lock": (2.0, 8.0), "stop": (2.0, 8.0)}
_EXCHANGE = {"skew": (4.0, 10.0)}
_ACCOUNT = {"revoke": (3.0, 8.0), "replace": (3.0, 8.0)}


@dataclass(frozen=True)
class Blow:
    """One thing that happens, `at_s` seconds after the trading began. `what` is over when `clear <what>` comes."""

    at_s: float
    what: str
    whom: str


def schedule(
    seed: int, seconds: float, *, exchanges: Sequence[str] = (), accounts: Sequence[str] = ()
) -> tuple[Blow, ...]:
    """All that happens in a storm of so many seconds, in order. Nothing lasts longer than the storm.

    Kinds come from a shuffled pack, so that a minute has seen nearly all of them. Nobody is struck again by what
    lasts while something else still lasts; a blow whose victims are all taken is left out.
    """
    dice = Random(f"storm {seed}")  # noqa: S311 — only a storm
    kinds = [
        (what, lasts, victims)
        for known, victims in (
            (_PROCESS, PAIRS),
            (_PROCESS, PAIRS[:4]),  # where the trades pass: struck twice as often
            (_VALKEY, ("valkey",)),
            (_POSTGRES, ("postgres",)),
            (_EXCHANGE, tuple(exchanges)),
            (_ACCOUNT, tuple(accounts)),
        )
        for what, lasts in known.items()
        if victims
    ]
    blows: list[Blow] = []
    busy_until: dict[str, float] = {}
    pack: list[tuple[str, tuple[float, float] | None, Sequence[str]]] = []
    at = CALM_FIRST
    while at < seconds - 1:
        pack = pack or dice.sample(kinds, len(kinds))
        what, lasts, victims = pack.pop()
        whom = dice.choice(victims)
        length = dice.uniform(*lasts) if lasts else 0.0
        if busy_until.get(whom, 0.0) <= at:
            blows.append(Blow(round(at, 1), what, whom))
            if lasts:
                ends = min(at + length, seconds)
                blows.append(Blow(round(ends, 1), f"{CLEAR} {what}", whom))
                busy_until[whom] = ends + 1
        at += dice.uniform(*BETWEEN)
    return tuple(sorted(blows, key=lambda blow: blow.at_s))
