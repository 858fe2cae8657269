"""Waiting for Postgres at a process's start: it may be starting, be migrated right now, or have no room yet."""

import time
from collections.abc import Callable
from datetime import timedelta

from shared.domain.errors import BadInput, StoreUnavailable, TradeSyncError
from shared.storage import processes, schema
from shared.storage.pool import Pool, borrow, wait_until_ready


class NotMigrated(TradeSyncError):
    """The database is not at the newest migration: run `tradesync migrate`."""

    code = "not_migrated"


def wait_until_migrated(
    pool: Pool,
    *,
    patience: timedelta,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when Postgres answers and has the schema this code wants.

    Raises `StoreUnavailable` or `NotMigrated` when patience ends; tells why it waits.
    """
    deadline = clock() + patience.total_seconds()
    try:
        wait_until_ready(pool, 2)
    except StoreUnavailable as error:
        tell(error.sentence)
        wait_until_ready(pool, max(deadline - clock(), 0.1))
    while True:
        with borrow(pool) as db:
            if schema.is_current(db):
                return
        if clock() >= deadline:
            raise NotMigrated
        tell("The database is being migrated, or waits for it.")
        sleep(0.5)


def wait_for_room(
    pool: Pool,
    *,
    limit: int,
    each: int,
    own: int,
    patience: timedelta,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when `own` more processes of `each` connections fit beside the living ones under `limit` (0: no limit).

    A deploy starts new processes while the old ones end, so it waits a while. Raises `BadInput` with the sum.
    """
    if not limit:
        return
    deadline = clock() + patience.total_seconds()
    while True:
        with borrow(pool) as db:
            living = len(processes.living(db))
        needed = (living + own) * each
        if needed <= limit:
            return
        sentence = (
            f"{living} living processes and {own} more, with {each} Postgres connections each, may need {needed}; "
            f"CONNECTION_LIMIT is {limit}."
        )
        if clock() >= deadline:
            raise BadInput(sentence, hint="Lower DATABASE_CONNECTIONS, run fewer processes, or raise the limit.")
        tell(sentence)
        sleep(2)
