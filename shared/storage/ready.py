"""Waiting for Postgres at a process's start: it may still be starting, and a release may be migrating right now."""

import time
from collections.abc import Callable
from datetime import timedelta

from shared.domain.errors import StoreUnavailable, TradeSyncError
from shared.storage import schema
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
