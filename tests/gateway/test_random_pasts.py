"""Whatever an account did in the past, and in whatever pieces its history is read: what is found is the truth.

Many executions fall into one millisecond, long stretches are empty, markets change from trade to trade, windows begin
and end at a trade's own moment, pages are full.
"""

from decimal import Decimal
from itertools import accumulate
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from tests.gateway.played import CASES, FIRST_MODES, as_read, keyed, name_of, now_ms, read_history, shown

HOUR = 3_600_000
# Milliseconds since the trade before, and how many executions there are at that moment.
pasts = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 999, 60_000, HOUR, 30 * HOUR]), st.integers(1, 25)), min_size=3, max_size=12
)
# Where windows are cut: somewhere, or at the moment of a trade, or right after it.
cuts = st.lists(st.tuples(st.floats(0.01, 0.99), st.sampled_from([None, 0, 1])), max_size=3)
# More than a page of any exchange holds, with a page's end inside a moment.
CROWD = [(pause, 24) for pause in (1, 999, 1, 60_000) * 13]
FLOOD = [(0, 24)] * 50  # more in one millisecond than any page holds
LARGEST_PAGE = 1_000


class Past:
    """What an account of its own did, and how its history is read in pieces."""

    def __init__(self, simulator, person, past, dice, markets):
        self.simulator, (old, self.account, key) = simulator, person
        self.products = [product.value for product in self.account.products]
        self.dice, self.now = dice, now_ms()
        moments = list(accumulate(gap for gap, _ in past))
        self.first = self.now - 120_000 - moments[-1]
        self.moments = [self.first + moment for moment in moments]
        wishes = [
            {"at_ms": moment, "fills": fills, **dice.choice(markets)}
            for moment, (_, fills) in zip(self.moments, past, strict=True)
        ]
        self.made = simulator.account(self.account.exchange, **({"mode": old["mode"]} if old.get("mode") else {}))
        self.happened = simulator.ask("POST", "/trades", account=self.made["name"], trades=wishes)["trades"]
        self.key = type(key)({name: self.made[name] for name in key})

    def edges(self, cuts):
        found = []
        for share, late_ms in cuts:
            anywhere = self.first - HOUR + round(share * (self.now - self.first))
            moment = self.moments[int(share * len(self.moments))]
            found.append(anywhere if late_ms is None else moment + late_ms)
        return sorted(found)

    def assert_it_is_read(self, gateway, cuts, feeds=None):
        edges = self.edges(cuts)

        def pick(gaps):
            """One of the gaps, up to the next cut in it."""
            gap = self.dice.choice(gaps)
            inside = [edge for edge in edges if gap.since < edge < gap.until]
            return Window(gap.since, inside[0]) if inside else gap

        found = read_history(gateway, self.account, self.key, self.now, pick, feeds=feeds).values()
        read = {name_of(trade): shown(trade) for trade in found}
        truth = as_read(self.simulator.truth(self.made)["trades"])
        wanted = keyed(trade for trade in truth if trade["product"] in self.products)
        history = load(self.account.exchange).history
        reaches = [history.reach(history.feed_of(one, ""), self.account, self.now) for one in self.account.products]
        assert [(row, wanted.get(name)) for name, row in read.items() if wanted.get(name) != row] == []
        assert [name for name, row in wanted.items() if row["timestamp_ms"] > max(reaches) and name not in read] == []


def open_markets(simulator, person):
    old, account, _ = person
    listed = simulator.ask("GET", "/markets", exchange=account.exchange)
    products = {product.value for product in account.products} & set(old["products"])
    kept = [row for row in listed if row["product"] in products and row["status"] == "trading"]
    return [{name: row[name] for name in ("product", "market_id", "step")} for row in kept]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_history_is_the_truth_whatever_happened_and_however_it_is_cut(simulator, gateway, person):
    markets = open_markets(simulator, person)

    @settings(
        max_examples=3,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(past=pasts, cuts=cuts, seed=st.integers(0, 999))
    def holds(past, cuts, seed):
        Past(simulator, person, past, Random(seed), markets).assert_it_is_read(gateway, cuts)

    holds()


def busy(simulator, person, past):
    """Accounts with more than a page of executions, all in one market; each product's in its turn."""
    for market in {row["product"]: row for row in open_markets(simulator, person)}.values():
        # Large enough to be made in as many executions as are wanted.
        size = str(240 * Decimal(market["step"]))
        made = Past(simulator, person, past, Random(1), [{**market, "size": size}])
        assert len(made.happened) > LARGEST_PAGE
        feed_of = load(made.account.exchange).history.feed_of
        yield made, {feed_of(Product(trade["product"]), trade["market_id"]) for trade in made.happened}


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_full_pages_and_windows_that_end_at_a_trade_lose_none(simulator, gateway, person):
    for past, feeds in busy(simulator, person, CROWD):
        past.assert_it_is_read(gateway, [(0.3, 0), (0.6, 1), (0.6, 0)], feeds)


@pytest.mark.parametrize(("exchange", "mode"), FIRST_MODES)
def test_what_one_moment_holds_is_read_or_told_to_be_too_much(simulator, gateway, person):
    past, feeds = next(busy(simulator, person, FLOOD))
    moment, holes = past.first, []
    read = read_history(gateway, past.account, past.key, past.now, since=moment - HOUR, feeds=feeds, holes=holes)
    assert len(read) == len(past.happened) or any(hole.since <= moment < hole.until for hole in holes), len(read)
