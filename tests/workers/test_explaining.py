"""The ledger at work: a change of a balance that no trade explains is dated, looked into, and closes itself."""

from decimal import Decimal

import pytest

from shared.queue.requests import CatchUp, SyncBalances, SyncHistory
from shared.storage import ledger
from tests.workers.conftest import an_invented_connection
from tests.workers.invented_world import NOW
from workers.ledger import audit

MINUTE = 60_000


class Days:
    """A connection to the invented exchange, and a wallet that its trades move."""

    def __init__(self, bench, world):
        self.bench, self.world = bench, world
        self.connection = an_invented_connection(bench, "PAGES")
        self.usdt, self.coins = Decimal(1000), Decimal(0)
        self.hidden = []
        self.bench.run(SyncHistory(connection_id=self.connection, reason="backfill", lane="backfill"))
        self.read()

    def trade(self, at, *, hidden=False):
        """A purchase of one coin for one USDT; a hidden one is not shown over REST yet."""
        self.world.trade("PAGES", at)
        if hidden:
            self.hidden.append(self.world.rows.pop())
        self.usdt -= 1
        self.coins += 1

    def show(self):
        """REST shows what was hidden."""
        self.world.rows += self.hidden
        self.world.rows.sort(key=lambda row: row["time"])
        self.hidden = []

    def read(self):
        """Balances are read now."""
        self.world.key = {**self.world.key, "wallet": {"USDT": str(self.usdt), "PAGES": str(self.coins)}}
        self.bench.run(SyncBalances(connection_id=self.connection))

    def minute(self):
        """A minute goes by: history is read up to its end, then the balances."""
        self.world.now += MINUTE
        self.bench.run(CatchUp(connection_id=self.connection, reason="gap"))
        self.read()

    def look_again(self):
        """What the ledger has called for."""
        self.bench.run(SyncHistory(connection_id=self.connection, reason="backfill", lane="backfill"))

    @property
    def open(self):
        return ledger.gaps(self.bench.db, self.connection)


@pytest.fixture
def days(invented, world):
    return Days(invented, world)


def test_trades_explain_what_changed(days):
    for minute in range(4):
        days.trade(NOW + minute * MINUTE + 30_000)
        days.minute()
    days.minute()
    assert days.open == []
    points = ledger.points_since(days.bench.db, days.connection, 0)
    assert [point.total for point in points["spot", "USDT"]] == [Decimal(total) for total in (1000, 999, 998, 997, 996)]


def test_a_lost_trade_is_found_to_the_minute_and_mended(days):
    days.minute()
    days.trade(NOW + MINUTE + 30_000, hidden=True)
    days.minute()
    days.minute()
    gaps = {gap.asset: gap for gap in days.open}
    assert {asset: gap.amount for asset, gap in gaps.items()} == {"USDT": Decimal(-1), "PAGES": Decimal(1)}
    assert gaps["USDT"].window.since < NOW + MINUTE + 30_000 < gaps["USDT"].window.until
    assert gaps["USDT"].window.until - gaps["USDT"].window.since <= 2 * MINUTE
    days.look_again()
    days.minute()
    assert len(days.open) == 2, "REST does not show it yet"
    days.show()
    for _ in range(8):  # the pauses between looks grow
        days.minute()
        days.look_again()
    days.minute()
    assert days.open == []
    assert len(days.bench.trades(days.connection)) == 1
    closed = ledger.gaps(days.bench.db, days.connection, include_closed=True)
    assert {gap.explanation for gap in closed} == {"explained by trades and transfers"}


def test_a_row_that_vanished_is_found_and_read_again(days):
    days.trade(NOW + 30_000)
    for _ in range(4):  # a younger one would be read again anyway
        days.minute()
    days.bench.db.execute("DELETE FROM trades WHERE connection_id = %s", (days.connection,))
    days.minute()
    assert {gap.asset for gap in days.open} == {"USDT", "PAGES"}
    days.look_again()
    days.minute()
    assert days.open == []
    assert len(days.bench.trades(days.connection)) == 1


def test_an_older_row_that_vanished_is_found_within_the_hour_and_older_ones_within_the_day(days):
    days.trade(NOW + 30_000)
    days.minute()
    days.minute()
    days.world.now += 30 * 60_000
    days.minute()
    days.bench.db.execute("DELETE FROM trades WHERE connection_id = %s", (days.connection,))
    days.minute()
    assert days.open == []
    days.world.now += 30 * 60_000
    days.minute()
    days.minute()
    assert {gap.asset for gap in days.open} == {"USDT", "PAGES"}


def test_an_audit_looks_as_far_back_as_it_is_told(days):
    days.trade(NOW + 30_000)
    days.minute()
    days.minute()
    days.bench.db.execute("DELETE FROM trades WHERE connection_id = %s", (days.connection,))
    assert audit(days.bench.db, days.connection, NOW + 10 * MINUTE) == 0
    assert audit(days.bench.db, days.connection, 0) == 2


def test_a_deposit_is_explained_by_what_the_exchange_tells_of_it(days):
    days.minute()
    days.usdt += 500
    days.world.key = {"transfers": [("d1", "USDT", "500", NOW + MINUTE + 20_000)]}
    days.minute()
    days.minute()
    assert days.open == []
    (gap,) = ledger.gaps(days.bench.db, days.connection, include_closed=True)
    assert (gap.amount, gap.rereads) == (Decimal(500), 0), "no history was read again for it"


def test_a_deposit_counts_when_it_was_credited_not_when_it_was_first_seen(days):
    for _ in range(20):
        days.minute()
    days.usdt += 500
    days.world.key = {"transfers": [("d1", "USDT", "500", days.world.now - 15 * MINUTE)], "all_day": True}
    days.minute()
    days.minute()
    days.minute()
    assert days.open == []
    assert len(ledger.gaps(days.bench.db, days.connection, include_closed=True)) == 1


def test_a_deposit_told_in_whole_seconds_may_seem_older_than_the_reading_before_it(days):
    days.usdt += 500
    days.world.key = {"transfers": [("d1", "USDT", "500", NOW - 400)]}
    for _ in range(3):
        days.minute()
    assert days.open == []
    assert len(ledger.gaps(days.bench.db, days.connection, include_closed=True)) == 1


def test_of_two_equal_deposits_each_counts_in_its_own_stretch(days):
    told = [("d1", "USDT", "500", NOW - 400), ("d2", "USDT", "500", NOW + MINUTE + 20_000)]
    for known in (1, 2):
        days.usdt += 500
        days.world.key = {"transfers": told[:known]}
        days.minute()
    for _ in range(3):
        days.minute()
    assert days.open == []


def test_an_older_deposit_of_the_same_amount_takes_not_the_place_of_the_one_that_came(days):
    days.usdt += 500
    told = [("d0", "USDT", "500", NOW - 30 * MINUTE), ("d1", "USDT", "500", NOW + 20_000)]
    days.world.key = {"transfers": told, "all_day": True}
    for _ in range(3):
        days.minute()
    assert days.open == []
    assert len(ledger.gaps(days.bench.db, days.connection, include_closed=True)) == 1


def test_what_nothing_explains_stays_and_is_told(days):
    days.minute()
    days.usdt += 7
    days.minute()
    for _ in range(5):
        days.minute()
    (gap,) = days.open
    assert (gap.asset, gap.amount) == ("USDT", Decimal(7))
    assert gap.rereads >= 2
