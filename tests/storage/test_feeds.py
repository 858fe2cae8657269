"""Feeds are found once, keep what they have, and are never lost sight of."""

import pytest

from shared.domain.windows import Coverage, Window
from shared.storage import feeds
from shared.storage.feeds import Feed
from shared.storage.pages import record_page
from tests.fixtures.stored import NEW_YEAR, a_connection

BTC, ETH = Feed.of("spot:BTCUSDT"), Feed.of("spot:ETHUSDT")
DAY = 86_400_000


@pytest.fixture
def connection(db):
    return a_connection(db)


def test_a_feed_found_again_keeps_what_it_has(db, connection):
    assert (BTC.key, ETH.key) == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR), (ETH, NEW_YEAR), (BTC, NEW_YEAR)])
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NEW_YEAR, NEW_YEAR + DAY), memory={"m": 1})
    assert () == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR + DAY), (ETH, NEW_YEAR + DAY)])
    btc, eth = feeds.feeds_of(db, connection)
    assert (BTC, ETH) == (btc.feed, eth.feed)
    assert (NEW_YEAR, Coverage([Window(NEW_YEAR, NEW_YEAR + DAY)]), {"m": 1}) == (
        btc.wanted_since_ms,
        btc.covered,
        btc.memory,
    )


def test_the_beginning_of_a_feed_moves_back_and_never_forward(db, connection):
    for since in (NEW_YEAR, NEW_YEAR + DAY, NEW_YEAR - DAY, NEW_YEAR):
        feeds.ensure_feeds(db, connection, [(BTC, since)])
    assert [NEW_YEAR - DAY] == [feed.wanted_since_ms for feed in feeds.feeds_of(db, connection)]


def test_a_swept_feed_found_traded_is_new_and_a_traded_one_is_never_swept_again(db, connection):
    assert (BTC.key,) == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)], is_sweep=True)
    assert () == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)], is_sweep=True)
    feeds.postpone(db, connection, [BTC.key], NEW_YEAR + 1000 * DAY)
    assert (BTC.key,) == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR + DAY)])
    assert () == feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR + DAY)], is_sweep=True)
    (feed,) = feeds.feeds_of(db, connection)
    assert (False, NEW_YEAR) == (feed.is_sweep, feed.wanted_since_ms)
    assert feed.due_ms < NEW_YEAR + 1000 * DAY


def test_a_closed_feed_is_out_of_the_way_and_keeps_its_coverage(db, connection):
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR), (ETH, NEW_YEAR)])
    feeds.close_feed(db, connection, BTC.key, "delisted")
    assert [ETH] == [feed.feed for feed in feeds.feeds_of(db, connection)]
    assert ["delisted", None] == [feed.closed_reason for feed in feeds.feeds_of(db, connection, include_closed=True)]
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)])
    assert [ETH] == [feed.feed for feed in feeds.feeds_of(db, connection)]
    feeds.reopen_feed(db, connection, BTC.key)
    assert [BTC, ETH] == [feed.feed for feed in feeds.feeds_of(db, connection)]


def test_a_recheck_concerns_the_feeds_named_and_only_what_is_covered(db, connection):
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR), (ETH, NEW_YEAR)])
    for feed in (BTC, ETH):
        record_page(db, connection_id=connection, feed=feed.key, proven=Window(NEW_YEAR, NEW_YEAR + DAY))
    assert 1 == feeds.mark_recheck(db, connection, Window(NEW_YEAR - DAY, NEW_YEAR + 5), [ETH.key])
    assert 0 == feeds.mark_recheck(db, connection, Window(NEW_YEAR + DAY, NEW_YEAR + 2 * DAY))
    btc, eth = feeds.feeds_of(db, connection)
    assert (Coverage(), Coverage([Window(NEW_YEAR, NEW_YEAR + 5)])) == (btc.recheck, eth.recheck)


def test_forgotten_coverage_is_a_gap(db, connection):
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR)])
    record_page(db, connection_id=connection, feed=BTC.key, proven=Window(NEW_YEAR, NEW_YEAR + DAY))
    feeds.forget_coverage(db, connection, Window(NEW_YEAR + 10, NEW_YEAR + 20))
    (feed,) = feeds.feeds_of(db, connection)
    assert (Window(NEW_YEAR + 10, NEW_YEAR + 20),) == feed.covered.gaps(Window(NEW_YEAR, NEW_YEAR + DAY))


def test_a_reach_is_kept_per_feed(db, connection):
    feeds.ensure_feeds(db, connection, [(BTC, NEW_YEAR), (ETH, NEW_YEAR)])
    feeds.set_reach(db, connection, {ETH.key: NEW_YEAR + 7})
    assert [NEW_YEAR, NEW_YEAR + 7] == [feed.reach_ms for feed in feeds.feeds_of(db, connection)]
