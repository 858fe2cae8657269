"""Request budgets hold over processes, leave room for what people wait for, and remember bans."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.coordination.budgets import Ban, Budgets
from shared.domain.errors import RateLimited, WireUnavailable
from shared.exchanges.kit.contract import Lane, Pool, PoolUse

NOW = 1_800_000_000_000
POOL = Pool(name="spot", scope="address", capacity=100, per_ms=60_000)
KEY_POOL = Pool(name="key", scope="account", capacity=10, per_ms=1_000)


@pytest.fixture
def wire(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def taken(budgets: Budgets, lane: Lane, *, pool: Pool = POOL, now_ms: int = NOW, tries: int = 300) -> int:
    """How often one unit is given before the first no."""
    for count in range(tries):
        if budgets.take("somewhere", None, pool, 1, lane=lane, now_ms=now_ms):
            return count
    return tries


def test_no_more_than_the_capacity_is_given(wire: redis.Redis) -> None:
    assert taken(Budgets(wire, egress="here"), "live") == 100


def test_the_wait_is_as_long_as_the_oldest_take_still_counts(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    budgets.take("somewhere", None, POOL, 60, lane="live", now_ms=NOW)
    budgets.take("somewhere", None, POOL, 40, lane="live", now_ms=NOW + 10_000)
    wait = budgets.take("somewhere", None, POOL, 60, lane="live", now_ms=NOW + 20_000)
    assert wait == 40_001
    assert budgets.take("somewhere", None, POOL, 60, lane="live", now_ms=NOW + 20_000 + wait) == 0


def test_history_leaves_room_and_what_people_wait_for_fills_it(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here", backfill_share=0.5)
    assert [taken(budgets, lane) for lane in ("backfill", "balances", "manual", "live")] == [50, 40, 5, 5]


@pytest.mark.parametrize(("told", "room"), [(50.0, 46), (5.0, 1)])
def test_the_size_that_headers_tell_takes_the_place_of_the_ordinary_one(
    wire: redis.Redis, told: float, room: int
) -> None:
    budgets, account = Budgets(wire, egress="here"), uuid4()
    use = PoolUse(pool="key", remaining=told - 4, capacity=told, reset_ms=1_000)
    budgets.correct("somewhere", account, KEY_POOL, use, NOW)
    waits = [budgets.take("somewhere", account, KEY_POOL, 1, lane="live", now_ms=NOW) for _ in range(60)]
    assert waits.count(0) == room
    assert budgets.use("somewhere", KEY_POOL, account) == 1.0
    other = uuid4()
    others = [budgets.take("somewhere", other, KEY_POOL, 1, lane="live", now_ms=NOW) for _ in range(60)]
    assert others.count(0) == 10


def test_two_processes_share_one_count(redis_url: str) -> None:
    def one(_: int) -> int:
        with redis.Redis.from_url(redis_url) as client:
            return taken(Budgets(client, egress="here"), "live")

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == 100


def test_two_addresses_and_two_accounts_do_not_share(wire: redis.Redis) -> None:
    here, there = Budgets(wire, egress="here"), Budgets(wire, egress="there")
    assert [taken(here, "live"), taken(there, "live")] == [100, 100]
    first, second = uuid4(), uuid4()
    for account in (first, second):
        for _ in range(10):
            assert here.take("somewhere", account, KEY_POOL, 1, lane="live", now_ms=NOW) == 0
        assert here.take("somewhere", account, KEY_POOL, 1, lane="live", now_ms=NOW) > 0


def test_a_proxy_of_a_connection_has_its_own_count(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    assert taken(budgets, "live") == 100
    assert budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW, egress="proxy") == 0


def test_one_request_heavier_than_its_lane_may_take_still_goes_when_nothing_else_does(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here", backfill_share=0.1)
    assert budgets.take("somewhere", None, POOL, 40, lane="backfill", now_ms=NOW) == 0
    assert budgets.take("somewhere", None, POOL, 40, lane="backfill", now_ms=NOW) > 0


def test_the_exchanges_own_count_is_believed(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    budgets.correct("somewhere", None, POOL, PoolUse(pool="spot", used=90), NOW)
    assert taken(budgets, "live") == 10


def test_what_others_used_counts_only_until_the_exchange_starts_anew(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    budgets.correct("somewhere", None, POOL, PoolUse(pool="spot", remaining=0, reset_ms=5_000), NOW)
    wait = budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW)
    assert 0 < wait <= 5_001
    assert budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW + wait) == 0


def test_a_count_below_ours_changes_nothing(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    for _ in range(95):
        budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW)
    budgets.correct("somewhere", None, POOL, PoolUse(pool="spot", used=3), NOW)
    assert taken(budgets, "live") == 5


def test_a_ban_stops_every_process_of_its_address_until_it_ends(wire: redis.Redis) -> None:
    here, also_here, there = (Budgets(wire, egress=name) for name in ("here", "here", "there"))
    here.ban("somewhere", None, NOW + 60_000, "Too many requests.", ban=True)
    for budgets in (here, also_here):
        with pytest.raises(RateLimited) as refused:
            budgets.take("somewhere", uuid4(), POOL, 1, lane="live", now_ms=NOW)
        assert (refused.value.until_ms, refused.value.ban) == (NOW + 60_000, True)
    assert there.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW) == 0
    assert here.take("elsewhere", None, POOL, 1, lane="live", now_ms=NOW) == 0
    assert here.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW + 60_001) == 0


def test_a_pause_of_one_account_is_its_own(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    paused, other = uuid4(), uuid4()
    budgets.ban("somewhere", paused, NOW + 1_000, "Slow down.")
    with pytest.raises(RateLimited):
        budgets.take("somewhere", paused, POOL, 1, lane="live", now_ms=NOW)
    assert budgets.take("somewhere", other, POOL, 1, lane="live", now_ms=NOW) == 0


def test_a_ban_outlives_a_redis_that_forgets(wire: redis.Redis) -> None:
    remembered: list[Ban] = []
    Budgets(wire, egress="here", remember=remembered.append).ban("somewhere", None, NOW + 60_000, "Banned.", ban=True)
    wire.flushdb()
    after = Budgets(wire, egress="here")
    after.restore(remembered)
    for budgets in (after, Budgets(wire, egress="here")):
        with pytest.raises(RateLimited):
            budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW)


def test_a_flushed_redis_costs_the_count_and_nothing_else(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    taken(budgets, "live")
    wire.flushdb()
    wire.script_flush()
    assert budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW) == 0


def test_without_limits_only_bans_count(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here", is_limited=False)
    assert taken(budgets, "live") == 300
    budgets.ban("somewhere", None, NOW + 1, "Pause.")
    with pytest.raises(RateLimited):
        budgets.take("somewhere", None, POOL, 1, lane="live", now_ms=NOW)


def test_new_sockets_have_a_budget_of_their_own(wire: redis.Redis) -> None:
    budgets = Budgets(wire, egress="here")
    waits = [budgets.take_connect("somewhere", "spot", capacity=3, per_ms=300_000, now_ms=NOW + at) for at in range(4)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


def test_a_redis_that_is_gone_is_said_so() -> None:
    with redis.Redis(host="127.0.0.1", port=1) as gone, pytest.raises(WireUnavailable):
        Budgets(gone, egress="here").take("somewhere", None, POOL, 1, lane="live", now_ms=NOW)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(
        st.tuples(
            st.integers(0, 800),
            st.sampled_from([1.0, 2.0, 5.0]),
            st.sampled_from(["live", "manual", "balances", "backfill"]),
        ),
        max_size=80,
    )
)
def test_no_stretch_of_a_pools_length_ever_holds_more_than_its_capacity(
    wire: redis.Redis, asked: list[tuple[int, float, Lane]]
) -> None:
    wire.flushdb()
    budgets = Budgets(wire, egress="here")
    now, given_at = NOW, []
    for later, weight, lane in asked:
        now += later
        if budgets.take("somewhere", None, KEY_POOL, weight, lane=lane, now_ms=now) == 0:
            given_at.append((now, weight))
    for begin, _ in given_at:
        inside = sum(weight for moment, weight in given_at if begin <= moment < begin + KEY_POOL.per_ms)
        assert inside <= KEY_POOL.capacity
