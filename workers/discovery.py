"""Which feeds a connection has: those known without asking, and traded markets where one must be named."""

from shared.exchanges.kit.contract import Found
from shared.logs import get_log
from shared.storage import due, feeds
from shared.storage.pool import borrow
from workers.reading import Run

log = get_log()


def ensure_known(run: Run) -> tuple[str, ...]:
    """Make sure of the feeds that need no asking. Gives the keys that are new."""
    return _ensure(run, Found(feeds=run.exchange.history.feeds(run.account, run.markets)))


def discover(run: Run) -> tuple[str, ...]:
    """Ask the exchange which markets were traded. A feed found later is read from its beginning. Gives the new keys."""
    new = list(ensure_known(run))
    if run.exchange.history.discover is not None:
        found = run.desk.gateway.run(
            run.account,
            run.credentials,
            run.exchange.history.discover(run.account, run.markets),
            lane=run.lane,
            proxy=run.connection.egress_proxy,
        )
        new += _ensure(run, found)
    if new:
        log.info("history.feeds_found", feeds=len(new), first=sorted(new)[:5])
    return tuple(new)


def look_for_listings(run: Run) -> None:
    """A stream told of a trade that could not be read: its market may be newer than our list, and have no feed yet."""
    run.markets = run.desk.markets(run.exchange.id, run.connection.region, True)
    run.has_fresh_markets = True
    history = run.exchange.history
    if history.discover is None:
        return
    with borrow(run.desk.pool) as db:
        known = {record.key for record in feeds.feeds_of(db, run.connection.id, include_closed=True)}
    products = set(run.account.products)
    if any(
        history.feed_of(each.product, each.id).key not in known for each in run.markets.all if each.product in products
    ):
        discover(run)


def _ensure(run: Run, found: Found) -> tuple[str, ...]:
    now_ms = run.now_ms()
    reach = run.exchange.history.reach
    traded = [(feed, reach(feed, run.account, now_ms)) for feed in found.feeds]
    quiet = [(feed, reach(feed, run.account, now_ms)) for feed in found.sweep]
    if not traded and not quiet:
        return ()
    with borrow(run.desk.pool) as db, db.transaction():
        new = feeds.ensure_feeds(db, run.connection.id, traded)
        swept = feeds.ensure_feeds(db, run.connection.id, quiet, is_sweep=True)
        if new:
            due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())
            # What was found by a trade has one at its edge, and edges are for catch-ups to read.
            due.pull_in(db, run.connection.id, "catch_up", run.desk.now_ms())
        if swept:
            due.pull_in(db, run.connection.id, "sweep", run.desk.now_ms())
    return new


def complete(run: Run) -> None:
    """Feeds that so far only a stream has mentioned learn where their history begins."""
    with borrow(run.desk.pool) as db:
        unread = [record for record in feeds.feeds_of(db, run.connection.id) if record.wanted_since_ms is None]
        now_ms = run.now_ms()
        feeds.ensure_feeds(
            db,
            run.connection.id,
            [(record.feed, run.exchange.history.reach(record.feed, run.account, now_ms)) for record in unread],
        )
