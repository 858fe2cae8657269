"""A storm is drawn from its seed alone, is over when it is over, and comes to nobody twice at a time."""

import pytest

from cli.storm import CLEAR, PAIRS, Blow, schedule

EXCHANGES = ("one", "two")
ACCOUNTS = ("one-1", "two-1")
LASTING = {"stop", "restart", "lock", "fill", "pause", "skew", "revoke", "replace"}


def drawn(seed: int, seconds: float = 60) -> tuple[Blow, ...]:
    return schedule(seed, seconds, exchanges=EXCHANGES, accounts=ACCOUNTS)


def test_the_same_seed_makes_the_same_storm_and_another_one_another() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


@pytest.mark.parametrize("seed", range(20))
def test_all_that_lasts_ends_within_the_storm_and_nobody_is_struck_meanwhile(seed: int) -> None:
    blows = drawn(seed)
    assert all(0 < blow.at_s <= 60 for blow in blows)
    assert list(blows) == sorted(blows, key=lambda blow: blow.at_s)
    for whom in {blow.whom for blow in blows}:
        told = [blow.what for blow in blows if blow.whom == whom]
        for what, following in zip(["", *told], [*told, ""], strict=True):
            if what in LASTING:
                assert following == f"{CLEAR} {what}"
            if following.startswith(CLEAR):
                assert following == f"{CLEAR} {what}"


def test_a_long_storm_spares_nobody() -> None:
    struck = {blow.whom for blow in drawn(1, 600)}
    assert struck == {*PAIRS, *EXCHANGES, *ACCOUNTS, "valkey", "postgres"}
