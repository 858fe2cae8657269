"""What is due is taken once, oldest promise first, bounded, and the next promise counts from now."""

import threading
import time
from datetime import timedelta

import psycopg
import pytest

from shared.domain.connections import SyncStatus
from shared.domain.errors import ExchangeUnavailable, KeyRejected
from shared.storage import connections, jobs
from shared.storage.due import Every, due_at, oldest_promise, pull_in, rest_duty, set_due, take_due
from tests.fixtures.stored import a_connection, a_user


@pytest.fixture
def now(db) -> int:
    """Long after every duty of what the test makes."""
    return int(time.time() * 1000) + 400 * 86_400_000


def only(db, duty: str) -> None:
    db.execute("DELETE FROM duties WHERE duty <> %s", (duty,))


def test_a_new_connection_is_due_for_everything_that_a_new_one_needs(db):
    connection = a_connection(db)
    soon = int(time.time() * 1000) + 1000
    taken = take_due(db, soon, 100, Every())
    assert {"catch_up", "sync_history", "sync_balances"} == {each.request for each in taken}
    assert {connection} == {each.connection_id for each in taken}
    assert {"someplace"} == {each.exchange for each in taken}
    assert [] == take_due(db, soon, 100, Every())
    # Discovery answers to the same request as the backfill: it comes after it.
    claim = jobs.begin(db, "sync_history", connection, holder="w")
    assert {"backfill", "discovery"} == {claim.arguments["reason"], jobs.finish(db, claim).arguments["reason"]}


def test_the_next_promise_counts_from_now_so_a_missed_tick_is_not_repeated(db, now):
    connection = a_connection(db)
    take_due(db, now, 100, Every(balances=timedelta(seconds=60), recheck=timedelta(days=1)))
    promised = due_at(db, connection)
    assert (now + 60_000, now + 86_400_000) == (promised["balances"], promised["recheck"])


def test_history_is_polled_more_often_while_no_stream_is_live(db, now):
    live, lost = a_connection(db), a_connection(db)
    connections.set_stream_state(db, live, "live")
    take_due(db, now, 100, Every(catch_up=timedelta(minutes=5), poll=timedelta(seconds=15)))
    assert (now + 300_000, now + 15_000) == (due_at(db, live)["catch_up"], due_at(db, lost)["catch_up"])


def test_the_oldest_promise_is_kept_first_and_no_more_than_asked_for(db, now):
    made = [a_connection(db) for _ in range(5)]
    only(db, "balances")
    for place, connection in enumerate(made):
        set_due(db, connection, "balances", now - 1000 * (5 - place))
    assert now - 5000 == oldest_promise(db)
    assert made[:2] == [each.connection_id for each in take_due(db, now, 2, Every())]
    assert made[2:] == [each.connection_id for each in take_due(db, now, 10, Every())]


def test_a_duty_whose_job_is_still_open_gives_no_second_one(db, now):
    a_connection(db)
    only(db, "balances")
    assert 1 == len(take_due(db, now, 10, Every()))
    assert [] == take_due(db, now + 3_600_000, 10, Every())
    assert {"sync_balances": 1} == jobs.open_count(db)


def test_a_recheck_due_during_a_long_backfill_is_not_forgotten(db, now):
    connection = a_connection(db)
    claim = jobs.begin(db, "sync_history", connection, {"reason": "backfill"}, holder="w")
    only(db, "recheck")
    assert [] == take_due(db, now, 10, Every())
    assert {"reason": "recheck"} == jobs.finish(db, claim, go_on_with={"reason": "backfill"}).arguments


def test_nothing_is_due_of_a_resting_connection(db, now):
    suspended, removed, parked, awake = (a_connection(db) for _ in range(4))
    connections.suspend(db, suspended, KeyRejected())
    connections.suspend(db, parked, KeyRejected(), status=SyncStatus.PARKED)
    connections.remove_connection(db, removed)
    for duty in ("balances", "catch_up"):
        set_due(db, suspended, duty, now - 5)
        pull_in(db, parked, duty, now - 5)
    assert {awake} == {each.connection_id for each in take_due(db, now, 100, Every())}
    assert {None} == set(due_at(db, suspended).values())
    connections.resume(db, suspended)
    assert suspended in {each.connection_id for each in take_due(db, now, 100, Every())}


