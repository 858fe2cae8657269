"""The simulator's one port: REST, websockets and the interface for tests, told apart by the address."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from simulator import admin
from simulator.dialect import Call, Refusal
from simulator.exchange import Exchange
from simulator.http import Head, MalformedRequest, Request, Response, answer, read_head
from simulator.sockets import Socket, conversation_of
from simulator.world import World

LARGEST_MESSAGE = 1024 * 1024


class Link(asyncio.Protocol):
    """One TCP connection: HTTP until it becomes a websocket."""

    __slots__ = ("_buffer", "_busy", "links", "socket", "transport", "world")

    transport: asyncio.Transport

    def __init__(self, world: World, links: "set[Link]") -> None:
        self.world = world
        self.links = links
        self.socket: Socket | None = None
        self._buffer = bytearray()
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.links.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.links.discard(self)
        if self.socket is not None:
            socket, self.socket = self.socket, None
            socket.closing = True
            socket.exchange.closed(socket)

    def data_received(self, data: bytes) -> None:
        if self.socket is not None:
            self.socket.data_received(data)
            return
        self._buffer += data
        self._read()

    def _read(self) -> None:
        while self._buffer and not self._busy and self.socket is None:
            try:
                head = read_head(self._buffer)
                if head is None or len(self._buffer) < head.body_at + head.body_length:
                    return
                end = head.body_at + head.body_length
                raw, body = bytes(self._buffer[:end]), bytes(self._buffer[head.body_at : end])
                del self._buffer[:end]
                self._take(head, body, raw)
            except MalformedRequest as problem:
                self._buffer.clear()
                self.transport.write(answer({"error": str(problem)}, status=400).wire())
                self.transport.close()

    def _take(self, head: Head, body: bytes, raw: bytes) -> None:
        path, _, query = head.target.partition("?")
        base = f"http://{head.headers.get('host', 'localhost')}"
        first, _, rest = path.lstrip("/").partition("/")
        exchange = self.world.exchanges.get(first)
        if exchange is None:
            request = Request(
                method=head.method, host="", path=path, query=query, headers=head.headers, body=body, base=base
            )
            self._answer(admin.respond(self.world, request))
            return
        host, _, real_path = rest.partition("/")
        address = (self.transport.get_extra_info("peername") or ("127.0.0.1",))[0]
        request = Request(
            method=head.method,
            host=host.partition(":")[0],
            path="/" + unquote(real_path),
            query=query,
            headers=head.headers,
            body=body,
            address=address,
            base=f"{base}/{first}",
        )
        if head.headers.get("upgrade", "").lower() == "websocket":
            self._upgrade(exchange, request, raw)
        else:
            self._answer(exchange.rest(request))

    def _answer(self, response: Response) -> None:
        if response.delay_s > 0:
            delay, response.delay_s = response.delay_s, 0.0
            self._busy = True
            asyncio.get_running_loop().call_later(delay, self._answer_late, response)
            return
        wire = response.wire()
        if response.cut is not None:
            self.transport.write(wire[: len(wire) - max(1, int(len(response.body) * response.cut))])
            self.transport.close()
            return
        self.transport.write(wire)

    def _answer_late(self, response: Response) -> None:
        self._busy = False
        if not self.transport.is_closing():
            self._answer(response)
            self._read()

    def _upgrade(self, exchange: Exchange, request: Request, raw: bytes) -> None:
        """Lets a websocket in, or answers why not."""
        exchange.counters["sockets_asked"] += 1
        way, names = exchange.find_socket(request)
        if way is None:
            exchange.counters["sockets_unknown"] += 1
            self._turn_away(Response(status=404, body=b"no such stream", content_type="text/plain"))
            return
        params = dict(parse_qsl(request.query, keep_blank_values=True))
        call = Call(exchange=exchange, request=request, route=way, now_ms=exchange.now_ms(), params=params, names=names)
        protocol = ServerProtocol(max_size=LARGEST_MESSAGE)
        socket = Socket(exchange, way, self.transport, protocol)
        try:
            exchange.admit_socket(call)
            conversation_of(socket, way, call)
        except Refusal as refusal:
            exchange.counters["sockets_refused"] += 1
            self._turn_away(refusal.response)
            return
        protocol.receive_data(raw)
        handshake = next(event for event in protocol.events_received() if isinstance(event, Handshake))
        protocol.send_response(protocol.accept(handshake))
        for data in protocol.data_to_send():
            self.transport.write(data)
        if protocol.handshake_exc is not None:
            self.transport.close()
            return
        self._buffer = bytearray()
        self.socket = socket
        exchange.sockets.add(socket)
        exchange.counters["sockets_opened"] += 1
        socket.conversation.opened()

    def _turn_away(self, response: Response) -> None:
        response.headers["Connection"] = "close"
        self.transport.write(response.wire())
        self.transport.close()


async def serve(
    world: World, *, host: str, port: int, weather: str | None, ready: Callable[[int], None], stop: asyncio.Event
) -> None:
    """Serves until `stop`; `ready` is told the port once it listens. Raises `OSError` where it cannot."""
    loop = asyncio.get_running_loop()
    links: set[Link] = set()
    server = await loop.create_server(lambda: Link(world, links), host, port, backlog=4096)
    duties = [loop.create_task(world.trade()), loop.create_task(world.tick())]
    failed: list[BaseException] = []

    def _ended(duty: asyncio.Task[None]) -> None:
        if not duty.cancelled() and duty.exception() is not None:
            failed.append(duty.exception() or RuntimeError("a duty ended"))
            stop.set()

    for duty in duties:
        duty.add_done_callback(_ended)
    world.expect(weather)
    ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    for duty in duties:
        duty.cancel()
    server.close()
    for link in list(links):
        link.transport.abort()
    await asyncio.sleep(0)
    if failed:
        raise failed[0]
