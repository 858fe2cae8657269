"""Every market ever seen, append-only, so that trades on delisted markets stay readable."""

from collections.abc import Iterable

from shared.domain.markets import Market, Markets
from shared.storage.values import Db, json_text


def record_instruments(db: Db, exchange: str, markets: Iterable[Market]) -> int:
    """Add what is new of a market list, and say of the rest, hourly, that it was seen. Gives how many are new."""
    rows = [
        {
            "market_id": market.id,
            "product": market.product.value,
            "symbol": market.symbol,
            "type": market.type,
            "base": market.base,
            "quote": market.quote,
            "settle": market.settle,
            "contract_size": None if market.contract_size is None else str(market.contract_size),
            "linear": market.linear,
            "inverse": market.inverse,
        }
        for market in markets
    ]
    row = db.execute(
        """
        WITH told AS MATERIALIZED (
            SELECT DISTINCT ON (market_id, product, symbol, settle, contract_size) *
            FROM json_to_recordset(%(rows)s::json) AS r (
                market_id text, product text, symbol text, type text, base text, quote text, settle text,
                contract_size numeric, linear boolean, inverse boolean)
        ),
        seen AS (
            UPDATE instruments i SET last_seen_at = now() FROM told
            WHERE i.exchange = %(exchange)s AND i.market_id = told.market_id AND i.product = told.product
              AND i.symbol = told.symbol AND i.settle IS NOT DISTINCT FROM told.settle
              AND i.contract_size IS NOT DISTINCT FROM told.contract_size
              AND i.last_seen_at < now() - interval '1 hour'
        ),
        added AS (
            INSERT INTO instruments (exchange, market_id, product, symbol, type, base, quote, settle, contract_size,
                                     linear, inverse)
            SELECT %(exchange)s, market_id, product, symbol, type, base, quote, settle, contract_size, linear, inverse
            FROM told ORDER BY market_id, product
            ON CONFLICT (exchange, market_id, product, symbol, settle, contract_size) DO NOTHING
            RETURNING id
        )
        SELECT count(*) FROM added
        """,
        {"rows": json_text(rows), "exchange": exchange},
    ).fetchone()
    assert row is not None
    return int(row[0])


def knows_symbol(db: Db, symbol: str) -> bool:
    """Whether a market was ever listed under this name, or anything traded on it."""
    row = db.execute(
        "SELECT EXISTS (SELECT FROM instruments WHERE symbol = %(symbol)s)"
        " OR EXISTS (SELECT FROM trades WHERE symbol = %(symbol)s)",
        {"symbol": symbol},
    ).fetchone()
    return row is not None and bool(row[0])


def load_markets(db: Db, exchange: str, current: Iterable[Market] = ()) -> Markets:
    """All markets ever seen of an exchange; where one id has several, the one seen last, and `current` before all."""
    rows = db.execute(
        """
        SELECT market_id, symbol, type, base, quote, settle, contract_size, linear, inverse
        FROM instruments WHERE exchange = %s ORDER BY last_seen_at, id
        """,
        (exchange,),
    ).fetchall()
    known = [
        Market(
            id=row[0],
            symbol=row[1],
            type=row[2],
            base=row[3],
            quote=row[4],
            settle=row[5],
            contract_size=row[6],
            linear=row[7],
            inverse=row[8],
        )
        for row in rows
    ]
    newest = {(market.product, market.id): market for market in (*known, *current)}
    return Markets(newest.values())
