"""One connection's streams, kept alive: signed in, succeeded before they end, opened again after they broke.

A stream never gives up. Only what its owner must mend ends it: then the connection is suspended. One whose messages
end our reader three times in a row is parked: an operator must look, and history is read on meanwhile.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from shared.domain.errors import (
    AccountModeChanged,
    ClockWrong,
    ExchangeUnavailable,
    RateLimited,
    ReaderFailed,
    TradeSyncError,
    Transient,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Exchange, Stream, Ticket
from shared.logs import get_log
from shared.storage.stream_leases import Streamed
from streamer.backoff import Backoff
from streamer.ending import end
from streamer.groups import Ending, Group, GroupOf, Seat
from streamer.tickets import Tickets

_SIGN_IN_SECONDS = 30.0
_LASTED_SECONDS = 60.0
_SUCCESSION_SPREAD_SECONDS = 2.0
_RENEW_AGAIN_SECONDS = 30.0
_CRASHES_ALLOWED = 3
_STATES = ("parked", "refused", "lost", "connecting", "live")  # the worst of a connection's streams is its state

log = get_log()
Say = Callable[[str, str], None]  # a state and its reason


class Duties(Protocol):
    """What follows from a stream's life. Nothing here blocks or raises."""

    def said(self, streamed: Streamed, state: str, reason: str) -> None:
        """The connection's streams are in another state now."""

    def began(self, seat: Seat) -> None:
        """A stream is live: a catch-up is due, and a session begins."""

    def ended(self, seat: Seat, error: TradeSyncError | None) -> None:
        """The session of this stream ends."""

    def suspend(self, streamed: Streamed, error: UserActionNeeded) -> None:
        """Only the owner can mend this connection."""

    def mode_changed(self, streamed: Streamed) -> None:
        """The account is in another mode now: it must be detected."""


