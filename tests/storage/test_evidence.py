"""Evidence that is old is told by the stretch and not by the day; nothing proven is left without any."""

from datetime import timedelta

import pytest

from shared.domain.windows import Coverage, Window
from shared.storage.evidence import Evidence, fold_evidence, proofs, record_evidence
from tests.fixtures.stored import NEW_YEAR, a_connection

DAY = 86_400_000
KEEP = timedelta(days=90)


@pytest.fixture
def connection(db):
    return a_connection(db)


def prove(db, connection, day, *, ago, days=1, feed="spot"):
    """A line of its own for some days of a feed, written so many days ago."""
    window = Window(NEW_YEAR + day * DAY, NEW_YEAR + (day + days) * DAY)
    evidence = Evidence(sync_type="recheck").plus("GET", "/trades", {"day": day}, 3)
    record_evidence(db, connection, feed, window, evidence)
    db.execute(
        "UPDATE evidence SET first_at = now() - %(ago)s, last_at = now() - %(ago)s"
        " WHERE id = (SELECT max(id) FROM evidence)",
        {"ago": timedelta(days=ago)},
    )


def windows(db, connection, feed="spot"):
    return [
        ((proof.window.since - NEW_YEAR) // DAY, (proof.window.until - NEW_YEAR) // DAY, proof.requests, proof.rows)
        for proof in proofs(db, connection, feed=feed)
    ]


def test_old_lines_whose_windows_meet_become_one_and_young_ones_stay(db, connection):
    for day in range(10):
        prove(db, connection, day, ago=200 - day)
    prove(db, connection, 3, ago=150, days=2)  # read again
    for day in (12, 13):  # a stretch of its own
        prove(db, connection, day, ago=120)
    for day in (14, 15):
        prove(db, connection, day, ago=89)
    told = proofs(db, connection)
    assert fold_evidence(db, KEEP, worth=11) == 11
    assert windows(db, connection) == [(0, 10, 11, 33), (12, 14, 2, 6), (14, 15, 1, 3), (15, 16, 1, 3)]
    first = proofs(db, connection)[0]
    assert first.request == 'GET /trades {"day":3}', "the last of its requests"
    assert (first.first_ms, first.last_ms) == (
        told[0].first_ms,
        max(p.last_ms for p in told if p.window.since < NEW_YEAR + 10 * DAY),
    )
    assert Coverage(proof.window for proof in proofs(db, connection)) == Coverage(proof.window for proof in told)


def test_a_feed_is_folded_when_it_is_worth_it_and_then_stays_as_it_is(db, connection):
    for day in range(5):
        prove(db, connection, day * 2, ago=100)  # five stretches that do not meet
        prove(db, connection, day, ago=100, feed="linear")
    assert fold_evidence(db, KEEP, worth=5) == 0
    assert fold_evidence(db, KEEP, worth=4) == 4
    assert windows(db, connection, "linear") == [(0, 5, 5, 15)]
    assert len(windows(db, connection)) == 5
    assert fold_evidence(db, KEEP, worth=1) == 0


def test_others_keep_their_own(db, connection):
    other = a_connection(db, label="other")
    for day in range(3):
        prove(db, connection, day, ago=100)
        prove(db, other, day + 3, ago=100)
    assert fold_evidence(db, KEEP, worth=2) == 4
    assert (windows(db, connection), windows(db, other)) == ([(0, 3, 3, 9)], [(3, 6, 3, 9)])
