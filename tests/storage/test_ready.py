"""A process begins when Postgres is there, migrated, and has room for it."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest

from shared.domain.errors import BadInput, StoreUnavailable
from shared.storage import processes
from shared.storage.pool import Pool, open_pool
from shared.storage.ready import NotMigrated, wait_for_room, wait_until_migrated

MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, kind="test", size=2)
    yield opened
    opened.close()


def living(db: psycopg.Connection, count: int) -> None:
    for _ in range(count):
        processes.register(db, uuid4(), kind="web", host="here", pid=1, version="1")
    db.commit()


def test_a_migrated_database_is_not_waited_for(pool: Pool) -> None:
    told: list[str] = []
    wait_until_migrated(pool, patience=MOMENT, tell=told.append)
    assert told == []


def test_a_database_that_stays_unmigrated_is_named(empty_database_url: str) -> None:
    pool = open_pool(empty_database_url, kind="test", size=1)
    with pytest.raises(NotMigrated, match="tradesync migrate"):
        wait_until_migrated(pool, patience=MOMENT, tell=lambda _: None)
    pool.close()


def test_a_database_that_does_not_come_is_named() -> None:
    pool = open_pool("postgresql://nobody@127.0.0.1:1/nowhere", kind="test", size=1)
    with pytest.raises(StoreUnavailable):
        wait_until_migrated(pool, patience=MOMENT, tell=lambda _: None)
    pool.close()


def test_processes_that_fit_begin_at_once(pool: Pool, db: psycopg.Connection) -> None:
    living(db, 2)
    wait_for_room(pool, limit=20, each=5, own=2, patience=MOMENT, tell=lambda _: None)
    wait_for_room(pool, limit=0, each=5, own=200, patience=MOMENT, tell=lambda _: None)


def test_processes_that_would_need_too_many_connections_are_refused_with_the_sum(
    pool: Pool, db: psycopg.Connection
) -> None:
    living(db, 3)
    with pytest.raises(BadInput, match="may need 25; CONNECTION_LIMIT is 20"):
        wait_for_room(pool, limit=20, each=5, own=2, patience=timedelta(0), tell=lambda _: None)


def test_while_old_processes_end_new_ones_wait(pool: Pool, db: psycopg.Connection) -> None:
    living(db, 4)

    def old_ones_end(_: float) -> None:
        db.execute("DELETE FROM processes")
        db.commit()

    told: list[str] = []
    wait_for_room(pool, limit=20, each=5, own=1, patience=timedelta(seconds=30), tell=told.append, sleep=old_ones_end)
    assert len(told) == 1
