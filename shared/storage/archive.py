"""The archive of raw rows: what is confirmed and no longer young is packed, many rows of one connection together.

A raw row alone hardly compresses; five hundred of one account are a tenth of their size.
"""

import zlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from uuid import UUID

import msgspec

from shared.storage.values import Db

_TOGETHER = 500
_FEWEST = 50  # fewer wait for company, unless they are old
_ALONE = timedelta(days=7)


def pack(db: Db, older_than: timedelta, *, batches: int = 40) -> int:
    """Pack raw rows that have been stored for so long, a batch of one connection at a time. Gives how many."""
    packed = 0
    for _ in range(batches):
        with db.transaction():
            count = _pack_one(db, older_than)
        packed += count
        if count == 0:
            break
    return packed


def _pack_one(db: Db, older_than: timedelta) -> int:
    rows = db.execute(
        """
        WITH chosen AS (
            SELECT connection_id FROM trades
            WHERE raw IS NOT NULL AND confirmed_at < now() - %(age)s::interval
            GROUP BY connection_id
            HAVING count(*) >= %(fewest)s OR min(confirmed_at) < now() - %(age)s::interval - %(alone)s::interval
            LIMIT 1
        )
        SELECT t.id, t.connection_id, t.raw::text FROM trades t JOIN chosen USING (connection_id)
        WHERE t.raw IS NOT NULL AND t.confirmed_at < now() - %(age)s::interval
        ORDER BY t.id LIMIT %(together)s FOR UPDATE OF t SKIP LOCKED
        """,
        {"age": older_than, "fewest": _FEWEST, "alone": _ALONE, "together": _TOGETHER},
    ).fetchall()
    if not rows:
        return 0
    body = zlib.compress(b"[" + b",".join(row[2].encode() for row in rows) + b"]", 6)
    found = db.execute(
        "INSERT INTO raw_archive (connection_id, rows, body) VALUES (%s, %s, %s) RETURNING id",
        (rows[0][1], len(rows), body),
    ).fetchone()
    assert found is not None
    db.execute(
        """
        UPDATE trades SET raw = NULL, archive_id = %s, archive_place = told.place - 1
        FROM unnest(%s::bigint[]) WITH ORDINALITY AS told (id, place) WHERE trades.id = told.id
        """,
        (found[0], [row[0] for row in rows]),
    )
    return len(rows)


def raws(db: Db, trades: Iterable[tuple[int, str | None, int | None, int | None]]) -> Mapping[int, str]:
    """The raw JSON texts of trades, by id, wherever they lie: (id, raw, archive_id, archive_place) of each."""
    found: dict[int, str] = {}
    wanted: dict[int, list[tuple[int, int]]] = {}
    for trade_id, raw, archive_id, place in trades:
        if raw is not None:
            found[trade_id] = raw
        elif archive_id is not None and place is not None:
            wanted.setdefault(archive_id, []).append((trade_id, place))
    for archive_id, places in wanted.items():
        row = db.execute("SELECT body FROM raw_archive WHERE id = %s", (archive_id,)).fetchone()
        if row is not None:
            texts = msgspec.json.decode(zlib.decompress(row[0]), type=list[msgspec.Raw])
            found |= {trade_id: bytes(texts[place]).decode() for trade_id, place in places}
    return found


def raw_of(db: Db, trade_id: int, user_id: UUID) -> str | None:
    """The raw message of one of a user's trades, as JSON text; None where there is none."""
    row = db.execute(
        "SELECT id, raw::text, archive_id, archive_place FROM trades WHERE id = %s AND user_id = %s",
        (trade_id, user_id),
    ).fetchone()
    return None if row is None else raws(db, [row]).get(trade_id)
