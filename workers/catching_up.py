"""From the proven edge to now, quickly: after a (re)connect, now and then, and on a hint that something filled.

It reads up to this very moment, though it proves only what has settled. What a stream told provisionally is
looked for again, after pauses that grow with its age, until REST shows it.
"""

from collections.abc import Sequence
from datetime import timedelta

from shared.domain.errors import BadInput, ContractBroken, MarketGone, Transient
from shared.domain.windows import Window, milliseconds
from shared.exchanges.kit.contract import Feed
from shared.logs import get_log
from shared.queue.requests import CatchUp
from shared.storage import connections, due, events, feeds, unconfirmed
from shared.storage.feeds import FeedRecord
from shared.storage.jobs import Claim
from shared.storage.pool import borrow
from workers.desk import Desk
from workers.discovery import complete, ensure_known, look_for_listings
from workers.fate import Outcome, Told
from workers.history import horizon_of, opened_run
from workers.planning import Piece, edge_window, youngest
from workers.put_back import doubt_proofs
from workers.reading import Run, keep_broken, read_piece
from workers.recovery import came_back
from workers.rereading import resolve_heard

# Pauses before an order is looked for again within one job: REST shows a fill a moment after the stream tells it.
_LOOKS_SECONDS = (0.3, 0.6, 1.2)
_SOONEST_MS, _LATEST_MS = 1_000, 60_000
_GIVE_UP_MS = 3_600_000  # a provisional row older than this is looked for at the usual pace
_QUIET_FACTOR = 12

log = get_log()


def catch_up(desk: Desk, claim: Claim, request: CatchUp, told: Told) -> Outcome:
    """Read the edge of the named feeds, of those that are due, or of all."""
    with opened_run(desk, claim, request.connection_id, told, lane="live", sync_type="catch_up") as run:
        run.owns_cursor = False
        return _catch_up(run, request)


def _catch_up(run: Run, request: CatchUp) -> Outcome:
    if request.feeds:
        _ensure_named(run, request.feeds)
    else:
        ensure_known(run)
    if request.reason == "unreadable":
        look_for_listings(run)
    elif request.reason == "connected":
        _discover_soon(run)
    complete(run)
    doubt_proofs(run)
    records = _chosen(run, request)
    known = 0 if request.order_id is None else _confirmed(run, request.order_id)
    left = {record.key for record in records}
    trouble: ContractBroken | None = None
    try:
        for record in records:
            trouble = _read_edge(run, record) or trouble
            left.discard(record.key)
            if run.is_over:
                break
        if request.order_id is not None:
            _look_again(run, records, request.order_id, known)
    except Transient:
        _read_soon(run, left)
        raise
    _read_soon(run, left)
    _expect(run)
    _doubt(run)
    resolve_heard(run)
    with borrow(run.desk.pool) as db:
        if trouble is not None:
            connections.touch_failure(db, run.connection.id, "catch_up", trouble)
        elif records:
            came_back(db, run.connection, run.desk.now_ms())
            connections.touch_success(db, run.connection.id)
    return Outcome(word="partly" if trouble is not None or left else "caught_up" if records else "nothing_due")


def _discover_soon(run: Run) -> None:
    """While a stream was away, a market may have been traded for the first time: no feed of ours would show it."""
    if run.exchange.history.discover is not None:
        at_ms = run.desk.now_ms() + run.exchange.history.settle_lag_ms
        with borrow(run.desk.pool) as db:
            due.pull_in(db, run.connection.id, "discovery", at_ms)


def _ensure_named(run: Run, keys: Sequence[str]) -> None:
    try:
        named = [Feed.of(key) for key in keys]
    except ValueError as error:
        raise BadInput(f"A feed cannot be read: {error}.") from error
    now_ms = run.now_ms()
    reach = run.exchange.history.reach
    with borrow(run.desk.pool) as db:
        if feeds.ensure_feeds(db, run.connection.id, [(feed, reach(feed, run.account, now_ms)) for feed in named]):
            due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())


def _chosen(run: Run, request: CatchUp) -> list[FeedRecord]:
    with borrow(run.desk.pool) as db:
        records = feeds.feeds_of(db, run.connection.id)
    if request.feeds:
        return [record for record in records if record.key in request.feeds]
    read = [record for record in records if not record.is_sweep]
    if request.reason == "due":
        read = [record for record in read if record.due_ms <= run.desk.now_ms()]
    return sorted(read, key=lambda record: record.due_ms)


