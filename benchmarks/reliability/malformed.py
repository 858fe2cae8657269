"""Spoilt messages, answers and frames to every reader and every conversation: none may crash or give a wrong row."""

import re
import subprocess
import sys
from collections.abc import Callable

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import ROOT, Row, verdict

ENOUGH = 1_000_000


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Run tests/fuzz.py, which says what it tried, or shows what came through."""
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(asked.malformed), "--seed", str(asked.seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 — our own
    say(done.stdout.strip() or done.stderr.strip())
    return [row(asked, done.returncode, done.stdout, done.stderr)]


def row(asked: Asked, code: int, said: str, error: str) -> Row:
    """The row, from what the command said."""
    counts = {name: int(number.replace(",", "")) for name, number in re.findall(r"(\w+) ([\d,]+\d|\d)", said)}
    tried = counts.get("tried", 0)
    is_met = code == 0 and tried >= asked.malformed
    return Row(
        "Malformed frames, messages and responses: no crash, no wrong row",
        f"≥ {ENOUGH:,} tried",
        "none came through" if is_met else "one came through",
        ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none to its end",
        str(asked.seed),
        verdict(is_met=is_met, is_enough=tried >= ENOUGH),
        ()
        if is_met
        else (f"seed {asked.seed}: {error.strip().splitlines()[-1] if error.strip() else f'exit code {code}'}",),
    )
