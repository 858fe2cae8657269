"""Every exchange that is played: what its module says of keys, markets and costs is what its other side does."""

from collections import Counter

import pytest

from shared.domain.connections import Verdict
from shared.domain.errors import TradeSyncError
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.gateway import Gateway, Unlimited
from tests.gateway.played import CASES, FIRST_MODES, feeds_of, now_ms

DAY_MS = 86_400_000
over_all = pytest.mark.parametrize(("exchange", "mode"), FIRST_MODES)


@over_all
@pytest.mark.parametrize("power", ["withdraw", "trade"])
def test_a_key_that_can_do_more_than_read_is_never_called_harmless(simulator, gateway, person, power):
    made, account, key = person
    simulator.change(made, permissions=["read", power])
    report = gateway.run(account, key, load(account.exchange).check_key(account))
    assert {"withdraw": report.can_withdraw, "trade": report.can_trade}[power] is not Verdict.NO


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_a_market_that_was_left_long_ago_is_still_read(simulator, gateway, person):
    old, account, key = person
    made = simulator.account(account.exchange, **({"mode": old["mode"]} if old["mode"] else {}))
    own_key = type(key)({name: made[name] for name in key})
    products = {product.value for product in account.products}
    listed = [row for row in simulator.ask("GET", "/markets", exchange=account.exchange) if row["status"] == "trading"]
    for product in sorted(products & set(made["products"])):
        market = [row["market_id"] for row in listed if row["product"] == product][-1]
        simulator.trade(made, market_id=market, product=product, side="buy", at_ms=now_ms() - 60 * DAY_MS)
    truth = simulator.truth(made)
    for held in truth["balances"]:
        if held["free"] != "0":
            simulator.deposit(made, held["asset"], f"-{held['free']}", held["wallet"])
    read, feed_of = feeds_of(gateway, account, own_key), load(account.exchange).history.feed_of
    left = [trade for trade in truth["trades"] if trade["product"] in products]
    assert left
    assert [
        trade["market_id"] for trade in left if feed_of(Product(trade["product"]), trade["market_id"]) not in read
    ] == []


# ── Costs ─────────────────────────────────────────────────────────────────────────────────────────────


class Till(Unlimited):
    """Counts what calls are paid, by pool, in milliseconds of its allowance."""

    def __init__(self):
        self.paid_ms = Counter()

    def take(self, exchange, account, pool, weight, **_):
        self.paid_ms[pool.name] += weight * pool.per_ms / pool.capacity
        return 0


@over_all
def test_a_call_is_paid_what_the_exchange_counts(simulator, turns, person):
    _, account, key = person
    found, till = load(account.exchange), Till()
    gateway = Gateway(simulator_url=simulator.url, budget=till, turns=turns)
    markets = gateway.markets(account.exchange)
    gateway.run(account, key, found.balances(account))  # and the clock is known from now on
    cheap = []

    def call(request):
        till.paid_ms.clear()
        before = simulator.counters(account.exchange)["spent_ms"]
        try:
            return gateway.call(account, key, request)
        finally:
            after = simulator.counters(account.exchange)["spent_ms"]
            counted = max((spent - before.get(name, 0) for name, spent in after.items()), default=0)
            if max(till.paid_ms.values()) < counted * 0.999:
                cheap.append((request.endpoint.name, dict(till.paid_ms), counted))

    def carry(steps):
        """What `Gateway.run` does, one call at a time."""
        answer = error = None
        while True:
            try:
                request = steps.send(answer) if error is None else steps.throw(error)
            except StopIteration as end:
                return end.value
            answer = error = None
            try:
                answer = call(request)
            except TradeSyncError as refused:
                error = refused

    history = found.history
    carry(found.check_key(account))
    carry(found.balances(account))
    feeds = list(history.feeds(account, markets))
    if history.discover is not None:
        feeds += carry(history.discover(account, markets)).feeds
    for feed in {feed.product: feed for feed in feeds}.values():
        now = now_ms()
        slice_ = history.slice(feed, Window(history.reach(feed, account, now), now), {}, account, now)
        call(history.ask(feed, slice_, slice_.cursor, account))
    gateway.close()
    assert cheap == [], "paid less than the exchange counts: its limit would be broken"
