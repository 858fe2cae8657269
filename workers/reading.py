"""Reads one slice of one feed, page by page, and stores each page with the coverage it vouches for.

    slice → ask → budget and call → read → rows, proof, memory, cursor in one transaction → next page

A page proves nothing beyond `proven_until`: a trade may reach REST later than it happened. A slice that
reaches beyond it is read for its rows; its memory and cursor are not kept, because they vouch for too much.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.connections import Account, Credentials
from shared.domain.errors import ContractBroken, LeaseLost, MarketGone, PageStuck
from shared.domain.markets import Markets
from shared.domain.windows import Coverage, Window
from shared.events.kinds import HistoryMoved, TradesRecorded
from shared.exchanges.kit.contract import Answer, Exchange, Feed, Lane, Page, Slice
from shared.logs import get_log
from shared.storage import pages, quarantine, sessions
from shared.storage.connections import Connection
from shared.storage.evidence import Evidence
from shared.storage.feeds import FeedRecord
from shared.storage.jobs import Claim
from shared.storage.pool import borrow
from shared.storage.trades import Recorded, encode_rows, trade_row
from workers.desk import Desk
from workers.leases import LEASE
from workers.planning import Piece, unfinished_window

_CLOCKS_APART_MS = 600_000

log = get_log()


@dataclass(kw_only=True)
class Counts:
    """What a job has done so far, for its story."""

    pages: int = 0
    new: int = 0
    confirmed: int = 0
    repeated: int = 0
    contradicted: int = 0
    unreadable: int = 0
    weight: float = 0.0

    def add(self, recorded: Recorded, *, unreadable: int, weight: float) -> None:
        """One page more."""
        self.pages += 1
        self.new += recorded.new
        self.confirmed += recorded.confirmed
        self.repeated += recorded.repeated
        self.contradicted += recorded.contradicted
        self.unreadable += unreadable
        self.weight += weight

    @property
    def rows(self) -> int:
        """All rows that were read."""
        return self.new + self.confirmed + self.repeated + self.contradicted

    def fields(self) -> dict[str, Any]:
        """As fields of a log line, without the zeros."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(kw_only=True)
class Run:
    """One job's reading of one connection: what is known of it, and what was done so far.

    `owns_cursor`: half-read slices are kept to go on with. A catch-up leaves the cursor that a backfill keeps.
    """

    desk: Desk
    claim: Claim
    connection: Connection
    account: Account
    credentials: Credentials
    exchange: Exchange
    markets: Markets
    lane: Lane
    sync_type: str
    offset_ms: int
    deadline: float
    asked: Window | None = None
    session_id: UUID | None = None
    counts: Counts = field(default_factory=Counts)
    owns_cursor: bool = True
    spans: dict[str, int] = field(default_factory=dict)
    has_fresh_markets: bool = False

    def now_ms(self) -> int:
        """The exchange's time."""
        return self.desk.now_ms() + self.offset_ms

    def settled_ms(self) -> int:
        """Up to when REST shows all there is, in the exchange's time.

        A clock of theirs that is told too far ahead must not prove what has not happened yet: by whichever of the
        two clocks it is earlier. Far apart they are only where a simulator's time runs as it likes.
        """
        ahead_ms = self.offset_ms if 0 < self.offset_ms <= _CLOCKS_APART_MS else 0
        return self.now_ms() - ahead_ms - self.exchange.history.settle_lag_ms

    @property
    def is_over(self) -> bool:
        """Whether the job must end at its next pause. Raises `LeaseLost`."""
        if self.desk.leases.is_lost(self.claim):
            raise LeaseLost
        return self.desk.stopping.is_set() or self.desk.clock() >= self.deadline

    def call(self, request: Any) -> Answer:
        """Ask the exchange. It may have called our time wrong: then its clock was measured anew, and we follow it."""
        answer = self.desk.gateway.call(
            self.account, self.credentials, request, lane=self.lane, proxy=self.connection.egress_proxy
        )
        self.offset_ms = self.desk.gateway.clock_offset_ms(self.exchange.id, self.connection.region)
        return answer


