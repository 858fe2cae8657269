"""How long until the demo runs: from a fresh clone with nothing installed, and the next time.

./dev bench start
"""

import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.record import Figure

ROOT = Path(__file__).parents[1]
RUNNING = re.compile(r"Running after")


def measured() -> list[Figure]:
    """Wall seconds from the command to the printed address."""
    with tempfile.TemporaryDirectory(prefix="tradesync-start-") as folder:
        clone = Path(folder) / "tradesync"
        git = ("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
        subprocess.run(git, check=True)  # noqa: S603 — our own command
        environment = {**os.environ, "UV_CACHE_DIR": str(Path(folder) / "cache"), "HOME": folder}
        environment.pop("VIRTUAL_ENV", None)
        environment.pop("PYTHONPATH", None)
        first, second = (_start(clone, environment) for _ in range(2))
    return [
        Figure("running, first time, nothing cached", round(first, 1), "s", most=60),
        Figure("running, the next time", round(second, 1), "s", most=5),
    ]


def _start(clone: Path, environment: dict[str, str]) -> float:
    began = time.monotonic()
    demo = subprocess.Popen(
        ["python3", "dev", "demo", "--port", "0"],  # noqa: S607 — whatever python3 there is, as in the README
        cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert demo.stdout is not None
    took = 0.0
    said = []
    for line in demo.stdout:
        said.append(line)
        if RUNNING.search(line):
            took = time.monotonic() - began
            demo.send_signal(signal.SIGTERM)
    demo.wait(60)
    if not took:
        raise RuntimeError(f"the demo did not start:\n{''.join(said[-20:])}")
    return took
