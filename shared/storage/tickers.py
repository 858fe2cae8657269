"""The latest price of each symbol, written in batches and never backwards in time."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shared.domain.tickers import Ticker
from shared.storage.values import Db, json_text, millis, moment, optional_millis


class Price(Struct, frozen=True, kw_only=True):
    """A stored ticker, and when it was stored."""

    exchange: str
    ticker: Ticker
    received_ms: int


def record_tickers(db: Db, exchange: str, tickers: Iterable[Ticker]) -> int:
    """Store a batch; of one symbol the last in the batch counts. An older price never replaces a newer one.

    A price that a channel does not carry keeps its last value. Gives how many rows moved.
    """
    newest: Mapping[str, Ticker] = {ticker.symbol: ticker for ticker in tickers}
    rows = [
        {
            "symbol": ticker.symbol,
            "last": None if ticker.last is None else str(ticker.last),
            "bid": None if ticker.bid is None else str(ticker.bid),
            "ask": None if ticker.ask is None else str(ticker.ask),
            "at": None if ticker.timestamp_ms is None else moment(ticker.timestamp_ms).isoformat(),
        }
        for ticker in newest.values()
    ]
    if not rows:
        return 0
    found = db.execute(
        """
        INSERT INTO tickers (exchange, symbol, last, bid, ask, exchange_timestamp)
        SELECT %s, symbol, last, bid, ask, at
        FROM json_to_recordset(%s::json) AS r (symbol text, last numeric, bid numeric, ask numeric, at timestamptz)
        ORDER BY symbol
        ON CONFLICT (exchange, symbol) DO UPDATE SET
            last = coalesce(EXCLUDED.last, tickers.last), bid = coalesce(EXCLUDED.bid, tickers.bid),
            ask = coalesce(EXCLUDED.ask, tickers.ask),
            exchange_timestamp = coalesce(EXCLUDED.exchange_timestamp, tickers.exchange_timestamp),
            received_at = now()
        WHERE tickers.exchange_timestamp IS NULL OR EXCLUDED.exchange_timestamp IS NULL
           OR EXCLUDED.exchange_timestamp >= tickers.exchange_timestamp
        """,
        (exchange, json_text(rows)),
    )
    return found.rowcount


def prices(db: Db, exchange: str | None = None) -> list[Price]:
    """All stored prices, of one exchange where given."""
    rows = db.execute(
        """
        SELECT exchange, symbol, last, bid, ask, exchange_timestamp, received_at FROM tickers
        WHERE (%(exchange)s::text IS NULL OR exchange = %(exchange)s) ORDER BY exchange, symbol
        """,
        {"exchange": exchange},
    ).fetchall()
    return [
        Price(
            exchange=row[0],
            ticker=Ticker(symbol=row[1], last=row[2], bid=row[3], ask=row[4], timestamp_ms=optional_millis(row[5])),
            received_ms=millis(row[6]),
        )
        for row in rows
    ]
