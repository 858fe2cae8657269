"""What of a connection's history is read next. Pure: feeds as they stand and the time in, a stretch out.

The order is: what is about to fall out of the exchange's reach; an unfinished slice; the newest gap, whichever
feed it is in; then backwards. Windows that are to be read again come when no gap is left.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from shared.domain.windows import Coverage, Window
from shared.storage.feeds import FeedRecord

# What will be out of reach within the first time is read before everything else, as far as the second: the reach
# moves while it is read, and must not be followed millisecond by millisecond.
URGENT_MS = 3 * 3_600_000
_AHEAD_MS = 6 * 3_600_000
_PASSED_BY_MS = 3_600_000

# Catching up reads a gap that is not longer than this; of a longer one only the youngest part, quickly, because
# a backfill reads it too and the two must not read the same.
_CAUGHT_UP_MS = 86_400_000
YOUNG_MS = 15 * 60_000

# The edge is read again by this much each time: a trade may have been stamped before it, because the exchange's
# clock was put back, or listed late. It costs rows, hardly ever a request.
OVERLAP_MS = 120_000

Why = Literal["urgent", "unfinished", "gap", "recheck"]


class Horizon(Struct, frozen=True):
    """How far a feed may be read now: from `reach` up to `until`; what lies before `proven_until` can be proven.

    `moves` says that the reach follows the clock, so that what is not read in time is lost.
    """

    reach: int
    until: int
    proven_until: int
    moves: bool


class Piece(Struct, frozen=True):
    """A stretch of one feed to be read, and why it comes now."""

    key: str
    window: Window
    why: Why


def wanted(record: FeedRecord, horizon: Horizon) -> Window | None:
    """The whole stretch that is wanted of a feed and can still be read, or None when there is none."""
    since = horizon.reach if record.wanted_since_ms is None else max(record.wanted_since_ms, horizon.reach)
    return Window(since, horizon.until) if since < horizon.until else None


def gaps(record: FeedRecord, horizon: Horizon) -> tuple[Window, ...]:
    """What is wanted and neither proven nor known as a hole that cannot be filled, ascending."""
    whole = wanted(record, horizon)
    if whole is None:
        return ()
    return Coverage((*record.covered, *record.saturated)).gaps(whole)


def lost(record: FeedRecord, horizon: Horizon) -> tuple[Window, ...]:
    """What was promised and has fallen out of reach unread: the exchange does not tell it any more.

    What a moving reach passed by while a feed was first read is no loss, but where its history begins.
    """
    known = Coverage((*record.covered, *record.saturated))
    begins = known.windows[0].since if known else horizon.reach
    promised = begins if record.wanted_since_ms is None else min(begins, record.wanted_since_ms)
    if min(begins, horizon.reach) - promised < _PASSED_BY_MS:
        promised = begins
    return known.gaps(Window(promised, horizon.reach)) if promised < horizon.reach else ()


def next_gap(records: Iterable[FeedRecord], horizons: Mapping[str, Horizon]) -> Piece | None:
    """The stretch to read next of these feeds, or None when nothing is missing and nothing is to be read again."""
    best: Piece | None = None
    best_rank: tuple[int, int] | None = None
    for record in records:
        for piece in _candidates(record, horizons[record.key]):
            rank = (_RANKS[piece.why], piece.window.since if piece.why == "urgent" else -piece.window.until)
            if best_rank is None or rank < best_rank:
                best, best_rank = piece, rank
    return best


_RANKS: dict[Why, int] = {"urgent": 0, "unfinished": 1, "gap": 2, "recheck": 3}


def _candidates(record: FeedRecord, horizon: Horizon) -> Iterable[Piece]:
    missing = gaps(record, horizon)
    whole = wanted(record, horizon)
    again = [window for each in record.recheck if whole and (window := each.meet(whole))]
    unfinished = unfinished_window(record)
    if unfinished is not None and any(part.meet(unfinished) for part in (*missing, *again)):
        yield Piece(record.key, unfinished, "unfinished")
    if missing:
        oldest = missing[0]
        if horizon.moves and oldest.since < horizon.reach + URGENT_MS:
            yield Piece(record.key, Window(oldest.since, min(oldest.until, horizon.reach + _AHEAD_MS)), "urgent")
        yield Piece(record.key, missing[-1], "gap")
    elif again:
        yield Piece(record.key, again[-1], "recheck")


def unfinished_window(record: FeedRecord) -> Window | None:
    """The window of the slice that was left half-read, or None."""
    kept = record.cursor
    if not isinstance(kept, Mapping) or not kept.keys() >= {"since", "until", "start", "cursor"}:
        return None
    return Window(kept["since"], kept["until"]) if kept["since"] < kept["until"] else None


def inside(record: FeedRecord, horizon: Horizon, window: Window) -> Piece | None:
    """The newest part of one window that is missing or to be read again, or None."""
    whole = wanted(record, horizon)
    asked = whole and whole.meet(window)
    if asked is None:
        return None
    missing = Coverage((*record.covered, *record.saturated)).gaps(asked)
    again = tuple(part for each in record.recheck if (part := each.meet(asked)))
    parts = sorted((*missing, *again))
    return Piece(record.key, parts[-1], "gap") if parts else None


def edge_window(record: FeedRecord, horizon: Horizon) -> Window | None:
    """From a little before the proven edge to now; of a feed never read, all that is wanted. None: not a moment."""
    whole = wanted(record, horizon)
    if whole is None:
        return None
    edge = record.covered.edge
    since = whole.since if edge is None else max(edge - OVERLAP_MS, whole.since)
    return Window(min(since, horizon.proven_until, whole.until - 1), whole.until)


def youngest(window: Window) -> Window:
    """What catching up reads of an edge: all of it, or what is young where it is long."""
    if window.until - window.since <= _CAUGHT_UP_MS:
        return window
    return Window(window.until - YOUNG_MS, window.until)
