"""A promise with what was measured, kept in benchmarks/reliability.json, and the page that shows all of them."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.reliability.asked import PARTS

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "benchmarks" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
HEAD = """# Reliability

What we promise of a bad day, and what was measured.
Everything runs for real: our processes, Postgres, Valkey, and the simulated exchanges, all on one small computer.
`./dev bench reliability` measures it all again and writes this page.
`--only PART` replaces that part's rows only; `--help` says more.
**Missed** is missed; **not tried enough** went well, but fewer times than the bar asks for.
"""


@dataclass(frozen=True)
class Row:
    """One promise. `verdict` is met, missed or too few; `failures` say, one sentence each, what went wrong."""

    promise: str
    bar: str
    measured: str
    many: str
    seeds: str
    verdict: str
    failures: tuple[str, ...] = ()


def verdict(*, is_met: bool, is_enough: bool) -> str:
    """How a promise fared. What failed has failed however often it was tried."""
    if not is_met:
        return "missed"
    return "met" if is_enough else "too few"


def percentile(values: Collection[float], part: float) -> float:
    """The smallest value that so many parts of 100 do not pass (nearest rank): of few values p99 is the largest.

    Infinity where there is none.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part / 100) - 1)] if ordered else math.inf


def told(values: Collection[float]) -> str:
    """Half, 99 % and all of them within so many seconds."""
    if not values:
        return "never"
    half, most, largest = percentile(values, 50), percentile(values, 99), max(values)
    return f"p50 {half:.1f} s, p99 {most:.1f} s, longest {largest:.1f} s"


def keep(part: str, rows: Sequence[Row]) -> None:
    """Remember what this part measured instead of what it did before, and write the page anew."""
    known: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    known[part] = {
        "day": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[2], 1),
        "rows": [asdict(row) for row in rows],
    }
    KEPT.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    PAGE.write_text(page(known))


def page(known: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole page, from what is kept."""
    lines = [HEAD, "| Promise | Bar | Measured | How many | |", "|---|---|---|---|---|"]
    failed: list[str] = []
    made = ["", "## How it was measured", "", "| Part | Day | Commit | Seeds | Machine |", "|---|---|---|---|---|"]
    for name in [name for name in PARTS if name in known]:
        part = known[name]
        for row in part["rows"]:
            word = {"met": "met", "missed": "**missed**", "too few": "**not tried enough**"}[row["verdict"]]
            lines.append(f"| {row['promise']} | {row['bar']} | {row['measured']} | {row['many']} | {word} |")
            failed += [f"- {row['promise']}: {_plain(failure)}" for failure in row["failures"]]
        seeds = ", ".join(dict.fromkeys(row["seeds"] for row in part["rows"]))
        machine = f"{part['machine']}, load {part['load']}"
        made.append(f"| `--only {name}`: {PARTS[name]} | {part['day']} | {part['commit']} | {seeds} | {machine} |")
    lines += [f"| {what} | | | | **not measured** |" for name, what in PARTS.items() if name not in known]
    if failed:
        lines += ["", "## What failed", "", *failed]
    made.append("\nLoad is that of the quarter hour before the end; p99 of fewer than a hundred tries is the longest.")
    return "\n".join([*lines, *made]) + "\n"


def _plain(text: str) -> str:
    """On one line, and nothing in it is markup."""
    return " ".join(text.split()).replace("`", "'").replace("|", "/").replace("<", "&lt;")


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 — a developer's git
        return done.stdout.strip()

    ours = {str(path.relative_to(ROOT)) for path in (KEPT, PAGE)}
    changed = {line[3:] for line in git("status", "--porcelain", "--untracked-files=no").splitlines()} - ours
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if changed else "")
