"""What becomes of a job when something goes wrong: the error table, row by row."""

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from cli.keys import rotate
from shared.domain.connections import SyncStatus
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    LeaseLost,
    PermissionMissing,
    RateLimited,
    UserActionNeeded,
    WireUnavailable,
)
from shared.events.kinds import ConnectionChanged
from shared.queue.consumer import PutBack
from shared.queue.requests import CatchUp, CheckKey, Request, SyncBalances, SyncHistory
from shared.storage import connections, due, events, jobs, quarantine
from shared.storage.pool import open_pool
from shared.vault import new_key
from tests.fixtures.waiting import until
from tests.workers.conftest import Bench, an_invented_connection
from tests.workers.invented_world import NOW, InventedWorld
from workers.fate import arguments_of, run_job
from workers.history import sync_history


@pytest.fixture
def connection_id(invented: Bench) -> UUID:
    return an_invented_connection(invented, "PAGES")


def failing(world: InventedWorld, error: Exception) -> None:
    def fail(_: object) -> None:
        raise error

    world.trouble = fail


def status_of(bench: Bench, connection_id: UUID) -> tuple[SyncStatus, str | None]:
    connection = connections.get_connection(bench.db, connection_id)
    return connection.sync_status, connection.error_code


def states(bench: Bench, connection_id: UUID) -> list[tuple[str, str | None]]:
    return [(job.state, job.error_code) for job in jobs.listed(bench.db, connection_id=connection_id)]


def test_something_that_passes_is_tried_later_with_a_pause_that_grows(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    failing(world, ExchangeUnavailable())
    waits = []
    for _ in range(4):
        invented.run(SyncHistory(connection_id=connection_id))
        row = invented.db.execute(
            "SELECT extract(epoch FROM due_at - now()) FROM duties WHERE connection_id = %s AND duty = 'backfill'",
            (connection_id,),
        ).fetchone()
        assert row is not None
        waits.append(float(row[0]))
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(waits))
    assert states(invented, connection_id) == [("failed", "exchange_unavailable")] * 4
    assert status_of(invented, connection_id) == (SyncStatus.DEGRADED, "exchange_unavailable")
    world.trouble = lambda _: None
    invented.run(SyncHistory(connection_id=connection_id))
    assert status_of(invented, connection_id) == (SyncStatus.LIVE, None)


