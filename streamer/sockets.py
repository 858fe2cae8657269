"""The shell around a protocol: one websocket, read in one task, told the time by one timer.

Every rule of a conversation is in the exchange's protocol; here frames are carried and faults are named.
"""

import asyncio
import contextlib
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from shared.domain.errors import ContractBroken, ExchangeUnavailable, RateLimited, TradeSyncError
from shared.exchanges.kit.contract import Event, Frame
from shared.logs import get_log

_LARGEST_MESSAGE = 16 * 1024 * 1024
_OPEN_SECONDS = 10.0
_CLOSE_SECONDS = 2.0
_PING_SECONDS = 20.0
_FAULTS_IN_A_ROW = 3
_FRAMES_IN_A_ROW = 16
_LATER = 3_600_000

log = get_log()


class Conversation(Protocol):
    """What `StreamProtocol` and `TickerProtocol` have in common."""

    @property
    def deadline(self) -> int: ...
    def open(self, now: int) -> None: ...
    def outbox(self) -> list[Frame]: ...
    def receive(self, frame: Frame, now: int) -> list[Event]: ...
    def tick(self, now: int) -> list[Event]: ...


class Garbled(Struct, frozen=True):
    """A frame that the protocol could not take at all, and why."""

    frame: Frame
    reason: str


class Way(Struct, frozen=True, kw_only=True):
    """How to get there: address, headers, the connection's own egress, and the one TLS context of this process.

    `answers_pings`: whether protocol pings are sent, because the server answers them.
    """

    address: str
    headers: Mapping[str, str] = {}
    answers_pings: bool = True
    proxy: str | None = None
    tls: ssl.SSLContext | None = None


