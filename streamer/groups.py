"""How accounts are put on sockets: one each, or many on one where the exchange allows it; they come and go.

A group is all sockets of one kind of stream at one exchange, region and way out. An account takes a seat; the
seat says when it is live, when its socket will end soon (`closing`), and that it is over.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from shared.domain.connections import Credentials
from shared.domain.errors import ExchangeUnavailable, ReaderFailed, TradeSyncError
from shared.domain.trades import Trade, Unreadable
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import (
    Broken,
    Closing,
    Event,
    Exchange,
    HistoryDue,
    Live,
    Refused,
    Stream,
    StreamProtocol,
    TickerHeard,
    Ticket,
    TradesHeard,
)
from shared.logs import get_log
from shared.storage.stream_leases import Streamed
from streamer.connects import Connects
from streamer.sockets import Garbled, Socket, Way
from streamer.tickets import ExchangeTime, Tickets

if TYPE_CHECKING:
    from uuid import UUID

    from shared.domain.markets import Markets

# A successor is live before the exchange cuts: somewhere in the last tenth of a socket's longest life.
_RETIRE_SHARE = (0.90, 0.97)
_NEW_MARKETS_SECONDS = 60.0

log = get_log()


class Ears(Protocol):
    """Whoever wants what the sockets hear. Nothing here blocks or raises."""

    def trades(self, exchange: Exchange, streamed: Streamed, trades: Sequence[Trade]) -> None:
        """Trades of one connection."""

    def unreadable(self, exchange: Exchange, streamed: Streamed | None, rows: Sequence[Unreadable]) -> None:
        """What could not be read; None: it is not known whose it was."""

    def history_due(self, exchange: Exchange, streamed: Streamed, due: HistoryDue) -> None:
        """Something filled that only REST can tell."""

    def missed(self, streamed: Streamed, reason: str) -> None:
        """Something may have been missed."""


class Ending(Struct, frozen=True):
    """Why a seat is over. `error` where the exchange refused this account, or where our reader failed."""

    reason: str
    error: TradeSyncError | None = None


class Seat:
    """One account's place on a socket."""

    def __init__(self, streamed: Streamed, table: "Table") -> None:
        loop = asyncio.get_running_loop()
        self.streamed = streamed
        self.table = table
        self.live: asyncio.Future[None] = loop.create_future()
        self.closing: asyncio.Future[str] = loop.create_future()
        self.over: asyncio.Future[Ending] = loop.create_future()
        self.live_at = 0.0
        self.trades = 0
        self._frames_before = table.socket.frames

    @property
    def frames(self) -> int:
        """Frames that came on the socket since this seat was taken."""
        return self.table.socket.frames - self._frames_before

    def leave(self, reason: str) -> None:
        """Give the place up."""
        self.table.leave(self, Ending(reason))


