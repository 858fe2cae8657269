"""Brings a database to the newest step: twice does nothing, two at once wait for each other.

New steps are a file `versions/NNNN_words.sql` and a `versions/step_NNNN.py` that names it; a step widens first
and narrows in a later release, so that the previous code runs on the new schema.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from shared.domain.errors import StoreUnavailable

# Any number will do, as long as nothing else in this database uses it.
LOCK = 7_226_118_301
_OLDEST_SERVER = 150_000


def normalised(database_url: str) -> str:
    """The URL as SQLAlchemy wants it, with psycopg as the driver. Everything after the scheme stays, sslmode too."""
    for scheme in ("postgres://", "postgresql://", "postgresql+psycopg://"):
        if database_url.startswith(scheme):
            return f"postgresql+psycopg://{database_url.removeprefix(scheme)}"
    raise StoreUnavailable("DATABASE_URL must begin with postgres:// or postgresql://.")


def upgrade(database_url: str, *, patience_seconds: float = 60) -> list[str]:
    """Carry out every step that is pending, each in a transaction of its own. Gives the steps that were.

    Another migration that is under way is waited for. No statement waits longer than 10 s for a lock, so that
    a step never blocks the running system behind a long query: it is tried again until patience ends.
    Raises `StoreUnavailable` when the database does not answer or the locks cannot be had.
    """
    ends_at = time.monotonic() + patience_seconds
    while True:
        try:
            with _connected(database_url) as connection:
                return _upgrade(connection, max(1.0, ends_at - time.monotonic()))
        except OperationalError as error:
            if not _is_lock_timeout(error) or time.monotonic() >= ends_at:
                raise StoreUnavailable("The database cannot be migrated right now.", hint=_first_line(error)) from error


def current(database_url: str) -> str | None:
    """The step the database is at; None before the first. Raises `StoreUnavailable`."""
    with _translated(), _connected(database_url) as connection:
        return _current(connection)


def pending(database_url: str) -> list[str]:
    """The steps that are still to be carried out, in order. Raises `StoreUnavailable`."""
    with _translated(), _connected(database_url) as connection:
        return _pending(_current(connection))


def newest() -> str:
    """The step that this code ends at."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _upgrade(connection: Connection, patience_seconds: float) -> list[str]:
    version = connection.connection.driver_connection
    assert version is not None
    if version.info.server_version < _OLDEST_SERVER:
        raise StoreUnavailable(f"Postgres 15 or newer is needed; this is {version.info.server_version // 10_000}.")
    connection.execute(text("SELECT set_config('lock_timeout', :wait, false)"), {"wait": f"{int(patience_seconds)}s"})
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.commit()
    try:
        steps = _pending(_current(connection))
        connection.execute(text("SET lock_timeout = '10s'"))
        connection.commit()
        if steps:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        return steps
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _pending(at: str | None) -> list[str]:
    script = ScriptDirectory.from_config(_config())
    return [step.revision for step in reversed(list(script.iterate_revisions("head", at or "base")))]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _connected(database_url: str) -> Iterator[Connection]:
    engine = create_engine(
        normalised(database_url),
        poolclass=NullPool,
        connect_args={"application_name": "tradesync:release", "connect_timeout": 10, "prepare_threshold": None},
    )
    with engine.connect() as connection:
        yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlalchemy.exc.OperationalError as error:
        raise StoreUnavailable(hint=_first_line(error)) from error


def _is_lock_timeout(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) in {"55P03", "40P01"}


def _first_line(error: OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0]
