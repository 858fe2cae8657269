"""A job is queued once, run by one, taken over when its worker dies, parked when it kills two that ran nothing else."""

from datetime import timedelta

import pytest

from shared.domain.connections import SyncStatus
from shared.domain.errors import ExchangeUnavailable, KeyRejected, LeaseLost
from shared.storage import connections, due, jobs
from tests.fixtures.stored import a_connection

SYNC = "sync_history"


@pytest.fixture
def connection(db):
    return a_connection(db)


def crash(db) -> None:
    """The worker is gone: nobody renews its lease."""
    db.execute("UPDATE jobs SET leased_until = now() - interval '1 second' WHERE state = 'running'")


def states(db) -> list[str]:
    return [job.state for job in reversed(jobs.listed(db))]


def test_the_same_request_is_queued_once(db, connection):
    queued = jobs.queue_job(db, SYNC, connection, {"reason": "a"}, lane="manual")
    assert queued is not None
    assert ({"reason": "a"}, "manual") == (queued.arguments, queued.lane)
    assert jobs.queue_job(db, SYNC, connection, {"reason": "a"}) is None
    assert jobs.queue_job(db, "sync_balances", connection) is not None
    assert {SYNC: 1, "sync_balances": 1} == jobs.open_count(db)


def test_what_was_asked_for_while_it_waited_comes_next(db, connection):
    jobs.queue_job(db, SYNC, connection, {"feeds": ["a"]})
    assert jobs.queue_job(db, SYNC, connection, {"feeds": ["b"]}) is None
    assert jobs.queue_job(db, SYNC, connection, {"feeds": ["b"]}) is None
    claim = jobs.begin(db, SYNC, connection, {"feeds": ["a"]}, holder="w")
    assert claim is not None
    following = jobs.finish(db, claim)
    assert following is not None
    assert {"feeds": ["b"]} == following.arguments
    claim = jobs.begin(db, SYNC, connection, holder="w")
    assert claim is not None
    assert {"feeds": ["b"]} == claim.arguments
    assert jobs.finish(db, claim) is None


def test_asked_again_while_it_ran_it_runs_again(db, connection):
    """A stream came back while the catch-up was under way: what filled meanwhile is read by the next."""
    claim = jobs.begin(db, SYNC, connection, {"reason": "live"}, holder="w")
    assert claim is not None
    assert jobs.queue_job(db, SYNC, connection, {"reason": "live"}) is None
    following = jobs.finish(db, claim)
    assert following is not None
    assert {"reason": "live"} == following.arguments


def test_a_continuation_takes_its_turn_behind_what_was_asked_for_meanwhile(db, connection):
    claim = jobs.begin(db, SYNC, connection, {"n": 1}, holder="w")
    jobs.queue_job(db, SYNC, connection, {"n": 2})
    following = jobs.finish(db, claim, go_on_with={"n": 1})
    assert {"n": 2} == following.arguments
    claim = jobs.begin(db, SYNC, connection, {"n": 2}, holder="w")
    assert {"n": 1} == jobs.finish(db, claim).arguments


def test_a_message_from_outside_needs_no_record_beforehand(db, connection):
    claim = jobs.begin(db, SYNC, connection, {"reason": "me"}, holder="w", lane="manual")
    assert ({"reason": "me"}, "manual", 1) == (claim.arguments, claim.lane, claim.attempts)


def test_while_one_runs_it_nobody_else_does(db, other, connection):
    first = jobs.begin(db, SYNC, connection, holder="w1")
    assert first is not None
    assert jobs.begin(other, SYNC, connection, holder="w2") is None
    jobs.renew(db, first)
    jobs.finish(db, first)


def test_after_a_crash_another_takes_it_over_and_the_first_can_write_nothing(db, other, connection):
    first = jobs.begin(db, SYNC, connection, {"a": 1}, holder="w1")
    crash(db)
    second = jobs.begin(other, SYNC, connection, holder="w2")
    assert (first.fence + 1, 2, {"a": 1}) == (second.fence, second.attempts, second.arguments)
    for late in (
        lambda: jobs.renew(db, first),
        lambda: jobs.finish(db, first),
        lambda: jobs.fail(db, first, ExchangeUnavailable()),
    ):
        with pytest.raises(LeaseLost):
            late()
    jobs.finish(other, second)
    assert ["done"] == states(db)


