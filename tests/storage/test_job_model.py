"""Workers that begin, renew, store pages, finish, fail, crash and wake up, in any order: a model beside the table."""

from datetime import timedelta

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.domain.errors import ExchangeUnavailable, LeaseLost
from shared.domain.windows import Window
from shared.storage import connections, feeds, jobs
from shared.storage.feeds import Feed
from shared.storage.jobs import CRASHES_ALONE, Claim
from shared.storage.pages import record_page
from shared.storage.trades import trade_row
from tests.fixtures.stored import NEW_YEAR, a_connection, a_trade

KEY, SYNC = "spot:BTCUSDT", "sync_history"
LEASE = timedelta(hours=1)


class Jobs(RuleBasedStateMachine):
    """One connection's job. `right` is the claim that may write; `claims` are all there ever were."""

    db: psycopg.Connection

    def __init__(self) -> None:
        super().__init__()
        self.db.execute("TRUNCATE users CASCADE")
        self.connection = a_connection(self.db)
        feeds.ensure_feeds(self.db, self.connection, [(Feed.of(KEY), NEW_YEAR)])
        self.claims: list[Claim] = []
        self.right: Claim | None = None
        self.is_over = False  # the lease of `right`
        self.is_waiting = False
        self.is_parked = False
        self.attempts = 0
        self.alone = 0
        self.pages = 0
        self.number = 0

    @rule(asked=st.integers(0, 2))
    def ask(self, asked: int) -> None:
        queued = jobs.queue_job(self.db, SYNC, self.connection, {"n": asked})
        assert (queued is not None) is (self.right is None and not self.is_waiting)
        self.is_waiting = self.is_waiting or queued is not None
        if queued is not None:
            self.attempts = self.alone = 0

    @rule()
    def begin(self) -> None:
        self.number += 1
        claim = jobs.begin(self.db, SYNC, self.connection, {"n": 0}, holder=f"w{self.number}", lease=LEASE)
        is_held = self.right is not None and not self.is_over
        is_open = self.right is not None or self.is_waiting
        if self.is_parked or is_held:
            assert claim is None
            self.is_waiting = self.is_waiting and not self.is_parked
        elif is_open and self.alone >= CRASHES_ALONE:
            assert claim is None
            self.park()
        else:
            assert claim is not None
            self.attempts, self.alone = (self.attempts + 1, self.alone) if is_open else (1, 0)
            assert claim.attempts == self.attempts
            assert all(claim.fence > other.fence for other in self.claims if other.job_id == claim.job_id)
            self.claims.append(claim)
            self.right, self.is_over, self.is_waiting = claim, False, False

    @rule()
    def crash_or_sleep(self) -> None:
        """Nobody renews the lease. Whether the worker is dead shows when it writes, or never."""
        self.db.execute("UPDATE jobs SET leased_until = now() - interval '1 s' WHERE state = 'running'")
        self.is_over = self.right is not None

    @rule()
    def rescue(self) -> None:
        saved = jobs.rescue_orphans(self.db)
        if self.right is None or not self.is_over:
            assert saved == []
        elif self.alone >= CRASHES_ALONE:
            assert saved == []
            self.park()
        else:
            assert [each.request for each in saved] == [SYNC]
            self.right, self.is_waiting = None, True

    @rule(data=st.data(), number=st.integers(1, 50))
    def store_a_page(self, data: st.DataObject, number: int) -> None:
        """A worker stores what it has read, under a claim that it may have lost long ago."""
        claim = self.any_claim(data)
        if claim is None:
            return
        since = NEW_YEAR + self.pages * 1_000
        before = self.stored()
        try:
            record_page(
                self.db,
                connection_id=self.connection,
                feed=KEY,
                rows=[trade_row(a_trade(1_000 * self.pages + number), self.connection)],
                proven=Window(since, since + 1_000),
                cursor={"page": self.pages},
                claim=claim,
                lease=LEASE,
            )
        except LeaseLost:
            assert not self.is_right(claim)
            assert self.stored() == before
        else:
            assert self.is_right(claim)
            self.pages, self.is_over = self.pages + 1, False

    @rule(data=st.data(), how=st.sampled_from(["renew", "go alone", "finish", "go on", "fail"]))
    def end_or_renew(self, data: st.DataObject, how: str) -> None:
        claim = self.any_claim(data)
        if claim is None:
            return
        following = None
        try:
            if how == "renew":
                jobs.renew(self.db, claim, LEASE)
            elif how == "go alone":
                jobs.go_alone(self.db, claim, LEASE)
            elif how == "fail":
                following = jobs.fail(self.db, claim, ExchangeUnavailable())
            else:
                following = jobs.finish(self.db, claim, go_on_with={"n": 9} if how == "go on" else None)
        except LeaseLost:
            assert not self.is_right(claim)
            return
        assert self.is_right(claim)
        self.is_over = False
        if how == "go on":
            assert following is not None
        if how == "go alone":
            self.alone += 1
        elif how != "renew":
            self.right, self.is_waiting, self.attempts, self.alone = None, following is not None, 0, 0

    @rule()
    def resume(self) -> None:
        connections.resume(self.db, self.connection)
        self.is_parked = False

    def any_claim(self, data: st.DataObject) -> Claim | None:
        return data.draw(st.sampled_from(self.claims)) if self.claims else None

    def is_right(self, claim: Claim) -> bool:
        return self.right is not None and (claim.job_id, claim.fence) == (self.right.job_id, self.right.fence)

    def park(self) -> None:
        self.right, self.is_waiting, self.is_parked, self.attempts, self.alone = None, False, True, 0, 0

    def stored(self) -> tuple[int, object]:
        count = self.db.execute("SELECT count(*) FROM trades").fetchone()
        return (count[0] if count else 0), feeds.find_feed(self.db, self.connection, KEY)

    @invariant()
    def what_is_proven_is_what_rightful_readers_stored(self) -> None:
        count, feed = self.stored()
        assert count == self.pages
        windows = [Window(NEW_YEAR, NEW_YEAR + self.pages * 1_000)] if self.pages else []
        assert list(feed.covered.windows) == windows

    @invariant()
    def there_is_one_open_job_at_most(self) -> None:
        running = jobs.listed(self.db, states=("running",))
        assert [job.id for job in running] == ([self.right.job_id] if self.right else [])
        assert len(jobs.listed(self.db, states=("queued",))) == self.is_waiting


@pytest.mark.timeout(120)
def test_only_the_rightful_worker_writes_whatever_workers_do(db):
    machine = type("JobsHere", (Jobs,), {"db": db})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None))
