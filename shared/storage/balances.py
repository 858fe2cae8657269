"""Balances: the latest per wallet and asset, and a line in `balance_changes` for what changed, nothing else."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from shared.domain.balances import Balance
from shared.exchanges.kit.contract import Wallets
from shared.storage.values import Db, json_text, millis


class BalanceLine(Struct, frozen=True, kw_only=True):
    """A stored balance of one connection."""

    connection_id: UUID
    exchange: str
    account_type: str
    asset: str
    free: Decimal | None
    used: Decimal | None
    total: Decimal
    changed_ms: int


class Change(Struct, frozen=True, kw_only=True):
    """A balance that changed; `before` is None where there was none."""

    account_type: str
    asset: str
    total: Decimal
    before: Decimal | None


def record_balances(db: Db, connection_id: UUID, wallets: Wallets) -> list[Change]:
    """Store what was read. Gives what changed.

    A wallet that could not be read (`wallets.missing`, by account type) keeps its rows. An asset that a read
    wallet does not name any more has gone: its row goes, with a change to zero on record. Zero totals are not kept.
    """
    rows = [
        {
            "account_type": balance.account_type,
            "asset": balance.asset,
            "free": None if balance.free is None else str(balance.free),
            "used": None if balance.used is None else str(balance.used),
            "total": str(balance.total),
        }
        for balance in _summed(wallets.balances)
        if balance.total or balance.free or balance.used
    ]
    found = db.execute(
        """
        WITH told AS MATERIALIZED (
            SELECT * FROM json_to_recordset(%(rows)s::json)
                AS r (account_type text, asset text, free numeric, used numeric, total numeric)
        ),
        had AS MATERIALIZED (
            SELECT * FROM balances WHERE connection_id = %(id)s AND account_type <> ALL (%(missing)s::text[])
            ORDER BY account_type, asset FOR UPDATE
        ),
        changed AS MATERIALIZED (
            SELECT account_type, asset, told.free, told.used, coalesce(told.total, 0) AS total,
                   had.total AS before_total, told.asset IS NULL AS is_gone
            FROM told FULL JOIN had USING (account_type, asset)
            WHERE (told.asset IS NULL OR had.asset IS NULL
                   OR (told.free, told.used, told.total) IS DISTINCT FROM (had.free, had.used, had.total))
              AND account_type <> ALL (%(missing)s::text[])
        ),
        gone AS (
            DELETE FROM balances b USING changed
            WHERE is_gone AND b.connection_id = %(id)s
              AND b.account_type = changed.account_type AND b.asset = changed.asset
        ),
        kept AS (
            INSERT INTO balances (connection_id, account_type, asset, free, used, total)
            SELECT %(id)s, account_type, asset, free, used, total FROM changed WHERE NOT is_gone
            ORDER BY account_type, asset
            ON CONFLICT (connection_id, account_type, asset) DO UPDATE
            SET free = EXCLUDED.free, used = EXCLUDED.used, total = EXCLUDED.total, changed_at = now()
        )
        INSERT INTO balance_changes (connection_id, account_type, asset, free, used, total, before_total)
        SELECT %(id)s, account_type, asset, free, used, total, before_total FROM changed
        ORDER BY account_type, asset
        RETURNING account_type, asset, total, before_total
        """,
        {"rows": json_text(rows), "id": connection_id, "missing": list(wallets.missing)},
    ).fetchall()
    return [Change(account_type=row[0], asset=row[1], total=row[2], before=row[3]) for row in found]


def list_balances(db: Db, *, user_id: UUID | None = None, connection_id: UUID | None = None) -> list[BalanceLine]:
    """The latest balances of living connections, of one user or connection where given."""
    rows = db.execute(
        """
        SELECT b.connection_id, c.exchange_name, b.account_type, b.asset, b.free, b.used, b.total, b.changed_at
        FROM balances b JOIN user_exchange_connections c ON c.id = b.connection_id AND c.removed_at IS NULL
        WHERE (%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s)
          AND (%(connection_id)s::uuid IS NULL OR c.id = %(connection_id)s)
        ORDER BY c.exchange_name, c.created_at, b.account_type, b.asset
        """,
        {"user_id": user_id, "connection_id": connection_id},
    ).fetchall()
    return [
        BalanceLine(
            connection_id=row[0],
            exchange=row[1],
            account_type=row[2],
            asset=row[3],
            free=row[4],
            used=row[5],
            total=row[6],
            changed_ms=millis(row[7]),
        )
        for row in rows
    ]


def held_assets(db: Db) -> dict[str, set[str]]:
    """The assets that living connections hold, by exchange: prices are followed for them."""
    held: dict[str, set[str]] = {}
    for exchange, asset in db.execute(
        """
        SELECT DISTINCT c.exchange_name, b.asset
        FROM balances b JOIN user_exchange_connections c ON c.id = b.connection_id
        WHERE c.removed_at IS NULL AND c.is_active AND b.total <> 0
        """
    ):
        held.setdefault(exchange, set()).add(asset)
    return held


def _summed(balances: Iterable[Balance]) -> list[Balance]:
    """One line per wallet and asset; an exchange may give an asset in several."""
    lines: dict[tuple[str, str], Balance] = {}
    for line in balances:
        key = (line.account_type, line.asset)
        other = lines.get(key)
        lines[key] = (
            line
            if other is None
            else Balance(
                account_type=line.account_type,
                asset=line.asset,
                total=line.total + other.total,
                free=_plus(line.free, other.free),
                used=_plus(line.used, other.used),
            )
        )
    return list(lines.values())


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other
