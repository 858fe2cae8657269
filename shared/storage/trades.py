"""Trades: stored once whoever brings them, however often; REST completes what the stream began.

New identities are inserted by one statement per batch; what was there already is locked, compared and merged
by a second one, which a batch of new trades never needs. A batch that Postgres refuses is halved until the
row that it cannot take stands alone and goes to quarantine.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec import Struct

from shared.domain.errors import UnreadableRow
from shared.domain.raw import without_secrets
from shared.domain.trades import Source, Trade
from shared.exchanges.kit.wire import decode_json
from shared.storage import quarantine
from shared.storage.trades_sql import FIND_FEEDS, INSERT_NEW, MERGE_KNOWN
from shared.storage.values import Db, json_text, moment


class TradeLine(Struct, frozen=True, kw_only=True):
    """One stored trade as lists, the live page and `tradesync trades` show it. Decimals stay decimals."""

    id: int
    connection_id: UUID
    user_id: UUID
    platform: str
    symbol: str
    market_id: str
    product: str
    exchange_trade_id: str
    identity: str
    order_id: str | None
    client_order_id: str | None
    side: str
    taker_or_maker: str | None
    price: Decimal
    amount: Decimal
    contracts: Decimal | None
    cost: Decimal
    fee: Decimal | None
    fee_currency: str | None
    fees: list[dict[str, Any]]
    kind: str
    exchange_timestamp: datetime
    sync_timestamp: datetime
    provisional: bool
    is_confirmed: bool
    source: str


class Recorded(Struct, frozen=True, kw_only=True):
    """What became of a batch.

    `new` rows are stored for the first time, `confirmed` were known from the stream and are shown by REST now
    (or a provisional row was completed), `repeated` said nothing new, `contradicted` tell another story than
    the stored row (kept in quarantine), `refused` could not be stored (quarantined, or of a connection that
    does not exist any more).
    `fresh` is a JSON text per user: the list of `TradeLine`s that are new or were completed, for live pages.
    """

    new: int = 0
    confirmed: int = 0
    repeated: int = 0
    contradicted: int = 0
    refused: int = 0
    new_ids: tuple[int, ...] = ()
    fresh: Mapping[UUID, str] = msgspec.field(default_factory=dict)

    def plus(self, other: "Recorded") -> "Recorded":
        """Both together."""
        fresh = dict(self.fresh)
        for user_id, lines in other.fresh.items():
            fresh[user_id] = f"{fresh[user_id][:-1]},{lines[1:]}" if user_id in fresh else lines
        return Recorded(
            new=self.new + other.new,
            confirmed=self.confirmed + other.confirmed,
            repeated=self.repeated + other.repeated,
            contradicted=self.contradicted + other.contradicted,
            refused=self.refused + other.refused,
            new_ids=self.new_ids + other.new_ids,
            fresh=fresh,
        )


def trade_row(
    trade: Trade, connection_id: UUID, *, feed: str | None = None, reader: int | None = None
) -> dict[str, Any]:
    """A trade as a plain JSON object whose keys are columns of `trades`: what `WriteTrades.rows` holds.

    Decimals are texts, the moment is ISO 8601 in UTC. The owner and the exchange are not in it: they are
    looked up. `feed` is the key of the feed that the trade belongs to, where an exchange reads its history
    market by market: recording a streamed trade makes sure that this feed exists and is read. `reader` is the version
    of the exchange's readers. The raw row is kept without whatever might open something.
    """
    row: dict[str, Any] = {
        "connection_id": str(connection_id),
        "identity": trade.identity,
        "symbol": trade.symbol,
        "market_id": trade.market_id,
        "product": trade.product.value,
        "exchange_trade_id": trade.exchange_trade_id,
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "side": trade.side.value,
        "taker_or_maker": trade.taker_or_maker and trade.taker_or_maker.value,
        "price": str(trade.price),
        "amount": str(trade.amount),
        "contracts": None if trade.contracts is None else str(trade.contracts),
        "cost": str(trade.cost),
        "fee": None if trade.fee is None else str(trade.fee),
        "fee_currency": trade.fee_currency,
        "fees": [{"amount": str(fee.amount), "currency": fee.currency} for fee in trade.fees],
        "kind": trade.kind.value,
        "exchange_timestamp": moment(trade.timestamp_ms).isoformat(timespec="milliseconds"),
        "provisional": trade.provisional,
        "raw": without_secrets(trade.raw),
        "reader": reader,
    }
    if feed is not None:
        row["feed"] = feed
    return row


def encode_rows(rows: Sequence[Any]) -> str:
    """The JSON text of a batch: what `record_trades` likes best. Decimals inside `raw` keep their digits."""
    return json_text(rows)


def record_trades(db: Db, rows: bytes | str | Sequence[Any], source: Source, *, with_lines: bool = True) -> Recorded:
    """Store a batch of rows (`trade_row`), of any number of connections, all from one source, in one transaction.

    `with_lines`: whether `fresh` is wanted; old history needs none, and is stored a fifth faster without.
    Any order and any repetition gives the same table. Raises `psycopg.OperationalError` when Postgres is gone
    (`pool.borrow` makes it `StoreUnavailable`); a row that cannot be stored is quarantined and never raises.
    """
    text = rows.decode() if isinstance(rows, bytes) else rows if isinstance(rows, str) else encode_rows(rows)
    try:
        with db.transaction():
            return _record(db, text, source, with_lines)
    except (psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        return _halved(db, text, source, with_lines, error)


def _record(db: Db, text: str, source: Source, with_lines: bool) -> Recorded:
    arguments = {"rows": text, "source": source.value, "with_lines": with_lines}
    found = db.execute(INSERT_NEW, arguments).fetchone()
    assert found is not None
    told, unknown, new_ids, lines, feeds = found
    recorded = Recorded(new=len(new_ids), refused=unknown, new_ids=tuple(new_ids), fresh=_by_user(lines))
    if feeds:
        db.execute(FIND_FEEDS, {"connection_ids": [each[0] for each in feeds], "feeds": [each[1] for each in feeds]})
    if told == unknown + len(new_ids):
        return recorded
    # Planned each time: a plan made while the table was small would read all of it when it is large.
    found = db.execute(MERGE_KNOWN, {**arguments, "new_ids": new_ids}, prepare=False).fetchone()
    assert found is not None
    confirmed, repeated, contradicted, lines = found
    return recorded.plus(
        Recorded(confirmed=confirmed, repeated=repeated, contradicted=contradicted, fresh=_by_user(lines))
    )


def _by_user(lines: Sequence[tuple[str, str]] | None) -> dict[UUID, str]:
    return {UUID(user_id): text for user_id, text in lines or ()}


def _halved(db: Db, text: str, source: Source, with_lines: bool, error: psycopg.Error) -> Recorded:
    """One row of the batch is poison: find it, quarantine it, store the others."""
    try:
        rows = decode_json(text)
    except UnreadableRow:
        rows = [text]
    if not isinstance(rows, list):
        rows = [rows]
    if len(rows) > 1:
        middle = len(rows) // 2
        first = record_trades(db, rows[:middle], source, with_lines=with_lines)
        return first.plus(record_trades(db, rows[middle:], source, with_lines=with_lines))
    reason = error.diag.message_primary or type(error).__name__
    for row in rows:
        quarantine.record(db, [quarantine.Item.of_row(row, source=source.value, reason=f"cannot be stored: {reason}")])
    return Recorded(refused=len(rows))
