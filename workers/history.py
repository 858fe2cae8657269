"""A connection's history: which stretch is read next, until nothing is missing or the job's time is over.

Backfill, recheck, discovery, sweep and an asked-for range are one request, `sync_history`; from the proven
edge to now is `catch_up`. Both may run for one connection at once: rows and coverage only ever add up.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

import msgspec

from shared.domain.connections import Account, SyncStatus
from shared.domain.errors import BadInput, ContractBroken, MarketGone, RateLimited
from shared.domain.trades import Product
from shared.domain.windows import Window, milliseconds
from shared.exchanges import load
from shared.exchanges.kit.contract import Lane
from shared.logs import get_log
from shared.queue.requests import SyncHistory
from shared.storage import connections, due, events, feeds, sessions
from shared.storage.connections import Connection
from shared.storage.feeds import FeedRecord
from shared.storage.jobs import Claim
from shared.storage.pool import borrow
from shared.storage.values import Db
from workers.checking import detect
from workers.desk import Desk
from workers.discovery import complete, discover, ensure_known
from workers.fate import Outcome, Told, duty_of
from workers.planning import YOUNG_MS, Horizon, Piece, inside, lost, next_gap
from workers.put_back import doubt_proofs
from workers.reading import Run, keep_broken, read_piece
from workers.recovery import came_back
from workers.rereading import resolve_heard

MARKED = "marked"
"""The reason of a range that stands in the feeds' recheck already: a continuation does not mark it again."""


Next = Callable[[Sequence[FeedRecord], Mapping[str, Horizon]], Piece | None]

log = get_log()


def sync_history(desk: Desk, claim: Claim, request: SyncHistory, told: Told) -> Outcome:
    """Read what is missing, or an asked-for range again. Goes on with itself when its time is over.

    Discovery asks for the account's mode first: it decides which markets there are and where they are read.
    """
    if request.reason == "discovery":
        detect(desk, claim, told)
    with opened_run(desk, claim, request.connection_id, told, lane=request.lane, sync_type=_type_of(request)) as run:
        run.asked = _window_of(request, run)
        return _sync(run, request)


def _sync(run: Run, request: SyncHistory) -> Outcome:
    with borrow(run.desk.pool) as db:
        is_first = not feeds.feeds_of(db, run.connection.id, include_closed=True)
    if is_first or request.reason == "discovery":
        discover(run)
    else:
        ensure_known(run)
    complete(run)
    doubt_proofs(run)
    if request.reason == "discovery":
        return Outcome(word="discovered")
    if request.reason == "recheck":
        _mark(run, Window(run.now_ms() - run.exchange.history.recheck_ms, run.now_ms()), request.feeds)
    elif run.asked is not None and request.reason != MARKED:
        _mark(run, run.asked, request.feeds)
    if run.connection.sync_status is SyncStatus.NEW:
        with borrow(run.desk.pool) as db:
            connections.set_status(db, run.connection.id, SyncStatus.BACKFILLING)
    is_complete, trouble, read = _read_all(run, request)
    resolve_heard(run)
    if not is_complete:
        return Outcome(word="goes_on", go_on_with=_continued(request, run))
    with borrow(run.desk.pool) as db:
        if trouble is not None:
            connections.touch_failure(db, run.connection.id, duty_of(run.claim), trouble)
            return Outcome(word="partly")
        came_back(db, run.connection, run.desk.now_ms())
        if request.reason != "sweep" and not request.feeds and run.asked is None:
            _rest(db, run, read)
            connections.touch_success(db, run.connection.id, status=SyncStatus.LIVE)
        else:
            connections.touch_success(db, run.connection.id)
        if request.reason == "sweep":
            due.set_due(db, run.connection.id, "sweep", _next_sweep(run))  # not sooner: then nothing would be due
    return Outcome(word="complete")


def _rest(db: Db, run: Run, read: Collection[str]) -> None:
    """Nothing is missing of these feeds. One that turned up meanwhile had its call answered by this very job."""
    due.rest_duty(db, run.connection.id, "backfill")
    if any(not record.is_sweep and record.key not in read for record in feeds.feeds_of(db, run.connection.id)):
        due.pull_in(db, run.connection.id, "backfill", run.desk.now_ms())