class AccountStream:
    """One connection's stream of one kind, for as long as the connection is ours."""

    def __init__(
        self,
        streamed: Streamed,
        exchange: Exchange,
        stream: Stream,
        *,
        group: Group,
        tickets: Tickets,
        duties: Duties,
        say: Say,
    ) -> None:
        self.streamed, self.stream = streamed, stream
        self._exchange, self._group, self._tickets, self._duties, self._say = exchange, group, tickets, duties, say
        self._backoff = Backoff()
        self._crashes = 0  # in a row: sockets that ended because our reader failed
        self._ticket: Ticket = {}

    async def run(self) -> None:
        """Keep the stream alive until cancelled, or until only its owner or an operator can mend it."""
        seat = await self._sit_down()
        while seat is not None:
            seat = await self._stay(seat)

    async def _sit_down(self, lost: Ending | None = None) -> Seat | None:
        """A live seat, however long it takes; None when only the owner or an operator can mend it."""
        error = None if lost is None else lost.error or ExchangeUnavailable(lost.reason)
        while True:
            if error is not None and not await self._bear(error):
                return None
            try:
                return await self._try()
            except TradeSyncError as failure:
                error = failure
            except Exception as failure:  # one connection's trouble is its own, and a fault of ours may pass
                log.exception("stream.attempt_failed", **self._names())
                error = Transient(f"The stream could not be opened ({type(failure).__name__}).")

    async def _try(self) -> Seat:
        """One attempt at a live seat. Raises why it failed.

        Where our reader failed nobody knows on whose message: all who shared that socket are apart from now on.
        """
        credentials, ticket = await self._tickets.prepare(self.stream, self.streamed)
        seat = await self._group.take(self.streamed, credentials, ticket, is_alone=self._crashes > 0)
        try:
            await _first(seat.live, seat.over, within=_SIGN_IN_SECONDS)
        except asyncio.CancelledError:
            seat.leave("not wanted any more")
            raise
        if seat.over.done():
            ending = seat.over.result()
            raise ending.error or ExchangeUnavailable(f"The stream ended before it was live: {ending.reason}.")
        if not seat.live.done():
            seat.leave("no answer to the sign-in")
            raise ExchangeUnavailable("The exchange did not answer to the sign-in.")
        self._ticket = ticket
        self._say("live", "")
        self._duties.began(seat)
        log.info("stream.live", **self._names())
        return seat

    async def _bear(self, error: TradeSyncError) -> bool:
        """Show the error and wait before the next try. False when there is none: somebody must act."""
        if isinstance(error, UserActionNeeded) and not isinstance(error, ClockWrong):
            self._say("refused", error.sentence)
            log.error("stream.refused", **self._names(), error=error.code, reason=error.sentence)
            self._duties.suspend(self.streamed, error)
            return False
        if isinstance(error, ReaderFailed):
            self._crashes += 1
            if self._crashes >= _CRASHES_ALLOWED:
                self._say("parked", f"{error.sentence} History is read on. `tradesync resume` tries the stream again.")
                log.error("stream.parked", **self._names(), crashes=self._crashes)
                return False
        at_least = 0.0
        if isinstance(error, ClockWrong):
            await self._tickets.remeasure(self._exchange.id, self.streamed.account.region)
        elif isinstance(error, AccountModeChanged):
            self._duties.mode_changed(self.streamed)
            at_least = 5.0
        elif isinstance(error, RateLimited):
            at_least = max(0.0, error.until_ms / 1000 - time.time())
        self._say("lost", error.sentence)
        pause = self._backoff.next(at_least=at_least)
        log.warning(
            "stream.waiting", **self._names(), error=error.code, reason=error.sentence, pause_ms=round(pause * 1000)
        )
        await asyncio.sleep(pause)
        return True

    async def _stay(self, seat: Seat) -> Seat | None:
        """Live on this seat until it ends or has a successor, which is the next seat."""
        ending = Ending("not wanted any more")
        is_lost = False
        successor: Seat | None = None
        try:
            await self._until_news(seat)
            if not seat.over.done():
                successor = await self._succeed(seat)
            if successor is not None:
                ending = Ending(f"succeeded: {seat.closing.result()}")
            else:
                ending, is_lost = seat.over.result(), True
        finally:
            seat.leave(ending.reason)
            self._tell(seat, ending, is_lost=is_lost)
        if successor is not None:
            return successor
        if time.monotonic() - seat.live_at >= _LASTED_SECONDS:
            self._backoff.reset()
            self._crashes = 0
        return await self._sit_down(ending)

    async def _until_news(self, seat: Seat) -> None:
        """Until the seat is over or closing; renew its ticket in the meantime."""
        every = None if self.stream.renew is None else self.stream.renew_ms
        pause = None if every is None else every / 1000
        while True:
            await _first(seat.over, seat.closing, within=pause)
            if seat.over.done() or seat.closing.done() or every is None:
                return
            try:
                await self._tickets.renew(self.stream, self.streamed, self._ticket)
                pause = every / 1000
            except Transient as error:
                log.warning("stream.renewal_failed", **self._names(), error=error.code)
                pause = _RENEW_AGAIN_SECONDS
            except TradeSyncError as error:  # the ticket is dead: a successor with a new one
                if not seat.closing.done():
                    seat.closing.set_result(f"its ticket could not be renewed ({error.code})")

    async def _succeed(self, seat: Seat) -> Seat | None:
        """Make before break: a new seat is live before this one is left. None when this one ended first."""
        await _first(seat.over, within=random.uniform(0.0, _SUCCESSION_SPREAD_SECONDS))  # noqa: S311 — spreading
        attempt = asyncio.ensure_future(self._until_succeeded())
        try:
            await _first(seat.over, attempt)
            if attempt.done():
                if attempt.result() is None:
                    await _first(seat.over)
                return attempt.result()
            # It ended while the successor was under way: that one is the quickest way back all the same.
            self._say("lost", seat.over.result().reason)
            await _first(attempt, within=_SIGN_IN_SECONDS)
            return attempt.result() if attempt.done() else None
        finally:
            if not attempt.done():
                attempt.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await attempt

    async def _until_succeeded(self) -> Seat | None:
        backoff = Backoff()
        while True:
            try:
                return await self._try()
            except UserActionNeeded:
                return None  # the old seat will end, and then this is told in full
            except TradeSyncError as error:
                log.warning("stream.successor_failed", **self._names(), error=error.code, reason=error.sentence)
                await asyncio.sleep(backoff.next())

    def _tell(self, seat: Seat, ending: Ending, *, is_lost: bool) -> None:
        """The stream's whole story in one line."""
        story = self._names() | {
            "reason": ending.reason,
            "lived_ms": round((time.monotonic() - seat.live_at) * 1000),
            "trades": seat.trades,
            "frames": seat.frames,
        }
        if is_lost:
            log.warning("stream.lost", **story)
        else:
            log.info("stream.finished", **story)
        self._duties.ended(seat, (ending.error or ExchangeUnavailable(ending.reason)) if is_lost else None)

    def _names(self) -> dict[str, str]:
        return {
            "connection": str(self.streamed.connection_id),
            "exchange": self._exchange.id,
            "stream": self.stream.name,
        }


async def _first(*futures: "asyncio.Future[Any]", within: float | None = None) -> None:
    """Until one of these is done, or the time is up (seconds)."""
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)


class Connected:
    """A connection that is ours: all its streams, and the one state they make together."""

    def __init__(
        self, streamed: Streamed, exchange: Exchange, group_of: GroupOf, tickets: Tickets, duties: Duties
    ) -> None:
        self.streamed = streamed
        self._duties = duties
        self._states: dict[str, tuple[str, str]] = {}
        self._shown = ""
        self._tasks: list[asyncio.Task[None]] = []
        wanted = [stream for stream in exchange.streams if stream.serves(streamed.account)]
        self._states = {stream.name: ("connecting", "") for stream in wanted}
        self._show()
        for stream in wanted:
            account_stream = AccountStream(
                streamed,
                exchange,
                stream,
                group=group_of(exchange, stream, streamed),
                tickets=tickets,
                duties=duties,
                say=partial(self._said, stream.name),
            )
            self._tasks.append(asyncio.ensure_future(account_stream.run()))

    @property
    def state(self) -> str:
        """off (nothing to stream), connecting, live, lost, refused, parked: the worst of its streams."""
        return min((state for state, _ in self._states.values()), key=_STATES.index, default="off")

    async def close(self) -> None:
        """End its streams. Nothing of them is left afterwards."""
        await end(self._tasks)

    def _said(self, name: str, state: str, reason: str) -> None:
        self._states[name] = (state, reason)
        self._show()

    def _show(self) -> None:
        state = self.state
        if state != self._shown:
            self._shown = state
            reason = next((reason for its_state, reason in self._states.values() if its_state == state), "")
            self._duties.said(self.streamed, state, reason)
