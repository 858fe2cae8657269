"""Coverage is plain set arithmetic, and Postgres' multiranges agree with it."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.windows import Coverage, Window
from shared.storage import values

SPAN = 40
BASE = 1_767_225_600_000


@st.composite
def windows(draw: st.DrawFn) -> Window:
    since = draw(st.integers(0, SPAN - 1))
    return Window(BASE + since, BASE + draw(st.integers(since + 1, SPAN)))


coverages = st.lists(windows(), max_size=8).map(Coverage)


def moments(coverage: Coverage) -> set[int]:
    return {moment for window in coverage for moment in range(window.since, window.until)}


@given(coverages)
def test_windows_are_ascending_and_never_touch(coverage):
    for one, next_one in zip(coverage.windows, coverage.windows[1:], strict=False):
        assert one.until < next_one.since


@given(coverages, windows())
def test_what_is_added_is_in_and_nothing_else_changes(coverage, window):
    assert moments(coverage) | moments(Coverage([window])) == moments(coverage.add(window))


@given(coverages, windows())
def test_what_is_removed_is_out_and_nothing_else_changes(coverage, window):
    assert moments(coverage) - moments(Coverage([window])) == moments(coverage.remove(window))


@given(coverages, windows())
def test_gaps_are_wanted_minus_covered_and_filling_them_covers(coverage, wanted):
    gaps = coverage.gaps(wanted)
    assert moments(Coverage([wanted])) - moments(coverage) == moments(Coverage(gaps))
    assert Coverage(gaps).windows == gaps
    filled = coverage
    for gap in gaps:
        filled = filled.add(gap)
    assert filled.covers(wanted)
    assert coverage.covers(wanted) == (not gaps)


@given(
    st.permutations(
        [Window(BASE, BASE + 2), Window(BASE + 2, BASE + 4), Window(BASE + 1, BASE + 3), Window(BASE + 6, BASE + 7)]
    )
)
def test_the_order_in_which_windows_are_proven_does_not_matter(order):
    coverage = Coverage()
    for window in order:
        coverage = coverage.add(window)
    assert Coverage([Window(BASE, BASE + 4), Window(BASE + 6, BASE + 7)]) == coverage
    assert BASE + 7 == coverage.edge


@given(windows(), windows())
def test_two_windows_meet_where_both_hold(one, other):
    met = one.meet(other)
    both = moments(Coverage([one])) & moments(Coverage([other]))
    assert both == (moments(Coverage([met])) if met else set())
    assert met == other.meet(one)


@pytest.mark.parametrize(("since", "until"), [(5, 5), (6, 5)])
def test_a_window_that_is_empty_or_the_wrong_way_round_is_none(since, until):
    with pytest.raises(ValueError, match="end after it begins"):
        Window(since, until)


@pytest.fixture(scope="module")
def any_database(postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(coverage=coverages, window=windows())
def test_postgres_reckons_the_same(any_database, coverage, window):
    row = any_database.execute(
        "SELECT %(c)s::tstzmultirange, %(c)s::tstzmultirange + %(w)s, %(c)s::tstzmultirange - %(w)s,"
        " %(w)s::tstzmultirange - %(c)s, %(w)s::tstzmultirange <@ %(c)s::tstzmultirange",
        {"c": values.multirange(coverage), "w": values.window_range(window)},
    ).fetchone()
    same, added, removed, gaps = (values.coverage(each) for each in row[:4])
    assert (
        coverage,
        coverage.add(window),
        coverage.remove(window),
        coverage.gaps(window),
        coverage.covers(window),
    ) == (
        same,
        added,
        removed,
        gaps.windows,
        row[4],
    )


@given(st.integers(1_230_940_800_000, 4_102_444_800_000))
def test_a_moment_survives_the_way_to_the_column_and_back(at_ms):
    assert at_ms == values.millis(values.moment(at_ms))