def test_an_orphan_is_queued_again_and_given_to_be_sent(db, connection):
    jobs.begin(db, SYNC, connection, {"a": 1}, holder="w1", lane="manual")
    assert [] == jobs.rescue_orphans(db)
    crash(db)
    (saved,) = jobs.rescue_orphans(db)
    assert (SYNC, connection, {"a": 1}, "manual") == (saved.request, saved.connection_id, saved.arguments, saved.lane)
    assert ["queued"] == states(db)


@pytest.mark.parametrize("by_message", [True, False])
def test_a_job_that_killed_two_workers_alone_is_parked_and_its_connection_with_it(db, connection, by_message):
    for attempt in range(4):
        claim = jobs.begin(db, SYNC, connection, holder="w")
        assert claim.is_suspect is (attempt >= 2)
        if claim.is_suspect:
            jobs.go_alone(db, claim)
        crash(db)
    if by_message:
        assert jobs.begin(db, SYNC, connection, holder="w") is None
    else:
        assert [] == jobs.rescue_orphans(db)
    assert ["parked"] == states(db)
    assert ["job_crashed"] == [job.error_code for job in jobs.parked(db)]
    found = connections.get_connection(db, connection)
    assert (SyncStatus.PARKED, "job_crashed") == (found.sync_status, found.error_code)
    assert {None} == set(due.due_at(db, connection).values())
    assert jobs.begin(db, SYNC, connection, holder="w") is None
    connections.resume(db, connection)
    assert 1 == jobs.begin(db, SYNC, connection, holder="w").attempts


@pytest.mark.parametrize("by_message", [True, False])
def test_however_often_workers_die_a_job_that_ran_beside_others_is_not_parked(db, connection, by_message):
    for _ in range(10):
        assert jobs.begin(db, SYNC, connection, holder="w") is not None
        crash(db)
        assert by_message or len(jobs.rescue_orphans(db)) == 1
    assert jobs.begin(db, SYNC, connection, holder="w") is not None


def test_whoever_lost_a_job_does_not_run_it_alone(db, connection):
    first = jobs.begin(db, SYNC, connection, holder="w1")
    crash(db)
    jobs.begin(db, SYNC, connection, holder="w2")
    with pytest.raises(LeaseLost):
        jobs.go_alone(db, first)


def test_a_failed_job_is_on_record_and_no_crash(db, connection):
    for _ in range(5):
        claim = jobs.begin(db, SYNC, connection, holder="w")
        jobs.fail(db, claim, ExchangeUnavailable())
    assert ["failed"] * 5 == states(db)
    assert {"exchange_unavailable"} == {job.error_code for job in jobs.listed(db)}


def test_an_unforeseen_error_is_on_record_by_its_kind_and_shows_nothing_else(db, connection):
    claim = jobs.begin(db, SYNC, connection, holder="w")
    jobs.fail(db, claim, ValueError("secret-looking text"))
    assert ["ValueError"] == [job.error_message for job in jobs.listed(db)]


def test_a_job_of_a_resting_connection_does_not_begin_and_waits_no_more(db, connection):
    jobs.queue_job(db, SYNC, connection)
    connections.suspend(db, connection, KeyRejected())
    assert jobs.begin(db, SYNC, connection, holder="w") is None
    assert ["done"] == states(db)


def test_a_removed_connection_has_no_jobs(db, connection):
    jobs.queue_job(db, SYNC, connection)
    connections.remove_connection(db, connection)
    assert {} == jobs.open_count(db)
    assert jobs.begin(db, SYNC, connection, holder="w") is None


def test_a_message_that_the_wire_lost_is_sent_again_once(db, connection):
    jobs.queue_job(db, SYNC, connection, {"a": 1})
    assert [] == jobs.take_unsent(db)
    db.execute("UPDATE jobs SET sent_at = now() - interval '2 minutes'")
    assert [{"a": 1}] == [each.arguments for each in jobs.take_unsent(db, timedelta(minutes=1))]
    assert [] == jobs.take_unsent(db, timedelta(minutes=1))
