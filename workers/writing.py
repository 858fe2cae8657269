"""Stores batches of streamed trades: one transaction a batch, told to whoever watches after the commit."""

import threading
import time
from collections import Counter
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.domain.errors import StoreUnavailable
from shared.domain.trades import Product, Source
from shared.exchanges import load
from shared.logs import get_log
from shared.queue.consumer import PutBack
from shared.storage import due, feeds, quarantine, sessions
from shared.storage.pool import borrow
from shared.storage.trades import Recorded, record_trades
from shared.storage.values import Db
from workers.desk import Desk
from workers.reading import tell_recorded

_STORE_PAUSE_SECONDS = 0.5
_LATER_MS = 1_000
_SLOW_SECONDS = 1.0

log = get_log()


class Batch(Struct, frozen=True, kw_only=True):
    """A `WriteTrades` whose rows stay the JSON text they came as: Postgres reads it."""

    exchange: str
    rows: msgspec.Raw
    holder: str = ""


class Glimpse(Struct, frozen=True):
    """What a row says of the REST that must complete it."""

    connection_id: UUID | None = None
    provisional: bool | None = None
    product: str = ""
    market_id: str = ""


class Line(Struct, frozen=True):
    """Whose trade was stored."""

    connection_id: UUID


_BATCH = msgspec.json.Decoder(Batch)
_GLIMPSES = msgspec.json.Decoder(list[Glimpse])
_LINES = msgspec.json.Decoder(list[Line])


def write_trades(desk: Desk, arguments: msgspec.Raw) -> None:
    """Store a batch. Bad rows are quarantined, the rest is stored. Raises `PutBack` while Postgres is away."""
    began = time.monotonic()
    try:
        batch = _BATCH.decode(arguments)
    except msgspec.DecodeError as error:
        park(desk, bytes(arguments), f"The arguments of write_trades cannot be read: {error}.")
        return
    rows = bytes(batch.rows)
    try:
        with borrow(desk.pool) as db:
            recorded = record_trades(db, rows, Source.STREAM)
            if recorded.new:
                sessions.count_streamed(db, new_by_connection(recorded))
            if b'"provisional":true' in rows:
                _want_rest(db, desk, batch.exchange, rows)
    except StoreUnavailable:
        desk.stopping.wait(_STORE_PAUSE_SECONDS)
        raise PutBack from None
    tell_recorded(desk, recorded)
    took = time.monotonic() - began
    say = log.warning if recorded.refused or recorded.contradicted or took > _SLOW_SECONDS else log.debug
    say(
        "trades.recorded",
        exchange=batch.exchange,
        source="stream",
        new=recorded.new,
        confirmed=recorded.confirmed,
        repeated=recorded.repeated,
        contradicted=recorded.contradicted,
        refused=recorded.refused,
        took_ms=round(took * 1000),
    )


def park(desk: Desk, raw: bytes, reason: str) -> None:
    """Keep a message that cannot be read, with its reason. Raises `PutBack` while Postgres is away."""
    log.error("queue.message_parked", reason=reason, size=len(raw))
    item = quarantine.Item(connection_id=None, exchange=None, source="queue", reason=reason, raw=raw)
    try:
        with borrow(desk.pool) as db:
            quarantine.record(db, [item])
    except StoreUnavailable:
        desk.stopping.wait(_STORE_PAUSE_SECONDS)
        raise PutBack from None


def new_by_connection(recorded: Recorded) -> dict[UUID, int]:
    """How many rows of each connection were stored for the first time."""
    counts: Counter[UUID] = Counter()
    for lines in recorded.fresh.values():
        counts.update(line.connection_id for line in _LINES.decode(lines.encode()))
    return dict(counts)


_wanted: dict[tuple[UUID, str], float] = {}
_wanted_door = threading.Lock()


def _want_rest(db: Db, desk: Desk, exchange: str, rows: bytes) -> None:
    """Only REST can complete a provisional row: its feed is read as soon as it may show it, once in a while for all."""
    history = load(exchange).history
    at_ms = desk.now_ms() + _LATER_MS
    for connection_id, key in _provisional(history.feed_of, rows):
        if not _is_news(connection_id, key, desk.clock()):
            continue
        feeds.postpone(db, connection_id, [key], at_ms)
        due.pull_in(db, connection_id, "catch_up", at_ms)


def _provisional(feed_of: Any, rows: bytes) -> set[tuple[UUID, str]]:
    try:
        glimpses = _GLIMPSES.decode(rows)
    except msgspec.DecodeError:
        return set()  # the row that cannot be read was quarantined
    found = set()
    for row in glimpses:
        if row.provisional and row.connection_id is not None and row.product in set(Product):
            found.add((row.connection_id, feed_of(Product(row.product), row.market_id).key))
    return found


def _is_news(connection_id: UUID, key: str, now: float) -> bool:
    with _wanted_door:
        if now - _wanted.get((connection_id, key), float("-inf")) < _LATER_MS / 1000:
            return False
        if len(_wanted) > 50_000:
            _wanted.clear()
        _wanted[connection_id, key] = now
        return True
