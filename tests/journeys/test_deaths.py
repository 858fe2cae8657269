"""Whatever dies while there is trading, nothing is lost, nothing is doubled, and all says the truth afterwards."""

import itertools
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import redis

from cli.embedded import PostgresServer, ValkeyServer
from migrations.run import upgrade
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.system import System, running

AGAIN_WITHIN = 20.0
HEARD = ("binance", "bitget", "bybit")  # a few whose sockets tell trades: what dies here is ours
PAST = 1_500
LEFT_BEHIND = """
    SELECT 'job', request, state FROM jobs WHERE state = 'running' AND leased_until < now()
    UNION ALL SELECT 'session', sync_type, status FROM trade_sync_sessions
    WHERE status = 'running' AND leased_until < now()
"""

pytestmark = pytest.mark.timeout(180)


@dataclass
class Town:
    """A system on servers of its own, and a name for each new process."""

    system: System
    postgres: PostgresServer
    valkey: ValkeyServer
    numbers: Iterator[int]

    def another(self, kind: str) -> str:
        """Start one more of a kind."""
        name = f"{kind}-{next(self.numbers)}"
        self.system.start(name)
        return name

    def trade(self, count: int = 3) -> None:
        """Every account trades."""
        for account in self.system.accounts.values():
            self.system.simulator.trade(account, count)

    def stored(self) -> int:
        return int(self.system.one("SELECT count(*) FROM trades"))

    def noticed(self) -> int:
        """How often streamers have found Postgres away."""
        return len(self.system.said("streamer*", "store.away"))

    def settle(self) -> None:
        """All is stored once, every status is true, and nothing is left behind by the dead."""
        self.system.settle()
        until(lambda: not self.system.rows(LEFT_BEHIND))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("deaths")
    postgres, valkey = PostgresServer(folder, durable=False), ValkeyServer(folder, durable=False)
    try:
        url = postgres.start("tradesync")
        upgrade(url)
        with (
            SimulatorProcess("--no-limits") as simulator,
            running(simulator, url, valkey.start(), folder, "scheduler", "worker", "streamer") as system,
        ):
            for exchange in HEARD:
                system.connect(simulator.account(exchange, history=20))
            yield Town(system, postgres, valkey, itertools.count(2))
    finally:
        valkey.stop()
        postgres.stop()
        postgres.remove()


@pytest.fixture(autouse=True)
def calm(town: Town) -> None:
    """Each death befalls a system that is whole and well."""
    town.system.simulator.calm()
    for kind in ("worker", "streamer"):
        if not any(name.startswith(kind) for name in town.system.supervisor.process_ids()):
            town.another(kind)
    until(lambda: is_listened_to(town.system), within=AGAIN_WITHIN * 2)
    town.settle()


def is_listened_to(system: System) -> bool:
    """Whether each stream's owner lives and its account is heard: a state may still be that of a dead owner."""
    owners = """SELECT p.pid FROM stream_leases l LEFT JOIN processes p ON p.id = l.holder
                WHERE l.connection_id = ANY (%s)"""
    living = set(system.supervisor.process_ids().values())
    is_owned = all(pid in living for (pid,) in system.rows(owners, list(system.accounts)))
    return is_owned and all(system.is_heard(account["name"]) for account in system.accounts.values())


def test_a_worker_killed_in_the_middle_of_a_job_costs_less_than_twenty_seconds_and_no_trade(town: Town) -> None:
    system = town.system
    account = system.simulator.account("bybit", products=["linear"], history=PAST)
    system.simulator.weather("slow", account, delay=0.2)
    with system.connected(account, "linear") as connection_id:
        count = "SELECT count(*) FROM trades WHERE connection_id = %s"
        reading = (
            "SELECT id, attempts FROM jobs WHERE connection_id = %s AND request = 'sync_history' AND state = 'running'"
        )
        until(lambda: system.rows(reading, connection_id) and system.one(count, connection_id) > 100)

        (worker,) = [name for name in system.supervisor.process_ids() if name.startswith("worker")]
        system.kill(worker)
        died = time.monotonic()
        ((job, attempts),) = system.rows(reading, connection_id)
        assert system.one(count, connection_id) < PAST
        town.another("worker")
        town.trade()
        until(lambda: system.one("SELECT attempts FROM jobs WHERE id = %s", job) > attempts, within=AGAIN_WITHIN * 2)
        assert time.monotonic() - died < AGAIN_WITHIN
        system.simulator.calm()
        town.settle()
        assert system.one(count, connection_id) == len(system.simulator.truth(account)["trades"])


def test_a_killed_streamer_is_followed_within_twenty_seconds_and_what_was_traded_meanwhile_is_stored(
    town: Town,
) -> None:
    system = town.system
    second = town.another("streamer")
    pid = system.supervisor.process_ids()[second]

    def held() -> set[UUID]:
        return {
            key
            for (key,) in system.rows(
                "SELECT l.connection_id FROM stream_leases l JOIN processes p ON p.id = l.holder WHERE p.pid = %s", pid
            )
        }

    until(lambda: held() and set(system.states().values()) == {"live"})
    theirs = held()
    system.kill(second)
    died = time.monotonic()
    town.trade()
    until(
        lambda: (
            not held()
            and all(system.states()[key] == "live" for key in theirs)
            and all(system.is_heard(system.accounts[key]["name"]) for key in theirs)
        ),
        within=AGAIN_WITHIN * 2,
    )
    assert time.monotonic() - died < AGAIN_WITHIN
    town.trade()
    town.settle()


