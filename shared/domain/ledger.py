"""The ledger of a spot wallet: every change of a balance is explained by trades, their fees, and transfers.

Two readings of a balance and what happened in between are held against each other. A reading is a moment that nobody
knows to the millisecond, so what happened within `SLACK_MS` of it may be in it or not: some cut must fit. What is
left over is how much is not explained.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from shared.domain.trades import Fee, Side

SLACK_MS = 5_000
# Exchanges round each trade's quote amount and fee to eight places; nobody says which way.
_ROUNDING = Decimal("0.00000001")
# A balance that is told with fewer places than its moves have was rounded with each of them, price and fee by itself.
# Fewer places than these are no rounding but a number without its zeros.
_FEWEST_PLACES = 2
_ROUNDED_A_MOVE = 2

Key = tuple[int, str]
"""Where something stands in the order of things: its moment (epoch ms) and its id."""


class Move(Struct, frozen=True):
    """Something that changed a balance: by how much, when, and its id."""

    at_ms: int
    id: str
    amount: Decimal

    @property
    def key(self) -> Key:
        """Its place in the order."""
        return self.at_ms, self.id


class Point(Struct, frozen=True):
    """A balance as it was read (exchange's time), and the last move that is in it."""

    read_ms: int
    total: Decimal
    cut: Key


class Verdict(Struct, frozen=True):
    """What became of a stretch between two readings: the new point, and what is not explained (None: nothing)."""

    point: Point
    unexplained: Decimal | None


def moves_of_trade(
    symbol: str, side: Side, amount: Decimal, cost: Decimal, fees: Sequence[Fee]
) -> Mapping[str, Decimal]:
    """How a spot trade moves its wallet, by asset. `symbol` is the unified one, `BTC/USDT`."""
    base, _, quote = symbol.partition("/")
    sign = 1 if side is Side.BUY else -1
    moves = {base: sign * amount}
    moves[quote] = moves.get(quote, Decimal(0)) - sign * cost
    for fee in fees:
        moves[fee.currency] = moves.get(fee.currency, Decimal(0)) - fee.amount
    return moves


def judge(before: Point, read_ms: int, total: Decimal, moves: Iterable[Move], slack_ms: int = SLACK_MS) -> Verdict:
    """Whether the moves after a point explain a later reading.

    All moves up to `slack_ms` before the reading must be in it, none later than `slack_ms` after it; between the two
    any cut may be the right one, and one that fits is taken. Where none fits, the difference is told as if the
    reading were exact.
    """
    wanted, places = total - before.total, _places_told(before.total, total)
    ordered = sorted((move for move in moves if move.key > before.cut), key=lambda move: move.key)
    told, cut, exact = Decimal(0), before.cut, Decimal(0)
    for count, move in enumerate(ordered):
        if move.at_ms >= read_ms - slack_ms and _fits(wanted, told, count, places):
            return Verdict(Point(read_ms, total, cut), None)
        if move.at_ms > read_ms + slack_ms:
            break
        told += move.amount
        cut = move.key
        if move.at_ms <= read_ms:
            exact = told
    if _fits(wanted, told, len(ordered), places):
        return Verdict(Point(read_ms, total, cut), None)
    return Verdict(Point(read_ms, total, (read_ms, "")), wanted - exact)


def holds(before: Point, after: Point, moves: Iterable[Move]) -> Decimal | None:
    """What is not explained between two points whose cuts are known; None when all is."""
    between = [move.amount for move in moves if before.cut < move.key <= after.cut]
    wanted, told = after.total - before.total, sum(between, Decimal(0))
    is_explained = _fits(wanted, told, len(between), _places_told(before.total, after.total))
    return None if is_explained else wanted - told


def _fits(wanted: Decimal, told: Decimal, count: int, places: int) -> bool:
    """Whether `count` moves that add up to `told` explain a change between balances of so many decimal places."""
    left = abs(wanted - told)
    if left <= _ROUNDING * count:
        return True
    if places < _FEWEST_PLACES or left > Decimal(1).scaleb(-places) * (_ROUNDED_A_MOVE * count + 1):
        return False
    return len(format(told, "f").partition(".")[2].rstrip("0")) > places


def _places_told(*totals: Decimal) -> int:
    """The decimal places that balances were told with."""
    return max(-int(total.as_tuple().exponent) for total in totals)