def _read_all(run: Run, request: SyncHistory) -> tuple[bool, ContractBroken | None, Collection[str]]:
    """Read piece by piece, at least one. A feed that breaks its contract is left for later, the others are read.

    Gives whether nothing is left to read, the trouble, and which feeds it knew of.
    """
    is_sweep = request.reason == "sweep"
    choose: Next = next_gap if run.asked is None else _inside(run.asked)
    with borrow(run.desk.pool) as db:
        all_records = feeds.feeds_of(db, run.connection.id)
    now_ms = run.desk.now_ms()
    records = {
        record.key: record
        for record in all_records
        if (record.is_sweep and record.due_ms <= now_ms) == is_sweep
        and (is_sweep or not record.is_sweep)
        and (not request.feeds or record.key in request.feeds)
    }
    known = frozenset(records)
    # What is young belongs to catch-up; a backfill that ran after every new second would never go back.
    edge_ms = YOUNG_MS if request.lane == "backfill" else 0
    # Now stands still for a job: else each moment that passes would be a new gap.
    proven_until = run.settled_ms()
    trouble: ContractBroken | None = None
    _tell_lost(run, records.values(), proven_until)
    while records:
        proven_until = min(proven_until, run.settled_ms())  # the exchange's clock may have turned out to be behind
        horizons = {key: horizon_of(run, record, proven_until, edge_ms) for key, record in records.items()}
        piece = choose(list(records.values()), horizons)
        if piece is None:
            break
        key, rows_before = piece.key, run.counts.rows
        try:
            records[key] = read_piece(run, records[key], piece, proven_until=proven_until)
        except MarketGone as gone:
            del records[key]
            _close_feed(run, key, gone)
        except ContractBroken as broken:
            if piece.why == "unfinished":
                # The cursor may have died of old age: the slice is read from its beginning.
                records[key] = msgspec.structs.replace(records[key], cursor=None)
                continue
            keep_broken(run, records.pop(key), broken)
            trouble = broken
        else:
            if is_sweep and next_gap([records[key]], horizons) is None:
                _swept(run, records.pop(key), has_trades=run.counts.rows > rows_before)
        if run.is_over:
            return False, trouble, known
    return True, trouble, known


def _inside(window: Window) -> Next:
    def choose(records: Sequence[FeedRecord], horizons: Mapping[str, Horizon]) -> Piece | None:
        pieces = [piece for record in records if (piece := inside(record, horizons[record.key], window))]
        return max(pieces, key=lambda piece: piece.window.until, default=None)

    return choose


def horizon_of(run: Run, record: FeedRecord, until: int, edge_ms: int = 0) -> Horizon:
    """How far this feed may be read now. What is less than `edge_ms` beyond its proven edge is left to catch-up."""
    now_ms = run.now_ms()
    history = run.exchange.history
    reach = history.reach(record.feed, run.account, now_ms)
    edge = record.covered.edge
    return Horizon(
        reach=reach,
        until=edge if edge is not None and until - edge < edge_ms else until,
        proven_until=run.settled_ms(),
        moves=history.reach(record.feed, run.account, now_ms + 3_600_000) > reach,
    )


@contextmanager
def opened_run(
    desk: Desk, claim: Claim, connection_id: UUID, told: Told, *, lane: Lane, sync_type: str
) -> Iterator[Run]:
    """What a job needs to read a connection. Its story is told, and its session ended, however it ends.

    Raises `BadInput` when the connection was removed.
    """
    run = _open(desk, claim, connection_id, lane=lane, sync_type=sync_type)
    told["exchange"] = run.exchange.id
    error: Exception | None = None
    try:
        yield run
    except Exception as caught:
        error = caught
        raise
    finally:
        told.update(run.counts.fields())
        _close(run, error)