def read_piece(run: Run, record: FeedRecord, piece: Piece, *, proven_until: int) -> FeedRecord:
    """Read one slice of a piece, or go on with the unfinished one; give the feed as it stands then.

    It stops between pages when the job's time is over: what it read is stored, the cursor too.
    A market that is gone ends the feed of that market only. Where the feed is of all markets, and nothing else would
    find out what is traded, it is `ContractBroken`: the feed stays, and somebody hears of it.
    """
    try:
        return _read_pages(run, record, piece, proven_until)
    except MarketGone as gone:
        if record.feed.market_id or run.exchange.history.discover is not None:
            raise
        raise ContractBroken(f"{gone.sentence} All markets were asked for.") from None


def _read_pages(run: Run, record: FeedRecord, piece: Piece, proven_until: int) -> FeedRecord:
    feed = record.feed
    slice_, cursor = _begin(run, record, piece)
    seen: set[bytes] = set()
    behind = Evidence(sync_type=run.sync_type)
    while True:
        request = run.exchange.history.ask(feed, slice_, cursor, run.account)
        answer = run.call(request)
        # A clock that turned out to be behind proves less than was thought when the job began.
        proven_until = min(proven_until, run.settled_ms())
        keeps = slice_.window.until <= proven_until
        page = _read(run, feed, slice_, cursor, answer)
        behind = behind.plus(request.endpoint.method, request.endpoint.path, request.params, len(page.trades))
        _refuse_repetition(page, cursor, seen)
        smaller: Slice | None = None
        hole: Window | None = None
        if page.is_saturated:
            smaller, hole = _halved(run, record, slice_)
        following = None if page.is_saturated else page.next
        kept = record.cursor if not run.owns_cursor else _kept_cursor(slice_, following) if keeps else None
        proven = _clipped(page.proven, proven_until)
        memory = page.memory if keeps else None
        _store(run, record, page, answer, proven=proven, cursor=kept, memory=memory, hole=hole, behind=behind)
        record = _after(record, proven=proven, cursor=kept, memory=memory, hole=hole)
        if proven is not None:
            behind = Evidence(sync_type=run.sync_type)
        if smaller is not None:
            slice_, cursor, seen = smaller, smaller.cursor, set()
        elif following is None:
            return record
        else:
            cursor = following
        if run.is_over:
            return record


def _begin(run: Run, record: FeedRecord, piece: Piece) -> tuple[Slice, Any]:
    if piece.why == "unfinished" and (window := unfinished_window(record)) is not None:
        return Slice(window, record.cursor["start"]), record.cursor["cursor"]
    window = piece.window
    span = run.spans.get(record.key)
    if span is not None and window.until - window.since > span:
        window = Window(window.until - span, window.until)
    slice_ = run.exchange.history.slice(record.feed, window, record.memory, run.account, run.now_ms())
    return slice_, slice_.cursor


def _read(run: Run, feed: Feed, slice_: Slice, cursor: Any, answer: Answer) -> Page:
    """Read an answer. Rows of a market that the list does not know are read again with a fresh list, once a job."""
    page = run.exchange.history.read(feed, slice_, cursor, answer, run.account, run.markets)
    if page.unreadable and not run.has_fresh_markets:
        run.has_fresh_markets = True
        run.markets = run.desk.markets(run.exchange.id, run.connection.region, True)
        page = run.exchange.history.read(feed, slice_, cursor, answer, run.account, run.markets)
    return page


def _refuse_repetition(page: Page, cursor: Any, seen: set[bytes]) -> None:
    if page.next is None:
        return
    seen.add(msgspec.json.encode(cursor))
    if msgspec.json.encode(page.next) in seen:
        raise PageStuck


