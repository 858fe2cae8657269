"""The system as a test runs it: real processes, a simulated world beside them, and ways to see what became of both."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import redis

from cli.compare import Comparison, compare
from cli.connecting import connect
from cli.desk import own_environment
from cli.supervisor import Supervisor, room
from shared.domain.trades import Product
from shared.events.kinds import ConnectionChanged
from shared.events.publish import publish
from shared.gateway import Gateway
from shared.storage import connections, users
from shared.storage.users import User
from shared.vault import Vault, new_key
from shared.vault.passwords import hash_password
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until

ROOMS = {"worker": "workers", "scheduler": "scheduler", "streamer": "streamer", "web": "web"}
PASSWORD = "correct horse battery staple"
# A test cannot wait as long as an operator: nothing here changes what is done, only how soon it comes. What
# exchanges allow is held by tests of its own.
SOON = {
    "BALANCE_EVERY": "5s", "CATCH_UP_EVERY": "5s", "POLL_EVERY": "2s", "CONNECT_BUDGET": "false",
    "REQUEST_BUDGET": "false", "LOG_FORMAT": "json",
}  # fmt: skip


@dataclass
class System:
    """Processes, and what came of them. Use `running`, which ends them."""

    simulator: SimulatorProcess
    database_url: str
    redis_url: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    key: str = field(default_factory=new_key)
    remarks: list[str] = field(default_factory=list)
    accounts: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    _db: psycopg.Connection | None = None

    # Processes.

    @cached_property
    def environment(self) -> dict[str, str]:
        """What every process is told, and what a command beside them wants."""
        return {
            **own_environment(),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CREDENTIALS_KEY": self.key,
            "SIMULATOR_URL": self.simulator.url,
            **SOON,
            **self.settings,
        }

    @cached_property
    def supervisor(self) -> Supervisor:
        return Supervisor(self.folder / "logs", self.environment, self.folder, self.remarks.append)

    def start(self, name: str, *, ready: Callable[[], bool] | None = None) -> None:
        """Start a process: `worker`, or `worker-2` for another of the kind."""
        self.supervisor.start(name, room(ROOMS[name.partition("-")[0]]), ready=ready)

    def kill(self, name: str) -> None:
        """SIGKILL to it and to its children: nothing is said, handed over or let out."""
        os.killpg(self.supervisor.process_ids()[name], signal.SIGKILL)
        until(lambda: name not in self.supervisor.process_ids())

    def strike(self, name: str, what: signal.Signals) -> None:
        """Send a signal to it and to its children."""
        self.supervisor.strike(name, what)

    def said(self, name: str, event: str) -> list[dict[str, Any]]:
        """What one process, or those whose name fits a pattern, logged under this name."""
        whole = [log.read_text().rpartition("\n")[0] for log in self.supervisor.logs.glob(f"{name}.log")]
        lines = [line for text in whole for line in text.splitlines()]
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in told if line.get("event") == event]

    # People and their accounts.

    @cached_property
    def user(self) -> User:
        """Whoever owns the connections here."""
        return users.add_user(self.db, "ann@example.com", hash_password(PASSWORD))

    @cached_property
    def gateway(self) -> Gateway:
        return Gateway(simulator_url=self.simulator.url)

    def connect(self, account: dict[str, Any], *products: str) -> UUID:
        """Connect a simulated account through the same door as everyone; it bears the account's name."""
        connection_id, _ = connect(
            self.db,
            self.gateway,
            Vault(self.key),
            user=self.user,
            exchange=account["exchange"],
            fields={name: account[name] for name in ("api_key", "secret", "passphrase") if account.get(name)},
            actor="test",
            label=account["name"],
            products=[Product(product) for product in products],
        )
        self._tell(connection_id, "added")
        self.accounts[connection_id] = account
        return connection_id

    @contextmanager
    def connected(self, account: dict[str, Any], *products: str) -> Iterator[UUID]:
        """A connection for a while: whatever a test makes of it, the next one does not meet it."""
        connection_id = self.connect(account, *products)
        try:
            yield connection_id
        finally:
            self.remove(connection_id)

    def remove(self, connection_id: UUID) -> None:
        """End a connection as an operator does; nobody listens to its account afterwards."""
        connections.remove_connection(self.db, connection_id)
        self._tell(connection_id, "removed")
        name = self.accounts.pop(connection_id)["name"]
        until(lambda: not self.is_heard(name))

    def is_heard(self, name: str) -> bool:
        """Whether a socket at the simulated exchanges hears this account."""
        return self.sockets_of(name) > 0

    def sockets_of(self, name: str) -> int:
        """How many sockets at the simulated exchanges hear this account."""
        return sum(name in socket["accounts"] for socket in self.simulator.sockets())

    def _tell(self, connection_id: UUID, change: str) -> None:
        with redis.Redis.from_url(self.redis_url) as wire:
            publish(wire, ConnectionChanged(connection_id=connection_id, change=change))

    # What is true.

    @property
    def db(self) -> psycopg.Connection:
        """A connection that commits at once; another one where Postgres was away meanwhile."""
        if self._db is not None:
            try:
                self._db.execute("SELECT")
            except psycopg.OperationalError:
                self._db.close()
                self._db = None
        if self._db is None:
            self._db = psycopg.connect(self.database_url, autocommit=True)
        return self._db

    def rows(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """What Postgres answers."""
        return self.db.execute(query.encode(), arguments).fetchall()

    def one(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row, None when there is none."""
        found = self.rows(query, *arguments)
        return found[0][0] if found else None

    def states(self, column: str = "stream_state") -> dict[UUID, str]:
        """A column of the living connections."""
        return dict(self.rows(f"SELECT id, {column} FROM user_exchange_connections WHERE removed_at IS NULL"))

    def is_live(self) -> bool:
        """Whether every connection is streamed, its history proven, and nothing is said against it."""
        troubled = "stream_state <> 'live' OR sync_status <> 'live' OR error_message IS NOT NULL"
        return not self.rows(
            f"SELECT id FROM user_exchange_connections WHERE removed_at IS NULL AND is_active AND ({troubled})"
        )

    def quarantined(self) -> list[tuple[Any, ...]]:
        """What could not be read, with its reason."""
        return self.rows("SELECT source, reason, raw FROM quarantine")

    def comparison(self) -> Comparison:
        """What is stored against what happened, for the accounts that are connected here."""
        names = {account["name"] for account in self.accounts.values()}
        truth = [account for account in self.simulator.all_truth() if account["account"] in names]
        return compare(self.db, {"accounts": truth})

    def has_all_trades(self) -> bool:
        """Whether every trade is stored once, as it happened, with its fee."""
        tallies = self.comparison().exchanges.values()
        return all(tally.is_equal for tally in tallies) and sum(tally.made for tally in tallies) > 0

    def settle(self, *, within: float = 40) -> None:
        """Wait until all trades are stored and every status is true again; what is in the way is told."""
        try:
            until(self.has_all_trades, within=within)
            until(self.is_live, within=within)
        except AssertionError:
            found = self.comparison()
            state = self.rows("SELECT label, stream_state, sync_status, error_message FROM user_exchange_connections")
            raise AssertionError(f"{found.exchanges} {found.remarks} {state}") from None
        assert self.quarantined() == []

    def close(self) -> None:
        """End all processes as a platform does."""
        for process in self.supervisor.process_ids().values():
            os.kill(process, signal.SIGTERM)
        self.supervisor.stop()
        if "gateway" in self.__dict__:
            self.gateway.close()
        if self._db is not None:
            self._db.close()
        late = [remark for remark in self.remarks if "did not stop in time" in remark]
        assert late == []


@contextmanager
def running(
    simulator: SimulatorProcess, database_url: str, redis_url: str, folder: Path, *names: str, **settings: str
) -> Iterator[System]:
    """A system with these processes; they have ended when this ends."""
    system = System(simulator, database_url, redis_url, folder, settings)
    try:
        for name in names:
            system.start(name)
        yield system
    finally:
        system.close()
