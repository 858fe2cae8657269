"""`coverage`, `ledger` and `replay`, typed as an operator types them, over real rows."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cli.main import main
from shared.domain.trades import Source
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Feed
from shared.storage import archive, feeds, instruments, ledger, pages, quarantine
from shared.storage.evidence import Evidence
from shared.storage.replay import stored_rows
from shared.storage.trades import record_trades, trade_row
from shared.vault import new_key
from tests.exchanges.messages import heard_in, markets_of, own_samples
from tests.fixtures.stored import NEW_YEAR, a_connection, a_trade

DAY = 86_400_000


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str, tmp_path: Any) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CREDENTIALS_KEY": new_key()}.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(main, list(words))


@pytest.fixture
def db(database_url: str):
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def a_proven_connection(db):
    """A feed of ten days: five proven by one slice and two catch-ups, a hole, and trades."""
    connection = a_connection(db, label="mine")
    feeds.ensure_feeds(db, connection, [(Feed.of("spot"), NEW_YEAR)])
    behind = Evidence(sync_type="historical").plus("GET", "/trades", {"since": 1, "apiKey": "hush"}, 3)
    old = Window(NEW_YEAR, NEW_YEAR + 3 * DAY)
    pages.record_page(db, connection_id=connection, feed="spot", proven=old, evidence=behind)
    for day in (3, 4):
        edge = Window(NEW_YEAR + day * DAY, NEW_YEAR + (day + 1) * DAY)
        caught = Evidence(sync_type="catch_up").plus("GET", "/trades", {"day": day}, day)
        pages.record_page(db, connection_id=connection, feed="spot", proven=edge, evidence=caught)
    hole = Window(NEW_YEAR + 6 * DAY, NEW_YEAR + 6 * DAY + 1000)
    pages.record_page(db, connection_id=connection, feed="spot", saturated=hole)
    record_trades(db, [trade_row(a_trade(number), connection) for number in (1, 2)], Source.REST)
    record_trades(db, [trade_row(a_trade(3), connection)], Source.STREAM)
    return connection


def test_coverage_tells_what_is_proven_by_what_and_what_is_not(db, say):
    a_proven_connection(db)
    told = json.loads(say("coverage", "mine", "--json").output)
    (feed,) = told["feeds"]
    assert feed["proven"] == [{"since": NEW_YEAR, "until": NEW_YEAR + 5 * DAY}]
    assert feed["saturated"] == [{"since": NEW_YEAR + 6 * DAY, "until": NEW_YEAR + 6 * DAY + 1000}]
    assert [window["since"] for window in feed["unknown"]] == [NEW_YEAR + 5 * DAY, NEW_YEAR + 6 * DAY + 1000]
    assert (feed["trades"], feed["unconfirmed"]) == (3, 1)
    first, edge = feed["evidence"]
    assert (first["requests"], first["rows"], first["sync_type"]) == (1, 3, "historical")
    assert "hush" not in first["request"]
    assert (edge["requests"], edge["rows"]) == (2, 7)
    assert edge["window"] == {"since": NEW_YEAR + 3 * DAY, "until": NEW_YEAR + 5 * DAY}
    whole = sum(w["until"] - w["since"] for kind in ("proven", "streamed", "saturated", "unknown") for w in feed[kind])
    assert whole == feed["until_ms"] - feed["wanted_since_ms"]


def test_coverage_is_shown_to_people_and_an_unknown_feed_is_refused(db, say):
    a_proven_connection(db)
    assert "spot" in say("coverage", "mine").output
    assert "GET /trades" in say("coverage", "mine", "--feed", "spot").output.replace("\n", " ")
    refused = say("coverage", "mine", "--feed", "nothing")
    assert refused.exit_code == 1
    assert "There is no feed 'nothing'" in refused.output


def test_the_ledger_lists_what_is_not_explained(db, say):
    connection = a_connection(db, label="mine")
    assert "none has been read yet" in say("ledger", "mine").output
    ledger.note_judged(db, connection, NEW_YEAR)
    ledger.open_gap(db, connection, "spot", "BTC", Window(NEW_YEAR, NEW_YEAR + 60_000), Decimal("-0.5"))
    said = say("ledger", "mine").output
    assert "Unexplained changes: 1" in said
    assert "-0.5" in said
    assert json.loads(say("ledger", "mine", "--json").output)["gaps"][0]["asset"] == "BTC"
    assert "1 changes unexplained" in " ".join(say("status").output.split())


def stored_sample(db, exchange, sample_id):
    """A sample's trades, stored as they are read, with its markets."""
    sample = next(one for name, one in own_samples() if (name, one["id"]) == (exchange, sample_id))
    connection = a_connection(db, exchange=exchange, label="mine")
    instruments.record_instruments(db, exchange, markets_of(sample).all)
    heard = heard_in(exchange, sample)
    source = Source.REST if str(sample["kind"]).startswith("rest") else Source.STREAM
    reader = load(exchange).reader
    record_trades(db, [trade_row(trade, connection, reader=reader) for trade in heard.trades], source)
    return connection, sample, heard


