"""Which connections are ours: claims, renewals, fair parts, hand-overs. Looks every second, and at once on a hint.

While Postgres is away nobody can claim anything, so what is ours stays ours and the sockets stay open. Whoever
was away for longer than its lease finds out at the next look what others took meanwhile, and lets it go.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.errors import StoreUnavailable
from shared.events.kinds import LeasesFreed
from shared.events.publish import AsyncWire, publish_soon
from shared.logs import get_log
from shared.storage import processes, stream_leases
from shared.storage.stream_leases import Held, Streamed, fair_shares
from shared.storage.values import Db
from streamer.store import Store
from streamer.streams import Connected

_LOOK_SECONDS = 1.0
_BREATH_SECONDS = 0.05  # between two looks, however many hints come
_RENEWALS = 4  # in the life of a lease

log = get_log()


class Look(Struct, frozen=True, kw_only=True):
    """What a look at Postgres showed: our leases, what to open, how many are too many, who else streams."""

    held: Mapping[UUID, Held]
    fresh: tuple[Streamed, ...]
    surplus: int
    living: tuple[UUID, ...]
    exchanges: frozenset[str]


class Claims:
    """The connections of this streamer. `adopt` opens one's streams, `figures` is what `processes` shows of us.

    `looked` is told who else streams and which exchanges have connections, after each look.
    """

    def __init__(
        self,
        process_id: UUID,
        *,
        store: Store,
        wire: AsyncWire,
        exchanges: Collection[str],
        room: int,
        lease: timedelta,
        adopt: Callable[[Streamed], Connected],
        dropped: Callable[[UUID], None],
        looked: Callable[[Look], None],
        figures: Callable[[], dict[str, Any]],
    ) -> None:
        self.connected: dict[UUID, Connected] = {}
        self._id, self._store, self._wire = process_id, store, wire
        self._exchanges, self._room, self._lease = tuple(exchanges), room, lease
        self._adopt, self._dropped, self._looked, self._figures = adopt, dropped, looked, figures
        self._renewed_at = float("-inf")
        self._hint = asyncio.Event()

    def hint(self) -> None:
        """Something changed: look now."""
        self._hint.set()

    async def run(self) -> None:
        """Look and act, for ever."""
        while True:
            self._hint.clear()
            try:
                await self.look()
            except StoreUnavailable:
                log.warning("store.away", streams=len(self.connected))
            except Exception:  # a fault of ours in one look must not end the streams
                log.exception("claims.failed")
            await asyncio.sleep(_BREATH_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS - _BREATH_SECONDS):
                    await self._hint.wait()

    async def look(self) -> None:
        """One look at Postgres, and what follows from it. Raises `StoreUnavailable`."""
        now = time.monotonic()
        is_renewal = now - self._renewed_at >= self._lease.total_seconds() / _RENEWALS
        look = await self._store.run(self._look, set(self.connected), is_renewal=is_renewal)
        if is_renewal:
            self._renewed_at = now
        # One that came back to us went through other hands meanwhile: what we say of it under its old fence counts
        # for nothing, so it is opened anew.
        taken = [
            key
            for key, connected in self.connected.items()
            if key not in look.held or look.held[key].fence != connected.streamed.fence
        ]
        unwanted = [key for key, lease in look.held.items() if not lease.is_wanted]
        changed = [
            key
            for key, connected in self.connected.items()
            if key in look.held and key not in taken and look.held[key].mark != connected.streamed.mark
        ]
        if taken:
            log.warning("lease.lost", connections=len(taken))
        await self._drop(taken + changed)
        await self._let_go(unwanted, state="off")
        for streamed in look.fresh:
            if streamed.connection_id not in self.connected:
                try:
                    self.connected[streamed.connection_id] = self._adopt(streamed)
                except Exception:  # one connection's trouble is its own; it is tried again at the next look
                    log.exception("stream.not_adopted", connection=str(streamed.connection_id))
        if look.surplus:
            await self._let_go(self._least_settled(look.surplus), state="connecting")
            await publish_soon(self._wire, LeasesFreed(holder=self._id))
        if changed or taken:
            self.hint()
        self._looked(look)

    async def hand_over(self) -> None:
        """Close all streams and give every lease back, so that others take them at once. Raises `StoreUnavailable`."""
        await self._drop(list(self.connected))
        await self._store.run(self._leave)
        await publish_soon(self._wire, LeasesFreed(holder=self._id))

    def _look(self, db: Db, open_now: Collection[UUID], *, is_renewal: bool) -> Look:
        figures = self._figures() | {"room": self._room}
        if not processes.heartbeat(db, self._id, figures):
            host, pid = socket.gethostname(), os.getpid()
            processes.register(db, self._id, kind="streamer", host=host, pid=pid, version=version("tradesync"))
            processes.heartbeat(db, self._id, figures)
        if is_renewal:
            stream_leases.renew(db, self._id, self._lease)
        living = processes.living(db, "streamer", within=self._lease)
        rooms = {process.id: int(process.figures.get("room", 0)) for process in living} | {self._id: self._room}
        held = stream_leases.held_by(db, self._id, self._exchanges)
        by_all = stream_leases.held_by_all(db, self._exchanges)
        own = sum(lease.is_wanted for lease in held.values())
        parts = {holder: count for holder, count in by_all.items() if holder is not None} | {self._id: own}
        share = fair_shares(sum(by_all.values()), rooms, parts)[self._id]
        claimed = stream_leases.claim(db, self._id, most=share - own, lease=self._lease, exchanges=self._exchanges)
        missing = [key for key, lease in held.items() if lease.is_wanted and key not in open_now]
        fresh = stream_leases.streamed(db, self._id, [*claimed, *missing]) if claimed or missing else []
        held |= {
            streamed.connection_id: Held(fence=streamed.fence, mark=streamed.mark, is_wanted=True) for streamed in fresh
        }
        if claimed:
            log.info("lease.claimed", connections=len(claimed), share=share)
        return Look(
            held=held,
            fresh=tuple(fresh),
            surplus=max(0, own - share),
            living=tuple(holder for holder, room in rooms.items() if room > 0),
            exchanges=stream_leases.streamed_exchanges(db),
        )

    def _least_settled(self, many: int) -> list[UUID]:
        """Those that are not live first, then the newest."""
        newest = list(reversed(self.connected))
        return sorted(newest, key=lambda key: self.connected[key].state == "live")[:many]

    async def _drop(self, keys: Collection[UUID]) -> list[Connected]:
        """Close these streams. Nothing of them is left afterwards."""
        dropped = [self.connected.pop(key) for key in keys if key in self.connected]
        await asyncio.gather(*(connected.close() for connected in dropped))
        for connected in dropped:
            self._dropped(connected.streamed.connection_id)
        return dropped

    async def _let_go(self, keys: Collection[UUID], *, state: str) -> None:
        """Close these streams, then give their leases back: nobody has them at the same time."""
        if not keys:
            return
        dropped = await self._drop(keys)
        ended = {connected.streamed.connection_id for connected in dropped if connected.state in {"refused", "parked"}}
        await self._store.run(self._give_back, keys, state, ended)

    def _give_back(self, db: Db, keys: Collection[UUID], state: str, ended: Collection[UUID]) -> None:
        held = stream_leases.held_by(db, self._id, self._exchanges)
        changes = [
            stream_leases.StateChange(connection_id=key, fence=held[key].fence, state=state)
            for key in keys
            if key in held and key not in ended
        ]
        stream_leases.record_states(db, self._id, changes)
        stream_leases.give_back(db, self._id, keys)

    def _leave(self, db: Db) -> None:
        held = stream_leases.held_by(db, self._id, self._exchanges)
        self._give_back(db, list(held), "connecting", [])
        processes.retire(db, self._id)
