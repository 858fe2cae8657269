"""A trade is stored once, whoever brings it, however often, in any order."""

import threading
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.trades import Fee, Kind, Side, Source, Trade
from shared.storage import feeds, quarantine, reading
from shared.storage.due import due_at, rest_duty
from shared.storage.trades import encode_rows, record_trades, trade_row
from tests.fixtures.stored import NEW_YEAR, a_connection, a_trade


def stored(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        """SELECT identity, side, price, amount, cost, fee, fee_currency, fees, kind, order_id, client_order_id,
                  taker_or_maker, contracts, provisional, confirmed_at IS NOT NULL, raw::text, exchange_timestamp
           FROM trades ORDER BY connection_id, identity"""
    ).fetchall()


def rows(connection_id: Any, *trades: Trade, **known: Any) -> str:
    return encode_rows([trade_row(trade, connection_id, **known) for trade in trades])


def test_a_streamed_trade_is_stored_with_every_field_it_had(db):
    connection = a_connection(db)
    recorded = record_trades(db, rows(connection, a_trade()), Source.STREAM)
    assert (1, 0, 0) == (recorded.new, recorded.confirmed, recorded.repeated)
    line = reading.list_trades(db, reading.TradeFilter(connection_id=connection))[0]
    assert Decimal("65000.10") == line.price
    assert "65000.10" == str(line.price)
    assert Decimal("975.00150") == line.cost
    assert [{"amount": "0.975", "currency": "USDT"}] == line.fees
    assert ("someplace", False, "stream") == (line.platform, line.is_confirmed, line.source)
    assert NEW_YEAR + 1 == reading.page_mark(line)[0]


def test_what_is_new_comes_back_ready_for_the_page_of_its_owner(db):
    one, other = a_connection(db), a_connection(db)
    batch = [trade_row(a_trade(1), one), trade_row(a_trade(1), other), trade_row(a_trade(2), one)]
    recorded = record_trades(db, batch, Source.STREAM)
    lines = {user: reading.decode_lines(text) for user, text in recorded.fresh.items()}
    assert [1, 2] == sorted(len(each) for each in lines.values())
    assert all(line.user_id == user for user, each in lines.items() for line in each)
    assert sorted(recorded.new_ids) == sorted(line.id for each in lines.values() for line in each)


def test_a_trade_heard_twice_is_stored_once_even_within_one_batch(db):
    connection = a_connection(db)
    batch = rows(connection, a_trade(1), a_trade(1), a_trade(2))
    first = record_trades(db, batch, Source.STREAM)
    assert (2, 1, 0) == (first.new, first.repeated, first.contradicted)
    again = record_trades(db, batch.encode(), Source.STREAM)
    assert (0, 3, 0) == (again.new, again.repeated, again.contradicted)
    assert 2 == len(stored(db))


def test_rest_completes_a_provisional_trade(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade(fees=(), provisional=True, raw={"from": "socket"})), Source.STREAM)
    recorded = record_trades(db, rows(connection, a_trade(raw={"from": "rest"})), Source.REST)
    assert (0, 1, 0) == (recorded.new, recorded.confirmed, recorded.contradicted)
    line = reading.list_trades(db, reading.TradeFilter())[0]
    assert (Decimal("0.975"), "USDT", False, True) == (line.fee, line.fee_currency, line.provisional, line.is_confirmed)
    assert line.id == reading.decode_lines(next(iter(recorded.fresh.values())))[0].id


def test_a_complete_streamed_trade_completes_a_provisional_one(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade(fees=(), provisional=True)), Source.STREAM)
    record_trades(db, rows(connection, a_trade()), Source.STREAM)
    line = reading.list_trades(db, reading.TradeFilter())[0]
    assert (Decimal("0.975"), False, False) == (line.fee, line.provisional, line.is_confirmed)


def test_a_streamed_trade_never_overwrites_a_confirmed_one(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade()), Source.REST)
    before = stored(db)
    recorded = record_trades(db, rows(connection, a_trade(price=Decimal(1))), Source.STREAM)
    assert before == stored(db)
    assert 1 == recorded.contradicted
    kept = quarantine.listed(db, connection_id=connection)
    assert ["contradicted: price"] == [item.reason for item in kept]
    assert ["spot:BTCUSDT:1"] == [item.identity for item in kept]


def test_what_rest_showed_unfinished_only_rest_finishes(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade(fees=(), provisional=True)), Source.REST)
    record_trades(db, rows(connection, a_trade()), Source.STREAM)
    assert [(None, True)] == [(line.fee, line.provisional) for line in reading.list_trades(db, reading.TradeFilter())]
    record_trades(db, rows(connection, a_trade()), Source.REST)
    assert [False] == [line.provisional for line in reading.list_trades(db, reading.TradeFilter())]


