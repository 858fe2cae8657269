"""What `demo` and `up` share: a state folder, servers, migrations, our processes, and an orderly end.

While it runs, `environment.json` in the folder (readable by its owner only) tells every other word of the command
where the servers are.
"""

import base64
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import click

from cli.embedded import PostgresServer, ServersUnavailable, StateFolder, StateFolderTaken, ValkeyServer
from cli.embedded.folder import write_private
from cli.running import ENVIRONMENT
from cli.supervisor import StartFailed, Supervisor, answers, room

KEPT_OVER_FRESH = {"lock"}
PROCESSES = (("scheduler", "scheduler"), ("worker", "workers"), ("streamer", "streamer"))


class CannotRun(click.ClickException):
    """Somebody asked for what cannot be: the sentence says what to do instead."""

    exit_code = 2


@dataclass
class Desk:
    """A running set of servers and processes."""

    folder: Path
    port: int
    supervisor: Supervisor
    environment: dict[str, str]
    servers: list[PostgresServer | ValkeyServer] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}"

    def migrate(self) -> None:
        """Bring the schema up to date."""
        self.supervisor.once("migrations", room("migrations"))

    def start_processes(self, *, in_pairs: bool = False) -> None:
        """Start everything of ours, but the page twice if so wished; it runs when the page answers."""
        for name, package in PROCESSES:
            self.supervisor.start(name, room(package))
            if in_pairs:
                self.supervisor.start(f"{name}-2", room(package))
        self.supervisor.start("web", room("web"), ready=answers(self.port, "/healthz"))
        write_private(self.folder / ENVIRONMENT, json.dumps(self.environment))

    def watch(self) -> None:
        """Stay until told to stop, and bring back whatever dies meanwhile."""

        def never() -> bool:
            self.mend_servers()
            return False

        self.supervisor.watch(never)

    def mend_servers(self) -> None:
        """A server that died comes back at its old address; processes find it by themselves."""
        for server in self.servers:
            if server.process is not None and (code := server.process.poll()) is not None:
                self.supervisor.say(f"{server.name} ended by itself (exit code {code}) and is started again.")
                if not server.revive():
                    raise StartFailed(f"{server.name} does not come back. Its log: {server.log}")


@contextmanager
def open_desk(
    folder: Path,
    *,
    port: int,
    fresh: bool,
    environment: Mapping[str, str],
    settings: Mapping[str, str],
    working_folder: Path | None = None,
) -> Iterator[Desk]:
    """Take the folder, start the servers that `settings` does not name, and stop everything at the end."""
    _refuse_taken_port(port)
    with ExitStack() as at_the_end:
        at_the_end.enter_context(_errors_for_people())
        at_the_end.enter_context(StateFolder(folder))
        supervisor = Supervisor(folder / "logs", {}, working_folder or folder, say)
        supervisor.listen_to_signals()
        if fresh:
            _empty(folder)
        chosen = dict(settings)
        servers: list[PostgresServer | ValkeyServer] = []
        if not chosen.get("DATABASE_URL"):
            postgres = PostgresServer(folder)
            at_the_end.callback(postgres.stop)
            chosen["DATABASE_URL"] = postgres.start("tradesync")
            servers.append(postgres)
        if not chosen.get("REDIS_URL"):
            valkey = ValkeyServer(folder)
            at_the_end.callback(valkey.stop)
            chosen["REDIS_URL"] = valkey.start()
            servers.append(valkey)
        if not chosen.get("CREDENTIALS_KEY"):
            chosen["CREDENTIALS_KEY"] = _kept_credentials_key(folder)
        supervisor.environment = {**environment, **chosen, "PORT": str(port), "PYTHONUNBUFFERED": "1"}
        at_the_end.callback(supervisor.stop)
        at_the_end.callback(lambda: (folder / ENVIRONMENT).unlink(missing_ok=True))
        yield Desk(folder, port, supervisor, chosen, servers)


def free_or(port: int | None, default: int) -> int:
    """The port to use: what was asked for, 0 meaning any that is free."""
    wanted = default if port is None else port
    if wanted:
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(text: str) -> None:
    """Tell whoever sits at the desk."""
    click.echo(text, err=True)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise CannotRun(f"Port {port} may not be used by an ordinary user. Choose another with --port.") from error
        except OSError as error:
            raise CannotRun(
                f"Port {port} is taken. Choose another with --port, or --port 0 for any free one."
            ) from error


@contextmanager
def _errors_for_people() -> Iterator[None]:
    try:
        yield
    except StateFolderTaken as error:
        raise CannotRun(str(error)) from error
    except (ServersUnavailable, StartFailed) as error:
        raise click.ClickException(str(error)) from error


def _empty(folder: Path) -> None:
    for server in _known_servers(folder):
        server.remove()
    for entry in folder.iterdir():
        if entry.name in KEPT_OVER_FRESH:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _known_servers(folder: Path) -> Iterator[PostgresServer]:
    """The data may lie outside the folder (root): only the server knows."""
    with suppress(ServersUnavailable):
        yield PostgresServer(folder)


def _kept_credentials_key(folder: Path) -> str:
    path = folder / "credentials.key"
    with suppress(FileNotFoundError):
        return path.read_text().strip()
    write_private(path, base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()


def own_environment() -> dict[str, str]:
    """This shell's variables, with our Python and our source first on the paths."""
    return {
        **os.environ,
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
