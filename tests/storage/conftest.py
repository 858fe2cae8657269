"""Here a connection commits each statement by itself, as the pool's do."""

from collections.abc import Iterator

import psycopg
import pytest


@pytest.fixture
def db(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, like those of the pool."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def other(database_url: str) -> Iterator[psycopg.Connection]:
    """A second connection to the same database: another process."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection
