"""Reading stored raw rows again: what is stored, and putting right what today's readers read differently."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from shared.domain.trades import UNTOLD_MS, Trade
from shared.storage.archive import raws
from shared.storage.trades import trade_row
from shared.storage.values import Db, jsonb, moment

FIELDS = (
    "identity", "symbol", "market_id", "product", "exchange_trade_id", "order_id", "client_order_id", "side",
    "taker_or_maker", "price", "amount", "contracts", "cost", "fee", "fee_currency", "kind", "exchange_timestamp",
)  # fmt: skip
"""What is compared. Whether a row is provisional is history's to say, not a reader's."""


class StoredRow(Struct, frozen=True, kw_only=True):
    """A stored trade with its raw row: `values` by column, the raw as JSON text (None: none was kept)."""

    id: int
    source: str
    reader: int | None
    values: dict[str, Any]
    raw: str | None


def stored_rows(
    db: Db, connection_id: UUID, since_ms: int, until_ms: int, *, batch: int = 1_000
) -> Iterator[list[StoredRow]]:
    """The trades of a stretch, oldest first, a batch at a time."""
    last = (moment(since_ms), 0)
    while True:
        rows = db.execute(
            f"""
            SELECT id, raw::text, archive_id, archive_place, source, reader, {", ".join(FIELDS)} FROM trades
            WHERE connection_id = %s AND exchange_timestamp < %s AND (exchange_timestamp, id) > (%s, %s)
            ORDER BY exchange_timestamp, id LIMIT %s
            """,  # noqa: S608 — columns are this file's own
            (connection_id, moment(until_ms), *last, batch),
        ).fetchall()
        if not rows:
            return
        last = (rows[-1][6 + FIELDS.index("exchange_timestamp")], rows[-1][0])
        raw = raws(db, [row[:4] for row in rows])
        yield [
            StoredRow(
                id=row[0],
                source=row[4],
                reader=row[5],
                raw=raw.get(row[0]),
                values=dict(zip(FIELDS, row[6:], strict=True)),
            )
            for row in rows
        ]


def differences(row: StoredRow, trade: Trade) -> dict[str, tuple[Any, Any]]:
    """What today's reading tells otherwise than the stored row: (stored, read) by column. Blanks are no story."""
    read: dict[str, Any] = {
        "identity": trade.identity,
        "symbol": trade.symbol,
        "market_id": trade.market_id,
        "product": trade.product.value,
        "exchange_trade_id": trade.exchange_trade_id,
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "side": trade.side.value,
        "taker_or_maker": trade.taker_or_maker and trade.taker_or_maker.value,
        "price": trade.price,
        "amount": trade.amount,
        "contracts": trade.contracts,
        "cost": trade.cost,
        "fee": trade.fee,
        "fee_currency": trade.fee_currency,
        "kind": trade.kind.value,
        "exchange_timestamp": moment(trade.timestamp_ms),
    }
    return {
        name: (row.values[name], read[name])
        for name in FIELDS
        if row.values[name] != read[name]
        and not (name == "exchange_timestamp" and trade.timestamp_ms == UNTOLD_MS)
        and not (read[name] is None and name not in {"fee", "fee_currency"})
    }


def put_right(db: Db, row: StoredRow, trade: Trade, connection_id: UUID, reader: int) -> bool:
    """Store what today's reader reads of a row. False when its new identity belongs to another row already."""
    told = trade_row(trade, connection_id, reader=reader)
    columns = [name for name in (*FIELDS, "reader") if told[name] is not None or name in {"fee", "fee_currency"}]
    if trade.timestamp_ms == UNTOLD_MS:
        columns.remove("exchange_timestamp")
    assignments = ", ".join(f"{name} = %({name})s" for name in columns)
    try:
        with db.transaction():
            db.execute(
                f"UPDATE trades SET {assignments}, fees = %(fees)s WHERE id = %(id)s",  # noqa: S608 — columns are ours
                {**{name: told[name] for name in columns}, "fees": jsonb(told["fees"]), "id": row.id},
            )
    except psycopg.errors.UniqueViolation:
        return False
    return True
