"""The schema comes up from nothing, once, whoever starts it, and tells what is pending."""

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from migrations import run
from shared.domain.errors import StoreUnavailable
from shared.storage import schema

ROOT = Path(__file__).parents[2]


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        return {row[0] for row in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_from_nothing_every_table_is_there(empty_database_url):
    assert run.current(empty_database_url) is None
    assert run.newest() == run.pending(empty_database_url)[-1]
    assert run.pending(empty_database_url) == run.upgrade(empty_database_url)
    assert run.newest() == run.current(empty_database_url)
    named = {"users", "api_tokens", "user_exchange_connections", "trade_sync_sessions", "trades", "sync_coverage"}
    assert named | {"balances", "balance_changes", "quarantine", "instruments", "audit_log"} <= tables(
        empty_database_url
    )


def test_twice_changes_nothing(empty_database_url):
    run.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as db:
        db.execute("INSERT INTO users (email, password_hash, key_salt) VALUES ('a@b.c', 'x', 'y')")
    assert [] == run.upgrade(empty_database_url)
    assert [] == run.pending(empty_database_url)
    with psycopg.connect(empty_database_url) as db:
        assert (1,) == db.execute("SELECT count(*) FROM users").fetchone()


def test_two_processes_at_once_wait_for_each_other(empty_database_url):
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database_url,
        "REDIS_URL": "redis://127.0.0.1:1",
        "CREDENTIALS_KEY": "none",
    }

    def migrate(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "migrations"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with ThreadPoolExecutor(3) as threads:
        ended = list(threads.map(migrate, range(3)))
    assert [0, 0, 0] == [each.returncode for each in ended], [each.stderr for each in ended]
    assert 1 == sum(each.stdout.startswith("migrated: ") for each in ended)
    assert 2 == sum("already" in each.stdout for each in ended)


def test_another_migration_is_waited_for_and_not_for_ever(empty_database_url):
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (run.LOCK,))
        with pytest.raises(StoreUnavailable, match="right now"):
            run.upgrade(empty_database_url, patience_seconds=0.5)
        other.execute("SELECT pg_advisory_unlock(%s)", (run.LOCK,))
    assert run.upgrade(empty_database_url)


def test_a_step_that_fails_leaves_nothing_behind(empty_database_url):
    with psycopg.connect(empty_database_url, autocommit=True) as db:
        db.execute("CREATE TABLE audit_log (in_the_way int)")
    with pytest.raises(Exception, match="audit_log"):
        run.upgrade(empty_database_url)
    assert "trades" not in tables(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as db:
        db.execute("DROP TABLE audit_log")
    assert run.upgrade(empty_database_url)[-1] == run.newest()


def test_readiness_sees_what_is_pending(empty_database_url):
    with psycopg.connect(empty_database_url, autocommit=True) as db:
        assert not schema.is_current(db)
    run.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as db:
        assert schema.is_current(db)
        db.execute("UPDATE alembic_version SET version_num = '0000'")
        assert not schema.is_current(db)


def test_the_step_that_the_code_wants_is_the_newest_there_is():
    assert schema.WANTED == run.newest(), "shared/storage/schema.py names the newest step"


def test_every_sql_file_is_run_by_a_step_of_its_number():
    versions = ROOT / "migrations" / "versions"
    for file in versions.glob("*.sql"):
        step = versions / f"step_{file.name[:4]}.py"
        assert f'run_file("{file.name}")' in step.read_text(), f"{step.name} must run {file.name}"


def test_shared_knows_nothing_of_the_migrations():
    for path in (ROOT / "shared").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in {"migrations", "alembic", "sqlalchemy"}], path


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("postgres://u:p%40@h:5/d?sslmode=require", "postgresql+psycopg://u:p%40@h:5/d?sslmode=require"),
        ("postgresql://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
    ],
)
def test_the_url_of_the_platform_is_taken_and_keeps_its_sslmode(given, made):
    assert made == run.normalised(given)


@pytest.mark.parametrize("url", ["mysql://h/d", "h/d", ""])
def test_another_kind_of_url_is_refused(url):
    with pytest.raises(StoreUnavailable, match="postgres://"):
        run.upgrade(url)


def test_the_platforms_own_scheme_works(empty_database_url):
    assert run.upgrade(empty_database_url.replace("postgresql://", "postgres://"))


def test_a_server_that_does_not_answer_is_said_in_one_sentence():
    for question in (run.upgrade, run.current, run.pending):
        with pytest.raises(StoreUnavailable):
            question("postgresql://nobody:secret@127.0.0.1:9/none")


def test_the_command_says_what_is_pending_and_changes_nothing(empty_database_url):
    environment = {
        **os.environ,
        "DATABASE_URL": empty_database_url,
        "REDIS_URL": "redis://127.0.0.1:1",
        "CREDENTIALS_KEY": "none",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "migrations", "--check"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (1, "pending: 0001, 0002, 0003, 0004\n") == (ended.returncode, ended.stdout)
    assert set() == tables(empty_database_url)