def test_a_short_budget_gives_the_thread_back_and_is_no_failure(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    failing(world, RateLimited(until_ms=NOW + 42_000))
    invented.run(SyncHistory(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["backfill"] == NOW + 42_000
    assert states(invented, connection_id) == [("done", None)]
    assert connections.get_connection(invented.db, connection_id).failures == 0


def test_after_a_ban_the_duty_is_due_when_it_ends(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    failing(world, RateLimited("Banned.", until_ms=NOW + 600_000, ban=True))
    invented.run(SyncBalances(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["balances"] == NOW + 600_000
    assert states(invented, connection_id) == [("failed", "rate_limited")]


@pytest.mark.parametrize("error", [KeyRejected, PermissionMissing, AddressNotAllowed, ClockWrong])
def test_what_only_its_owner_can_mend_suspends_the_connection_and_tells_once(
    invented: Bench, world: InventedWorld, connection_id: UUID, error: type[UserActionNeeded]
) -> None:
    failing(world, error())
    invented.run(SyncHistory(connection_id=connection_id))
    invented.run(SyncBalances(connection_id=connection_id))  # it rests: nothing is asked any more
    connection = connections.get_connection(invented.db, connection_id)
    assert (connection.sync_status, connection.error_message) == (SyncStatus.SUSPENDED, str(error()))
    assert len(world.asked) == 1
    assert [event.name for event in events.latest(invented.db, connection_id=connection_id)] == ["connection.suspended"]
    assert ConnectionChanged(connection_id=connection_id, change="suspended") in invented.published
    assert all(moment is None for moment in due.due_at(invented.db, connection_id).values())


def test_a_worker_that_lacks_a_key_version_says_so_and_suspends_nobody(
    make_bench: Callable[..., Bench], world: InventedWorld
) -> None:
    old, new = new_key(), new_key()
    stale = make_bench(world, world.markets, key=old, now_ms=lambda: world.now)
    connection_id = an_invented_connection(stale, "PAGES")
    restarted = make_bench(world, world.markets, key=f"v2:{new},v1:{old}", now_ms=lambda: world.now)
    rotate(stale.db, restarted.vault)
    for _ in range(3):
        stale.run(SyncHistory(connection_id=connection_id))
    connection = connections.get_connection(stale.db, connection_id)
    assert (connection.sync_status, connection.error_code) == (SyncStatus.DEGRADED, "key_version_missing")
    assert "restart it with v2" in (connection.error_message or "")
    assert due.due_at(stale.db, connection_id)["backfill"] is not None
    assert not world.asked
    restarted.run(SyncHistory(connection_id=connection_id))
    assert connections.get_connection(stale.db, connection_id).sync_status is SyncStatus.LIVE


def test_one_connections_bad_key_leaves_the_others_alone(invented: Bench, world: InventedWorld) -> None:
    bad, good = an_invented_connection(invented, "PAGES"), an_invented_connection(invented, "PAGES")
    failing(world, KeyRejected())
    invented.run(SyncHistory(connection_id=bad))
    world.trouble = lambda _: None
    world.trade("PAGES", NOW - 86_400_000)
    invented.run(SyncHistory(connection_id=good))
    assert len(invented.trades(good)) == 1


def test_a_broken_contract_is_kept_and_tried_later(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    failing(world, ContractBroken("The answer is no list."))
    invented.run(SyncBalances(connection_id=connection_id))
    assert states(invented, connection_id) == [("failed", "contract_broken")]
    assert [item.reason for item in quarantine.listed(invented.db, connection_id=connection_id)] == [
        "contract_broken: The answer is no list."
    ]


def test_an_error_of_ours_fails_the_job_and_nothing_else(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    failing(world, ZeroDivisionError())
    invented.run(SyncHistory(connection_id=connection_id))
    assert states(invented, connection_id) == [("failed", "failed")]
    world.trouble = lambda _: None
    invented.run(SyncHistory(connection_id=connection_id))
    assert states(invented, connection_id)[0] == ("done", None)


def test_an_account_that_changed_its_mode_is_detected_again_and_read_on(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    world.mode_has_changed, world.key = True, {"mode": "unified"}

    def detected(request: object) -> None:
        if request.endpoint.name == "key":  # type: ignore[attr-defined]
            world.mode_has_changed = False

    world.trouble = detected
    world.trade("PAGES", NOW - 86_400_000)
    assert invented.run(SyncHistory(connection_id=connection_id)) == 2
    assert connections.get_connection(invented.db, connection_id).account_mode == "unified"
    assert len(invented.trades(connection_id)) == 1


@pytest.mark.parametrize(("power", "word"), [("withdraw", "withdraw"), ("trade", "trade")])
def test_a_key_that_gained_power_is_frozen(
    invented: Bench, world: InventedWorld, connection_id: UUID, power: str, word: str
) -> None:
    world.key = {power: "yes"}
    invented.run(CheckKey(connection_id=connection_id))
    connection = connections.get_connection(invented.db, connection_id)
    assert connection.sync_status is SyncStatus.SUSPENDED
    assert word in (connection.error_message or "")


def test_a_trading_key_that_the_operator_allowed_is_read_with(invented: Bench, world: InventedWorld) -> None:
    connection_id = invented.connect({"exchange": "invented", "api_key": "k", "products": ["spot"]}, trade_allowed=True)
    world.key = {"trade": "yes"}
    invented.run(CheckKey(connection_id=connection_id))
    assert status_of(invented, connection_id)[0] is not SyncStatus.SUSPENDED


def test_a_removed_connection_costs_nothing(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    connections.remove_connection(invented.db, connection_id)
    for request in (SyncHistory(connection_id=connection_id), CatchUp(connection_id=uuid4())):
        invented.run(request)
    assert world.asked == []


def test_work_that_was_taken_over_ends_quietly_and_stores_nothing(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    def steal(_: object) -> None:
        invented.db.execute("UPDATE jobs SET fence = fence + 1, holder = 'another'")

    world.trouble = steal
    world.trade("PAGES", NOW - 86_400_000)
    invented.run(SyncHistory(connection_id=connection_id))
    assert invented.trades(connection_id) == {}
    assert states(invented, connection_id) == [("running", None)]


class Died(BaseException):
    """What no job survives."""


def test_a_job_that_ends_its_workers_runs_alone_and_is_parked_when_they_end_all_the_same(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    beside: list[bool] = []

    def die(_: object) -> None:
        with invented.desk.company.beside(patience_seconds=0) as may:
            beside.append(may)
        raise Died

    world.trouble = die
    for _ in range(4):
        with pytest.raises(Died):
            invented.run(SyncHistory(connection_id=connection_id))
        invented.db.execute("UPDATE jobs SET leased_until = now() - interval '1 second'")
    invented.run(SyncHistory(connection_id=connection_id))
    assert beside == [True, True, False, False]
    assert states(invented, connection_id) == [("parked", "job_crashed")]
    assert status_of(invented, connection_id) == (SyncStatus.PARKED, "job_crashed")


def test_a_suspect_waits_until_nobody_else_works_and_is_done_when_it_is_innocent(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    invented.db.execute(
        "INSERT INTO jobs (request, connection_id, attempts) VALUES ('sync_history', %s, 2)", [connection_id]
    )
    with ThreadPoolExecutor(1) as threads, invented.desk.company.beside():
        suspect = threads.submit(invented.run, SyncHistory(connection_id=connection_id))
        until(lambda: invented.desk.company.is_wanted_alone)
        with pytest.raises(PutBack):
            run_job(invented.desk, SyncHistory(connection_id=an_invented_connection(invented, "PAGES")), sync_history)
        assert states(invented, connection_id) == [("running", None)]
        assert world.asked == []
    suspect.result()
    assert states(invented, connection_id) == [("done", None)]


def test_what_was_asked_for_meanwhile_comes_next(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    asked = []

    def ask_more(_: object) -> None:
        if not asked:
            asked.append(SyncHistory(connection_id=connection_id, reason="recheck"))
            run_job(invented.desk, asked[0], sync_history)

    world.trouble = ask_more
    assert invented.run(SyncHistory(connection_id=connection_id)) == 2


def test_while_postgres_is_away_the_message_returns_to_its_queue(
    make_bench: Callable[..., Bench], world: InventedWorld
) -> None:
    gone = open_pool("postgresql://nobody@127.0.0.1:1/nowhere?connect_timeout=1", kind="test", size=1)
    gone.timeout = 0.1
    stopping = threading.Event()
    bench = make_bench(world, world.markets, pool=gone)
    stopping.set()
    with pytest.raises(PutBack):
        run_job(bench.desk, SyncHistory(connection_id=uuid4()), sync_history)
    gone.close()


def test_a_stopping_worker_begins_nothing(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    invented.desk.stopping.set()
    with pytest.raises(PutBack):
        invented.run(SyncHistory(connection_id=connection_id))
    assert states(invented, connection_id) == []


def test_a_continuation_that_redis_did_not_take_stays_on_record(
    make_bench: Callable[..., Bench], world: InventedWorld
) -> None:
    def refuse(_: Request) -> None:
        raise WireUnavailable

    from workers.desk import Rhythm

    bench = make_bench(world, world.markets, now_ms=lambda: NOW, send=refuse, rhythm=Rhythm(turn=timedelta(0)))
    connection_id = an_invented_connection(bench, "PAGES")
    bench.run(SyncHistory(connection_id=connection_id))
    assert [state for state, _ in states(bench, connection_id)] == ["queued", "done"]


@pytest.mark.parametrize(
    "request_",
    [
        SyncHistory(connection_id=UUID(int=1)),
        SyncHistory(connection_id=UUID(int=1), lane="manual", since_ms=1, until_ms=2, feeds=("a", "b"), reason="x"),
        CatchUp(connection_id=UUID(int=1), order_id="7"),
    ],
)
def test_a_request_survives_its_way_over_the_record(request_: SyncHistory | CatchUp) -> None:
    from shared.queue.layout import make_request

    assert make_request(request_.NAME, request_.connection_id, arguments_of(request_)) == request_


def test_a_lost_lease_is_no_error_of_the_connection(invented: Bench, world: InventedWorld, connection_id: UUID) -> None:
    failing(world, LeaseLost())
    invented.run(SyncHistory(connection_id=connection_id))
    assert connections.get_connection(invented.db, connection_id).failures == 0


def test_when_the_exchange_answers_again_what_was_put_off_is_due_at_once(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    failing(world, ExchangeUnavailable())
    for _ in range(6):
        invented.run(CatchUp(connection_id=connection_id))
    far = NOW + 600_000
    due.set_due(invented.db, connection_id, "catch_up", far)
    world.trouble = lambda _: None
    invented.run(SyncBalances(connection_id=connection_id))
    assert due.due_at(invented.db, connection_id)["catch_up"] == NOW
    assert connections.get_connection(invented.db, connection_id).failures == 0


def test_a_broken_history_is_not_forgotten_because_balances_are_well(
    invented: Bench, world: InventedWorld, connection_id: UUID
) -> None:
    failing(world, ContractBroken())
    invented.run(CheckKey(connection_id=connection_id))
    world.trouble = lambda _: None
    invented.run(SyncBalances(connection_id=connection_id))
    assert connections.get_connection(invented.db, connection_id).failures == 1