def _open(desk: Desk, claim: Claim, connection_id: UUID, *, lane: Lane, sync_type: str) -> Run:
    with borrow(desk.pool) as db:
        connection = connections.get_connection(db, connection_id)
    exchange = load(connection.exchange)
    credentials = desk.open_key(connection_id)
    return Run(
        desk=desk,
        claim=claim,
        connection=connection,
        account=account_of(connection),
        credentials=credentials,
        exchange=exchange,
        markets=desk.markets(exchange.id, connection.region, False),
        lane=lane,
        sync_type=sync_type,
        offset_ms=desk.gateway.clock_offset_ms(exchange.id, connection.region),
        deadline=desk.clock() + desk.rhythm.turn.total_seconds(),
    )


def account_of(connection: Connection) -> Account:
    """The account, narrowed to the products that its key can see."""
    seen = connection.key_permissions.get("products")
    if not seen:
        return connection.account
    allowed = tuple(product for product in connection.products if product in {Product(name) for name in seen})
    return msgspec.structs.replace(connection.account, products=allowed)


def _close(run: Run, error: Exception | None) -> None:
    """End the sync session. Postgres being away is told by the job's own error; to wait for a budget is no failure."""
    if run.session_id is None:
        return
    waits = isinstance(error, RateLimited) and not error.ban
    with borrow(run.desk.pool) as db:
        sessions.close_session(db, run.session_id, error=None if waits else error)


def _window_of(request: SyncHistory, run: Run) -> Window | None:
    if request.since_ms is None:
        return None
    until = run.now_ms() if request.until_ms is None else min(request.until_ms, run.now_ms())
    if request.since_ms >= until:
        raise BadInput("The range lies in the future.")
    return Window(request.since_ms, until)


def _type_of(request: SyncHistory) -> str:
    if request.since_ms is not None or request.lane == "manual":
        return "manual"
    return "recheck" if request.reason == "recheck" else "historical"


def _continued(request: SyncHistory, run: Run) -> SyncHistory:
    if run.asked is not None:
        return msgspec.structs.replace(request, since_ms=run.asked.since, until_ms=run.asked.until, reason=MARKED)
    return msgspec.structs.replace(request, reason="" if request.reason == "recheck" else request.reason)


def _mark(run: Run, window: Window, keys: Sequence[str]) -> None:
    with borrow(run.desk.pool) as db:
        feeds.mark_recheck(db, run.connection.id, window, keys)


def _close_feed(run: Run, key: str, gone: MarketGone) -> None:
    log.warning("history.feed_closed", feed=key, reason=gone.sentence)
    with borrow(run.desk.pool) as db:
        feeds.close_feed(db, run.connection.id, key, gone.sentence)
        events.record_event(
            db, "feed.closed", connection_id=run.connection.id, fields={"feed": key, "reason": gone.sentence}
        )


def _next_sweep(run: Run) -> int:
    return run.desk.now_ms() + min(milliseconds(run.desk.rhythm.sweep), run.exchange.history.sweep_ms)


def _swept(run: Run, record: FeedRecord, *, has_trades: bool) -> None:
    """A feed that was swept to its end rests; one that turned out to be traded is read like the others from now on."""
    with borrow(run.desk.pool) as db:
        feeds.postpone(db, run.connection.id, [record.key], _next_sweep(run))
        if has_trades:
            reach = run.exchange.history.reach(record.feed, run.account, run.now_ms())
            feeds.ensure_feeds(db, run.connection.id, [(record.feed, reach)])


def _tell_lost(run: Run, records: Iterable[FeedRecord], until: int) -> None:
    """Say once of each feed what could not be read in time. It is in no coverage, and never will be."""
    for record in records:
        known_ms = record.reach_ms or 0
        new = [hole for hole in lost(record, horizon_of(run, record, until)) if hole.until > known_ms]
        if new and not record.is_sweep:
            log.error("gap.lost", feed=record.key, since=new[0].since, until=new[-1].until)
            with borrow(run.desk.pool) as db:
                events.record_event(
                    db,
                    "gap.lost",
                    connection_id=run.connection.id,
                    fields={"feed": record.key, "windows": [[hole.since, hole.until] for hole in new]},
                )