def test_a_duty_that_rests_comes_back_when_it_is_pulled_in(db, now):
    connection = a_connection(db)
    only(db, "backfill")
    rest_duty(db, connection, "backfill")
    assert [] == take_due(db, now, 10, Every())
    pull_in(db, connection, "backfill", now)
    pull_in(db, connection, "backfill", now + 9)
    assert [("backfill", "sync_history", {"reason": "backfill"}, "backfill", now)] == [
        (each.duty, each.request, each.arguments, each.lane, each.due_ms) for each in take_due(db, now, 10, Every())
    ]


def test_a_stream_that_was_lost_makes_history_due_at_once(db):
    connection = a_connection(db)
    connections.set_stream_state(db, connection, "live")
    later = int(time.time() * 1000) + 3_600_000
    set_due(db, connection, "catch_up", later)
    assert connections.set_stream_state(db, connection, "lost")
    assert due_at(db, connection)["catch_up"] < later
    assert not connections.set_stream_state(db, connection, "lost")


def test_the_pause_after_failures_in_a_row_grows_and_ends_with_a_success(db):
    connection = a_connection(db)
    pauses = []
    for _ in range(6):
        began = int(time.time() * 1000)
        connections.touch_failure(
            db, connection, "balances", ExchangeUnavailable(), first=timedelta(minutes=1), longest=timedelta(minutes=10)
        )
        pauses.append((due_at(db, connection)["balances"] - began) / 60_000)
    for pause, minutes in zip(pauses, (1, 2, 4, 8, 10, 10), strict=True):
        assert minutes * 0.89 < pause < minutes * 1.12
    found = connections.get_connection(db, connection)
    assert (SyncStatus.DEGRADED, "exchange_unavailable", 6) == (found.sync_status, found.error_code, found.failures)
    connections.touch_success(db, connection)
    found = connections.get_connection(db, connection)
    assert (SyncStatus.BACKFILLING, None, 0) == (found.sync_status, found.error_code, found.failures)
    rest_duty(db, connection, "backfill")
    connections.set_status(db, connection, SyncStatus.DEGRADED)
    connections.touch_success(db, connection)
    assert SyncStatus.LIVE == connections.get_connection(db, connection).sync_status


def test_a_known_end_of_a_pause_is_the_next_promise(db, now):
    connection = a_connection(db)
    connections.touch_failure(db, connection, "balances", ExchangeUnavailable(), until_ms=now)
    assert now == due_at(db, connection)["balances"]


def test_two_schedulers_never_take_the_same_duty(db, database_url, now):
    user = a_user(db)
    for _ in range(60):
        a_connection(db, user_id=user.id)
    only(db, "balances")
    taken: list[list] = [[], []]
    together = threading.Barrier(2)

    def schedule(place: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as own:
            together.wait()
            for _ in range(20):
                taken[place] += take_due(own, now, 5, Every())

    threads = [threading.Thread(target=schedule, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [each.connection_id for part in taken for each in part]
    assert 60 == len(everything) == len(set(everything))


def test_a_scheduler_never_waits_for_what_another_is_just_taking(db, other, now):
    first, second = a_connection(db), a_connection(db)
    only(db, "balances")
    set_due(db, first, "balances", now - 10)
    set_due(db, second, "balances", now - 5)
    other.execute("SET lock_timeout = '1s'")
    with db.transaction():
        assert [first] == [each.connection_id for each in take_due(db, now, 1, Every())]
        assert [second] == [each.connection_id for each in take_due(other, now, 5, Every())]


def test_a_hundred_thousand_connections_due_at_once_are_taken_in_bounded_bites(db, now):
    user = a_user(db)
    db.execute(
        """
        WITH added AS (
            INSERT INTO user_exchange_connections (user_id, exchange_name, credentials_encrypted, key_version,
                                                   key_fingerprint, products)
            SELECT %s, 'someplace', '', 'v1', sha256(n::text::bytea), '{spot}' FROM generate_series(1, 100000) n
            RETURNING id
        )
        INSERT INTO duties SELECT id, 'balances', now() - random() * interval '1 hour' FROM added
        """,
        (user.id,),
    )
    oldest = oldest_promise(db)
    began = time.perf_counter()
    first = take_due(db, now, 1000, Every())
    took = time.perf_counter() - began
    assert 1000 == len(first)
    assert oldest == first[0].due_ms
    assert [each.due_ms for each in first] == sorted(each.due_ms for each in first)
    second = take_due(db, now, 1000, Every())
    assert first[-1].due_ms <= second[0].due_ms
    assert {"sync_balances": 2000} == jobs.open_count(db)
    assert took < 2, f"a tick took {took:.1f} s"
