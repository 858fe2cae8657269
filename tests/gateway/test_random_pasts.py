"""Whatever an account did in the past, and in whatever pieces its history is read: what is found is the truth.

Many executions fall into one millisecond, long stretches are empty, markets change from trade to trade.
"""

from itertools import accumulate
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shared.domain.windows import Window
from shared.exchanges import load
from tests.gateway.played import CASES, as_read, keyed, name_of, now_ms, read_history, shown

HOUR = 3_600_000
# Milliseconds since the trade before, and how many executions there are at that moment.
pasts = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 999, 60_000, HOUR, 30 * HOUR]), st.integers(1, 25)), min_size=3, max_size=12
)
cuts = st.lists(st.floats(0.01, 0.99), max_size=3)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_history_is_the_truth_whatever_happened_and_however_it_is_cut(simulator, gateway, person, exchange):
    old, account, key = person
    products = [product.value for product in account.products]
    listed = [row for row in simulator.ask("GET", "/markets", exchange=exchange) if row["product"] in old["products"]]
    markets = [{name: row[name] for name in ("product", "market_id")} for row in listed if row["status"] == "trading"]

    @settings(
        max_examples=3,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(past=pasts, shares=cuts, seed=st.integers(0, 999))
    def holds(past, shares, seed):
        dice = Random(seed)
        now = now_ms()
        moments = list(accumulate(gap for gap, _ in past))
        first = now - 120_000 - moments[-1]
        wishes = [
            {**dice.choice(markets), "at_ms": first + moment, "fills": fills}
            for moment, (_, fills) in zip(moments, past, strict=True)
        ]
        options = {"mode": old["mode"]} if old.get("mode") else {}
        made = simulator.account(exchange, **options)
        simulator.ask("POST", "/trades", account=made["name"], trades=wishes)
        own_key = type(key)({name: made[name] for name in key})
        edges = sorted(first - HOUR + round(share * (now - first)) for share in shares)

        def pick(gaps):
            """One of the gaps, up to the next cut in it."""
            gap = dice.choice(gaps)
            inside = [edge for edge in edges if gap.since < edge < gap.until]
            return Window(gap.since, inside[0]) if inside else gap

        read = {name_of(trade): shown(trade) for trade in read_history(gateway, account, own_key, now, pick).values()}
        wanted = keyed(trade for trade in as_read(simulator.truth(made)["trades"]) if trade["product"] in products)
        history = load(exchange).history
        reach = max(history.reach(history.feed_of(product, ""), account, now) for product in account.products)
        assert [(row, wanted.get(name)) for name, row in read.items() if wanted.get(name) != row] == []
        assert [name for name, row in wanted.items() if row["timestamp_ms"] > reach and name not in read] == []

    holds()
