"""How fast one writer turns trades into rows, against TEST_DATABASE_URL or an embedded Postgres.

Full durability; each figure is rows per second of one writer, new trades unless it says otherwise.
"""

import os
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from benchmarks.record import Figure
from cli.embedded import PostgresServer
from migrations import run
from shared.domain.trades import Fee, Product, Side, Source, TakerOrMaker, Trade
from shared.storage import connections, users
from shared.storage.due import Every, take_due
from shared.storage.trades import encode_rows, record_trades, trade_row
from shared.storage.values import Db

ROWS = 20_000


def a_trade(number: int) -> Trade:
    """A trade with a raw message of a usual length."""
    return Trade(
        symbol="BTC/USDT",
        market_id="BTCUSDT",
        product=Product.SPOT,
        exchange_trade_id=str(number),
        identity=f"spot:BTCUSDT:{number}",
        order_id=str(number // 3),
        side=Side.BUY,
        price=Decimal("65000.10"),
        amount=Decimal("0.015"),
        cost=Decimal("975.00150"),
        fees=(Fee(Decimal("0.975"), "USDT"),),
        taker_or_maker=TakerOrMaker.TAKER,
        timestamp_ms=int(time.time() * 1000),
        raw={f"field_{index}": "0.12345678" for index in range(20)},
    )


def connected(db: Db) -> UUID:
    """A user with one connection."""
    user = users.add_user(db, f"{uuid4().hex}@example.com", "no password")
    connection_id = uuid4()
    connections.add_connection(
        db,
        connection_id=connection_id,
        user_id=user.id,
        exchange="someplace",
        products=(Product.SPOT,),
        credentials=b"",
        key_version="v1",
        key_fingerprint=uuid4().bytes,
    )
    return connection_id


def speed(store: Callable[[str], object], batches: list[str], rows: int) -> tuple[float, float]:
    """Rows per second, and this process's CPU time in microseconds a row."""
    began, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        store(batch)
    return rows / (time.perf_counter() - began), (time.process_time() - cpu) / rows * 1e6


def measure(db: Db) -> list[Figure]:
    """New, confirmed and repeated rows a second, by size of batch."""
    number = 0
    found = []
    for size in (1, 10, 50, 100, 1000):
        count = min(ROWS, size * 400)
        one = connected(db)
        batches = []
        for _ in range(count // size):
            batches.append(encode_rows([trade_row(a_trade(number + index), one) for index in range(size)]))
            number += size
        new, cpu = speed(lambda batch: record_trades(db, batch, Source.STREAM), batches, count)
        confirmed, _ = speed(lambda batch: record_trades(db, batch, Source.REST), batches, count)
        repeated, _ = speed(lambda batch: record_trades(db, batch, Source.REST), batches, count)
        found += [
            Figure(f"batches of {size:,}: new", round(new), "rows/s"),
            Figure(f"batches of {size:,}: confirmed by REST", round(confirmed), "rows/s"),
            Figure(f"batches of {size:,}: told again", round(repeated), "rows/s"),
            Figure(f"batches of {size:,}: CPU of the client", round(cpu, 1), "µs a row"),
        ]
    return found


def measure_due(db: Db, connections_due: int = 100_000) -> list[Figure]:
    """How long one tick of the scheduler takes with very many connections due at once."""
    user = users.add_user(db, f"{uuid4().hex}@example.com", "no password")
    db.execute(
        """
        WITH added AS (
            INSERT INTO user_exchange_connections (user_id, exchange_name, credentials_encrypted, key_version,
                                                   key_fingerprint, products)
            SELECT %s, 'someplace', '', 'v1', sha256(n::text::bytea), '{spot}' FROM generate_series(1, %s) n
            RETURNING id
        )
        INSERT INTO duties SELECT id, duty, now() - random() * interval '1 hour'
        FROM added, unnest(ARRAY['catch_up', 'balances']) AS duty
        """,
        (user.id, connections_due),
    )
    began = time.perf_counter()
    taken = len(take_due(db, int(time.time() * 1000), 1000, Every()))
    took = (time.perf_counter() - began) * 1000
    return [Figure(f"{connections_due:,} connections due: one tick takes {taken:,} jobs in", round(took), "ms")]


def measured() -> list[Figure]:
    """The figures of the server that is lent, or of one of our own."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return _measured(url)
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder), durable=True)
        server.start()
        try:
            return _measured(server.url())
        finally:
            server.stop()
            server.remove()


def _measured(url: str) -> list[Figure]:
    run.upgrade(url)
    with psycopg.connect(url, autocommit=True) as db:
        return [*measure(db), *measure_due(db)]
