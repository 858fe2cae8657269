"""A simulator started again goes on from where it ended."""

from pathlib import Path

import pytest

from simulator.clock import Clock
from simulator.memory import OtherSeed, recall, remember
from simulator.world import World, find_dialects


@pytest.fixture(params=sorted(find_dialects()))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def a_world(name: str, seed: int = 1) -> World:
    return World(exchanges=[name], seed=seed, clock=Clock(start_ms=1_800_000_000_000, speed=1.0))


def test_a_second_run_knows_what_the_first_made_and_repeats_no_id(name: str, tmp_path: Path) -> None:
    world = a_world(name)
    first = world.exchanges[name]
    world.stock(accounts=2, history=20)
    for account in list(first.accounts.values()) * 20:
        first.trade(account)
    before = [account.as_truth() for account in first.accounts.values()]
    remember(first, tmp_path)

    again = a_world(name)
    second = again.exchanges[name]
    assert recall(second, tmp_path)
    again.stock(accounts=2, history=20)
    assert before == [account.as_truth() for account in second.accounts.values()]
    assert set(first.by_key) == set(second.by_key)
    for account in list(second.accounts.values()) * 20:
        second.trade(account)
    for account in second.accounts.values():
        keys = [
            (fill.market.product, fill.market.id, fill.trade_id, fill.order.id, fill.side)
            for fill in account.all_fills()
        ]
        assert len(set(keys)) == len(keys)


def test_more_accounts_than_before_are_added_to_those_remembered(name: str, tmp_path: Path) -> None:
    world = a_world(name)
    world.stock(accounts=1, history=0)
    remember(world.exchanges[name], tmp_path)
    again = a_world(name)
    recall(again.exchanges[name], tmp_path)
    again.stock(accounts=3, history=0)
    assert 3 == len(again.exchanges[name].by_key)


def test_another_seed_is_another_world(name: str, tmp_path: Path) -> None:
    remember(a_world(name).exchanges[name], tmp_path)
    with pytest.raises(OtherSeed, match="seed 1, not 2"):
        recall(a_world(name, seed=2).exchanges[name], tmp_path)