def test_a_worker_that_was_thought_dead_and_wakes_writes_nothing_over_its_successor(town: Town) -> None:
    system = town.system
    account = system.simulator.account("bybit", products=["linear"], history=PAST)
    system.simulator.weather("slow", account, delay=0.2)
    with system.connected(account, "linear") as connection_id:
        count = "SELECT count(*) FROM trades WHERE connection_id = %s"
        reading = (
            "SELECT id, attempts, holder FROM jobs WHERE connection_id = %s AND state = 'running' AND request = %s"
        )
        until(lambda: system.rows(reading, connection_id, "sync_history") and system.one(count, connection_id) > 100)
        (sleeper,) = [name for name in system.supervisor.process_ids() if name.startswith("worker")]
        system.strike(sleeper, signal.SIGSTOP)
        ((job, attempts, holder),) = system.rows(reading, connection_id, "sync_history")
        town.another("worker")
        until(lambda: system.one("SELECT attempts FROM jobs WHERE id = %s", job) > attempts, within=AGAIN_WITHIN * 2)
        heir = system.one("SELECT holder FROM jobs WHERE id = %s", job)
        assert heir != holder
        system.strike(sleeper, signal.SIGCONT)
        # Its question to the exchange was answered long ago, or timed out while it slept.
        ended = until(
            lambda: [
                line["outcome"]
                for event in ("job.finished", "job.failed")
                for line in system.said(sleeper, event)
                if line["job"] == str(job)
            ]
        )
        assert ended == ["taken_over"]
        assert system.one("SELECT holder FROM jobs WHERE id = %s", job) == heir
        system.simulator.calm()
        town.settle()
        assert system.one(count, connection_id) == len(system.simulator.truth(account)["trades"])
    system.kill(sleeper)  # one worker is left to the next


def test_a_streamer_that_was_thought_dead_and_wakes_leaves_the_streams_to_its_successor(town: Town) -> None:
    system = town.system
    sleeper = town.another("streamer")

    def owners() -> dict[UUID, tuple[int, int]]:
        """Whose each stream is by process number, and the fence."""
        found = system.rows(
            "SELECT l.connection_id, p.pid, l.fence FROM stream_leases l JOIN processes p ON p.id = l.holder"
        )
        return {key: (pid, fence) for key, pid, fence in found}

    pid = system.supervisor.process_ids()[sleeper]
    theirs = until(
        lambda: {
            key: fence
            for key, (owner, fence) in owners().items()
            if owner == pid and set(system.states().values()) == {"live"}
        },
        within=AGAIN_WITHIN * 2,
    )
    heard = {key: system.sockets_of(system.accounts[key]["name"]) for key in theirs}
    system.strike(sleeper, signal.SIGSTOP)
    town.trade()
    until(
        lambda: (
            all(key in owners() and owners()[key][1] > fence for key, fence in theirs.items())
            and all(system.states()[key] == "live" for key in theirs)
        ),
        within=AGAIN_WITHIN * 2,
    )
    system.strike(sleeper, signal.SIGCONT)
    until(lambda: system.said(sleeper, "lease.lost"))
    town.trade()
    until(
        lambda: heard == {key: system.sockets_of(system.accounts[key]["name"]) for key in theirs},
        within=AGAIN_WITHIN * 2,
        what="one owner listens to each",
    )
    town.settle()
    system.kill(sleeper)


def test_a_redis_that_forgets_everything_again_and_again_costs_no_trade(town: Town) -> None:
    system = town.system
    system.simulator.start_trading(30)
    with redis.Redis.from_url(system.redis_url) as wire:
        for _time in range(4):
            before = town.stored()
            until(lambda before=before: town.stored() > before + 15)
            wire.flushall()
    system.simulator.stop_trading()
    town.settle()


def test_without_redis_trades_are_stored_all_the_same_and_all_goes_on_when_it_is_back(town: Town) -> None:
    system = town.system
    before = town.stored()
    town.valkey.stop()
    town.trade(4)
    until(lambda: town.stored() >= before + 4 * len(system.accounts), what="streamed trades are stored without Redis")
    assert town.valkey.revive()
    town.trade()
    town.settle()
    asked = system.one("SELECT max(seen_at) FROM balance_changes")
    town.trade()
    until(lambda: system.one("SELECT max(seen_at) FROM balance_changes") > asked, what="work is queued again")


def test_what_is_traded_while_postgres_is_away_is_stored_when_it_is_back(town: Town) -> None:
    noticed = town.noticed()
    town.postgres.stop()
    town.trade(4)
    until(lambda: town.noticed() > noticed, what="Postgres is missed")
    town.trade(4)
    assert town.postgres.revive()
    town.trade()
    town.settle()


def test_servers_that_break_down_together_bring_nothing_down(town: Town) -> None:
    system, noticed = town.system, town.noticed()
    before = system.supervisor.process_ids()
    system.simulator.start_trading(20)
    town.valkey.stop()
    town.postgres.stop()
    until(lambda: town.noticed() > noticed, what="Postgres is missed")
    assert town.postgres.revive()
    assert town.valkey.revive()
    system.simulator.stop_trading()
    town.settle()
    assert system.supervisor.process_ids() == before
