"""A Postgres of our own: made once, started in milliseconds, stopped cleanly."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from cli.embedded.children import ON_LINUX, free_port, start_child, stop_child
from cli.embedded.errors import ServersUnavailable
from cli.embedded.folder import kept_secret, write_private
from cli.embedded.programs import PostgresPrograms, find_postgres
from cli.embedded.unprivileged import Somebody, somebody_for

READY_WITHIN = 30.0
FAST, IMMEDIATE = (signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0)
DISPOSABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "2GB"}


class PostgresServer:
    """One server in one folder. `durable=False` is for tests: fast, and lost with the machine."""

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        connections: int = 200,
        programs: PostgresPrograms | None = None,
        force_nobody: bool | None = None,
    ) -> None:
        self.programs = programs or find_postgres()
        self.folder = folder
        self.name = f"Postgres {self.programs.version}"
        self.port = 0
        self._durable = durable
        self._connections = connections
        self._somebody: Somebody = somebody_for(
            self.programs, folder / f"pgdata-{self.programs.major}", force_nobody=force_nobody
        )
        self._password = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """Where the data are: named by the major version, since one cannot read the other's."""
        return self._somebody.data

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases, password included: never print it."""
        return f"postgresql://tradesync:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self, database: str = "postgres") -> str:
        """Make the data folder if there is none, start, wait until it answers. Gives the database's address."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._password = kept_secret(self._somebody.home / f"{self.data.name}.password")
        if not (self.data / "PG_VERSION").exists():
            self._make()
        _stop_leftover(self.data)
        for _attempt in range(3):
            self.port = free_port()
            if self._launch():
                self._ensure(database)
                return self.url(database)
        raise ServersUnavailable(f"{self.name} does not start. Its log: {self.log}\n{_tail(self.log)}")

    def revive(self) -> bool:
        """Start again at the same address after it died; false when it does not come up."""
        return self._launch()

    def stop(self) -> None:
        """Stop without losing anything; what is still connected is cut off."""
        if self.process is not None:
            stop_child(self.process, [FAST, IMMEDIATE])
            self.process = None

    def remove(self) -> None:
        """Remove its data for good. The server must be stopped."""
        shutil.rmtree(self.data, ignore_errors=True)
        (self._somebody.home / f"{self.data.name}.password").unlink(missing_ok=True)
        if self._somebody.home != self.folder:
            shutil.rmtree(self._somebody.home, ignore_errors=True)

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "postgres.log"

    def _make(self) -> None:
        if self.data.exists():
            shutil.rmtree(self.data)  # a first start that was cut off: without PG_VERSION there are no data in it
        password = self.data.parent / f".{self.data.name}.initial"
        write_private(password, self._password)
        user = self._somebody.user
        if user is not None:
            os.chown(password, user, user)
        try:
            with self.log.open("ab") as log:
                made = start_child(
                    [
                        self._somebody.programs.folder / "initdb",
                        *("-D", self.data, "-U", "tradesync", "--auth=scram-sha-256", f"--pwfile={password}"),
                        *("--encoding=UTF8", "--locale=C", "--no-sync"),
                    ],
                    stop_signal=signal.SIGKILL,
                    output=log,
                    environment=_environment(),
                    folder=self._somebody.folder,
                    prepare=self._somebody.prepare,
                    user=user,
                ).wait(120)
        finally:
            password.unlink(missing_ok=True)
        if made != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ServersUnavailable(f"{self.name} cannot make its data folder {self.data}.\n{_tail(self.log)}")

    def _launch(self) -> bool:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": str(self._connections),
            "shared_buffers": "128MB",
            "lc_messages": "C",
            "track_commit_timestamp": "on",
        } | ({} if self._durable else DISPOSABLE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.process = start_child(
                [self._somebody.programs.folder / "postgres", "-D", self.data, *options],
                stop_signal=signal.SIGINT,
                output=log,
                environment=_environment(),
                folder=self._somebody.folder,
                prepare=self._somebody.prepare,
                user=self._somebody.user,
            )
        until = time.monotonic() + READY_WITHIN
        while self.process.poll() is None and time.monotonic() < until:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.01)
            else:
                return True
        self.stop()
        return False

    def _ensure(self, database: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
            if known is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))


def _environment() -> dict[str, str]:
    """Without the PG… variables of somebody's shell, which would reach into our server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _stop_leftover(data: Path) -> None:
    """Where no signal follows the parent's end (macOS), a killed demo leaves its server behind: stop that one."""
    try:
        leftover = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return
    if not _is_postgres(leftover):
        return
    os.kill(leftover, signal.SIGINT)
    until = time.monotonic() + READY_WITHIN
    while _is_postgres(leftover):
        if time.monotonic() > until:
            raise ServersUnavailable(f"A Postgres (process {leftover}) still runs on {data} and does not stop.")
        time.sleep(0.02)


def _is_postgres(process: int) -> bool:
    if ON_LINUX:
        try:
            return Path(f"/proc/{process}/exe").readlink().name.startswith("postgres")
        except OSError:
            return False
    said = subprocess.run(["/bin/ps", "-p", str(process), "-o", "comm="], capture_output=True, text=True, check=False)  # noqa: S603 — a number
    return said.stdout.strip().endswith("postgres")


def _tail(log: Path, lines: int = 8) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
