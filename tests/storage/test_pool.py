"""A server that is away is one sentence of ours, and comes back by itself."""

import psycopg
import pytest

from shared.domain.errors import BadInput, StoreUnavailable
from shared.storage import pool as pools


@pytest.fixture
def pool(database_url):
    with pools.open_pool(database_url, kind="test", size=2) as opened:
        yield opened


def test_each_statement_is_kept_by_itself_and_the_process_has_a_name(pool):
    with pools.borrow(pool) as db:
        db.execute("CREATE TABLE kept (n int)")
        assert ("tradesync:test", "UTC") == db.execute(
            "SELECT current_setting('application_name'), current_setting('timezone')"
        ).fetchone()
    with pools.borrow(pool) as db:
        assert 0 == db.execute("SELECT FROM kept").rowcount


def test_a_connection_that_the_server_ended_is_store_unavailable_and_the_next_one_works(pool, database_url):
    with pytest.raises(StoreUnavailable), pools.borrow(pool) as db:  # noqa: PT012 — it dies while it is borrowed
        with psycopg.connect(database_url, autocommit=True) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (db.info.backend_pid,))
        db.execute("SELECT 1")
    with pools.borrow(pool) as db:
        assert (1,) == db.execute("SELECT 1").fetchone()


def test_connections_that_died_while_idle_are_never_handed_out(pool, database_url):
    with pools.borrow(pool) as db:
        backend = db.info.backend_pid
    with psycopg.connect(database_url, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s)", (backend,))
    with pools.borrow(pool) as db:
        assert (1,) == db.execute("SELECT 1").fetchone()


def test_no_free_connection_is_store_unavailable(pool):
    with pools.borrow(pool), pools.borrow(pool), pytest.raises(StoreUnavailable), pools.borrow(pool, 0.05):
        pass


def test_our_own_errors_pass_through(pool):
    with pytest.raises(BadInput), pools.borrow(pool):
        raise BadInput("no")


def test_without_a_server_waiting_and_connecting_say_so():
    nowhere = "postgresql://nobody:hidden@127.0.0.1:9/none"
    with pools.open_pool(nowhere, kind="test", size=1) as pool, pytest.raises(StoreUnavailable) as refusal:
        pools.wait_until_ready(pool, timeout_seconds=0.2)
    assert "hidden" not in str(refusal.value)
    with pytest.raises(StoreUnavailable):
        pools.connect(nowhere, kind="test")


def test_behind_a_pooler_nothing_is_prepared(database_url):
    with pools.open_pool(database_url, kind="test", size=1, pooler=True) as pool, pools.borrow(pool) as db:
        for _ in range(8):
            db.execute("SELECT %s::int", (1,))
        assert (0,) == db.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