@pytest.mark.parametrize(("exchange", "sample_id"), [("bybit", "spot-stream-two-fills")])
def test_what_is_read_as_before_needs_no_change(db, say, exchange, sample_id):
    _, _, heard = stored_sample(db, exchange, sample_id)
    assert say("replay", "mine").output == f"read {len(heard.trades)}\n"


def test_what_is_read_differently_now_is_shown_and_put_right_on_request(db, say):
    connection, _, heard = stored_sample(db, "bybit", "spot-stream-two-fills")
    before = db.execute("SELECT identity, side, price FROM trades ORDER BY id").fetchall()
    db.execute(
        "UPDATE trades SET side = CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END, price = price * 2, reader = 0"
    )
    shown = say("replay", "mine").output
    assert "side" in shown
    assert "Nothing was changed" in shown
    assert db.execute("SELECT count(*) FROM trades WHERE reader = 0").fetchone() == (len(heard.trades),)
    assert f"applied {len(heard.trades)}" in say("replay", "mine", "--apply").output
    assert db.execute("SELECT identity, side, price FROM trades ORDER BY id").fetchall() == before
    assert db.execute("SELECT action, details ->> 'applied' FROM audit_log").fetchall()[-1] == (
        "trades.replayed", str(len(heard.trades)),
    )  # fmt: skip
    assert connection


def test_what_was_in_quarantine_is_stored_once_it_can_be_read(db, say):
    connection, sample, heard = stored_sample(db, "bybit", "spot-stream-two-fills")
    db.execute("DELETE FROM trades")
    items = [
        quarantine.Item(connection_id=connection, exchange="bybit", source="stream", reason="a bug", raw=raw)
        for raw in (sample["raw"], {"topic": "execution", "data": [{"execId": "1"}]})
    ]
    quarantine.record(db, items)
    assert "different 1" in say("replay", "mine", "--quarantine").output
    assert db.execute("SELECT count(*) FROM trades").fetchone() == (0,)
    said = say("replay", "mine", "--quarantine", "--apply").output
    assert "still unreadable 1" in said
    assert db.execute("SELECT count(*) FROM trades").fetchone() == (len(heard.trades),)
    assert db.execute("SELECT count(*) FROM quarantine WHERE resolved_at IS NULL").fetchone() == (1,)


def test_packed_raw_rows_are_small_and_replay_as_before(db, say):
    connection, _, heard = stored_sample(db, "bybit", "spot-stream-two-fills")
    (trade, *_) = heard.trades
    many = [replace(trade, identity=f"{trade.identity}:{n}", raw={**trade.raw, "seq": n}) for n in range(200)]
    record_trades(db, [trade_row(each, connection, reader=1) for each in many], Source.REST)
    db.execute("UPDATE trades SET confirmed_at = now() - interval '2 days'")
    before = db.execute("SELECT sum(octet_length(raw::text)) FROM trades").fetchone()[0]
    raws = dict(db.execute("SELECT id, raw::text FROM trades").fetchall())
    assert archive.pack(db, timedelta(days=1)) == len(raws)
    assert db.execute("SELECT count(*) FROM trades WHERE raw IS NOT NULL").fetchone() == (0,)
    assert db.execute("SELECT sum(octet_length(body)) FROM raw_archive").fetchone()[0] < before / 8
    rows = db.execute("SELECT id, raw::text, archive_id, archive_place FROM trades").fetchall()
    assert archive.raws(db, rows) == raws
    assert archive.pack(db, timedelta(days=1)) == 0
    assert "without a raw message" not in say("replay", "mine").output
    db.execute("DELETE FROM user_exchange_connections WHERE id = %s", (connection,))
    assert db.execute("SELECT count(*) FROM raw_archive").fetchone() == (0,)


def test_rows_of_a_stretch_come_in_batches_and_each_once(db):
    connection = a_connection(db)
    record_trades(db, [trade_row(a_trade(number), connection) for number in range(1, 8)], Source.REST)
    batches = list(stored_rows(db, connection, NEW_YEAR, NEW_YEAR + 7, batch=3))
    assert [len(batch) for batch in batches] == [3, 3]
