"""Opens the connections to Postgres, and says in our words when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from shared.domain.errors import StoreUnavailable
from shared.storage.values import Db

Pool = ConnectionPool[psycopg.Connection[TupleRow]]


def open_pool(url: str, *, kind: str, size: int, pooler: bool = False) -> Pool:
    """A pool of at most `size` autocommit connections. It opens in the background: Postgres may be absent yet.

    `kind` names the process in `pg_stat_activity`. `pooler`: a transaction pooler stands before Postgres, so
    nothing is prepared and no session setting is sent.
    """
    arguments: dict[str, Any] = {
        "autocommit": True,
        "application_name": f"tradesync:{kind}",
        "connect_timeout": 5,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
    }
    if pooler:
        arguments["prepare_threshold"] = None
    else:
        arguments["options"] = "-c timezone=UTC -c statement_timeout=60s -c idle_in_transaction_session_timeout=60s"
    pool: Pool = ConnectionPool(
        url,
        kwargs=arguments,
        min_size=min(1, size),
        max_size=size,
        timeout=10,
        max_lifetime=30 * 60,
        max_idle=5 * 60,
        # Its pauses between attempts double until it gives up, and whoever asks next makes it begin anew: soon.
        reconnect_timeout=5,
        check=ConnectionPool.check_connection,
        name=kind,
        open=False,
    )
    pool.open(wait=False)
    return pool


def wait_until_ready(pool: Pool, timeout_seconds: float = 30) -> None:
    """Wait for the first connection. Raises `StoreUnavailable`."""
    try:
        pool.wait(timeout=timeout_seconds)
    except (PoolTimeout, PoolClosed) as error:
        raise StoreUnavailable(hint="Is DATABASE_URL right, and is the server up?") from error


@contextmanager
def borrow(pool: Pool, timeout_seconds: float | None = None) -> Iterator[Db]:
    """One connection for a while. Whatever says that Postgres is gone or busy is `StoreUnavailable`."""
    with translated(), pool.connection(timeout=timeout_seconds) as db:
        yield db


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's words for "not now" into ours: connection lost, server stopping, deadlock, none free."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed) as error:
        raise StoreUnavailable from error


def connect(url: str, *, kind: str) -> Db:
    """One autocommit connection without a pool, for commands that end soon. Raises `StoreUnavailable`."""
    with translated():
        return psycopg.connect(url, autocommit=True, application_name=f"tradesync:{kind}", connect_timeout=5)
