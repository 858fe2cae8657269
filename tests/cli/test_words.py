"""The operator's words, typed as an operator types them, against real servers and simulated exchanges."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from cli.main import main
from shared.domain.trades import Source
from shared.queue.layout import bodies_key
from shared.storage.trades import record_trades, trade_row
from shared.storage.values import Db
from shared.vault import new_key
from tests.fixtures.stored import a_connection, a_trade, a_user

Say = Callable[..., Result]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, tmp_path: Any) -> Say:
    """Type `tradesync …` with these servers behind it."""
    monkeypatch.chdir(tmp_path)
    key = new_key()
    for name, value in {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CREDENTIALS_KEY": key}.items():
        monkeypatch.setenv(name, value)

    def typed(*words: str, given: str | None = None, **environment: str) -> Result:
        return CliRunner().invoke(main, list(words), input=given, env=environment)

    return typed


@pytest.fixture
def ann(say: Say) -> str:
    assert say("user", "add", "ann@example.com", given="long enough\n").exit_code == 0
    return "ann@example.com"


def key_of(account: dict[str, Any]) -> dict[str, str]:
    """An account's key, as the environment gives it to `connect`."""
    fields = ("api_key", "secret", "passphrase")
    return {f"TRADESYNC_{name.upper()}": account[name] for name in fields if account.get(name)}


