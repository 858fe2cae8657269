"""Measures a running demo from outside: how late trades and prices are in Postgres."""

import math
import threading
from collections.abc import Iterable, Sequence

import psycopg

EVERY = 0.2
# A row that REST has confirmed meanwhile carries that transaction's stamp; then the moment it was written tells.
NEW_TRADES = """
    SELECT id, platform, extract(epoch FROM CASE WHEN confirmed_at IS NULL THEN pg_xact_commit_timestamp(xmin)
                                       ELSE sync_timestamp END - exchange_timestamp)::float8 * 1000
    FROM trades WHERE id > %s AND exchange_timestamp >= to_timestamp(%s / 1000.0)
"""
PRICES = """
    SELECT exchange, symbol, received_at,
           extract(epoch FROM clock_timestamp() - coalesce(exchange_timestamp, received_at))::float8 * 1000
    FROM tickers WHERE received_at > to_timestamp(%s / 1000.0)
"""
LOOK_BACK = 20_000


class Gauge:
    """Samples in a thread of its own between `start` and `stop`; times are the exchanges'."""

    def __init__(self, url: str, since_ms: int) -> None:
        self._url = url
        self._since_ms = since_ms
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gauge", daemon=True)
        self._seen: dict[int, tuple[str, float]] = {}
        self._prices: set[tuple[str, str, object]] = set()
        self._staleness: list[float] = []
        self.is_sampling_prices = True

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look one last time, and end."""
        self._ended.set()
        self._thread.join(10)

    def latency_ms(self) -> dict[str, float | None]:
        """From the moment an exchange executed a trade to the moment its row was committed."""
        return _percentiles(late for _, late in self._seen.values())

    def latency_by_exchange_ms(self) -> dict[str, dict[str, float | None]]:
        """The same for each exchange: where a socket tells no trades, the exchange's own REST is awaited."""
        exchanges = sorted({exchange for exchange, _ in self._seen.values()})
        return {name: _percentiles(late for one, late in self._seen.values() if one == name) for name in exchanges}

    def tickers(self) -> dict[str, float | None]:
        """Price changes seen in Postgres, and how old the shown prices were."""
        return {"received": len(self._prices), "staleness_p99_ms": percentile(sorted(self._staleness), 99)}

    def _run(self) -> None:
        newest = 0
        while True:
            is_last = self._ended.wait(EVERY)
            try:
                with psycopg.connect(self._url, autocommit=True, application_name="tradesync:gauge") as db:
                    while True:
                        newest = self._sample(db, newest)
                        if is_last:
                            return
                        is_last = self._ended.wait(EVERY)
            except psycopg.OperationalError:
                if is_last:
                    return

    def _sample(self, db: psycopg.Connection, newest: int) -> int:
        # Ids are given before commits: look back a little, so that none is passed over.
        for id_, exchange, late in db.execute(NEW_TRADES, [newest - LOOK_BACK, self._since_ms]):
            if late is not None:
                self._seen.setdefault(id_, (exchange, late))
            newest = max(newest, id_)
        if self.is_sampling_prices:
            for exchange, symbol, received, age in db.execute(PRICES, [self._since_ms]):
                self._prices.add((exchange, symbol, received))
                self._staleness.append(age)
        return newest


def _percentiles(late: Iterable[float]) -> dict[str, float | None]:
    values = sorted(late)
    return {name: percentile(values, share) for name, share in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100))}


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` percent of the sorted values do not exceed, in tenths."""
    if not values:
        return None
    return round(values[max(0, math.ceil(len(values) * share / 100) - 1)], 1)
