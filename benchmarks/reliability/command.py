"""Measures the parts one after the other, keeps what came out, and says so; 1 when something failed."""

import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.reliability.asked import asked
from benchmarks.reliability.page import keep


def main(words: Sequence[str]) -> int:
    """Measure what is asked for. 1 when a bar is missed; 2, as `SystemExit`, for options that cannot be."""
    wanted = asked(words)
    missed = 0
    for name in wanted.parts:
        part = import_module(f"benchmarks.reliability.{name}")
        _say(f"{name}: {(part.__doc__ or '').strip().splitlines()[0]}")
        rows = part.measured(wanted, lambda text: _say(f"  {text}"))
        keep(name, rows)
        for row in rows:
            missed += row.verdict == "missed"
            mark = {"met": "met    ", "missed": "MISSED ", "too few": "TOO FEW"}[row.verdict]
            _say(f"{mark} {row.promise}: {row.measured} ({row.many}; bar {row.bar})")
            for failure in row.failures:
                _say(f"        {failure}")
    return 1 if missed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
