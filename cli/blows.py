"""Plays a storm's schedule: signals to processes, trouble for the servers, skewed clocks and spoilt keys."""

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import sql

from cli.desk import Desk, say
from cli.embedded import PostgresServer, ValkeyServer
from cli.handing_over import Handover
from cli.simulated import Simulator
from cli.storm import CLEAR, PAUSE, Blow

# Everybody writes these; whoever holds one for itself makes Postgres slow for all.
LOCKED = ("trades", "jobs", "sync_coverage", "stream_leases", "trade_sync_sessions", "user_exchange_connections")
LOCK_WITHIN = "2s"
ENDS_WITHIN = 20.0
SKEW_MS = (-60_000, 30_000)
BACKENDS = """
    SELECT pid FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND datname = current_database()
"""
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"


class Storm:
    """A storm over a desk. `play` is called again and again while it lasts, `end` once: then all is whole again."""

    def __init__(self, desk: Desk, simulator: Simulator, blows: Sequence[Blow], *, seed: int) -> None:
        self.played: list[Blow] = []
        self.spoilt: set[str] = set()
        """The accounts whose keys were no good for a while."""
        self.handover = Handover(desk)
        self._desk, self._simulator = desk, simulator
        self._renewed: dict[str, dict[str, Any]] = {}
        self._waiting = list(blows)
        self._dice = random.Random(f"blows {seed}")  # noqa: S311 — only a storm
        self._began = time.monotonic()
        self._lock: psycopg.Connection | None = None
        self._frozen: list[int] = []
        self._told_to_end: list[tuple[str, int | None, float]] = []
        self._postgres = next(server for server in desk.servers if isinstance(server, PostgresServer))
        self._valkey = next(server for server in desk.servers if isinstance(server, ValkeyServer))
        self._ways: dict[str, dict[str, Callable[[str], object]]] = {
            "valkey": {
                "flush": lambda _: self._valkey.flush(),
                "fill": lambda _: self._valkey.fill(),
                "clear fill": lambda _: self._valkey.empty(),
                "pause": lambda _: self._valkey.pause(PAUSE),
                "clear pause": lambda _: None,  # by itself: whoever is paused hears no word to go on
                "stop": lambda _: self._signal_server(self._valkey, signal.SIGSTOP),
                "clear stop": lambda _: self._signal_server(self._valkey, signal.SIGCONT),
                "kill": lambda _: self._take_away(self._valkey),
                "clear kill": lambda _: self._bring_back(self._valkey),
            },
            "postgres": {
                "restart": lambda _: self._postgres.stop(),
                "clear restart": lambda _: self._bring_back(self._postgres),
                "cut": lambda _: self._ask(CUT),
                "lock": lambda _: self._take_lock(),
                "clear lock": lambda _: self._give_lock(),
                "stop": lambda _: self._freeze(),
                "clear stop": lambda _: self._thaw(),
            },
        }
        self._others: dict[str, Callable[[str], object]] = {
            "kill": lambda name: self._signal(name, signal.SIGKILL),
            "stop": lambda name: self._signal(name, signal.SIGSTOP),
            "clear stop": lambda name: self._signal(name, signal.SIGCONT),
            "terminate": self._terminate_twice,
            "skew": self._skew,
            "clear skew": lambda name: simulator.clear_weather("clock_skew", name),
            "revoke": self._revoke,
            "clear revoke": simulator.restore_key,
            "replace": self._replace,
            "clear replace": self._hand_over,
        }

    def play(self) -> None:
        """Do what is due by now; what cannot be done is told and left out."""
        while self._waiting and self._waiting[0].at_s <= time.monotonic() - self._began:
            self._play(self._waiting.pop(0))
        self.handover.look()

    def end(self) -> None:
        """Undo whatever still lasts, in its order."""
        for blow in self._waiting:
            if blow.what.startswith(CLEAR):
                self._play(blow)
        self._waiting.clear()
        self._give_lock()
        self._thaw()
        for name in self._desk.supervisor.process_ids():
            self._signal(name, signal.SIGCONT)

    def _play(self, blow: Blow) -> None:
        done = Blow(round(time.monotonic() - self._began, 1), blow.what, blow.whom)
        act = self._ways.get(blow.whom, self._others)[blow.what]
        try:
            act(blow.whom)
        except (psycopg.Error, OSError, ValueError) as error:
            say(f"  {done.at_s:6.1f} s  {blow.what} {blow.whom}: could not be done ({type(error).__name__})")
            return
        say(f"  {done.at_s:6.1f} s  {blow.what} {blow.whom}")
        self.played.append(done)

    # Processes.

    def _signal(self, name: str, what: signal.Signals) -> None:
        self._desk.supervisor.strike(name, what)

    def _terminate_twice(self, name: str) -> None:
        self._told_to_end.append((name, self._desk.supervisor.process_ids().get(name), time.monotonic()))
        self._signal(name, signal.SIGTERM)
        self._signal(name, signal.SIGTERM)

    @property
    def stayed(self) -> list[str]:
        """Who was told to end long ago and did not."""
        running, now = self._desk.supervisor.process_ids(), time.monotonic()
        return [
            f"{name}: was told to end and did not within {ENDS_WITHIN:.0f} s"
            for name, process, at in self._told_to_end
            if process is not None and running.get(name) == process and now - at > ENDS_WITHIN
        ]

    # Valkey.

    def _signal_server(self, server: PostgresServer | ValkeyServer, what: signal.Signals) -> None:
        if server.process is not None:
            server.process.send_signal(what)

    def _take_away(self, server: PostgresServer | ValkeyServer) -> None:
        if server.process is not None:
            server.process.kill()
            server.process.wait()
            server.process = None  # nobody brings it back before the storm does

    def _bring_back(self, server: PostgresServer | ValkeyServer) -> None:
        if server.process is None and not server.revive():
            raise OSError(f"{server.name} does not come back")

    # Postgres.

    def _open(self) -> psycopg.Connection:
        url = self._desk.environment["DATABASE_URL"]
        return psycopg.connect(url, autocommit=True, connect_timeout=3, application_name="tradesync:storm")

    def _ask(self, query: str) -> list[int]:
        with self._open() as db:
            return [value for (value,) in db.execute(query.encode())]

    def _take_lock(self) -> None:
        table = self._dice.choice(LOCKED)
        db = self._open()
        try:
            db.execute("BEGIN")
            db.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(LOCK_WITHIN))
            db.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table)))
        except psycopg.Error:
            db.close()
            raise
        self._lock = db

    def _give_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _freeze(self) -> None:
        backends = self._ask(BACKENDS)
        self._frozen = self._dice.sample(backends, (len(backends) + 1) // 2)
        for backend in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(backend, signal.SIGSTOP)

    def _thaw(self) -> None:
        for backend in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(backend, signal.SIGCONT)
        self._frozen = []

    # Exchanges.

    def _skew(self, exchange: str) -> None:
        skew_ms = self._dice.randint(*SKEW_MS)
        self._simulator.ask("POST", "/weather", {"name": "clock_skew", "exchange": exchange, "skew_ms": skew_ms})

    def _revoke(self, account: str) -> None:
        self._simulator.ask("POST", f"/keys/{account}/revoke")
        self.spoilt.add(account)

    def _replace(self, account: str) -> None:
        self._renewed[account] = self._simulator.replace_key(account)
        self.spoilt.add(account)

    def _hand_over(self, account: str) -> None:
        if renewed := self._renewed.pop(account, None):
            self.handover.want(renewed)