class Table:
    """One socket, and who sits at it."""

    def __init__(
        self, group: "Group", protocol: StreamProtocol, address: str, now: ExchangeTime, *, is_for_one: bool
    ) -> None:
        self.group = group
        self.places = 1 if is_for_one else group.stream.accounts_per_socket
        self.protocol = protocol
        self.now = now
        self.socket = Socket(protocol, hear=self._hear, garbled=self._garbled, now=now)
        self.seats: dict[UUID, Seat] = {}
        self.is_retiring = False
        self.opened: asyncio.Future[TradeSyncError | None] = asyncio.get_running_loop().create_future()
        self._retirement: asyncio.TimerHandle | None = None
        way = Way(
            address=address,
            headers=group.stream.headers,
            answers_pings=group.stream.answers_pings,
            proxy=group.proxy,
            tls=group.connects.tls,
        )
        self._task = asyncio.ensure_future(self._run(way))

    @property
    def has_room(self) -> bool:
        """Whether one more may sit down."""
        return (
            not self.is_retiring
            and not self.socket.reason
            and len(self.seats) < self.places
            and not (self.opened.done() and self.opened.result() is not None)
        )

    def join(self, streamed: Streamed, credentials: Credentials, ticket: Ticket) -> Seat:
        """Sit down, whether the socket is open yet or not."""
        seat = Seat(streamed, self)
        self.protocol.join(streamed.account, credentials, ticket, self.now())
        self.seats[streamed.connection_id] = seat
        self.socket.act()
        return seat

    def leave(self, seat: Seat, ending: Ending) -> None:
        """Get up; the last one closes the socket."""
        if self.seats.get(seat.streamed.connection_id) is not seat:
            return
        del self.seats[seat.streamed.connection_id]
        if not seat.over.done():
            seat.over.set_result(ending)
        if self.seats:
            self.protocol.leave(seat.streamed.connection_id, self.now())
            self.socket.act()
        elif self.socket.is_open:
            self.socket.end(ending.reason)
        else:
            self._task.cancel()

    def retire(self, reason: str) -> None:
        """Take nobody else, and ask those who sit here to move."""
        self.is_retiring = True
        for seat in self.seats.values():
            if not seat.closing.done():
                seat.closing.set_result(reason)

    async def _run(self, way: Way) -> None:
        stream, connects = self.group.stream, self.group.connects
        try:
            try:
                await connects.permit(self.group.exchange.id, stream.connects)
                async with connects.at_once:
                    await self.socket.open(way)
            except TradeSyncError as error:
                self.opened.set_result(error)
                return
            self.opened.set_result(None)
            if stream.lifetime_ms is not None:
                share = random.uniform(*_RETIRE_SHARE)  # noqa: S311 — spreading, not secrecy
                self._retirement = asyncio.get_running_loop().call_later(
                    stream.lifetime_ms / 1000 * share, self.retire, "its life is nearly over"
                )
            await self.socket.read()
        except Exception:  # a fault of ours or of a protocol ends this socket, nothing else
            log.exception("stream.socket_failed", exchange=self.group.exchange.id, stream=stream.name)
            self.socket.is_crashed = True
        finally:
            self._clear()

    def _clear(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
        self.group.tables.discard(self)
        error = ReaderFailed() if self.socket.is_crashed else None
        if not self.opened.done():
            self.opened.set_result(error or ExchangeUnavailable("The socket was not opened."))
        ending = Ending(self.socket.reason or "not opened", error)
        seats, self.seats = self.seats, {}
        for seat in seats.values():
            if not seat.over.done():
                seat.over.set_result(ending)

    def _hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Closing):
                self.retire(event.reason)
            elif isinstance(event, Broken):
                self.socket.end(event.reason, is_sane=False)
            elif not isinstance(event, TickerHeard) and (seat := self.seats.get(event.connection_id)):
                self._heard_by(seat, event)

    def _heard_by(self, seat: Seat, event: TradesHeard | HistoryDue | Live | Refused) -> None:
        ears, exchange = self.group.ears, self.group.exchange
        if isinstance(event, TradesHeard):
            seat.trades += len(event.trades)
            if event.trades:
                ears.trades(exchange, seat.streamed, event.trades)
            if event.unreadable:
                ears.unreadable(exchange, seat.streamed, event.unreadable)
                self.group.look_for_new_markets()
        elif isinstance(event, HistoryDue):
            ears.history_due(exchange, seat.streamed, event)
        elif isinstance(event, Refused):
            self.leave(seat, Ending(event.error.sentence, event.error))
        elif not seat.live.done():
            seat.live_at = time.monotonic()
            seat.live.set_result(None)

    def _garbled(self, garbled: Garbled) -> None:
        """Nobody knows whose it was unless one account sits here; all of them ask REST what they missed."""
        whose = next(iter(self.seats.values())).streamed if len(self.seats) == 1 else None
        row = Unreadable(reason=garbled.reason, raw=garbled.frame)
        self.group.ears.unreadable(self.group.exchange, whose, (row,))
        for seat in self.seats.values():
            self.group.ears.missed(seat.streamed, "a message could not be read")


class Group:
    """All sockets of one kind of stream at one exchange, region and way out."""

    def __init__(
        self,
        exchange: Exchange,
        stream: Stream,
        region: str,
        proxy: str | None,
        *,
        tickets: Tickets,
        connects: Connects,
        ears: Ears,
        simulator_url: str,
    ) -> None:
        self.exchange, self.stream, self.region, self.proxy = exchange, stream, region, proxy
        self.tickets, self.connects, self.ears = tickets, connects, ears
        self.tables: set[Table] = set()
        self._simulator_url = simulator_url
        self._markets: Markets | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = 0.0

    async def take(
        self, streamed: Streamed, credentials: Credentials, ticket: Ticket, *, is_alone: bool = False
    ) -> Seat:
        """A seat on an open socket, an old one or a new one. Raises when the socket could not be opened.

        `is_alone`: on a new one that nobody shares, so that its trouble is nobody else's.
        """
        now = await self.tickets.clock(self.exchange.id, self.region)
        self._markets = await self.tickets.markets(self.exchange.id, self.region)
        table = next((table for table in self.tables if table.has_room), None)
        if table is None or is_alone or streamed.connection_id in table.seats:
            address = through(self._simulator_url, self.exchange.id, self.stream.url(self.region, ticket))
            table = Table(self, self.stream.protocol(self._markets), address, now, is_for_one=is_alone)
            self.tables.add(table)
        seat = table.join(streamed, credentials, ticket)
        try:
            error = await asyncio.shield(table.opened)
        except asyncio.CancelledError:
            seat.leave("not wanted any more")
            raise
        if error is not None:
            raise error
        return seat

    def look_for_new_markets(self) -> None:
        """A row was unreadable: if markets were listed since, open successors that know them."""
        if self._looking is None and time.monotonic() - self._looked_at > _NEW_MARKETS_SECONDS:
            self._looked_at = time.monotonic()
            self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        try:
            markets = await self.tickets.markets(self.exchange.id, self.region, is_fresh=True)
        except TradeSyncError:
            return
        finally:
            self._looking = None
        known = {(market.type, market.id) for market in self._markets.all} if self._markets else set()
        if any((market.type, market.id) not in known for market in markets.all):
            for table in list(self.tables):
                table.retire("markets were listed that it does not know")


GroupOf = Callable[[Exchange, Stream, Streamed], Group]