def test_a_person_is_signed_up_once(say: Say, ann: str):
    again = say("user", "add", ann, given="long enough\n")
    assert again.exit_code == 1
    assert "signed up already" in again.output
    assert ann in say("user", "list").output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("user", "add", "nobody"), "no e-mail address"),
        (("user", "token", "bob@example.com"), "There is no user bob@example.com"),
        (("connect", "ann@example.com", "nowhere"), "The exchange 'nowhere' is unknown"),
        (("connect", "ann@example.com", "binance", "--region", "mars"), "has no region 'mars'"),
        (("connect", "ann@example.com", "binance", "--products", "houses"), "has no product 'houses'"),
        (("connect", "ann@example.com", "binance", "--allow-trade"), "Keys that can trade are not taken here"),
        (("connect", "bob@example.com", "binance"), "There is no user bob@example.com"),
        (("sync", "--since", "2026-02-01", "--until", "2026-01-01"), "ends (2026-01-01) before it begins"),
        (("sync", "--until", "2026-01-01"), "--until needs --since"),
        (("sync", "--since", "2099-01-01"), "begins in the future"),
        (("sync", "--since", "tomorrow"), "'tomorrow' is no moment"),
        (("sync", "--since", "99999999999999d"), "'99999999999999d' is no moment"),
        (("trades", "--symbol", "NO/SUCH"), "No market is called 'NO/SUCH'"),
        (("sync", "--exchange", "nowhere"), "The exchange 'nowhere' is unknown"),
        (("sync",), "There is no such connection"),
        (("status", "abcd"), "There is no connection 'abcd'"),
        (("remove", "abcd", "--yes"), "There is no connection 'abcd'"),
        (("test", "abcd"), "There is no connection 'abcd'"),
        (("trades", "--user", "bob@example.com"), "There is no user bob@example.com"),
        (("trades", "--exchange", "nowhere"), "The exchange 'nowhere' is unknown"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(say: Say, words: tuple[str, ...], sentence: str):
    given = "long enough\n" if words[:2] == ("user", "add") else None
    said = say(*words, given=given)
    assert said.exit_code == 1
    assert sentence in said.output.replace("That is not an", "no")
    assert "Traceback" not in said.output


def test_a_database_that_is_away_is_named(say: Say):
    said = say("status", DATABASE_URL="postgres://x:y@127.0.0.1:1/z")
    assert said.exit_code == 1
    assert "Postgres does not answer" in said.output


def test_an_account_is_connected_tested_and_ended(say: Say, ann: str, simulator: Any):
    account = simulator.account("binance")
    there = {"SIMULATOR_URL": simulator.url}
    said = say("connect", ann, "binance", "--label", "savings", **there, **key_of(account))
    assert said.exit_code == 0, said.output
    assert "withdraw no" in said.output
    assert account["secret"] not in said.output
    tested = say("test", "savings", **there)
    assert tested.exit_code == 0, tested.output
    assert "balances" in tested.output
    again = say("connect", ann, "binance", **there, **key_of(account))
    assert again.exit_code == 1
    assert "connected already" in again.output
    assert "savings" in say("connections").output
    renewed = simulator.ask("POST", f"/keys/{account['name']}/replace")
    assert say("replace", "savings", **there, **key_of(simulator.account("binance"))).exit_code == 1
    replaced = say("replace", "savings", **there, **key_of(renewed))
    assert replaced.exit_code == 0, replaced.output
    assert renewed["secret"] not in replaced.output
    assert say("test", "savings", **there).exit_code == 0
    assert say("remove", "savings", "--yes").exit_code == 0
    assert "savings" not in say("connections").output


def test_a_key_from_a_file_is_read_and_one_that_can_withdraw_is_refused(
    say: Say, ann: str, simulator: Any, tmp_path: Any
):
    account = simulator.account("binance", permissions=["read", "withdraw"])
    file = tmp_path / "key"
    file.write_text(f"API_KEY={account['api_key']}\nSECRET={account['secret']}\n")
    said = say("connect", ann, "binance", "--key-file", str(file), SIMULATOR_URL=simulator.url)
    assert said.exit_code == 1
    assert "can withdraw" in said.output
    assert "No connection" in say("status").output


def test_a_mistyped_key_is_refused_with_its_causes(say: Say, ann: str, simulator: Any):
    account = simulator.account("binance")
    wrong = {**key_of(account), "TRADESYNC_SECRET": "x" * 64}
    said = say("connect", ann, "binance", SIMULATOR_URL=simulator.url, **wrong)
    assert said.exit_code == 1
    assert "Traceback" not in said.output
    assert "x" * 64 not in said.output


def test_without_a_field_of_its_key_nothing_is_connected(say: Say, ann: str):
    said = say("connect", ann, "kucoin", TRADESYNC_API_KEY="a" * 24, TRADESYNC_SECRET="b" * 36)
    assert said.exit_code == 1
    assert "assphrase" in said.output


def test_a_sync_is_asked_for_through_the_queue(say: Say, db: Db, redis_url: str):
    mine = a_connection(db, label="savings", exchange="binance")
    db.commit()
    said = say("sync", "savings", "--since", "2026-01-01", "--until", "2026-01-08")
    assert said.exit_code == 0, said.output
    with redis.Redis.from_url(redis_url) as wire:
        (body,) = wire.hvals(bodies_key("history"))
    assert str(mine) in body.decode()
    assert "1767225600000" in body.decode()


def test_trades_are_exported_as_they_are(say: Say, db: Db):
    owner = a_user(db, email="ann@example.com")
    mine = a_connection(db, user_id=owner.id, exchange="binance")
    evil = a_trade(2, client_order_id="=SUM(A1)")
    record_trades(db, [trade_row(each, mine) for each in (a_trade(1), evil)], Source.REST)
    db.commit()
    rows = list(csv.DictReader(io.StringIO(say("trades", "--format", "csv", "--user", "ann@example.com").output)))
    assert [row["exchange_trade_id"] for row in rows] == [a_trade(1).exchange_trade_id, evil.exchange_trade_id]
    assert rows[1]["client_order_id"] == "'=SUM(A1)"
    lines = [json.loads(line) for line in say("trades", "--format", "json").output.splitlines()]
    assert lines[0]["price"] == f"{a_trade(1).price.normalize():f}"
    assert say("trades", "--side", "sell", "--format", "json").output == ""
    assert "proven" in say("trades").output


def test_a_label_that_looks_like_markup_is_shown_as_it_is(say: Say, db: Db):
    connection_id = a_connection(db, exchange="binance", label="mine [/red]")
    db.execute("UPDATE user_exchange_connections SET error_message = '[/x] refused' WHERE id = %s", (connection_id,))
    db.commit()
    said = say("status")
    assert said.exit_code == 0, said.output
    assert "mine [/red]" in said.output
    assert "[/x] refused" in said.output


def test_a_reader_that_has_seen_enough_of_an_export_hears_no_complaint(say: Say, db: Db):
    connection_id = a_connection(db, exchange="binance")
    record_trades(db, [trade_row(a_trade(number), connection_id) for number in range(1, 200)], Source.STREAM)
    db.commit()
    export = subprocess.run(
        [sys.executable, "-m", "cli", "trades", "--format", "json"], check=False, stderr=subprocess.PIPE,
        stdout=_unread_pipe(), cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (export.returncode, export.stderr) == (0, b"")


def _unread_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_status_tells_programs_the_same_as_people(say: Say, db: Db):
    mine = a_connection(db, label="savings", exchange="binance")
    db.commit()
    found = json.loads(say("status", "--json").output)
    assert [each["id"] for each in found["connections"]] == [str(mine)]
    assert found["queues"] == {"writes": 0, "live": 0, "balances": 0, "history": 0}
    assert "savings" in say("status").output


def test_the_doctor_finds_what_is_missing_and_says_what_to_do(say: Say):
    said = say("doctor", "--offline")
    assert said.exit_code == 1
    assert "BAD  worker" in said.output
    assert "ok   migrations" in said.output
    assert "ok   Redis" in said.output


def test_the_doctor_names_a_server_that_does_not_answer(say: Say):
    said = say("doctor", "--offline", REDIS_URL="redis://127.0.0.1:1")
    assert said.exit_code == 1
    assert "BAD  redis" in said.output
    assert "Traceback" not in said.output
