"""Storms over all exchanges, each a demo of its own that must prove itself: nothing missing, doubled or different."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.asked import Asked
from benchmarks.reliability.page import Row, verdict
from cli.desk import own_environment
from cli.embedded import PostgresServer
from cli.embedded.children import start_child, stop_child
from cli.running import state_folder

STORMS, MINUTES = 20, 5.0
PROOF_WITHIN = 900.0
FOLDER = state_folder("reliability")
NOUNS = {"missing": "missing", "duplicates": "stored twice", "different": "different", "provisional": "not proven"}


@dataclass
class Running:
    """A storm under way."""

    seed: int
    process: subprocess.Popen[bytes]
    ends_by: float


def measured(asked: Asked, say: Callable[[str], None]) -> list[Row]:
    """Play the storms, some beside each other. What a failed one leaves is kept in its folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    waiting = [asked.seed + number for number in range(asked.storms)]
    running: list[Running] = []
    reports: dict[int, Mapping[str, Any]] = {}
    failures: dict[int, list[str]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < asked.beside:
                running.append(_start(waiting.pop(0), asked.minutes))
            for storm in [storm for storm in running if _is_over(storm)]:
                running.remove(storm)
                reports[storm.seed] = report = _report(storm.seed)
                if found := what_failed(storm.process.returncode, report, last=_last_words(storm.seed)):
                    failures[storm.seed] = found
                    found.append(f"its folder is {_folder(storm.seed).relative_to(FOLDER.parents[1])}")
                else:
                    _remove(storm.seed)
                say(f"storm {storm.seed}: {'; '.join(found) or 'all equal'} ({len(waiting) + len(running)} to go)")
            time.sleep(0.5)
    finally:
        for storm in running:
            stop_child(storm.process, [(signal.SIGTERM, 30.0)])
    return [row(asked, reports, failures)]


def row(asked: Asked, reports: Mapping[int, Mapping[str, Any]], failures: Mapping[int, list[str]]) -> Row:
    """The row of all storms together."""
    tallies = [tally for report in reports.values() for tally in report.get("exchanges", {}).values()]
    trades = sum(tally["made"] for tally in tallies)
    blows = sum(len(report.get("storm", ())) for report in reports.values())
    sums = (f"{sum(tally[word] for tally in tallies)} {noun}" for word, noun in NOUNS.items())
    return Row(
        f"Storms over all exchanges, {asked.minutes:g} min each: nothing missing, doubled or different, "
        "and all that is told is true",
        f"{STORMS} of {STORMS}",
        f"{len(reports) - len(failures)} of {len(reports)}; {', '.join(sums)}",
        f"storms {len(reports)}, blows {blows:,}, trades {trades:,}",
        f"{asked.seed} to {asked.seed + asked.storms - 1}",
        verdict(is_met=not failures, is_enough=len(reports) >= STORMS and asked.minutes >= MINUTES),
        tuple(f"seed {seed}: {'; '.join(found)}" for seed, found in sorted(failures.items())),
    )


def what_failed(code: int | None, report: Mapping[str, Any], *, last: str) -> list[str]:
    """What was wrong with a storm, nothing where all was well. `last`: what the demo said last."""
    if not report:
        return [f"no report, exit code {code}; it said last: {last}"]
    found = [
        f"{name}: {tally[word]} {noun}"
        for name, tally in sorted(report["exchanges"].items())
        for word, noun in NOUNS.items()
        if tally[word]
    ]
    if report["balances"]["different"]:
        found.append(f"{report['balances']['different']} balances different")
    if not report["proven"]:
        found.append("not proven in time")
    found += report["untrue"][:3]
    if (code != 0 or not report["equal"]) and not found:
        found.append(f"exit code {code}; it said last: {last}")
    return found


def _start(seed: int, minutes: float) -> Running:
    _remove(seed)
    report, said = _files(seed)
    for file in (report, said):
        file.unlink(missing_ok=True)
    demo = ["-m", "cli", "demo", "--for", f"{minutes:g}m", "--weather", "storm", "--seed", str(seed)]
    where = ["--exchanges", "all", "--accounts", "1", "--folder", str(_folder(seed)), "--fresh", "--port", "0"]
    with said.open("wb") as output:
        process = start_child(
            [sys.executable, *demo, *where, "--report", str(report)],
            stop_signal=signal.SIGTERM, output=output, environment=own_environment(), folder=FOLDER,
        )  # fmt: skip
    return Running(seed, process, time.monotonic() + minutes * 60 + PROOF_WITHIN)


def _is_over(storm: Running) -> bool:
    if storm.process.poll() is None and time.monotonic() > storm.ends_by:
        stop_child(storm.process, [(signal.SIGTERM, 30.0)])
    return storm.process.poll() is not None


def _folder(seed: int) -> Path:
    return FOLDER / f"storm-{seed}"


def _files(seed: int) -> tuple[Path, Path]:
    """The report, and all that was said."""
    return FOLDER / f"storm-{seed}.json", FOLDER / f"storm-{seed}.log"


def _report(seed: int) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads(_files(seed)[0].read_text())
        return found
    return {}


def _last_words(seed: int) -> str:
    return " / ".join(_files(seed)[1].read_text(errors="replace").splitlines()[-3:])


def _remove(seed: int) -> None:
    if _folder(seed).exists():
        PostgresServer(_folder(seed)).remove()  # its data may lie elsewhere
        shutil.rmtree(_folder(seed))