class Socket:
    """One websocket and the conversation on it.

        socket = Socket(protocol, hear=…, garbled=…, now=…)
        await socket.open(way)          # raises ExchangeUnavailable, RateLimited
        reason = await socket.read()    # until it ends, whoever ends it
        socket.act()                    # after every call of the protocol from outside
        socket.end(reason)              # from anywhere; `read` returns soon

    `hear` is given the events of each frame and tick, `garbled` the frames that could not be read; neither blocks.
    """

    def __init__(
        self,
        protocol: Conversation,
        *,
        hear: Callable[[Sequence[Event]], None],
        garbled: Callable[[Garbled], None],
        now: Callable[[], int],
    ) -> None:
        self.protocol = protocol
        self.opened_at = 0.0
        self.frames = 0
        self.reason = ""
        self.is_crashed = False  # it ended because our reader failed, and not the exchange
        self._hear, self._garbled, self._now = hear, garbled, now
        self._connection: ClientConnection | None = None
        self._outgoing: deque[Frame] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._faults = 0

    @property
    def is_open(self) -> bool:
        """Whether it was opened and nobody has ended it."""
        return self._connection is not None and not self.reason

    async def open(self, way: Way) -> None:
        """Connect and let the protocol begin. Raises `ExchangeUnavailable`, or `RateLimited` for HTTP 429 and 418."""
        try:
            self._connection = await connect(
                way.address,
                compression=None,  # 16 KiB a socket instead of 49
                max_size=_LARGEST_MESSAGE,
                open_timeout=_OPEN_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                ping_interval=_PING_SECONDS if way.answers_pings else None,
                ping_timeout=_PING_SECONDS,
                proxy=way.proxy,
                additional_headers=way.headers,
                ssl=way.tls if way.address.startswith("wss:") else None,
                user_agent_header="tradesync",
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise _translated(error) from None  # the driver's text may hold the address, and that a token
        self.opened_at = time.monotonic()
        self.protocol.open(self._now())
        self.act()

    async def read(self) -> str:
        """Carry frames in until the socket ends; gives the reason. Nothing of it is left afterwards."""
        assert self._connection is not None
        connection, hear = self._connection, self._receive
        try:
            while not self.reason:
                hear(await connection.recv())
                # A socket that is never quiet must not keep the others, the timers and the way out waiting.
                if not self.frames % _FRAMES_IN_A_ROW:
                    await asyncio.sleep(0)
        except ConnectionClosed as closed:
            self.reason = self.reason or _farewell(closed)
        finally:
            self.reason = self.reason or "cancelled"
            await self._clean_up(connection)
        return self.reason

    def end(self, reason: str, *, is_sane: bool = True) -> None:
        """End it: with a farewell, or at once when the other side is not sane any more."""
        if self.reason:
            return
        self.reason = reason
        if self._connection is None:
            return
        if is_sane:
            self._closer = asyncio.ensure_future(self._connection.close())
        else:
            self._connection.transport.abort()

    def act(self) -> None:
        """Send what the protocol wants to say, and look again when it wants to be told the time."""
        if self.reason or self._connection is None:
            return
        frames = self.protocol.outbox()
        if frames:
            self._outgoing.extend(frames)
            if self._sender is None:
                self._sender = asyncio.ensure_future(self._send(self._connection))
        deadline = self.protocol.deadline
        if self._timer is None or deadline < self._timer_at:
            self._arm(deadline)

    def _receive(self, frame: Frame) -> None:
        self.frames += 1
        try:
            events = self.protocol.receive(frame, self._now())
            if events:
                self._hear(events)
            self._faults = 0
        except ContractBroken as error:
            self._fault(Garbled(frame, error.sentence))
        except Exception as error:  # a reader's fault on one frame must not end what else is heard
            log.exception("stream.reader_failed", error=type(error).__name__)
            self._fault(Garbled(frame, f"the reader failed: {type(error).__name__}"), is_crash=True)
        self.act()

    def _fault(self, garbled: Garbled, *, is_crash: bool = False) -> None:
        self._garbled(garbled)
        self._faults += 1
        if self._faults >= _FAULTS_IN_A_ROW and not self.reason:
            self.is_crashed = is_crash
            self.end("nothing could be read any more", is_sane=False)

    def _arm(self, deadline: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # A far deadline is looked at again within the hour: the clock's offset may have been measured anew.
        delay = min(max(deadline - self._now(), 1), _LATER)
        self._timer_at = deadline
        self._timer = asyncio.get_running_loop().call_later(delay / 1000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.reason:
            return
        now = self._now()
        if self.protocol.deadline <= now:
            try:
                events = self.protocol.tick(now)
            except Exception as error:  # a fault of the protocol ends this socket, nothing else
                log.exception("stream.reader_failed", error=type(error).__name__)
                self.is_crashed = True
                self.end(f"the protocol failed: {type(error).__name__}", is_sane=False)
                return
            if events:
                self._hear(events)
        self.act()

    async def _send(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # `read` learns of it too, and tells
            while self._outgoing:
                await connection.send(self._outgoing.popleft())
        self._sender = None

    async def _clean_up(self, connection: ClientConnection) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in (self._sender, self._closer):
            if task is not None:
                task.cancel()
        connection.transport.abort()
        with contextlib.suppress(Exception):
            await connection.wait_closed()


def _translated(error: Exception) -> TradeSyncError:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status in {418, 429}:
            seconds = error.response.headers.get("Retry-After", "")
            pause = int(seconds) if seconds.isdigit() else 10
            return RateLimited(
                f"The exchange refuses new sockets (HTTP {status}).",
                until_ms=time.time_ns() // 1_000_000 + max(pause, 10) * 1000,
                ban=status == 418,
            )
        return ExchangeUnavailable(f"The exchange refused the socket (HTTP {status}).")
    if isinstance(error, TimeoutError):
        return ExchangeUnavailable("The exchange did not answer to the opening of a socket.")
    if isinstance(error, ConnectionRefusedError):
        return ExchangeUnavailable("The exchange's address takes no sockets.")
    return ExchangeUnavailable(f"The socket could not be opened ({type(error).__name__}).")


def _farewell(closed: ConnectionClosed) -> str:
    said: Any = closed.rcvd
    if said is None:
        return "cut off"
    return f"closed by the exchange ({said.code}{': ' + said.reason if said.reason else ''})"
