"""The running system that is struck: all exchanges without limits, and ways to see when each is whole again."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from benchmarks.reliability.asked import Asked
from benchmarks.world import UNLIMITED, World, world
from cli.compare import compare
from cli.desk import Desk
from cli.embedded import PostgresServer, ValkeyServer
from cli.proof import NUDGE, NUDGE_FEEDS
from cli.simulated import Simulator
from cli.supervisor import room
from shared import exchanges

ROOMS = {"worker": "workers", "streamer": "streamer", "scheduler": "scheduler"}
EVERY = 0.05
OWNERS = """
    SELECT c.label, p.pid FROM user_exchange_connections c JOIN stream_leases l ON l.connection_id = c.id
    JOIN processes p ON p.id = l.holder
    WHERE c.removed_at IS NULL AND c.stream_state = 'live' AND l.leased_until > now()
"""
WELL = """
    SELECT label FROM user_exchange_connections
    WHERE removed_at IS NULL AND stream_state = 'live' AND error_message IS NULL
"""
STORED = "SELECT c.label, count(*) FROM trades t JOIN user_exchange_connections c ON c.id = t.connection_id GROUP BY 1"
TRY = "try "
"""How the sentence of a trouble begins."""
READ_AT_LEAST = 0.2
"""Seconds between two countings of all rows: often enough for figures of seconds, and no load of its own."""


@dataclass
class Scene:
    """A system under trouble. `made` knows how many trades each account has."""

    world: World
    dice: Random
    made: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """Tries that did not come to their end, one sentence each."""
    _db: psycopg.Connection | None = None
    _asked_at: float = 0.0
    _stored: Mapping[str, int] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """Its processes and servers."""
        return self.world.desk

    @property
    def simulator(self) -> Simulator:
        """Its exchanges."""
        return self.world.simulator

    @property
    def valkey(self) -> ValkeyServer:
        """Its Redis."""
        return next(server for server in self.desk.servers if isinstance(server, ValkeyServer))

    @property
    def postgres(self) -> PostgresServer:
        """Its Postgres."""
        return next(server for server in self.desk.servers if isinstance(server, PostgresServer))

    @property
    def accounts(self) -> dict[str, str]:
        """Every account's exchange."""
        return {account["name"]: account["exchange"] for account in self.simulator.accounts()}

    # Trying it.

    def tries(self, count: int) -> Iterator[int]:
        """So many times, or until one does not come to its end."""
        for number in range(count):
            if self.troubles:
                return
            yield number

    @contextmanager
    def attempt(self, number: int) -> Iterator[None]:
        """One of these tries: what is waited for in vain is a trouble, and what was measured before it stays."""
        try:
            yield
        except TimeoutError as error:
            self.troubles.append(f"{TRY}{number + 1}: {error}")

    # What is stored.

    def rows(self, query: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        """What Postgres answers. Raises `psycopg.OperationalError` while it is away."""
        if self._db is None or self._db.closed:
            url = self.desk.environment["DATABASE_URL"]
            self._db = psycopg.connect(url, autocommit=True, connect_timeout=3)
        try:
            return self._db.execute(query.encode(), arguments).fetchall()
        except psycopg.OperationalError:
            self._db.close()
            raise

    def stored(self) -> Mapping[str, int]:
        """How many trades of each account are stored, as of a moment ago."""
        if time.monotonic() - self._asked_at > READ_AT_LEAST:
            self._stored = dict(self.rows(STORED))
            self._asked_at = time.monotonic()
        return self._stored

    def stored_now(self, otherwise: int = 0) -> int:
        """How many trades are stored right now; `otherwise` while Postgres is away."""
        with suppress(psycopg.OperationalError):
            return int(self.rows("SELECT count(*) FROM trades")[0][0])
        return otherwise

    def missing_by_account(self) -> dict[str, int]:
        """Of which accounts how many of the trades made are not stored."""
        stored = self.stored()
        return {name: count - stored.get(name, 0) for name, count in self.made.items() if count > stored.get(name, 0)}

    def missing(self) -> int:
        """How many of the trades made are not stored."""
        return sum(self.missing_by_account().values())

    # What happens.

    def trade(self, count: int, names: list[str] | None = None) -> int:
        """Let each account trade at once; how many trades that made."""
        before = self.made.total()
        for name in names or list(self.accounts):
            done = self.simulator.ask("POST", "/trades", {"account": name, "count": count})
            self.made[name] += len(done["trades"])
        return self.made.total() - before

    def begin_trading(self, rate: float) -> None:
        """Let all accounts trade, so many trades a second together."""
        self.simulator.trade(rate)

    def end_trading(self) -> int:
        """Stop that; how many trades it made."""
        self.simulator.trade(0)
        before = self.made.total()
        self.made = Counter({each["account"]: len(each["trades"]) for each in self.simulator.truth()["accounts"]})
        return self.made.total() - before

    def add(self, name: str) -> None:
        """Start one more process: `worker-2`."""
        self.desk.supervisor.start(name, room(ROOMS[name.partition("-")[0]]))

    # When it is whole again.

    def until(self, condition: Callable[[], object], seconds: float, *, mends: bool = True) -> float | None:
        """Wait until it is so, how long that took; None when the time is over. Postgres may be away meanwhile."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with suppress(psycopg.OperationalError):
                if condition():
                    return time.monotonic() - began
            if mends:
                self.desk.supervisor.mend()
            time.sleep(EVERY)
        return None

    def wait(self, seconds: float) -> None:
        """Let time pass; who dies by itself is started again, as a platform does."""
        self.until(lambda: False, seconds)

    def owners(self) -> dict[str, int]:
        """Which process streams an account: only what is live and rightfully held."""
        return dict(self.rows(OWNERS))

    def sockets(self) -> list[dict[str, Any]]:
        """The open sockets that hear an account."""
        found: list[dict[str, Any]] = self.simulator.ask("GET", "/sockets")
        return [socket for socket in found if socket["accounts"]]

    def is_whole(self) -> bool:
        """Whether every account is streamed by somebody who lives, nothing is said against it, all is stored."""
        living = set(self.desk.supervisor.process_ids().values())
        owners = self.owners()
        well = {label for (label,) in self.rows(WELL)}
        heard = {name for socket in self.sockets() for name in socket["accounts"]}
        wanted = set(self.accounts)
        return wanted <= well & heard & owners.keys() and set(owners.values()) <= living and not self.missing()

    def settle(self, seconds: float = 180) -> None:
        """Wait until it is whole. Raises `TimeoutError` with what is in the way."""
        if self.until(self.is_whole, seconds) is None:
            states = self.rows("SELECT label, stream_state, sync_status, error_message FROM user_exchange_connections")
            odd = [state for state in states if state[1:] != ("live", "live", None)]
            raise TimeoutError(f"not whole within {seconds:g} s: {self.missing()} trades missing, {odd}")

    def verdict(self, seconds: float = 90) -> list[str]:
        """All troubles, and what is missing, doubled or different in the end. REST must have shown all of it."""

        def look() -> bool:
            self.rows(f"{NUDGE} RETURNING 1")
            self.rows(f"{NUDGE_FEEDS} RETURNING 1", [self.simulator.now_ms()])
            return (
                self.until(lambda: not self.rows("SELECT FROM trades WHERE confirmed_at IS NULL LIMIT 1"), 5)
                is not None
            )

        self.until(look, seconds)
        assert self._db is not None
        result = compare(self._db, self.simulator.truth())
        is_equal = all(tally.is_equal for tally in result.exchanges.values())
        return self.troubles + ([] if is_equal else result.remarks or ["not proven"])


@contextmanager
def scene(
    asked: Asked, *, accounts: int = 1, in_pairs: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Scene]:
    """All exchanges, everything running, whole. `in_pairs`: two workers and two streamers."""
    told = {**UNLIMITED, **(settings or {})}
    with world(exchanges=exchanges.names(), accounts=accounts, settings=told, seed=asked.seed) as running:
        here = Scene(running, Random(f"reliability {asked.seed}"))  # noqa: S311 — only what is struck when
        running.desk.supervisor.say = here.remarks.append
        if in_pairs:
            here.add("worker-2")
            here.add("streamer-2")
        here.end_trading()  # counts the history
        here.settle()
        yield here
