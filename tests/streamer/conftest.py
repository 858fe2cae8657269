"""A streamer in the test's own event loop, over real Postgres and Valkey, at an exchange that exists in tests only."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
import redis

from shared.domain.connections import Credentials
from shared.exchanges.kit.contract import Answer, Exchange
from shared.queue.wire import open_async_wire
from shared.storage.connections import SealedKey
from shared.storage.pool import Pool, open_pool
from streamer.ending import end
from streamer.process import Streamer
from tests.fixtures.stored import a_connection
from tests.streamer.somewhere import MARKETS, NAME, Server, exchange_at, open_server


class Rest:
    """What can be asked of the exchange over REST: tickets, and what every streamer must know."""

    def __init__(self) -> None:
        self.tickets = 0
        self.refused = 0
        self.error: Exception | None = None

    def run(self, account, credentials, steps, *, lane, proxy=None):
        return self._drive(steps)

    def run_public(self, exchange_id, steps, *, lane, region="global"):
        return self._drive(steps)

    def markets(self, exchange_id, region="global", *, is_fresh=False):
        return MARKETS

    def clock_offset_ms(self, exchange_id, region="global"):
        return 0

    def measure_clock(self, exchange_id, region="global"):
        return None

    def _drive(self, steps):
        request = next(steps)
        if self.error is not None:
            self.refused += 1
            raise self.error
        self.tickets += request.endpoint.name == "privateTicket"
        try:
            steps.send(Answer({"token": f"t{self.tickets}"}))
        except StopIteration as done:
            return done.value
        raise AssertionError("one request is enough")


class Stage:
    """Everything a test of the streamer plays with."""

    def __init__(self, server: Server, pool: Pool, redis_url: str, db: psycopg.Connection) -> None:
        self.server, self.pool, self.db = server, pool, db
        self.redis_url = redis_url
        self.redis = redis.Redis.from_url(redis_url)
        self.rest = Rest()
        self.running: dict[Streamer, asyncio.Task[None]] = {}

    def start(
        self,
        *,
        lease: float = 12.0,
        room: int = 1000,
        wire_url: str = "",
        exchange: Exchange | None = None,
        open_key: Callable[[SealedKey], Credentials] = lambda _: Credentials({"api_key": "k"}),
        **traits: Any,
    ) -> Streamer:
        exchange = exchange or exchange_at(self.server, **traits)
        streamer = Streamer(
            exchanges={NAME: exchange}.__getitem__,
            names=(NAME,),
            pool=self.pool,
            wire=open_async_wire(wire_url or self.redis_url),
            rest=self.rest,
            open_key=open_key,
            connects=None,
            room=room,
            lease=timedelta(seconds=lease),
            default_symbols=("BTC/USDT", "NO/SUCH"),
        )
        self.running[streamer] = asyncio.create_task(streamer.run())
        return streamer

    async def stop(self, streamer: Streamer) -> None:
        """As the platform asks it to."""
        streamer.stop()
        try:
            await self.running.pop(streamer)
        finally:
            await streamer._wire.aclose()

    async def kill(self, streamer: Streamer) -> None:
        """As far as one can kill what lives in this very process: nothing is handed over, nothing is let out."""
        task = self.running.pop(streamer)
        await end([task, *streamer._parts])
        for connected in streamer.claims.connected.values():
            await connected.close()
        await streamer.prices.close()
        streamer.batches.close()
        await streamer._wire.aclose()

    def connect(self, **known: Any) -> UUID:
        connection_id = a_connection(self.db, exchange=NAME, **known)
        self.db.commit()
        return connection_id

    def state(self, connection_id: UUID) -> str:
        return self.one("SELECT stream_state FROM user_exchange_connections WHERE id = %s", connection_id)

    def one(self, query: str, *arguments: Any) -> Any:
        row = self.db.execute(query, arguments).fetchone()
        self.db.commit()
        return row[0] if row else None

    def all(self, query: str, *arguments: Any) -> list[Any]:
        rows = self.db.execute(query, arguments).fetchall()
        self.db.commit()
        return rows

    def queued(self, queue: str) -> list[dict[str, Any]]:
        """The arguments of what waits in a queue, in no order."""
        return [msgspec.json.decode(body)["kwargs"] for body in self.redis.hvals(f"dramatiq:{queue}.msgs")]

    def queued_trades(self) -> list[str]:
        return [row["identity"] for batch in self.queued("writes") for row in batch["rows"]]

    def stored_trades(self) -> list[str]:
        return [row[0] for row in self.all("SELECT identity FROM trades ORDER BY identity")]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with open_server() as opened:
        yield opened


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    opened = open_pool(database_url, kind="test", size=6)
    yield opened
    opened.close()


@pytest.fixture
async def stage(server: Server, pool: Pool, redis_url: str, db: psycopg.Connection) -> AsyncIterator[Stage]:
    playing = Stage(server, pool, redis_url, db)
    yield playing
    for streamer in list(playing.running):
        await playing.stop(streamer)
    playing.redis.close()
