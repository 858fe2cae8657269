"""One websocket of a simulated exchange: frames out, messages in, heartbeats, faults.

Reading is done by `websockets`' sans-I/O protocol; frames to send are put together here, because a price goes
to a thousand sockets as the same bytes and because faults need the bytes themselves.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidState
from websockets.frames import Frame as InboundFrame
from websockets.frames import Opcode
from websockets.server import ServerProtocol

from simulator.dialect import Call, Conversation, SocketRoute
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.exchange import Exchange

_encode = msgspec.json.Encoder().encode
PONG = b"\x8a"
"""The first byte of a pong."""
LONGEST_WRITE_QUEUE = 64 * 1024 * 1024


class Frame(bytes):
    """A whole websocket frame, ready to be written."""

    __slots__ = ()


def framed(payload: Any) -> Frame:
    """`payload` as a frame: text for `str` and for data (as JSON), binary for `bytes`; a `Frame` stays itself."""
    if isinstance(payload, Frame):
        return payload
    if isinstance(payload, bytes):
        return _frame(0x82, payload)
    return _frame(0x81, payload.encode() if isinstance(payload, str) else _encode(payload))


def text_frame(body: bytes) -> Frame:
    """Text that is encoded already, as a frame."""
    return _frame(0x81, body)


def _frame(first: int, body: bytes) -> Frame:
    size = len(body)
    if size < 126:
        return Frame(bytes((first, size)) + body)
    if size < 65_536:
        return Frame(bytes((first, 126)) + size.to_bytes(2, "big") + body)
    return Frame(bytes((first, 127)) + size.to_bytes(8, "big") + body)


class Socket:
    """The server's end of one websocket. Conversations use `event`, `reply`, `close`, `abort`."""

    __slots__ = (
        "__weakref__",
        "_binary",
        "_held",
        "_parts",
        "_pinged_at",
        "_unanswered",
        "_window",
        "_window_ends",
        "closing",
        "conversation",
        "exchange",
        "heard_at",
        "opened_at",
        "opened_ms",
        "protocol",
        "route",
        "stalled",
        "transport",
    )

    conversation: Conversation

    def __init__(
        self, exchange: "Exchange", route: SocketRoute, transport: asyncio.Transport, protocol: ServerProtocol
    ) -> None:
        self.exchange = exchange
        self.route = route
        self.transport = transport
        self.protocol = protocol
        self.closing = False
        self.stalled = False
        self.opened_at = self.heard_at = exchange.real_s()
        self.opened_ms = exchange.now_ms()
        self._pinged_at = self.opened_at
        self._unanswered: tuple[float, bytes] | None = None
        self._window = 0
        self._window_ends = 0.0
        self._held: Frame | None = None
        self._parts: list[bytes] = []
        self._binary = False

    # Speaking.

    def event(self, payload: Any) -> None:
        """Says something that happened; the weather may lose, double, delay, disorder or break it."""
        frame = framed(payload)
        if self.exchange.weather.calm:
            self.write(frame)
        else:
            self.exchange.weather.carry(self, frame)

    def events(self, frames: list[Frame]) -> None:
        """Several events at once: one write where the weather is calm."""
        if self.exchange.weather.calm and frames:
            self.exchange.counters["frames_sent"] += len(frames) - 1
            self.write(b"".join(frames))
        else:
            for frame in frames:
                self.exchange.weather.carry(self, frame)

    def reply(self, payload: Any) -> None:
        """Says something the client asked for; only a stall keeps it back."""
        self.write(framed(payload))

    def write(self, frame: bytes) -> None:
        """Bytes to the wire, if anything goes there at all."""
        if self.closing or self.stalled or self.transport.is_closing():
            return
        self.exchange.counters["frames_sent"] += 1
        self.transport.write(frame)

    def swap(self, frame: Frame | None) -> Frame | None:
        """Keeps a frame back and gives the one kept before (for frames out of order)."""
        held, self._held = self._held, frame
        return held

    def break_in(self, frame: bytes) -> None:
        """Writes half of a frame and breaks the connection."""
        self.write(frame[: max(2, len(frame) // 2)])
        self.transport.close()
        self.closing = True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """The exchange's polite end: a close frame, and the connection is gone a moment later."""
        if self.closing or self.transport.is_closing():
            return
        try:
            self.protocol.send_close(code, reason)
        except (InvalidState, ConnectionClosed):
            self.abort()
            return
        self._flush()
        self.closing = True
        asyncio.get_running_loop().call_later(0.5, self.abort)

    def abort(self) -> None:
        """The connection breaks without a word."""
        self.closing = True
        self.transport.abort()

    # Hearing.

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, InboundFrame):
                self._heard(event)
        self._flush()

    def _heard(self, frame: InboundFrame) -> None:
        self.exchange.counters["frames_received"] += 1
        if self._too_many():
            return
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            if self._unanswered is not None and bytes(frame.data) == self._unanswered[1]:
                self._unanswered = None
        elif opcode is Opcode.PING:
            if self.route.frames_count:
                self.heard_at = self.exchange.real_s()
        elif opcode is Opcode.CLOSE:
            asyncio.get_running_loop().call_later(0.1, self.transport.close)
        else:
            self._part(frame)

    def _part(self, frame: InboundFrame) -> None:
        """A message, or a part of one."""
        if frame.opcode is not Opcode.CONT:
            self._binary, self._parts = frame.opcode is Opcode.BINARY, []
        self._parts.append(bytes(frame.data))
        if frame.fin:
            body, self._parts = b"".join(self._parts), []
            self._message(body if self._binary else body.decode("utf-8", "replace"))

    def _message(self, message: str | bytes) -> None:
        self.heard_at = self.exchange.real_s()
        if not self.stalled and not self.closing:
            self.conversation.received(message)

    def _too_many(self) -> bool:
        if self.route.messages is None or not self.exchange.enforcing:
            return False
        count, seconds = self.route.messages
        now = self.exchange.real_s()
        if now >= self._window_ends:
            self._window, self._window_ends = 0, now + seconds
        self._window += 1
        if self._window <= count:
            return False
        if not self.closing:
            self.exchange.counters["sockets_kicked"] += 1
            self.conversation.too_many_messages()
        return True

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data[:1] == PONG and not self.route.answers_pings:
                continue
            if data and not self.stalled and not self.transport.is_closing():
                self.transport.write(data)

    # Keeping time.

    def tick(self, now_s: float, now_ms: int) -> None:
        """About once a second: heartbeats, the end of life, a client that does not read."""
        rules = self.exchange.rules
        route = self.route
        life = rules.get("longest_life_s", route.longest_life_s)
        if life is not None and now_ms - self.opened_ms >= life * 1000:
            self.conversation.end_of_life()
            return
        cut = rules.get("silent_cut_s", route.silent_cut_s)
        if cut is not None and now_s - self.heard_at >= cut:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.conversation.fell_silent()
            return
        self._keep_pinging(now_s, rules.get("ping_every_s", route.ping_every_s), rules.get("pong_within_s"))
        if self.transport.get_write_buffer_size() > LONGEST_WRITE_QUEUE:
            self.abort()
            return
        self.conversation.tick(now_ms)

    def _keep_pinging(self, now_s: float, every: float | None, within: float | None) -> None:
        if every is None:
            return
        within = self.route.pong_within_s if within is None else within
        if self._unanswered is not None and within is not None and now_s - self._unanswered[0] >= within:
            self.exchange.counters["sockets_cut_no_pong"] += 1
            self.close(1008, "Pong timeout")
            return
        if now_s - self._pinged_at >= every:
            self._pinged_at = now_s
            payload = str(self.exchange.now_ms()).encode()
            if self._unanswered is None:
                self._unanswered = (now_s, payload)
            else:
                self._unanswered = (self._unanswered[0], payload)
            self.write(_frame(0x89, payload))

    def hears(self, account: Account | None) -> bool:
        """Whether this socket is within reach of something that befalls `account` (None: everyone)."""
        return account is None or account.uid in self.conversation.accounts


def conversation_of(socket: Socket, route: SocketRoute, call: Call) -> Conversation:
    """Starts the talk; raises `Refusal`."""
    socket.conversation = route.open(socket, call)
    return socket.conversation
