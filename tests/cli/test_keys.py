"""Rotation: interrupted anywhere and started again, every key opens, and none is lost."""

from uuid import UUID, uuid4

import psycopg
import pytest
from click.testing import CliRunner

from cli.keys import keys, rotate
from shared.storage import connections, rotation
from shared.vault import CannotOpen, Vault, new_key, parse_keys
from tests.fixtures.stored import a_connection, a_user

OLD = new_key()


@pytest.fixture
def db(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def a_sealed_connection(db, vault: Vault, secret: str) -> UUID:
    user, connection_id = a_user(db), uuid4()
    sealed = vault.seal(
        {"api_key": f"key of {secret}", "secret": secret},
        user_id=user.id,
        user_salt=user.key_salt,
        connection_id=connection_id,
        exchange="someplace",
    )
    return a_connection(
        db,
        connection_id=connection_id,
        user_id=user.id,
        credentials=sealed.blob,
        key_version=sealed.key_version,
        key_fingerprint=vault.fingerprint("someplace", f"key of {secret}"),
    )


def secret_of(db, vault: Vault, connection_id: UUID) -> str:
    key = connections.sealed_key(db, connection_id)
    return vault.open(
        key.blob,
        user_id=key.user_id,
        user_salt=key.user_salt,
        connection_id=key.connection_id,
        exchange=key.exchange,
    ).reveal("secret")


def test_a_rotation_that_was_interrupted_is_resumed_and_ends_with_none_left(db):
    secrets = {a_sealed_connection(db, Vault(OLD), f"secret {number}"): f"secret {number}" for number in range(5)}
    new = f"v2:{new_key()}"
    both = Vault(f"{new},v1:{OLD}")

    class Killed(Exception):
        pass

    renewals = []

    def killed_after_two(_count: int) -> None:
        renewals.append(1)
        if len(renewals) == 2:
            raise Killed

    with pytest.raises(Killed):
        rotate(db, both, on_progress=killed_after_two)
    assert {"v1": 3, "v2": 2} == rotation.count_by_version(db)
    assert secrets == {each: secret_of(db, both, each) for each in secrets}

    assert 3 == rotate(db, both).renewed
    assert {"v2": 5} == rotation.count_by_version(db)
    assert secrets == {each: secret_of(db, Vault(new), each) for each in secrets}
    assert 0 == rotate(db, both).renewed


def test_a_key_changed_during_the_rotation_is_not_overwritten_by_the_old_one(db):
    connection = a_sealed_connection(db, Vault(OLD), "old")
    both = Vault(f"v2:{new_key()},v1:{OLD}")
    stale = rotation.sealed_otherwise(db, "v2")[0]
    connections.set_credentials(db, connection, credentials=b"newer", key_version="v1", key_fingerprint=b"f")
    assert not rotation.reseal(db, stale, credentials=b"x", key_version="v2", key_fingerprint=b"f")
    assert b"newer" == connections.sealed_key(db, connection).blob
    assert 1 == rotate(db, both).unopened


def test_the_fingerprint_goes_along_so_that_one_key_is_still_connected_once(db):
    a_sealed_connection(db, Vault(OLD), "s")
    new = f"v2:{new_key()}"
    rotate(db, Vault(f"{new},v1:{OLD}"))
    stored = db.execute("SELECT key_fingerprint FROM user_exchange_connections").fetchone()[0]
    assert Vault(new).fingerprint("someplace", "key of s") == stored


def test_the_command_says_how_many_are_left_and_which_version_can_go(db, database_url, monkeypatch):
    connection = a_sealed_connection(db, Vault(OLD), "very secret")
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("CREDENTIALS_KEY", f"v2:{new_key()},v1:{OLD}")
    before = CliRunner().invoke(keys, ["status"])
    assert "v1          1 connections  configured" in before.output
    answer = CliRunner().invoke(keys, ["rotate"])
    assert 0 == answer.exit_code, answer.output
    assert "1 sealed anew with v2, 0 left." in answer.output
    assert "(v1) can be taken out" in answer.output
    assert "very secret" not in answer.output
    assert [("keys.rotated", {"to": "v2", "renewed": 1, "unopened": 0})] == db.execute(
        "SELECT action, details FROM audit_log"
    ).fetchall()

    monkeypatch.setenv("CREDENTIALS_KEY", f"v3:{new_key()}")
    stuck = CliRunner().invoke(keys, ["rotate"])
    assert 1 == stuck.exit_code
    assert "0 sealed anew with v3, 1 left." in stuck.output
    assert 1 == CliRunner().invoke(keys, ["status"]).exit_code
    with pytest.raises(CannotOpen):
        secret_of(db, Vault(f"v3:{new_key()}"), connection)


def test_a_weak_key_is_refused_with_the_command_that_makes_a_good_one(database_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("CREDENTIALS_KEY", "hunter2")
    answer = CliRunner().invoke(keys, ["status"])
    assert 1 == answer.exit_code
    assert "tradesync keys new" in answer.output
    assert "hunter2" not in answer.output


def test_a_key_that_is_not_there_is_named_and_nothing_else_is_shown(database_url, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.delenv("CREDENTIALS_KEY", raising=False)
    for word in ("status", "rotate"):
        answer = CliRunner().invoke(keys, [word])
        assert isinstance(answer.exception, SystemExit)
        assert "CREDENTIALS_KEY is missing" in str(answer.exception) + answer.output
        assert database_url not in str(answer.exception) + answer.output


def test_a_new_key_is_printed_and_is_good():
    answer = CliRunner().invoke(keys, ["new"])
    assert ["v1"] == list(parse_keys(answer.output))
