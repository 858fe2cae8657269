"""How fills of the past are read by time: windows of two days, pages that go on from a row's own id."""

from collections.abc import Iterator
from itertools import dropwhile, islice

from msgspec import Struct

from simulator.dialect import Call, Refusal
from simulator.http import Response
from simulator.truth import Fill

HOUR_MS = 3_600_000
LONGEST_MS = 48 * HOUR_MS

_EPOCH_MS = 1_577_836_800_000
_TIME_BITS, _TIE_BITS = 39, 24
_TIE = (1 << _TIE_BITS) - 1
_SPAN = 1 << (_TIME_BITS + _TIE_BITS)
_STIR = 0x5DEECE66D_1B5
_UNSTIR = pow(_STIR, -1, _SPAN)


class Window(Struct, frozen=True):
    """Both ends are included."""

    since_ms: int
    until_ms: int


class BadWindow(Exception):
    """A window the exchange does not read: `which` is interval, start_date or end_date."""

    def __init__(self, which: str) -> None:
        super().__init__(which)
        self.which = which


def row_id(fill: Fill) -> int:
    """What a row is found by when a page goes on from it: of 63 bits, and in no order that anybody could see."""
    moment = (fill.timestamp_ms - _EPOCH_MS) % (1 << _TIME_BITS)
    return (moment << _TIE_BITS | fill.sequence & _TIE) * _STIR % _SPAN


def window_of(call: Call, start: str, end: str, reach_ms: int) -> Window:
    """The window that the parameters `start` and `end` ask for; raises `BadWindow`.

    An end alone means two days before it, none the last two days. A start alone is honoured within the last two
    days only: an older one is passed over without a word.
    """
    now = call.now_ms
    since, until = _moment(call, start, "start_date"), _moment(call, end, "end_date")
    if until is None:
        until = now
        if since is not None and since < now - LONGEST_MS:
            since = None
    if since is None:
        since = until - LONGEST_MS
    elif since < now - reach_ms:
        raise BadWindow("start_date")
    if until < since or until - since > LONGEST_MS:
        raise BadWindow("interval")
    return Window(since, until)


def _moment(call: Call, name: str, which: str) -> int | None:
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise BadWindow(which)
    return int(written)


def page_of(
    call: Call, product: str, market_id: str, window: Window, limit: int, begin: str, direct: str, refused: Response
) -> list[Fill]:
    """At most `limit` fills of the window, newest first.

    `begin` is the id of a row, which is part of the answer again; `direct` is next (the older ones) or prev.
    A `begin` that is no id raises `Refusal` with `refused`.
    """
    account, now = call.account, call.now_ms
    if not begin:
        fills = account.read_fills(
            now,
            product=product,
            market_id=market_id,
            since_ms=window.since_ms,
            until_ms=window.until_ms,
            newest_first=True,
        )
        return list(islice(fills, limit))
    if not begin.isdecimal():
        raise Refusal(refused)
    place = int(begin) % _SPAN * _UNSTIR % _SPAN
    moment, tie = (place >> _TIE_BITS) + _EPOCH_MS, place & _TIE
    is_older = direct != "prev"
    found = account.read_fills(
        now,
        product=product,
        market_id=market_id,
        since_ms=window.since_ms if is_older else max(window.since_ms, moment),
        until_ms=min(window.until_ms, moment) if is_older else window.until_ms,
        newest_first=is_older,
    )
    page = list(islice(_from(found, moment, tie), limit))
    return page if is_older else page[::-1]


def _from(fills: Iterator[Fill], moment: int, tie: int) -> Iterator[Fill]:
    """Passes over what happened in the same instant but lies before the row."""
    return dropwhile(lambda fill: fill.timestamp_ms == moment and fill.sequence & _TIE != tie, fills)


def limit_of(call: Call, name: str, usual: int, largest: int) -> int:
    """The page size asked for, cut to what there is; what is no number means the usual one."""
    written = call.params.get(name, "")
    return min(max(int(written), 1), largest) if written.isdecimal() else usual
