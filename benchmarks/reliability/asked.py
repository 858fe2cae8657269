"""`./dev bench reliability --…`: which promises to measure, and how thoroughly."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

PARTS = {
    "storms": "several minutes of everything at once, one seed after the other",
    "kills": "workers and streamers killed",
    "redis": "Redis wiped, and gone for a minute",
    "memory": "Redis at its memory limit",
    "postgres": "Postgres gone for a minute",
    "stalls": "sockets that stay open and say nothing",
    "reconnects": "sockets that break",
    "stops": "every process told to end, twice",
    "malformed": "messages that are broken or strange",
}


@dataclass(frozen=True)
class Asked:
    """What is wanted. `seed` is the first storm's; the other parts make their accounts and trades from it."""

    parts: tuple[str, ...]
    storms: int
    minutes: float
    seed: int
    beside: int
    repeats: int
    malformed: int


def asked(words: Sequence[str]) -> Asked:
    """Read the options. What cannot be is said on stderr, and ends with `SystemExit(2)`."""
    parser = argparse.ArgumentParser(
        prog="./dev bench reliability",
        description="Measures what we promise of a bad day and writes docs/reliability.md. "
        "A part that is measured again replaces its own rows only.",
        epilog="Parts: " + "; ".join(f"{name} ({what})" for name, what in PARTS.items()) + ".",
    )
    parser.add_argument("--only", metavar="PART,…", type=_parts, default=tuple(PARTS), help="these parts (all)")
    parser.add_argument("--storms", type=_count, default=20, help="how many storms, each with a seed of its own (20)")
    parser.add_argument("--minutes", type=_span, default=5.0, help="how long each storm lasts (5)")
    parser.add_argument("--first-seed", type=int, default=1, help="the seed of the first storm; they count up (1)")
    parser.add_argument("--beside", type=_count, default=2, help="how many storms at the same time (2)")
    parser.add_argument("--repeats", type=_count, default=20, help="how often everything else is done (20)")
    parser.add_argument("--malformed", type=_count, default=1_000_000, help="how many messages are spoilt (1000000)")
    told = parser.parse_args(words)
    return Asked(
        told.only, told.storms, told.minutes, told.first_seed, told.beside, told.repeats, told.malformed
    )  # fmt: skip


def _parts(text: str) -> tuple[str, ...]:
    wanted = {name.strip() for name in text.split(",")} - {""}
    if unknown := sorted(wanted - PARTS.keys()):
        raise argparse.ArgumentTypeError(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not wanted:
        raise argparse.ArgumentTypeError(f"name at least one of {', '.join(PARTS)}")
    return tuple(name for name in PARTS if name in wanted)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def _span(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes")
    return minutes
