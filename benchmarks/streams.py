"""What one streamer holds, and how fast it hears.

Two figures, each in a fresh streamer at simulated exchanges over plain sockets: memory a private stream and seconds
until all are live; trades a second from the sockets into the queue and CPU a trade, with nobody draining it (that is
another figure). The limits of the exchanges are off.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from benchmarks.record import Figure
from benchmarks.simulator import _ask, _cpu_seconds, _resident_bytes
from cli.embedded import PostgresServer, ValkeyServer
from migrations import run
from shared import exchanges
from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.queue.wire import open_wire
from shared.storage import connections, users
from shared.vault import Vault, new_key

ROOT = Path(__file__).parents[1]
STREAMS = 1_000
ACCOUNTS = 20  # of each exchange
RATE = 6_000.0
SECONDS = 10.0


class Scene:
    """Servers, simulated exchanges, connections, and one streamer at a time."""

    def __init__(self, database_url: str, redis_url: str, simulator: subprocess.Popen[str], url: str) -> None:
        self.database_url, self.redis_url, self.simulator, self.url = database_url, redis_url, simulator, url
        self.db = psycopg.connect(database_url, autocommit=True)
        self.wire = open_wire(redis_url)
        self.key = new_key()
        self._vault = Vault(self.key)

    def connect(self, exchange: str, count: int, *, is_active: bool = True) -> list[str]:
        """Connect so many new accounts of an exchange, each a user's own; gives the accounts' names."""
        made = []
        for account in _ask(self.url, "/accounts", exchange=exchange, count=count, history=0):
            user = users.add_user(self.db, f"{uuid4().hex}@example.com", "no password")
            connection_id = uuid4()
            fields = {name: account[name] for name in ("api_key", "secret", "passphrase") if account.get(name)}
            sealed = self._vault.seal(
                fields, user_id=user.id, user_salt=user.key_salt, connection_id=connection_id, exchange=exchange
            )
            connections.add_connection(
                self.db,
                connection_id=connection_id,
                user_id=user.id,
                exchange=exchange,
                products=tuple(Product(product) for product in account["products"]),
                credentials=sealed.blob,
                key_version=sealed.key_version,
                key_fingerprint=uuid4().bytes,
            )
            if account.get("mode"):
                connections.set_account(self.db, connection_id, mode=account["mode"])
            if not is_active:
                self.db.execute(
                    "UPDATE user_exchange_connections SET is_active = false WHERE id = %s", (connection_id,)
                )
            made.append(account["name"])
        return made

    @contextmanager
    def streamer(self) -> Iterator[subprocess.Popen[bytes]]:
        """A streamer of its own, ended in an orderly way."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CREDENTIALS_KEY": self.key,
            "SIMULATOR_URL": self.url,
            "CONNECT_BUDGET": "false",
            "REQUEST_BUDGET": "false",
            "LOG_LEVEL": "warning",
        }
        process = subprocess.Popen([sys.executable, "-m", "streamer"], cwd=ROOT, env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def live(self) -> int:
        """How many streams are live."""
        row = self.db.execute(
            "SELECT count(*) FROM user_exchange_connections WHERE stream_state = 'live' AND removed_at IS NULL"
        ).fetchone()
        return int(row[0]) if row else 0

    def forget(self) -> None:
        """Remove all connections and all that waits."""
        for connection in connections.list_connections(self.db):
            connections.remove_connection(self.db, connection.id)
        self.wire.flushdb()

    def heard(self, process_kind: str = "streamer") -> dict[str, Any]:
        """The figures that the streamer shows of itself."""
        row = self.db.execute("SELECT figures FROM processes WHERE kind = %s", (process_kind,)).fetchone()
        return row[0] if row else {}


def with_own_sockets() -> str:
    """An exchange where each account has one socket of its own and nothing has to be fetched first."""
    for name in exchanges.names():
        exchange = exchanges.load(name)
        account = Account(connection_id=UUID(int=0), exchange=name, products=(Product.SPOT,))
        wanted = [stream for stream in exchange.streams if stream.serves(account)]
        if len(wanted) == 1 and wanted[0].accounts_per_socket == 1 and wanted[0].prepare is None:
            return name
    raise SystemExit("no exchange has sockets of that kind")


def measure_memory(scene: Scene, streams: int) -> dict[str, Any]:
    """Memory and time of so many private sockets."""
    exchange = with_own_sockets()
    scene.connect(exchange, 1)
    with scene.streamer() as process:
        _until(lambda: scene.live() == 1)
        _until(lambda: scene.heard().get("prices_received", 0) > 0)
        scene.connect(exchange, streams, is_active=False)
        before = _resident_bytes(process.pid)
        began_cpu = _cpu_seconds(process.pid)
        scene.db.execute("UPDATE user_exchange_connections SET is_active = true WHERE removed_at IS NULL")
        began = time.monotonic()
        _until(lambda: scene.live() == streams + 1, within=120)
        took = time.monotonic() - began
        after = _resident_bytes(process.pid)
        cpu = _cpu_seconds(process.pid) - began_cpu
    scene.forget()
    return {
        "streams": streams,
        "kib_a_stream": round((after - before) / streams / 1024, 1),
        "live_after_seconds": round(took, 1),
        "cpu_ms_a_stream": round(cpu / streams * 1000, 2),
        "resident_mib": round(after / 1024 / 1024),
    }


def measure_speed(scene: Scene, names: Sequence[str], accounts: int, rate: float, seconds: float) -> dict[str, Any]:
    """Trades a second into the queue, and what each costs."""
    traders = [account for name in names for account in scene.connect(name, accounts)]
    with scene.streamer() as process:
        _until(lambda: scene.live() == accounts * len(names), within=60)
        _ask(scene.url, "/trading", rate=rate, accounts=traders)
        time.sleep(2)
        scene.wire.delete("dramatiq:writes", "dramatiq:writes.msgs")
        heard, cpu, simulator_cpu = _queued(scene), _cpu_seconds(process.pid), _cpu_seconds(scene.simulator.pid)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            heard += _queued(scene)
        took = time.monotonic() - began
        cpu, simulator_cpu = _cpu_seconds(process.pid) - cpu, _cpu_seconds(scene.simulator.pid) - simulator_cpu
        _ask(scene.url, "/trading", stop=True)
        figures = scene.heard()
    scene.forget()
    return {
        "exchanges": list(names),
        "trades_a_second": round(heard / took),
        "wanted_a_second": rate,
        "streamer_cpu_us_a_trade": round(cpu / heard * 1e6, 1),
        "streamer_cpu_share": round(cpu / took, 2),
        "simulator_cpu_us_a_trade": round(simulator_cpu / heard * 1e6, 1),
        "simulator_cpu_share": round(simulator_cpu / took, 2),
        "recorded_directly": figures.get("trades_recorded"),
        "lost": figures.get("trades_lost"),
    }


def _queued(scene: Scene) -> int:
    """How many trades wait in the queue; they are taken out."""
    with scene.wire.pipeline(transaction=True) as pipeline:
        pipeline.hvals("dramatiq:writes.msgs")
        pipeline.delete("dramatiq:writes", "dramatiq:writes.msgs")
        bodies = pipeline.execute()[0]
    return sum(body.count(b'"exchange_trade_id":') for body in bodies)


def _until(condition: Callable[[], bool], within: float = 30.0) -> None:
    ends = time.monotonic() + within
    while not condition():
        if time.monotonic() > ends:
            raise SystemExit(f"{condition} did not come true within {within:g} s")
        time.sleep(0.1)


@contextmanager
def open_scene() -> Iterator[Scene]:
    """Servers and simulated exchanges, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tradesync-bench-") as folder:
        postgres, valkey = PostgresServer(Path(folder) / "pg"), ValkeyServer(Path(folder) / "valkey")
        postgres.start()
        valkey.start()
        simulator = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", "--no-limits"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            run.upgrade(postgres.url())
            assert simulator.stdout is not None
            url = simulator.stdout.readline().removeprefix("listening on ").strip()
            scene = Scene(postgres.url(), valkey.url, simulator, url)
            yield scene
            scene.db.close()
            scene.wire.close()
        finally:
            simulator.send_signal(signal.SIGTERM)
            simulator.wait(20)
            valkey.stop()
            postgres.stop()


def measured() -> list[Figure]:
    """A thousand private sockets, and how fast the three ways of hearing are."""
    with open_scene() as scene:
        memory = measure_memory(scene, STREAMS)
        speed = measure_speed(scene, list(exchanges.names()), ACCOUNTS, RATE, SECONDS)
    return [
        Figure("memory of a private stream", memory["kib_a_stream"], "KiB", most=60),
        Figure(f"{STREAMS:,} private streams live within", memory["live_after_seconds"], "s", most=20),
        Figure("CPU to bring one up", memory["cpu_ms_a_stream"], "ms"),
        *(Figure(f"from the sockets into the queue: {name}", value, "") for name, value in _numbers(speed)),
    ]


def _numbers(found: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name.replace("_", " "), value) for name, value in found.items() if isinstance(value, int | float)]
