"""What the operator's words share: the settings, an open database, names for people and connections, moments.

Every error of ours ends a word with its sentence and exit code 1, never with a traceback.
"""

import functools
import getpass
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import click
from rich.console import Console

from shared.domain.connections import Secret
from shared.domain.errors import BadInput, TradeSyncError
from shared.settings import Settings, read_settings
from shared.storage import connections, users
from shared.storage.connections import Connection
from shared.storage.pool import connect, translated
from shared.storage.users import User
from shared.storage.values import Db

F = TypeVar("F", bound=Callable[..., Any])
_AGO = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def says_errors(command: F) -> F:
    """Turn our errors into one sentence and exit code 1."""

    @functools.wraps(command)
    def careful(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except TradeSyncError as error:
            raise click.ClickException(str(error)) from None

    return careful  # type: ignore[return-value]


@contextmanager
def opened() -> Iterator[tuple[Settings, Db]]:
    """The settings and one database connection. Raises `StoreUnavailable`."""
    settings = read_settings()
    with translated(), connect(settings.database_url.get_secret_value(), kind="cli") as db:
        yield settings, db


def actor() -> str:
    """Who typed this, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run under a number that has no name
        return f"cli:{os.getuid()}"


def find_user(db: Db, email: str) -> User:
    """The user with this address. Raises `BadInput`, naming the word that signs one up."""
    user = users.find_user(db, email)
    if user is None:
        raise BadInput(f"There is no user {email}.", hint="`tradesync user add EMAIL` signs one up.")
    return user


def find_connection(db: Db, text: str) -> Connection:
    """The connection that a text names: its id, the beginning of its id, or its label. Raises `BadInput`."""
    everyone = connections.list_connections(db)
    found = [one for one in everyone if str(one.id) == text.lower()] or [
        one for one in everyone if one.label == text or (len(text) >= 4 and str(one.id).startswith(text.lower()))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f"{text!r} names {len(found)} connections.", hint="Give more of the id.")
    raise BadInput(f"There is no connection {text!r}.", hint="`tradesync connections` lists them.")


def chosen(db: Db, names: tuple[str, ...], *, user: str | None, exchange: str | None) -> list[Connection]:
    """The named connections, or all of a user or an exchange. Raises `BadInput` when that is none."""
    if names:
        return [find_connection(db, name) for name in names]
    found = connections.list_connections(db, user_id=user_id(db, user), exchange=exchange)
    if not found:
        raise BadInput("There is no such connection.", hint="`tradesync connections` lists them.")
    return found


def user_id(db: Db, email: str | None) -> UUID | None:
    """The id of the user with this address; None for none."""
    return find_user(db, email).id if email else None


def ask_secret(label: str, *, given: str | None = None, confirm: bool = False) -> Secret:
    """A secret from the environment or a file (`given`), else asked for without showing it."""
    if given is not None:
        return Secret(given)
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise BadInput(f"{label} is missing.", hint="Give it on standard input, in a file or in the environment.")
        return Secret(line)
    return Secret(click.prompt(label, hide_input=True, confirmation_prompt=confirm))


def moment_of(text: str) -> int:
    """Epoch ms of `2026-11-20`, `2026-11-20T12:00` (UTC), `90m` or `7d` (ago), `now`. Raises `BadInput`."""
    text = text.strip()
    if text == "now":
        return now_ms()
    try:
        if ago := _AGO.fullmatch(text):
            past = timedelta(milliseconds=now_ms()) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
            return max(0, past // timedelta(milliseconds=1))
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is no moment.", hint="Write 2026-11-20, 2026-11-20T12:00, 7d (ago) or now.") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def window_of(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """A written stretch as epoch ms. Raises `BadInput` when it runs the wrong way round."""
    since_ms = moment_of(since) if since else None
    until_ms = moment_of(until) if until else None
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise BadInput(f"The stretch ends ({until}) before it begins ({since}).", hint="Swap --since and --until.")
    return since_ms, until_ms


def screen() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for every column where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=240)


def now_ms() -> int:
    """This machine's time."""
    return time.time_ns() // 1_000_000


def shown(at_ms: int | None) -> str:
    """A moment for people, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if at_ms is not None else "-"
