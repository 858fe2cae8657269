"""Trades on their way out: collected for a moment per exchange, then queued; what the queue refuses is recorded here.

Three layers, and the sockets never wait for any of them: the queue; Postgres, by the function that the workers
use; and when neither takes a batch for so long that the room for what waits is used up, the oldest rows are let
go, the gap is noted, and REST brings them (the stream never moved coverage, so it still wants them).
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from shared.domain.errors import StoreUnavailable, WireUnavailable
from shared.domain.trades import Source, Trade
from shared.events.kinds import TradesRecorded
from shared.events.publish import AsyncWire, publish_soon
from shared.exchanges.kit.contract import Exchange
from shared.logs import get_log
from shared.queue.depth import depth_soon
from shared.queue.requests import WriteTrades
from shared.queue.send import send_soon
from shared.storage.trades import Recorded, record_trades, trade_row
from shared.storage.values import Db
from streamer.backoff import Backoff
from streamer.store import Store

LINGER_SECONDS = 0.02
LARGEST_BATCH = 500
BATCHES_AT_ONCE = 8  # in one trip to Redis, when more waits than one batch: a busy loop makes trips slow
ROOM_ROWS = 50_000  # of one exchange, about 50 MB; more wait only while Redis and Postgres are both away
DEEPEST_QUEUE = 1_000  # batches; deeper than this the workers do not keep up, and Redis is small
_SHUN_SECONDS = 1.0
_LOOK_SECONDS = 1.0
_SEND_SECONDS = 8.0

log = get_log()
_encode = msgspec.json.Encoder(decimal_format="number").encode
Row = tuple[UUID, bytes]


class Queue:
    """The first way out, as long as it is fit: left alone for a while after it refused or ran deep."""

    def __init__(
        self,
        wire: AsyncWire,
        *,
        holder: str,
        deepest: int = DEEPEST_QUEUE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire, self._holder, self._deepest, self._clock = wire, holder, deepest, clock
        self._shunned_until = 0.0
        self._looked_at = -_LOOK_SECONDS
        self.refused = 0

    async def take(self, exchange: str, rows: Sequence[bytes]) -> bool:
        """Whether the rows are queued. A try that was cut off may have arrived: writing twice is harmless."""
        now = self._clock()
        if now < self._shunned_until:
            return False
        requests = [
            WriteTrades(exchange=exchange, rows=[msgspec.Raw(row) for row in batch], holder=self._holder)
            for batch in _in_batches(rows)
        ]
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                if now - self._looked_at >= _LOOK_SECONDS:
                    self._looked_at = now
                    if await depth_soon(self._wire, WriteTrades.QUEUE) > self._deepest:
                        self._shun("the queue is too deep")
                        return False
                await send_soon(self._wire, requests)
        except WireUnavailable as error:
            self._shun(error.sentence)
            return False
        except TimeoutError:
            self._shun("Redis does not answer.")
            return False
        return True

    def _shun(self, reason: str) -> None:
        self.refused += 1
        self._shunned_until = self._clock() + _SHUN_SECONDS
        log.warning("queue.refused", reason=reason)


class Batches:
    """The trades of all exchanges on their way out.

    batches.add(exchange, connection_id, trades)    # from a socket: never blocks, never raises
    await batches.drain()                           # at the end: until everything is out

    `gap` is told which connections lost rows, and how many, when there was no room left and something works again.
    """

    def __init__(
        self,
        queue: Queue,
        store: Store,
        wire: AsyncWire,
        *,
        gap: Callable[[dict[UUID, int]], None],
        room: int = ROOM_ROWS,
    ) -> None:
        self._queue, self._store, self._wire, self._gap, self._room = queue, store, wire, gap, room
        self._lines: dict[str, _Line] = {}
        self.counts: Counter[str] = Counter()

    def add(self, exchange: Exchange, connection_id: UUID, trades: Iterable[Trade]) -> None:
        """Take trades along."""
        line = self._lines.get(exchange.id)
        if line is None:
            line = self._lines[exchange.id] = _Line(self, exchange.id)
        feed_of = exchange.history.feed_of
        for trade in trades:
            feed = feed_of(trade.product, trade.market_id).key
            line.waiting.append(
                (connection_id, _encode(trade_row(trade, connection_id, feed=feed, reader=exchange.reader)))
            )
            self.counts["heard"] += 1
        while len(line.waiting) > self._room:
            line.lost[line.waiting.popleft()[0]] += 1
            self.counts["lost"] += 1
        line.idle.clear()
        line.news.set()

    @property
    def waiting(self) -> int:
        """How many rows are not out yet."""
        return sum(len(line.waiting) + line.under_way for line in self._lines.values())

    async def drain(self) -> None:
        """Until nothing waits any more."""
        for line in self._lines.values():
            await line.idle.wait()

    def close(self) -> None:
        """Stop sending."""
        for line in self._lines.values():
            line.task.cancel()

    async def deliver(self, exchange: str, rows: Sequence[Row]) -> bool:
        """These rows out, by whichever way takes them. False when none does right now."""
        texts = [text for _, text in rows]
        if await self._queue.take(exchange, texts):
            self.counts["queued"] += len(rows)
            return True
        try:
            recorded = await self._store.run(_record, texts)
        except StoreUnavailable:
            return False
        self.counts["recorded"] += len(rows)
        log.info("trades.recorded", exchange=exchange, source="stream", new=recorded.new, repeated=recorded.repeated)
        await publish_soon(
            self._wire,
            *(
                TradesRecorded(user_id=user_id, lines=msgspec.Raw(lines.encode()))
                for user_id, lines in recorded.fresh.items()
            ),
        )
        return True

    def tell_gap(self, lost: dict[UUID, int]) -> None:
        """Rows of these connections were let go."""
        self._gap(lost)


class _Line:
    """One exchange's rows, sent in their order by one task."""

    def __init__(self, batches: Batches, exchange: str) -> None:
        self.waiting: deque[Row] = deque()
        self.lost: Counter[UUID] = Counter()
        self.under_way = 0
        self.news = asyncio.Event()
        self.idle = asyncio.Event()
        self._batches, self._exchange = batches, exchange
        self.task: asyncio.Task[Any] = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        backoff = Backoff(first=0.25, longest=2.0)
        while True:
            if not self.waiting:
                self.idle.set()
                await self.news.wait()
            self.news.clear()
            if not self.waiting:
                continue
            self.idle.clear()
            if len(self.waiting) < LARGEST_BATCH:
                await asyncio.sleep(LINGER_SECONDS)
            rows = [self.waiting.popleft() for _ in range(min(LARGEST_BATCH * BATCHES_AT_ONCE, len(self.waiting)))]
            self.under_way = len(rows)
            while True:
                if await self._deliver(rows):
                    break
                await asyncio.sleep(backoff.next(at_least=0.1))
            backoff.reset()
            self.under_way = 0
            if self.lost:
                lost, self.lost = self.lost, Counter()
                self._batches.tell_gap(dict(lost))

    async def _deliver(self, rows: Sequence[Row]) -> bool:
        try:
            return await self._batches.deliver(self._exchange, rows)
        except Exception:  # a fault of ours must not end this exchange's trades: REST brings these
            log.exception("trades.not_delivered", exchange=self._exchange, rows=len(rows))
            self.lost.update(connection_id for connection_id, _ in rows)
            return True


def _in_batches(rows: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for first in range(0, len(rows), LARGEST_BATCH):
        yield rows[first : first + LARGEST_BATCH]


def _record(db: Db, rows: Sequence[bytes]) -> Recorded:
    recorded = Recorded()
    for batch in _in_batches(rows):
        recorded = recorded.plus(record_trades(db, b"[" + b",".join(batch) + b"]", Source.STREAM))
    return recorded
