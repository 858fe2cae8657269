"""Trading through a storm: processes killed, stopped and ended, servers wiped, filled, cut, restarted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED, SECONDS = 4, 40


@pytest.mark.timeout(420)
def test_after_a_storm_nothing_is_missing_and_everything_that_is_told_is_true(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cli", "demo", "--for", f"{SECONDS}s", "--weather", "storm", "--seed", str(SEED)),
            *("--exchanges", "binance,bybit,kucoin", "--folder", str(tmp_path / "state"), "--report", str(report)),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    figures = json.loads(report.read_text())
    told = f"seed {SEED}\n{done.stderr[-4000:]}\n{figures['remarks']}\n{figures['untrue']}"
    assert done.returncode == 0, told
    assert figures["equal"]
    assert figures["untrue"] == []
    assert {"worker", "streamer", "valkey", "postgres"} <= {
        blow["whom"].removesuffix("-2") for blow in figures["storm"]
    }
