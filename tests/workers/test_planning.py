"""What is read next: endangered history first, then the newest gap, then backwards, until nothing is missing."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.windows import Coverage, Window
from shared.storage.feeds import FeedRecord
from workers.planning import OVERLAP_MS, Horizon, Piece, edge_window, gaps, inside, lost, next_gap, youngest

HOUR = 3_600_000
NOW = 1_800_000_000_000


def a_feed(*covered: tuple[int, int], key: str = "spot:A", **known: object) -> FeedRecord:
    fields: dict[str, object] = {
        "connection_id": UUID(int=1),
        "key": key,
        "covered": Coverage(Window(*each) for each in covered),
        "saturated": Coverage(),
        "recheck": Coverage(),
        "wanted_since_ms": 0,
        "reach_ms": None,
        "cursor": None,
        "memory": {},
        "is_sweep": False,
        "is_closed": False,
        "closed_reason": None,
        "due_ms": 0,
        "found_ms": 0,
        "proven_ms": None,
    }
    return FeedRecord(**{**fields, **known})  # type: ignore[arg-type]


def to(until: int, reach: int = 0, *, moves: bool = False) -> Horizon:
    return Horizon(reach, until, until, moves)


def test_the_newest_gap_of_all_feeds_comes_first() -> None:
    old, new = a_feed((50, 100), key="spot:OLD"), a_feed((0, 40), (60, 90), key="spot:NEW")
    horizons = {"spot:OLD": to(100), "spot:NEW": to(100)}
    assert next_gap([old, new], horizons) == Piece("spot:NEW", Window(90, 100), "gap")


def test_what_falls_out_of_reach_comes_before_the_newest_gap() -> None:
    feed = a_feed((5 * HOUR, 90 * HOUR))
    piece = next_gap([feed], {feed.key: to(100 * HOUR, reach=HOUR, moves=True)})
    assert piece == Piece(feed.key, Window(HOUR, 5 * HOUR), "urgent")


def test_a_reach_that_moves_is_not_followed_moment_by_moment() -> None:
    feed = a_feed((0, 7 * HOUR))
    piece = next_gap([feed], {feed.key: to(100 * HOUR, reach=HOUR + 1, moves=True)})
    assert piece == Piece(feed.key, Window(7 * HOUR, 100 * HOUR), "gap")


def test_an_unfinished_slice_is_finished_before_another_gap_is_begun() -> None:
    feed = a_feed(cursor={"since": 10, "until": 20, "start": None, "cursor": 5})
    assert next_gap([feed], {feed.key: to(100)}) == Piece(feed.key, Window(10, 20), "unfinished")


def test_an_unfinished_slice_that_was_proven_meanwhile_is_forgotten() -> None:
    feed = a_feed((0, 50), cursor={"since": 10, "until": 20, "start": None, "cursor": 5})
    assert next_gap([feed], {feed.key: to(100)}) == Piece(feed.key, Window(50, 100), "gap")


def test_history_is_read_again_when_no_gap_is_left() -> None:
    feed = a_feed((0, 100), recheck=Coverage([Window(40, 60)]))
    assert next_gap([feed], {feed.key: to(100)}) == Piece(feed.key, Window(40, 60), "recheck")


def test_a_saturated_hole_is_not_asked_for_again() -> None:
    feed = a_feed((0, 40), (60, 100), saturated=Coverage([Window(40, 60)]))
    assert next_gap([feed], {feed.key: to(100)}) is None


def test_what_fell_out_of_reach_unread_is_named() -> None:
    feed = a_feed((5, 10), (30, 100))
    assert lost(feed, to(100, reach=20)) == (Window(10, 20),)
    assert gaps(feed, to(100, reach=20)) == (Window(20, 30),)
    assert lost(a_feed((30, 100)), to(100, reach=20)) == ()  # its history began while it was being read
    began, late = to(9 * HOUR, reach=HOUR - 1), to(9 * HOUR, reach=3 * HOUR)
    for feed in (a_feed((8 * HOUR, 9 * HOUR)), a_feed()):
        assert lost(feed, began) == ()
        assert lost(feed, late) == (Window(0, 3 * HOUR),)  # nobody read it for hours
    assert lost(a_feed(wanted_since_ms=None), late) == ()
    assert lost(a_feed((HOUR, 9 * HOUR)), late) == (Window(0, HOUR),)


def test_an_asked_for_range_is_read_where_it_is_missing_or_marked() -> None:
    feed = a_feed((0, 40), (60, 100), recheck=Coverage([Window(90, 95)]))
    assert inside(feed, to(100), Window(30, 92)) == Piece(feed.key, Window(90, 92), "gap")
    assert inside(feed, to(100), Window(30, 80)) == Piece(feed.key, Window(40, 60), "gap")
    assert inside(feed, to(100), Window(0, 40)) is None


def test_catching_up_begins_a_little_before_the_proven_edge() -> None:
    at = 10 * OVERLAP_MS
    horizon = Horizon(0, at + 100, at + 90, moves=False)
    assert edge_window(a_feed((0, at)), horizon) == Window(at - OVERLAP_MS, at + 100)
    assert edge_window(a_feed((0, at)), Horizon(at - 5, at + 100, at + 90, moves=False)) == Window(at - 5, at + 100)
    assert edge_window(a_feed(), Horizon(20, 100, 90, moves=False)) == Window(20, 100)


def test_catching_up_leaves_a_long_gap_to_the_backfill() -> None:
    assert youngest(Window(HOUR, 25 * HOUR)) == Window(HOUR, 25 * HOUR)
    assert youngest(Window(HOUR, 25 * HOUR + 1)) == Window(25 * HOUR + 1 - 15 * 60_000, 25 * HOUR + 1)


windows = st.tuples(st.integers(0, 300), st.integers(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(
    covered=st.lists(st.lists(windows, max_size=4), min_size=1, max_size=3),
    reach=st.integers(0, 100),
    longest=st.integers(1, 50),
    moves=st.booleans(),
)
def test_reading_piece_after_piece_ends_with_everything_covered_and_nothing_read_twice(
    covered: list[list[tuple[int, int]]], reach: int, longest: int, moves: bool
) -> None:
    records = {f"spot:{at}": a_feed(*each, key=f"spot:{at}") for at, each in enumerate(covered)}
    horizons = {key: to(400, reach=reach, moves=moves) for key in records}
    for _ in range(2_000):
        piece = next_gap(list(records.values()), horizons)
        if piece is None:
            break
        read = Window(max(piece.window.since, piece.window.until - longest), piece.window.until)
        record = records[piece.key]
        assert not any(own.meet(read) for own in record.covered)
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        records[piece.key] = FeedRecord(**{**fields, "covered": record.covered.add(read)})
    assert all(record.covered.covers(Window(reach, 400)) for record in records.values())
