"""What journeys share: databases and wires that live as long as a module, because a running system does."""

from collections.abc import Iterator

import pytest
import redis

from tests.fixtures.servers import fresh_database


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """A fresh, migrated database of this module's own."""
    with fresh_database(postgres_url, template_database) as url:
        yield url


@pytest.fixture(scope="module")
def module_redis_url(valkey_url: str) -> str:
    """A Valkey that was empty when this module began."""
    with redis.Redis.from_url(valkey_url) as client:
        client.flushdb()
    return valkey_url
