"""Every exchange with a wallet that only spot trades and transfers move: its trades explain its balances."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from shared.domain.ledger import Move, Point, judge, moves_of_trade
from shared.domain.trades import Fee, Side
from shared.domain.windows import Window
from shared.exchanges import load
from tests.gateway.played import CASES, now_ms

FEES = {"discount": True}, {"discount": False}, {"points": True}


def totals(gateway, account, key):
    """What lies in the one wallet that is to be explained, by asset."""
    found = load(account.exchange)
    (wallet,) = found.spot_wallets(account)
    held: dict[str, Decimal] = {}
    for balance in gateway.run(account, key, found.balances(account)).balances:
        if balance.account_type == wallet:
            held[balance.asset] = held.get(balance.asset, Decimal(0)) + balance.total
    return held


def add(moves, asset, move):
    moves.setdefault(asset, []).append(move)


def moves_of(trades):
    """What spot trades moved, as the simulator tells it."""
    moves: dict[str, list[Move]] = {}
    for place, trade in enumerate(trades):
        if trade["product"] == "spot":
            fees = [Fee(Decimal(fee["amount"]), fee["currency"]) for fee in trade["fees"]]
            amounts = (Decimal(trade["amount"]), Decimal(trade["cost"]))
            for asset, change in moves_of_trade(trade["symbol"], Side(trade["side"]), *amounts, fees).items():
                add(moves, asset, Move(trade["timestamp_ms"], f"t{place}", change))
    return moves


def unexplained(before: Mapping[str, Decimal], after: Mapping[str, Decimal], moves, began_ms):
    """By asset, what the moves since then do not explain."""
    left = {}
    for asset in before.keys() | after.keys() | moves.keys():
        point = Point(began_ms, before.get(asset, Decimal(0)), (began_ms, ""))
        left[asset] = judge(point, now_ms() + 1, after.get(asset, Decimal(0)), moves.get(asset, [])).unexplained
    return {asset: amount for asset, amount in left.items() if amount is not None}


@pytest.fixture
def wallet(simulator, person):
    """The simulator's word for the wallet that spot trades move."""
    made, account, _ = person
    if not load(account.exchange).spot_wallets(account):
        pytest.skip("it has no wallet that only trades and transfers move")
    return simulator.deposit(made, cash(simulator, made), "1")["wallet"]


def cash(simulator, made):
    """A coin to pay in: the dollar that it has, or whatever else."""
    held = {row["asset"] for row in simulator.truth(made)["balances"]}
    return next((coin for coin in ("USDT", "USD", "EUR") if coin in held), min(held))


def told_movements(gateway, account, key, since_ms, assets):
    """What the exchange tells of deposits and the like."""
    window = Window(since_ms, now_ms() + 1_000)
    return gateway.run(account, key, load(account.exchange).movements(account, window, frozenset(assets)))


def told_ids(gateway, account, key, assets):
    """The ids of what came and went in the last seconds."""
    if load(account.exchange).movements is None:
        return set()
    return {row.id for row in told_movements(gateway, account, key, now_ms() - 5_000, assets)}


@pytest.mark.parametrize("details", FEES, ids=["discount", "usual fees", "points"])
@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_trades_and_transfers_explain_the_balances(simulator, gateway, person, wallet, details):
    made, account, key = person
    simulator.change(made, details=details)
    before, known, traded = totals(gateway, account, key), simulator.truth(made), []
    ids = told_ids(gateway, account, key, before.keys())
    while sum(trade["product"] == "spot" for trade in traded) < 40:
        traded += simulator.trade(made, 20)
    came = simulator.deposit(made, cash(simulator, made), "250")
    after, truth = totals(gateway, account, key), simulator.truth(made)
    # Some tell of transfers in whole seconds only: what came in the same second before is known already.
    began_ms = min(trade["timestamp_ms"] for trade in traded) // 1_000 * 1_000 - 1
    moves = moves_of(traded)
    deposits = [row for row in truth["deposits"][len(known["deposits"]) :] if row["wallet"] == wallet]
    if load(account.exchange).movements is None:
        for place, row in enumerate(deposits):
            add(moves, row["asset"], Move(row["timestamp_ms"], f"d{place}", Decimal(row["amount"])))
    else:
        for row in told_movements(gateway, account, key, began_ms, before.keys() | after.keys()):
            if row.id not in ids:
                add(moves, row.asset, Move(row.timestamp_ms, row.id, row.amount))
    assert unexplained(before, after, moves, began_ms) == {}
    lost = next(place for place, trade in enumerate(traded) if trade["product"] == "spot")
    assert unexplained(before, after, moves_of(traded[:lost] + traded[lost + 1 :]), began_ms) != {}
    assert came in deposits


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_what_came_and_went_is_told_with_its_moment_and_once(simulator, gateway, person, wallet):
    made, account, key = person
    if load(account.exchange).movements is None:
        pytest.skip("it tells of trades only")
    since_ms, asset = now_ms() - 2_000, cash(simulator, made)
    simulator.trade(made, 10)
    for amount in ("250", "-30.5"):
        simulator.deposit(made, asset, amount, wallet)
    wanted = {
        (row["asset"], Decimal(row["amount"])): row["timestamp_ms"]
        for row in simulator.truth(made)["deposits"]
        if row["wallet"] == wallet and row["timestamp_ms"] > since_ms
    }
    told = told_movements(gateway, account, key, since_ms, {asset})
    assert {row.account_type for row in told} == load(account.exchange).spot_wallets(account)
    assert len({(row.asset, row.id) for row in told}) == len(told)
    found = {(row.asset, row.amount): row.timestamp_ms for row in told if not row.kind.startswith("paid in")}
    assert found.keys() == wanted.keys()
    assert all(abs(found[name] - wanted[name]) <= 1_000 for name in wanted)
    assert set(told_movements(gateway, account, key, since_ms, {asset})) == set(told)


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_a_key_that_may_see_nothing_is_told_nothing(simulator, gateway, person, wallet):
    made, account, key = person
    if load(account.exchange).movements is None:
        pytest.skip("it tells of trades only")
    simulator.change(made, permissions=[])
    assert told_movements(gateway, account, key, now_ms() - 60_000, {cash(simulator, made)}) == ()
