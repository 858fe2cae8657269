"""A scheduler's desk over real Postgres and Valkey."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
import redis

from scheduler.desk import Desk
from shared.queue.wire import open_wire
from shared.storage.due import Every
from shared.storage.pool import Pool, open_pool
from shared.storage.retention import Keep


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, kind="test", size=4)
    yield opened
    opened.close()


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    client = open_wire(redis_url)
    yield client
    client.close()


@pytest.fixture
def desk(pool: Pool, wire: redis.Redis, db: psycopg.Connection) -> Desk:
    db.autocommit = True
    return Desk(pool=pool, wire=wire, every=Every(), keep=Keep(), depth_limit=500, lost_after=timedelta(seconds=15))