def test_of_two_tellings_in_one_batch_the_complete_one_is_stored(db):
    connection = a_connection(db)
    batch = rows(connection, a_trade(fees=(), provisional=True), a_trade(), a_trade(fees=(), provisional=True))
    recorded = record_trades(db, batch, Source.STREAM)
    assert (1, 2) == (recorded.new, recorded.repeated)
    assert [False] == [line.provisional for line in reading.list_trades(db, reading.TradeFilter())]


def test_rest_wins_over_the_stream_and_the_difference_is_kept(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade(side=Side.SELL)), Source.STREAM)
    recorded = record_trades(db, rows(connection, a_trade(side=Side.BUY)), Source.REST)
    assert (1, 1) == (recorded.confirmed, recorded.contradicted)
    assert "buy" == reading.list_trades(db, reading.TradeFilter())[0].side
    assert ["contradicted: side"] == [item.reason for item in quarantine.listed(db)]


@pytest.mark.parametrize("order", [(Source.STREAM, Source.REST), (Source.REST, Source.STREAM)])
def test_a_kind_that_only_one_side_tells_stays_whoever_comes_first(db, order):
    connection = a_connection(db)
    told = {Source.STREAM: a_trade(kind=Kind.LIQUIDATION), Source.REST: a_trade()}
    recorded = [record_trades(db, rows(connection, told[source]), source) for source in order]
    assert [0, 0] == [each.contradicted for each in recorded]
    (line,) = reading.list_trades(db, reading.TradeFilter())
    assert ("liquidation", True) == (line.kind, line.is_confirmed)


@pytest.mark.parametrize("order", [(Source.STREAM, Source.REST), (Source.REST, Source.STREAM)])
def test_of_two_moments_the_finer_one_stays_whoever_comes_first(db, order):
    connection = a_connection(db)
    told = {Source.STREAM: NEW_YEAR + 1_234, Source.REST: NEW_YEAR + 1_000}
    for source in order:
        record_trades(db, rows(connection, a_trade(timestamp_ms=told[source])), source)
    assert NEW_YEAR + 1_234 == reading.page_mark(reading.list_trades(db, reading.TradeFilter())[0])[0]
    record_trades(db, rows(connection, a_trade(timestamp_ms=NEW_YEAR + 1_000)), Source.REST)
    assert NEW_YEAR + 1_234 == reading.page_mark(reading.list_trades(db, reading.TradeFilter())[0])[0]


def test_two_kinds_of_one_trade_are_a_contradiction(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade(kind=Kind.LIQUIDATION)), Source.STREAM)
    assert 1 == record_trades(db, rows(connection, a_trade(kind=Kind.ADL)), Source.REST).contradicted


def test_a_confirmed_trade_that_rest_tells_differently_is_kept_and_not_changed(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade()), Source.REST)
    before = stored(db)
    for _ in range(2):
        recorded = record_trades(db, rows(connection, a_trade(fees=(Fee(Decimal(9), "BNB"),))), Source.REST)
        assert 1 == recorded.contradicted
    assert before == stored(db)
    assert [("contradicted: fee", 2)] == [(item.reason, item.seen) for item in quarantine.listed(db)]


def test_a_number_written_with_more_zeros_is_no_contradiction(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade()), Source.REST)
    recorded = record_trades(db, rows(connection, a_trade(price=Decimal("65000.1000"))), Source.REST)
    assert (1, 0) == (recorded.repeated, recorded.contradicted)


def test_a_row_that_cannot_be_stored_stops_no_other(db):
    connection = a_connection(db)
    batch = [trade_row(a_trade(number), connection) for number in range(1, 8)]
    batch[2]["price"] = "NaN"
    batch[4]["order_id"] = "zero\x00byte"
    batch[5]["side"] = "sideways"
    recorded = record_trades(db, batch, Source.STREAM)
    assert (4, 3) == (recorded.new, recorded.refused)
    kept = quarantine.listed(db, connection_id=connection)
    assert 3 == len(kept)
    assert all(item.reason.startswith("cannot be stored: ") for item in kept)


@pytest.mark.parametrize(
    "batch", ["[1]", "[]", "{}", '["x"]', "[null]", '[{"identity": null}]', '[{"connection_id": "x"}]']
)
def test_a_batch_that_holds_no_trades_is_harmless(db, batch):
    assert 0 == record_trades(db, batch, Source.STREAM).new
    assert [] == stored(db)


def test_a_trade_of_a_connection_that_does_not_exist_is_refused(db):
    recorded = record_trades(db, rows("00000000-0000-0000-0000-000000000001", a_trade()), Source.STREAM)
    assert (0, 1) == (recorded.new, recorded.refused)


