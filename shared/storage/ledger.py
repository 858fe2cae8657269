"""The ledger of balances: readings that wait to be judged, points that were, and gaps that nothing explains yet."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.ledger import Move, Point, moves_of_trade
from shared.domain.trades import Fee, Side
from shared.domain.windows import Window
from shared.storage.values import Db, json_text, jsonb, millis, moment, optional_millis

Totals = Mapping[str, Mapping[str, Decimal]]
"""Totals by account type and asset."""


class Gap(Struct, frozen=True, kw_only=True):
    """A change of a balance that is not explained: by how much more (or less) than it should have changed, and when."""

    id: int
    connection_id: UUID
    account_type: str
    asset: str
    window: Window
    amount: Decimal
    opened_ms: int
    rereads: int
    reread_ms: int | None
    closed_ms: int | None
    explanation: str | None


class Movement(Struct, frozen=True, kw_only=True):
    """A deposit, withdrawal, conversion or the like, as stored: `amount` is positive when it came in."""

    account_type: str
    asset: str
    id: str
    amount: Decimal
    at_ms: int
    kind: str


def keep_reading(db: Db, connection_id: UUID, read_ms: int, totals: Totals) -> None:
    """Keep a reading until it can be judged."""
    wallets = {wallet: {asset: str(total) for asset, total in assets.items()} for wallet, assets in totals.items()}
    db.execute(
        "INSERT INTO balance_readings (connection_id, read_at, wallets) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (connection_id, moment(read_ms), jsonb(wallets)),
    )


def take_readings(db: Db, connection_id: UUID, until_ms: int) -> list[tuple[int, dict[str, dict[str, Decimal]]]]:
    """The readings up to a moment, oldest first; they are gone from the table."""
    rows = db.execute(
        """
        WITH taken AS (DELETE FROM balance_readings WHERE connection_id = %s AND read_at <= %s RETURNING *)
        SELECT read_at, wallets FROM taken ORDER BY read_at
        """,
        (connection_id, moment(until_ms)),
    ).fetchall()
    return [
        (
            millis(read_at),
            {wallet: {asset: Decimal(total) for asset, total in assets.items()} for wallet, assets in wallets.items()},
        )
        for read_at, wallets in rows
    ]


def latest_points(db: Db, connection_id: UUID) -> dict[tuple[str, str], Point]:
    """The newest point of each wallet and asset."""
    rows = db.execute(
        """
        SELECT DISTINCT ON (account_type, asset) account_type, asset, read_at, total, cut_at, cut_id
        FROM balance_points WHERE connection_id = %s ORDER BY account_type, asset, read_at DESC
        """,
        (connection_id,),
    ).fetchall()
    return {(row[0], row[1]): _point(row[2:]) for row in rows}


def points_since(db: Db, connection_id: UUID, since_ms: int) -> dict[tuple[str, str], list[Point]]:
    """The points of each wallet and asset from a moment on, and the last one before it, oldest first."""
    rows = db.execute(
        """
        SELECT account_type, asset, read_at, total, cut_at, cut_id FROM balance_points p
        WHERE connection_id = %(id)s AND read_at >= coalesce((
            SELECT max(read_at) FROM balance_points b WHERE b.connection_id = %(id)s
            AND b.account_type = p.account_type AND b.asset = p.asset AND b.read_at < %(since)s), '-infinity')
        ORDER BY account_type, asset, read_at
        """,
        {"id": connection_id, "since": moment(since_ms)},
    ).fetchall()
    found: dict[tuple[str, str], list[Point]] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(_point(row[2:]))
    return found


def add_points(db: Db, connection_id: UUID, points: Iterable[tuple[str, str, Point]]) -> None:
    """Put points on record."""
    rows = [
        {
            "account_type": wallet,
            "asset": asset,
            "read_at": moment(point.read_ms).isoformat(),
            "total": str(point.total),
            "cut_at": moment(point.cut[0]).isoformat(),
            "cut_id": point.cut[1],
        }
        for wallet, asset, point in points
    ]
    if rows:
        db.execute(
            """
            INSERT INTO balance_points (connection_id, account_type, asset, read_at, total, cut_at, cut_id)
            SELECT %s, * FROM json_to_recordset(%s::json) AS r (account_type text, asset text, read_at timestamptz,
                total numeric, cut_at timestamptz, cut_id text)
            ON CONFLICT DO NOTHING
            """,
            (connection_id, json_text(rows)),
        )


def moves(
    db: Db, connection_id: UUID, since_ms: int, until_ms: int, account_type: str, *, asset: str | None = None
) -> dict[str, list[Move]]:
    """What moved a spot wallet in a stretch, by asset (or of one): its trades with their fees, and known transfers."""
    found: dict[str, list[Move]] = {}
    window = {
        "id": connection_id,
        "since": moment(since_ms),
        "until": moment(until_ms),
        "wallet": account_type,
        "asset": asset,
        "paid": None if asset is None else json_text([{"currency": asset}]),
    }
    for symbol, side, amount, cost, fees, at, identity in db.execute(
        """
        SELECT symbol, side, amount, cost, fees, exchange_timestamp, identity FROM trades
        WHERE user_id = (SELECT user_id FROM user_exchange_connections WHERE id = %(id)s) AND connection_id = %(id)s
          AND product = 'spot' AND exchange_timestamp BETWEEN %(since)s AND %(until)s
          AND (%(asset)s::text IS NULL OR %(asset)s = ANY (string_to_array(symbol, '/')) OR fees @> %(paid)s::jsonb)
        """,
        window,
    ):
        lines = [Fee(Decimal(str(line["amount"])), line["currency"]) for line in fees]
        for name, change in moves_of_trade(symbol, Side(side), amount, cost, lines).items():
            found.setdefault(name, []).append(Move(millis(at), identity, change))
    for name, amount, at, movement_id in db.execute(
        """
        SELECT asset, amount, moved_at, movement_id FROM balance_movements
        WHERE connection_id = %(id)s AND moved_at BETWEEN %(since)s AND %(until)s AND account_type = %(wallet)s
          AND (%(asset)s::text IS NULL OR asset = %(asset)s)
        """,
        window,
    ):
        found.setdefault(name, []).append(Move(millis(at), movement_id, amount))
    return found


def add_movements(db: Db, connection_id: UUID, movements: Sequence[Movement]) -> int:
    """Keep transfers that the exchange told of; each once. Gives how many are new."""
    new = 0
    for move in movements:
        new += db.execute(
            """
            INSERT INTO balance_movements (connection_id, account_type, asset, movement_id, amount, moved_at, kind)
            VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            (connection_id, move.account_type, move.asset, move.id, move.amount, moment(move.at_ms), move.kind),
        ).rowcount
    return new


