"""What the streamer keeps in Postgres besides trades: states of streams, their sessions, what could not be read, gaps.

Noted at once, written together a few times a second. While Postgres is away notes wait, the oldest of them and
repeated ones let go first; of a stream's state only the last is worth keeping.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from shared.domain.errors import StoreUnavailable, TradeSyncError, UserActionNeeded
from shared.domain.trades import Unreadable
from shared.events.kinds import ConnectionChanged, Sent, StreamChanged
from shared.events.publish import AsyncWire, publish_soon
from shared.logs import get_log
from shared.storage import connections, due, events, quarantine, sessions, stream_leases
from shared.storage.stream_leases import StateChange, Streamed
from shared.storage.values import Db
from streamer.groups import Seat
from streamer.store import Store

_LINGER_SECONDS = 0.1
_AGAIN_SECONDS = 1.0
_HEARTBEAT_SECONDS = 10.0
_ROOM = 20_000

log = get_log()
Work = Callable[[Db], None]


class Opened(Struct, frozen=True):
    """A stream's session is to begin."""

    seat: Seat


class Closed(Struct, frozen=True):
    """A stream's session is to end."""

    seat: Seat
    error: TradeSyncError | None


class Suspended(Struct, frozen=True):
    """A connection is to rest until its owner mends it, unless it has another key by then."""

    streamed: Streamed
    error: UserActionNeeded


class Gap(Struct, frozen=True):
    """Streamed trades of a connection were let go."""

    connection_id: UUID
    rows: int


Note = Opened | Closed | Suspended | Gap


class Notes:
    """Collects notes from the sockets (never blocking them) and writes them."""

    def __init__(self, store: Store, wire: AsyncWire, holder: UUID) -> None:
        self._store, self._wire, self._holder = store, wire, holder
        self._states: dict[UUID, StateChange] = {}
        self._notes: deque[Note] = deque()
        self._unreadable: deque[quarantine.Item] = deque(maxlen=_ROOM)
        self._sessions: dict[Seat, UUID] = {}
        self._news = asyncio.Event()
        self._lock = asyncio.Lock()

    def said(self, streamed: Streamed, state: str, reason: str) -> None:
        """A connection's streams are in another state."""
        self._states[streamed.connection_id] = StateChange(
            connection_id=streamed.connection_id, fence=streamed.fence, state=state, reason=reason
        )
        self._news.set()

    def forget(self, connection_id: UUID) -> None:
        """This connection is not ours any more: what its state was is for others to say."""
        self._states.pop(connection_id, None)

    def opened(self, seat: Seat) -> None:
        """A stream's life begins."""
        self._note(Opened(seat))

    def closed(self, seat: Seat, error: TradeSyncError | None) -> None:
        """A stream's life ended; `error` where it was lost."""
        self._note(Closed(seat, error))

    def suspended(self, streamed: Streamed, error: UserActionNeeded) -> None:
        """Only the owner can mend this connection."""
        self._note(Suspended(streamed, error))

    def gap(self, lost: dict[UUID, int]) -> None:
        """Streamed trades of these connections were let go."""
        for connection_id, rows in lost.items():
            self._note(Gap(connection_id, rows))

    def unreadable(self, exchange: str, connection_id: UUID | None, rows: Iterable[Unreadable]) -> None:
        """Keep what could not be read."""
        self._unreadable.extend(
            quarantine.unreadable(rows, connection_id=connection_id, exchange=exchange, source="stream")
        )
        self._news.set()

    async def run(self) -> None:
        """Write what is noted, for ever."""
        beat_at = time.monotonic() + _HEARTBEAT_SECONDS
        while True:
            try:
                async with asyncio.timeout(max(0.0, beat_at - time.monotonic())):
                    await self._news.wait()
            except TimeoutError:
                beat_at = time.monotonic() + _HEARTBEAT_SECONDS
                await self._beat()
                continue
            await asyncio.sleep(_LINGER_SECONDS)
            if not await self.write():
                await asyncio.sleep(_AGAIN_SECONDS)

    async def write(self) -> bool:
        """Write all that is noted. False when Postgres is away: then the notes wait."""
        async with self._lock:
            self._news.clear()
            states, self._states = self._states, {}
            notes, self._notes = self._notes, deque()
            rows, self._unreadable = self._unreadable, deque(maxlen=_ROOM)
            try:
                told, self._sessions = await self._store.run(self._written, list(states.values()), notes, rows)
            except StoreUnavailable:
                self._states = states | self._states
                self._notes.extendleft(reversed(notes))
                self._unreadable.extendleft(reversed(rows))
                self._news.set()
                return False
            except Exception:  # a fault of ours must not stop later notes
                log.exception("notes.not_written", states=len(states), notes=len(notes), unreadable=len(rows))
                return True
        await publish_soon(self._wire, *told)
        return True

    def _note(self, note: Note) -> None:
        self._notes.append(note)
        while len(self._notes) > _ROOM:
            self._notes.popleft()
        self._news.set()

    async def _beat(self) -> None:
        try:
            await self._store.run(sessions.heartbeat_all, list(self._sessions.values()))
        except StoreUnavailable:
            log.warning("store.away")

    def _written(
        self, db: Db, states: Sequence[StateChange], notes: Iterable[Note], rows: Sequence[quarantine.Item]
    ) -> tuple[list[Sent], dict[Seat, UUID]]:
        """What to tell, and the sessions that run now."""
        told: list[Sent] = []
        running = dict(self._sessions)
        with db.transaction():
            for note in notes:
                told += self._write(db, note, running)
            if rows:
                quarantine.record(db, rows)
        at_ms = time.time_ns() // 1_000_000
        changed = stream_leases.record_states(db, self._holder, states) if states else []
        told += [
            StreamChanged(user_id=user_id, connection_id=change.connection_id, state=change.state, at_ms=at_ms)
            for change, user_id in changed
        ]
        return told, running

    def _write(self, db: Db, note: Note, running: dict[Seat, UUID]) -> list[Sent]:
        if isinstance(note, Opened):
            connection_id = note.seat.streamed.connection_id
            if connections.find_connection(db, connection_id) is not None:
                sessions.end_of_former_owners(db, connection_id, self._holder)
                holder = f"streamer:{self._holder}"
                running[note.seat] = sessions.open_session(db, connection_id, "realtime", holder=holder)
        elif isinstance(note, Closed):
            session_id = running.pop(note.seat, None)
            if session_id is not None:
                sessions.close_session(db, session_id, error=note.error)
        elif isinstance(note, Suspended):
            connection_id = note.streamed.connection_id
            if connections.suspend(db, connection_id, note.error, key=note.streamed.sealed.blob):
                log.warning("connection.suspended", connection=str(connection_id), error=note.error.code)
            return [ConnectionChanged(connection_id=connection_id, change="suspended")]
        elif connections.find_connection(db, note.connection_id) is not None:
            fields = {"rows": note.rows, "reason": "neither Redis nor Postgres took them"}
            events.record_event(db, "gap.opened", connection_id=note.connection_id, fields=fields)
            due.pull_in(db, note.connection_id, "catch_up", time.time_ns() // 1_000_000)
        return []