def _halved(run: Run, record: FeedRecord, slice_: Slice) -> tuple[Slice | None, Window | None]:
    """The later half of a window that holds more than can be paged through; at the smallest, a hole to report."""
    since, until = slice_.window.since, slice_.window.until
    smallest = run.exchange.history.smallest_ms
    if until - since <= smallest:
        log.error("history.window_saturated", feed=record.key, since=since, until=until)
        return None, slice_.window
    half = max((until - since) // 2, smallest)
    run.spans[record.key] = half
    later = Window(until - half, until)
    return run.exchange.history.slice(record.feed, later, record.memory, run.account, run.now_ms()), None


def _kept_cursor(slice_: Slice, following: Any) -> Mapping[str, Any] | None:
    if following is None:
        return None
    return {
        "since": slice_.window.since,
        "until": slice_.window.until,
        "start": slice_.cursor,
        "cursor": following,
    }


def _clipped(proven: Window | None, proven_until: int) -> Window | None:
    if proven is None or proven.since >= proven_until:
        return None
    return Window(proven.since, min(proven.until, proven_until))


def _store(
    run: Run,
    record: FeedRecord,
    page: Page,
    answer: Answer,
    *,
    proven: Window | None,
    cursor: Mapping[str, Any] | None,
    memory: Mapping[str, Any] | None,
    hole: Window | None,
    behind: Evidence,
) -> None:
    rows = [trade_row(trade, run.connection.id, reader=run.exchange.reader) for trade in page.trades]
    unreadable = quarantine.unreadable(
        page.unreadable, connection_id=run.connection.id, exchange=run.exchange.id, source="rest"
    )
    with borrow(run.desk.pool) as db:
        if run.session_id is None:
            run.session_id = sessions.open_session(
                db, run.connection.id, run.sync_type, holder=run.desk.holder, window=run.asked
            )
            run.desk.leases.hold_session(run.claim, run.session_id)
        recorded = pages.record_page(
            db,
            connection_id=run.connection.id,
            feed=record.key,
            rows=encode_rows(rows) if rows else (),
            unreadable=unreadable,
            proven=proven,
            cursor=cursor,
            memory=memory,
            saturated=hole,
            reach_ms=run.exchange.history.reach(record.feed, run.account, run.now_ms()),
            claim=run.claim,
            session_id=run.session_id,
            weight=answer.weight,
            lease=LEASE,
            evidence=behind,
        )
    run.counts.add(recorded, unreadable=len(unreadable), weight=answer.weight)
    log.debug(
        "history.page_recorded",
        feed=record.key,
        new=recorded.new,
        confirmed=recorded.confirmed,
        repeated=recorded.repeated,
        proven=proven and [proven.since, proven.until],
    )
    if unreadable:
        log.error("trades.quarantined", feed=record.key, rows=len(unreadable), reason=unreadable[0].reason)
    if recorded.contradicted:
        log.error("trades.contradicted", feed=record.key, rows=recorded.contradicted)
    tell_recorded(run.desk, recorded)
    if proven is not None:
        run.desk.tell(HistoryMoved(user_id=run.connection.user_id, connection_id=run.connection.id))


def tell_recorded(desk: Desk, recorded: Recorded) -> None:
    """Tell live pages of trades that are committed."""
    desk.tell(
        *(
            TradesRecorded(user_id=user_id, lines=msgspec.Raw(lines.encode()))
            for user_id, lines in recorded.fresh.items()
        )
    )


def _after(
    record: FeedRecord,
    *,
    proven: Window | None,
    cursor: Mapping[str, Any] | None,
    memory: Mapping[str, Any] | None,
    hole: Window | None,
) -> FeedRecord:
    """The feed as it stands in Postgres now."""
    covered, recheck, saturated = record.covered, record.recheck, record.saturated
    if proven is not None:
        covered, recheck, saturated = covered.add(proven), recheck.remove(proven), saturated.remove(proven)
    if hole is not None:
        saturated = saturated.add(hole)
    return msgspec.structs.replace(
        record,
        covered=covered,
        recheck=recheck,
        saturated=Coverage(saturated),
        cursor=cursor,
        memory=record.memory if memory is None else memory,
    )


def keep_broken(run: Run, record: FeedRecord, error: ContractBroken) -> None:
    """Keep what broke the contract where an operator sees it, and say so loudly."""
    if isinstance(error, PageStuck):
        log.error("history.page_stuck", feed=record.key, reason=error.sentence)
    else:
        log.error("history.unreadable", feed=record.key, reason=error.sentence)
    item = quarantine.Item(
        connection_id=run.connection.id,
        exchange=run.exchange.id,
        source="rest",
        reason=f"{error.code}: {error.sentence}",
        raw={"feed": record.key, "cursor": record.cursor, "covered_until": record.covered.edge},
    )
    with borrow(run.desk.pool) as db:
        quarantine.record(db, [item])
