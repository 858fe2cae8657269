"""The ledger: what explains a change of a balance, whatever the moment at which it was read."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ledger import SLACK_MS, Move, Point, holds, judge, moves_of_trade
from shared.domain.trades import Fee, Side

START = 1_795_190_400_000
# Nothing as small as what rounding explains.
AMOUNTS = st.decimals(min_value="-50", max_value="50", places=6).filter(lambda amount: amount != 0)


def a_move(at_ms: int, amount: str, name: str = "a") -> Move:
    return Move(START + at_ms, name, Decimal(amount))


def a_point(total: str = "10") -> Point:
    return Point(START, Decimal(total), (START, ""))


def test_a_buy_moves_both_coins_and_its_fee_a_third():
    moves = moves_of_trade("BTC/USDT", Side.BUY, Decimal("0.5"), Decimal(32_000), (Fee(Decimal("0.02"), "BNB"),))
    assert moves == {"BTC": Decimal("0.5"), "USDT": Decimal(-32_000), "BNB": Decimal("-0.02")}


def test_a_sale_with_a_rebate_brings_a_little_more():
    moves = moves_of_trade("BTC/USDT", Side.SELL, Decimal(1), Decimal(64_000), (Fee(Decimal("-6.4"), "USDT"),))
    assert moves == {"BTC": Decimal(-1), "USDT": Decimal("64006.4")}


def test_what_the_moves_explain_is_explained_and_the_cut_follows():
    moves = [a_move(10_000, "1"), a_move(20_000, "-0.25", "b")]
    verdict = judge(a_point(), START + 60_000, Decimal("10.75"), moves)
    assert verdict.unexplained is None
    assert verdict.point == Point(START + 60_000, Decimal("10.75"), (START + 20_000, "b"))


def test_a_move_at_the_moment_of_reading_may_be_in_it_or_not():
    near = a_move(60_000 + SLACK_MS - 1, "1")
    assert judge(a_point(), START + 60_000, Decimal(10), [near]).point.cut == (START, "")
    assert judge(a_point(), START + 60_000, Decimal(11), [near]).point.cut == near.key
    far = a_move(60_000 + SLACK_MS + 1, "1")
    assert judge(a_point(), START + 60_000, Decimal(11), [far]).unexplained == Decimal(1)


def test_a_move_well_before_the_reading_must_be_in_it():
    early = a_move(60_000 - SLACK_MS - 1, "1")
    assert judge(a_point(), START + 60_000, Decimal(10), [early]).unexplained == Decimal(-1)


def test_a_balance_that_the_exchange_rounds_opens_no_gap():
    """Kraken tells dollars with four places, a trade's cost and fee with five or more."""
    moves = [a_move(1_000 * number, "-12.34567", f"m{number}") for number in range(1, 4)]
    before = a_point("1000.0000")
    for told in ("962.9629", "962.9630", "962.9631", "962.9627"):  # rounded at the end, or with each trade
        verdict = judge(before, START + 60_000, Decimal(told), moves)
        assert verdict.unexplained is None
        assert holds(before, verdict.point, moves) is None
    verdict = judge(before, START + 60_000, Decimal("962.9620"), moves)
    assert verdict.unexplained == Decimal("-0.00099")


def test_the_finer_of_two_balances_says_how_they_are_rounded():
    told = judge(a_point("987.65"), START + 60_000, Decimal("975.3093"), [a_move(1_000, "-12.345671")])
    assert told.unexplained == Decimal("0.004971")


def test_what_has_no_more_places_than_the_balance_was_not_rounded():
    moves = [a_move(1_000, "-12.3456")]
    assert judge(a_point("1000.0000"), START + 60_000, Decimal("987.6543"), moves).unexplained == Decimal("-0.0001")
    assert judge(a_point("1000.0000"), START + 60_000, Decimal("999.9999"), []).unexplained == Decimal("-0.0001")


def test_a_balance_without_its_zeros_is_not_a_rounded_one():
    """Some exchanges leave zeros at the end out: 10 may stand for 10.00000000."""
    moves = [a_move(1_000, "-0.12345678")]
    assert judge(a_point("10"), START + 60_000, Decimal("9.5"), moves).unexplained == Decimal("-0.37654322")
    assert judge(a_point("10"), START + 60_000, Decimal(9), moves).unexplained == Decimal("-0.87654322")


def test_what_is_counted_once_is_not_counted_again():
    move = a_move(59_000, "1")
    first = judge(a_point(), START + 60_000, Decimal(11), [move])
    second = judge(first.point, START + 120_000, Decimal(11), [move])
    assert (first.unexplained, second.unexplained) == (None, None)
    late = judge(a_point(), START + 60_000, Decimal(10), [a_move(60_500, "1")])
    assert judge(late.point, START + 120_000, Decimal(11), [a_move(60_500, "1")]).unexplained is None


def test_a_trade_that_is_missing_is_told_to_the_last_digit():
    verdict = judge(a_point(), START + 60_000, Decimal("10.12345678"), [a_move(10_000, "0.1")])
    assert verdict.unexplained == Decimal("0.02345678")


@given(
    amounts=st.lists(st.tuples(st.integers(1, 600_000), AMOUNTS), max_size=12),
    wobbles=st.lists(st.integers(-SLACK_MS + 1, SLACK_MS - 1), min_size=10, max_size=10),
)
def test_readings_taken_at_odd_moments_are_all_explained(amounts, wobbles):
    """The truth is read every minute, each time a little early or late: nothing is ever unexplained, and every
    stretch between two points still holds when it is looked at again."""
    moves = [Move(START + at, str(number), amount) for number, (at, amount) in enumerate(amounts)]
    point, points = a_point("1000"), [a_point("1000")]
    for number, wobble in enumerate(wobbles):
        said_ms, true_ms = START + (number + 1) * 60_000, START + (number + 1) * 60_000 + wobble
        total = Decimal(1000) + sum(move.amount for move in moves if START < move.at_ms <= true_ms)
        verdict = judge(point, said_ms, total, moves)
        assert verdict.unexplained is None
        point = verdict.point
        points.append(point)
    for before, after in pairwise(points):
        assert holds(before, after, moves) is None


@given(
    amounts=st.lists(st.tuples(st.integers(1, 49_000), AMOUNTS), min_size=1, max_size=8),
    lost=st.integers(0, 7),
)
def test_a_lost_trade_is_found_and_found_again_when_it_came_back(amounts, lost):
    moves = [Move(START + at, str(number), amount) for number, (at, amount) in enumerate(amounts)]
    gone = moves[lost % len(moves)]
    total = Decimal(1000) + sum(move.amount for move in moves)
    known = [move for move in moves if move is not gone]
    verdict = judge(a_point("1000"), START + 60_000, total, known)
    assert verdict.unexplained is not None
    assert verdict.unexplained == gone.amount
    assert holds(a_point("1000"), verdict.point, known) == gone.amount
    assert holds(a_point("1000"), verdict.point, moves) is None