def test_a_removed_user_takes_their_trades_along(db):
    connection = a_connection(db)
    record_trades(db, rows(connection, a_trade()), Source.REST)
    db.execute("DELETE FROM users")
    assert [] == stored(db)


def test_a_market_first_heard_of_on_the_stream_becomes_a_feed_to_be_read(db):
    connection = a_connection(db)
    rest_duty(db, connection, "backfill")
    record_trades(db, rows(connection, a_trade(), feed="spot:BTCUSDT"), Source.STREAM)
    feed = feeds.find_feed(db, connection, "spot:BTCUSDT")
    assert feed is not None
    assert (None, "BTCUSDT", False) == (feed.wanted_since_ms, feed.feed.market_id, feed.is_sweep)
    assert due_at(db, connection)["backfill"] is not None


def test_a_swept_market_that_trades_is_read_like_the_others(db):
    connection = a_connection(db)
    feeds.ensure_feeds(db, connection, [(feeds.Feed.of("spot:BTCUSDT"), NEW_YEAR)], is_sweep=True)
    record_trades(db, rows(connection, a_trade(), feed="spot:BTCUSDT"), Source.STREAM)
    feed = feeds.find_feed(db, connection, "spot:BTCUSDT")
    assert feed is not None
    assert (False, NEW_YEAR) == (feed.is_sweep, feed.wanted_since_ms)


def test_a_resting_connection_is_not_woken_by_a_late_trade(db):
    connection = a_connection(db)
    db.execute("UPDATE user_exchange_connections SET sync_status = 'suspended'")
    rest_duty(db, connection, "backfill")
    record_trades(db, rows(connection, a_trade(), feed="spot:BTCUSDT"), Source.STREAM)
    assert due_at(db, connection)["backfill"] is None


def test_two_writers_with_the_same_trades_in_opposite_order_store_each_once(database_url, db):
    connection = a_connection(db)
    numbers = list(range(400))
    outcomes = []

    def write(order: list[int], source: Source) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            for start in range(0, 400, 50):
                batch = [trade_row(a_trade(number), connection) for number in order[start : start + 50]]
                outcomes.append(record_trades(own, batch, source))

    writers = [
        threading.Thread(target=write, args=(numbers, Source.STREAM)),
        threading.Thread(target=write, args=(numbers[::-1], Source.REST)),
        threading.Thread(target=write, args=(numbers, Source.REST)),
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert 24 == len(outcomes)
    assert 400 == sum(each.new for each in outcomes)
    assert 0 == sum(each.contradicted for each in outcomes)
    assert (400, 400) == db.execute("SELECT count(*), count(confirmed_at) FROM trades").fetchone()


def heard(number: int, version: str) -> Trade:
    """The same trade as different messages tell it: none contradicts another."""
    # Of the second trade REST knows whole seconds only, of the third only the stream tells that it was forced.
    moment = NEW_YEAR + 1_000 * number + 234
    known = {"timestamp_ms": moment, "kind": Kind.LIQUIDATION if number == 3 else Kind.TRADE, "raw": {"v": version}}
    if version == "light":
        return a_trade(number, fees=(), provisional=True, order_id=None, taker_or_maker=None, **known)
    if version == "full":
        return a_trade(number, client_order_id="mine", **known)
    told = {"timestamp_ms": moment - 234 if number == 2 else moment, "kind": Kind.TRADE}
    return a_trade(number, contracts=Decimal(3), **{**known, **told})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(
        st.tuples(
            st.booleans(),
            st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["light", "full"])), min_size=1, max_size=5),
        ),
        max_size=6,
    )
)
def test_any_order_and_any_repetition_gives_the_same_table(db, calls):
    """Everything is said once at least, in whatever order and company: the table tells nothing of how."""
    db.execute("DELETE FROM users")
    connection = a_connection(db)
    for is_rest, told in calls:
        source = Source.REST if is_rest else Source.STREAM
        batch = [trade_row(heard(number, "rest" if is_rest else version), connection) for number, version in told]
        record_trades(db, batch, source)
    for number in (1, 2, 3):
        record_trades(db, [trade_row(heard(number, "full"), connection)], Source.STREAM)
        record_trades(db, [trade_row(heard(number, "rest"), connection)], Source.REST)
    given_order = stored(db)
    db.execute("DELETE FROM users")
    connection = a_connection(db)
    for number in (3, 2, 1):
        record_trades(db, [trade_row(heard(number, "rest"), connection)], Source.REST)
        record_trades(db, [trade_row(heard(number, "full"), connection)], Source.STREAM)
    assert stored(db) == given_order
    assert [] == quarantine.listed(db)