def open_gap(db: Db, connection_id: UUID, wallet: str, asset: str, window: Window, amount: Decimal) -> bool:
    """Put an unexplained change on record, or its amount right. Gives whether it is new (or open again)."""
    row = db.execute(
        """
        INSERT INTO balance_gaps AS g (connection_id, account_type, asset, since, until, amount)
        VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (connection_id, account_type, asset, until) DO UPDATE
        SET amount = EXCLUDED.amount, closed_at = NULL, explanation = NULL,
            rereads = CASE WHEN g.closed_at IS NULL THEN g.rereads ELSE 0 END,
            reread_at = CASE WHEN g.closed_at IS NULL THEN g.reread_at END
        WHERE g.amount <> EXCLUDED.amount OR g.closed_at IS NOT NULL
        RETURNING rereads = 0
        """,
        (connection_id, wallet, asset, moment(window.since), moment(window.until), amount),
    ).fetchone()
    return row is not None and bool(row[0])


def close_gap(db: Db, gap_id: int, explanation: str) -> None:
    """It is explained."""
    db.execute(
        "UPDATE balance_gaps SET closed_at = now(), explanation = %s WHERE id = %s AND closed_at IS NULL",
        (explanation, gap_id),
    )


def join_stretches(db: Db, earlier: Gap, later: Gap) -> None:
    """The point between two gaps goes: from now on their stretches are one."""
    db.execute(
        "DELETE FROM balance_points WHERE connection_id = %s AND account_type = %s AND asset = %s AND read_at = %s",
        (earlier.connection_id, earlier.account_type, earlier.asset, moment(later.window.since)),
    )


def note_reread(db: Db, gap_id: int) -> None:
    """Its stretch is being read again."""
    db.execute("UPDATE balance_gaps SET rereads = rereads + 1, reread_at = now() WHERE id = %s", (gap_id,))


def gaps(db: Db, connection_id: UUID, *, include_closed: bool = False, limit: int = 1_000) -> list[Gap]:
    """Unexplained changes of a connection, newest first."""
    rows = db.execute(
        """
        SELECT id, connection_id, account_type, asset, since, until, amount, opened_at, rereads, reread_at, closed_at,
               explanation
        FROM balance_gaps WHERE connection_id = %s AND (%s OR closed_at IS NULL) ORDER BY until DESC, id LIMIT %s
        """,
        (connection_id, include_closed, limit),
    ).fetchall()
    return [
        Gap(
            id=row[0],
            connection_id=row[1],
            account_type=row[2],
            asset=row[3],
            window=Window(millis(row[4]), max(millis(row[5]), millis(row[4]) + 1)),
            amount=row[6],
            opened_ms=millis(row[7]),
            rereads=row[8],
            reread_ms=optional_millis(row[9]),
            closed_ms=optional_millis(row[10]),
            explanation=row[11],
        )
        for row in rows
    ]


def explained_until(db: Db, connection_id: UUID) -> int | None:
    """Up to when balances have been held against the trades; None where no wallet ever was."""
    row = db.execute("SELECT max(read_at) FROM balance_judged WHERE connection_id = %s", (connection_id,)).fetchone()
    return None if row is None else optional_millis(row[0])


def note_judged(db: Db, connection_id: UUID, read_ms: int) -> None:
    """A reading has been judged."""
    db.execute(
        """
        INSERT INTO balance_judged (connection_id, read_at) VALUES (%s, %s)
        ON CONFLICT (connection_id) DO UPDATE SET read_at = greatest(balance_judged.read_at, EXCLUDED.read_at)
        """,
        (connection_id, moment(read_ms)),
    )


def _point(row: Sequence[Any]) -> Point:
    read_at, total, cut_at, cut_id = row
    return Point(millis(read_at), total, (millis(cut_at), cut_id))
