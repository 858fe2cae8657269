"""The whole system on this computer for a measurement: simulator, servers, all processes, and what each costs."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from cli.compare import Comparison, compare
from cli.demo import NOT_FROM_THE_SHELL, start_all
from cli.desk import Desk, free_or, open_desk, own_environment
from cli.embedded.children import free_port
from cli.proof import NUDGE, NUDGE_FEEDS, Wanted
from cli.simulated import Simulator

TICKS = os.sysconf("SC_CLK_TCK")
UNLIMITED = {"REQUEST_BUDGET": "false", "CONNECT_BUDGET": "false", "BACKFILL_SHARE": "1"}
"""No limit on our side; the simulated exchanges are told to keep none either."""


@dataclass
class World:
    """A running system and the simulator that plays its exchanges."""

    desk: Desk
    simulator: Simulator
    db: psycopg.Connection
    logins: list[dict[str, str]]

    def count(self) -> int:
        """How many trades are stored."""
        row = self.db.execute("SELECT count(*) FROM trades").fetchone()
        assert row is not None
        return int(row[0])

    def wait(self, condition: str, seconds: float, arguments: Any = None) -> float:
        """Wait until a query gives true; how long that took. Raises `TimeoutError`."""
        began = time.monotonic()
        while True:
            row = self.db.execute(condition.encode(), arguments).fetchone()
            if row is not None and row[0]:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"not within {seconds} s: {condition.strip()[:200]}")
            time.sleep(0.1)

    def wait_until_live(self, seconds: float = 60) -> float:
        """Wait until every stream is live; how long that took."""
        return self.wait("SELECT bool_and(stream_state = 'live') FROM user_exchange_connections", seconds)

    def wait_until_confirmed(self, seconds: float = 300) -> None:
        """Have everything read over REST, and wait until each trade is proven."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.db.execute(NUDGE)
            self.db.execute(NUDGE_FEEDS, [self.simulator.now_ms()])
            try:
                self.wait("SELECT NOT EXISTS (SELECT FROM trades WHERE confirmed_at IS NULL)", 5)
            except TimeoutError:
                continue
            return
        raise TimeoutError(f"not everything is proven after {seconds} s")

    def compare(self) -> Comparison:
        """Postgres against the simulator's truth."""
        return compare(self.db, self.simulator.truth())

    def cpu(self) -> dict[str, float]:
        """CPU seconds that each process with its children has used so far."""
        roots = dict(self.desk.supervisor.process_ids())
        for server in self.desk.servers:
            if server.process is not None:
                roots[server.name] = server.process.pid
        table = _table()
        return {name: _tree_cpu(table, pid) for name, pid in roots.items()}


@contextmanager
def world(
    *,
    exchanges: tuple[str, ...],
    accounts: int,
    settings: Mapping[str, str] | None = None,
    seed: int = 1,
) -> Iterator[World]:
    """Start everything in a folder of its own; it is gone afterwards."""
    simulator = Simulator(free_port())
    port = free_or(0, 0)
    with tempfile.TemporaryDirectory(prefix="tradesync-bench-") as folder:
        environment = {name: text for name, text in own_environment().items() if name not in NOT_FROM_THE_SHELL}
        told = {
            "SIMULATOR_URL": simulator.url,
            "WEB_HOST": "127.0.0.1",
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "LOG_LEVEL": "warning",
            **(settings or {}),
        }
        with (
            open_desk(Path(folder), port=port, fresh=False, environment=environment, settings=told) as desk,
        ):
            logins = start_all(desk, simulator, Wanted(seed, 0.0, accounts, exchanges, None))
            if told.get("REQUEST_BUDGET") == "false":
                simulator.ask("POST", "/limits", {"off": True})
            with psycopg.connect(desk.environment["DATABASE_URL"], autocommit=True) as db:
                yield World(desk, simulator, db, logins)


def _table() -> dict[int, tuple[int, float]]:
    """Every process: its parent, and the CPU seconds of it and its reaped children."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            found[int(entry.name)] = (int(fields[1]), sum(int(fields[at]) for at in (11, 12, 13, 14)) / TICKS)
    return found


def _tree_cpu(table: Mapping[int, tuple[int, float]], root: int) -> float:
    total = table.get(root, (0, 0.0))[1]
    return total + sum(_tree_cpu(table, pid) for pid, (parent, _) in table.items() if parent == root)
