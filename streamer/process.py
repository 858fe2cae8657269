"""One streamer: its tools, what its sockets tell each other's parts, and how it ends.

Everything here lives on one event loop; Postgres and REST are reached through threads.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.domain.connections import Credentials
from shared.domain.errors import StoreUnavailable, TradeSyncError, UserActionNeeded
from shared.domain.trades import Trade, Unreadable
from shared.events.kinds import CONNECTIONS
from shared.events.publish import AsyncWire
from shared.events.publish import counts as event_counts
from shared.events.subscribe import subscribe_soon
from shared.exchanges.kit.contract import Exchange, HistoryDue, Stream
from shared.logs import get_log
from shared.storage.connections import SealedKey
from shared.storage.pool import Pool
from shared.storage.stream_leases import Streamed
from streamer.asks import Asks
from streamer.batches import Batches, Queue
from streamer.claims import Claims, Look
from streamer.connects import Connects, SharedCount
from streamer.ending import end
from streamer.groups import Group, Seat
from streamer.notes import Notes
from streamer.price_wishes import holder_of
from streamer.prices import Prices
from streamer.store import Store
from streamer.streams import Connected
from streamer.tickets import Rest, Tickets

_STORE_THREADS = 4
_PARTS_SECONDS = 3.0
_DRAIN_SECONDS = 10.0
_LAST_WORDS_SECONDS = 3.0

log = get_log()


class Streamer:
    """A whole streamer. `run` until `stop` is called; what it cannot reach it waits for.

    `exchanges` gives a module by name, `names` are those it streams; `rest` is the gateway; `open_key` opens
    credentials just before use; `connects` counts new sockets together with other processes (None: no limit).
    """

    def __init__(
        self,
        *,
        exchanges: Callable[[str], Exchange],
        names: Collection[str],
        pool: Pool,
        wire: AsyncWire,
        rest: Rest,
        open_key: Callable[[SealedKey], Credentials],
        connects: SharedCount | None,
        room: int,
        lease: timedelta,
        default_symbols: tuple[str, ...],
        simulator_url: str = "",
    ) -> None:
        self.id = uuid4()
        self._exchanges, self._simulator_url = exchanges, simulator_url
        self._living: tuple[UUID, ...] = ()
        self._stopping = asyncio.Event()
        self._parts: list[asyncio.Task[None]] = []
        self._store = Store(pool, threads=_STORE_THREADS)
        self._wire = wire
        self._tickets = Tickets(rest, open_key)
        self._connects = Connects(connects)
        self._groups: dict[tuple[str, str, str, str | None], Group] = {}
        self.notes = Notes(self._store, wire, self.id)
        self.asks = Asks(self._store, wire)
        self.batches = Batches(Queue(wire, holder=f"streamer:{self.id}"), self._store, wire, gap=self._gap)
        self.prices = Prices(
            exchanges,
            store=self._store,
            wire=wire,
            tickets=self._tickets,
            connects=self._connects,
            simulator_url=simulator_url,
            default_symbols=default_symbols,
            is_ours=lambda exchange: exchange in names and holder_of(exchange, self._living) == self.id,
        )
        self.claims = Claims(
            self.id,
            store=self._store,
            wire=wire,
            exchanges=names,
            room=room,
            lease=lease,
            adopt=lambda streamed: Connected(
                streamed, exchanges(streamed.account.exchange), self._group_of, self._tickets, self
            ),
            dropped=self._dropped,
            looked=self._looked,
            figures=self.figures,
        )
        self.counts: Counter[str] = Counter()

    def stop(self) -> None:
        """End in an orderly way; a second time changes nothing."""
        self._stopping.set()

    async def run(self) -> None:
        """Stream until told to stop, then close, hand over, and let out what waits."""
        parts = self._parts = [
            asyncio.create_task(part, name=name)
            for name, part in {
                "claims": self.claims.run(),
                "hints": self._listen(),
                "notes": self.notes.run(),
                "asks": self.asks.run(),
                "time": self._tickets.keep_time(),
                **self.prices.parts(),
            }.items()
        ]
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([*parts, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        fault = next((part.exception() for part in parts if part.done() and not part.cancelled()), None)
        log.info("process.stopping", streams=len(self.claims.connected))
        await self._end(parts)
        if fault is not None:
            raise fault

    async def _end(self, parts: Iterable["asyncio.Task[Any]"]) -> None:
        """Leases first given back, trades last let go of: what is heard already must not wait for anything."""
        began = time.monotonic()
        if stuck := await end(parts, within=_PARTS_SECONDS):
            log.error("process.part_stuck", parts=sorted(part.get_name() for part in stuck))
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                await asyncio.gather(self._hand_over(), self.prices.close(), self.batches.drain())
        except TimeoutError:
            log.error("trades.left_behind", rows=self.batches.waiting)  # noqa: TRY400 — REST brings them
        self.batches.close()
        try:
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await asyncio.gather(self.asks.flush(is_last=True), self.notes.write())
        except TimeoutError:
            log.warning("notes.left_behind")
        self._connects.close()
        self._tickets.close()
        self._store.close()
        log.info("process.stopped", took_ms=round((time.monotonic() - began) * 1000), **self.figures())

    async def _hand_over(self) -> None:
        try:
            await self.claims.hand_over()
        except StoreUnavailable:
            log.warning("store.away")  # the leases expire by themselves

    async def _listen(self) -> None:
        async with aclosing(subscribe_soon(self._wire, CONNECTIONS)) as hints:
            async for _ in hints:
                self.claims.hint()

    def figures(self) -> dict[str, Any]:
        """What `processes` and the last line show of this streamer."""
        states = Counter(connected.state for connected in list(self.claims.connected.values()))
        return {
            "streams": sum(states.values()),
            "live": states["live"],
            "sockets": sum(len(group.tables) for group in list(self._groups.values())),
            "trades_heard": self.batches.counts["heard"],
            "trades_queued": self.batches.counts["queued"],
            "trades_recorded": self.batches.counts["recorded"],
            "trades_lost": self.batches.counts["lost"],
            "trades_waiting": self.batches.waiting,
            "unreadable": self.counts["unreadable"],
            "began": self.counts["began"],
            "lost": self.counts["lost"],
            "prices_received": self.prices.received,
            "events_lost": event_counts["lost"],
        }

    # What sockets hear (`groups.Ears`).

    def trades(self, exchange: Exchange, streamed: Streamed, trades: Sequence[Trade]) -> None:
        """Take them along."""
        self.batches.add(exchange, streamed.connection_id, trades)

    def unreadable(self, exchange: Exchange, streamed: Streamed | None, rows: Sequence[Unreadable]) -> None:
        """Keep them whole; REST may show the same trades in another shape."""
        self.counts["unreadable"] += len(rows)
        connection_id = None if streamed is None else streamed.connection_id
        self.notes.unreadable(exchange.id, connection_id, rows)
        log.error(
            "trades.quarantined",
            connection=str(connection_id),
            exchange=exchange.id,
            source="stream",
            rows=len(rows),
            reason=rows[0].reason if rows else "",
        )
        if streamed is not None:
            self.asks.catch_up(streamed.connection_id, "unreadable")

    def history_due(self, exchange: Exchange, streamed: Streamed, due: HistoryDue) -> None:
        """Only REST can tell."""
        feed = exchange.history.feed_of(due.product, due.market_id).key
        self.asks.catch_up_feed(streamed.connection_id, feed, due.order_id)

    def missed(self, streamed: Streamed, reason: str) -> None:
        """REST may know more."""
        self.asks.catch_up(streamed.connection_id, reason)

    # What follows from a stream's life (`streams.Duties`).

    def said(self, streamed: Streamed, state: str, reason: str) -> None:
        """Its state is shown."""
        self.notes.said(streamed, state, reason)

    def began(self, seat: Seat) -> None:
        """No exchange replays what a socket missed: read from the proven edge."""
        self.counts["began"] += 1
        self.notes.opened(seat)
        self.asks.catch_up(seat.streamed.connection_id, "connected")

    def ended(self, seat: Seat, error: TradeSyncError | None) -> None:
        """Its session ends."""
        self.counts["lost"] += error is not None
        self.notes.closed(seat, error)

    def suspend(self, streamed: Streamed, error: UserActionNeeded) -> None:
        """It rests until its owner acts."""
        self.notes.suspended(streamed, error)

    def mode_changed(self, streamed: Streamed) -> None:
        """Find out which mode it is in now."""
        self.asks.check_key(streamed.connection_id)

    def _gap(self, lost: dict[UUID, int]) -> None:
        log.error("gap.opened", connections=len(lost), rows=sum(lost.values()))
        self.notes.gap(lost)
        for connection_id in lost:
            self.asks.catch_up(connection_id, "gap")

    def _dropped(self, connection_id: UUID) -> None:
        self.notes.forget(connection_id)
        self.asks.forget(connection_id)

    def _looked(self, look: Look) -> None:
        self._living = look.living
        self.prices.want(look.exchanges)

    def _group_of(self, exchange: Exchange, stream: Stream, streamed: Streamed) -> Group:
        region, proxy = streamed.account.region, streamed.egress_proxy
        key = (exchange.id, stream.name, region, proxy)
        if key not in self._groups:
            self._groups[key] = Group(
                exchange,
                stream,
                region,
                proxy,
                tickets=self._tickets,
                connects=self._connects,
                ears=self,
                simulator_url=self._simulator_url,
            )
        return self._groups[key]