def _read_edge(run: Run, record: FeedRecord) -> ContractBroken | None:
    """Read from the feed's edge to now. What is old, or too long for one slice, is left to the backfill."""
    now_ms = run.now_ms()
    horizon = horizon_of(run, record, now_ms)
    window = edge_window(record, horizon)
    if window is None:
        return None
    rows_before = run.counts.rows
    try:
        piece = Piece(record.key, youngest(window), "gap")
        after = read_piece(run, record, piece, proven_until=horizon.proven_until)
    except MarketGone as gone:
        with borrow(run.desk.pool) as db:
            feeds.close_feed(db, run.connection.id, record.key, gone.sentence)
            events.record_event(
                db, "feed.closed", connection_id=run.connection.id, fields={"feed": record.key, "reason": gone.sentence}
            )
        return None
    except ContractBroken as broken:
        keep_broken(run, record, broken)
        return broken
    is_open = window.since < horizon.proven_until and not after.covered.covers(
        Window(window.since, horizon.proven_until)
    )
    with borrow(run.desk.pool) as db:
        feeds.postpone(db, run.connection.id, [record.key], _next_look(run, record, run.counts.rows > rows_before))
        if is_open:
            due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())
    return None


def _next_look(run: Run, record: FeedRecord, has_rows: bool) -> int:
    """When this feed is read again. One market among many that stays quiet is read less and less often."""
    now_ms = run.desk.now_ms()
    is_live = run.connection.stream_state == "live"
    usual = milliseconds(run.desk.rhythm.catch_up if is_live else run.desk.rhythm.poll)
    if has_rows or not record.feed.market_id or record.proven_ms is None:
        return now_ms + usual * 9 // 10
    return now_ms + max(usual * 9 // 10, min(2 * (now_ms - record.proven_ms), _QUIET_FACTOR * usual))


def _look_again(run: Run, records: Sequence[FeedRecord], order_id: str, known: int) -> None:
    """Until REST shows more of this order: a few times at once, then when it has settled."""
    for pause in _LOOKS_SECONDS:
        if _confirmed(run, order_id) > known:
            return
        if run.desk.stopping.wait(pause) or run.is_over:
            break
        for record in records:
            _read_edge(run, record)
    if _confirmed(run, order_id) > known:
        return
    at_ms = run.desk.now_ms() + run.exchange.history.settle_lag_ms
    with borrow(run.desk.pool) as db:
        feeds.postpone(db, run.connection.id, [record.key for record in records], at_ms)
        due.pull_in(db, run.connection.id, "catch_up", at_ms)


def _confirmed(run: Run, order_id: str) -> int:
    with borrow(run.desk.pool) as db:
        return unconfirmed.confirmed_of_order(
            db, run.connection.user_id, run.connection.id, order_id, run.now_ms() - _GIVE_UP_MS
        )


def _read_soon(run: Run, keys: set[str]) -> None:
    """These were not read: the next catch-up that is due begins with them."""
    if not keys:
        return
    with borrow(run.desk.pool) as db:
        feeds.postpone(db, run.connection.id, sorted(keys), run.desk.now_ms())
        due.pull_in(db, run.connection.id, "catch_up", run.desk.now_ms() + _SOONEST_MS)


def _expect(run: Run) -> None:
    """Provisional rows that are still there make their feeds due again, the sooner the younger they are.

    Never later than they are due already: catch-ups of other feeds must not put these off.
    """
    with borrow(run.desk.pool) as db:
        waiting = unconfirmed.provisional_markets(db, run.connection.id)
        now_ms = run.desk.now_ms()
        soonest: int | None = None
        for each in waiting:
            age = now_ms - each.since_ms
            if age >= _GIVE_UP_MS:
                continue
            at_ms = now_ms + max(_SOONEST_MS, min(age // 2, _LATEST_MS))
            key = run.exchange.history.feed_of(each.product, each.market_id).key
            feeds.pull_in(db, run.connection.id, [key], at_ms)
            soonest = at_ms if soonest is None else min(soonest, at_ms)
        if soonest is not None:
            due.pull_in(db, run.connection.id, "catch_up", soonest)


def _doubt(run: Run) -> None:
    """A streamed trade that REST has not shown, in a window that is proven: the proof came too early. Read it again.

    The exchange stamped it late, its clock was put back, or a list lags behind what we think it does.
    """
    history = run.exchange.history
    with borrow(run.desk.pool) as db:
        doubted = unconfirmed.doubted(
            db,
            run.connection.id,
            younger_than=timedelta(milliseconds=_GIVE_UP_MS),
            settle=timedelta(milliseconds=history.settle_lag_ms),
        )
        marked = sum(
            feeds.mark_recheck(db, run.connection.id, each.window, [history.feed_of(each.product, each.market_id).key])
            for each in doubted
        )
        if marked:
            log.warning("history.doubted", feeds=marked)
            due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())
