"""Reading trades: lists with filters and keyset paging, and what is new for a live page."""

from collections.abc import Generator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.storage.trades import TradeLine
from shared.storage.trades_sql import LINE
from shared.storage.values import Db, millis, moment, optional_moment

_LINE = msgspec.json.Decoder(TradeLine)
_LINES = msgspec.json.Decoder(list[TradeLine])

# Rows get their ids before they are committed, so a lower id may appear after a higher one. Whoever asks for
# what is new is also given the last few seconds below its mark again, and drops what it has.
_OVERLAP_ROWS = 5_000
_OVERLAP = "10 seconds"


class TradeFilter(Struct, frozen=True, kw_only=True):
    """Which trades are wanted; None: any. The stretch is half-open, epoch ms of the execution."""

    user_id: UUID | None = None
    connection_id: UUID | None = None
    exchange: str | None = None
    symbol: str | None = None
    product: str | None = None
    side: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    is_provisional: bool | None = None


_CONDITIONS = {
    "user_id": "user_id = %(user_id)s",
    "connection_id": "connection_id = %(connection_id)s",
    "exchange": "platform = %(exchange)s",
    "symbol": "symbol = %(symbol)s",
    "product": "product = %(product)s",
    "side": "side = %(side)s",
    "since_ms": "exchange_timestamp >= %(since)s",
    "until_ms": "exchange_timestamp < %(until)s",
    "is_provisional": "provisional = %(is_provisional)s",
}


def list_trades(
    db: Db, wanted: TradeFilter, *, before: tuple[int, int] | None = None, limit: int = 100
) -> list[TradeLine]:
    """The newest executions first. `before` continues a list: the last line's `page_mark`."""
    query, arguments = _query(wanted)
    if before is not None:
        query += " AND (exchange_timestamp, id) < (%(before_at)s, %(before_id)s)"
        arguments |= {"before_at": moment(before[0]), "before_id": before[1]}
    query += " ORDER BY exchange_timestamp DESC, id DESC LIMIT %(limit)s"
    return [_LINE.decode(row[0]) for row in db.execute(query.encode(), {**arguments, "limit": limit})]


def page_mark(line: TradeLine) -> tuple[int, int]:
    """Where a list that ended with this line goes on."""
    return millis(line.exchange_timestamp), line.id


def each_trade(db: Db, wanted: TradeFilter) -> Generator[TradeLine, None, None]:
    """Every trade that is wanted, oldest first, without holding them all: for exports."""
    query, arguments = _query(wanted)
    with db.transaction(), db.cursor(name="each_trade") as cursor:
        cursor.itersize = 2_000
        cursor.execute(f"{query} ORDER BY exchange_timestamp, id".encode(), arguments)
        for row in cursor:
            yield _LINE.decode(row[0])


def count_trades(db: Db, wanted: TradeFilter) -> int:
    """How many trades are wanted."""
    query, arguments = _query(wanted, "count(*)")
    row = db.execute(query.encode(), arguments).fetchone()
    assert row is not None
    return int(row[0])


def trades_since(db: Db, user_id: UUID, after_id: int, *, limit: int = 500) -> list[TradeLine]:
    """What was stored for a user after the row `after_id`, in the order of ids: how a live page resumes.

    Rows just below the mark that were stored seconds ago are given again, since they may have been committed
    after it: the page drops those it has. With more than `limit` new ones, the newest are given.
    """
    rows = db.execute(
        f"""
        SELECT line FROM (
            SELECT id, {LINE}::text AS line FROM trades
            WHERE user_id = %(user_id)s AND id > %(after)s - %(overlap)s
              AND (id > %(after)s OR sync_timestamp > clock_timestamp() - %(span)s::interval)
            ORDER BY id DESC LIMIT %(limit)s
        ) AS newest ORDER BY id
        """.encode(),  # noqa: S608 — nothing from outside is in the text
        {"user_id": user_id, "after": after_id, "limit": limit, "overlap": _OVERLAP_ROWS, "span": _OVERLAP},
    )
    return [_LINE.decode(row[0]) for row in rows]


def decode_lines(text: str | bytes) -> list[TradeLine]:
    """The lines of `Recorded.fresh`."""
    return _LINES.decode(text)


def stored_identities(db: Db, connection_id: UUID) -> set[str]:
    """Every identity stored of a connection: what tests and the demo compare with the truth."""
    return {row[0] for row in db.execute("SELECT identity FROM trades WHERE connection_id = %s", (connection_id,))}


def _query(wanted: TradeFilter, what: str = f"{LINE}::text") -> tuple[str, dict[str, Any]]:
    conditions = [text for name, text in _CONDITIONS.items() if getattr(wanted, name) is not None]
    arguments = {
        "user_id": wanted.user_id,
        "connection_id": wanted.connection_id,
        "exchange": wanted.exchange,
        "symbol": wanted.symbol,
        "product": wanted.product,
        "side": wanted.side,
        "since": optional_moment(wanted.since_ms),
        "until": optional_moment(wanted.until_ms),
        "is_provisional": wanted.is_provisional,
    }
    return f"SELECT {what} FROM trades WHERE {' AND '.join(conditions) or 'true'}", arguments  # noqa: S608 — conditions are this file's own
