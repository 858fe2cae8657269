"""An exchange that exists in tests only: its module, and the server that speaks its trivial dialect.

It says JSON: `{"op": "join", "id": …}` is answered by `joined` or `refused`; then come `trade`, `fill`, `closing`.
A `ping` every so often is answered by `pong`. Prices: `{"op": "follow", "symbols": […]}` is answered by `price`s.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from shared.domain.errors import ExchangeUnavailable, KeyRejected, UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Fee, Product, Side, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit.contract import (
    Broken,
    Closing,
    CredentialField,
    Endpoint,
    Exchange,
    Feed,
    Heard,
    History,
    HistoryDue,
    Live,
    Pool,
    Refused,
    Request,
    Stream,
    TickerHeard,
    TickerStream,
    TradesHeard,
)
from shared.exchanges.kit.rhythm import NEVER, Heartbeat
from shared.exchanges.kit.wire import decode_json

NAME = "somewhere"
TICKET = Endpoint(name="privateTicket", method="POST", path="/ticket", pool="all")
MARKETS = Markets(
    [
        Market(f"{base}{quote}", f"{base}/{quote}", "spot", base, quote)
        for base, quote in (
            ("BTC", "USDT"),
            ("ETH", "USDT"),
            ("DOGE", "BTC"),
            ("USDT", "TRY"),
            ("OWL", "DOGE"),
        )
    ]
)


def trade_of(row: dict[str, Any]) -> Trade:
    price, amount = Decimal(str(row["price"])), Decimal(str(row["amount"]))
    market = MARKETS.get(Product.SPOT, row["market"])
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.SPOT,
        exchange_trade_id=str(row["n"]),
        identity=f"spot:{market.id}:{row['n']}",
        order_id=None,
        side=Side.BUY,
        price=price,
        amount=amount,
        cost=price * amount,
        fees=(Fee(Decimal("0.1"), market.quote),),
        taker_or_maker=TakerOrMaker.TAKER,
        timestamp_ms=row["at"],
        raw=row,
    )


class PrivateStream:
    """The client's end of a private conversation."""

    def __init__(self, markets: Markets, *, ping_ms: int = 200) -> None:
        self._heartbeat = Heartbeat(ping_ms, ping_ms)
        self._frames: list[str] = []
        self._is_open = False
        self._joining: list[tuple[UUID, str]] = []

    @property
    def deadline(self) -> int:
        return self._heartbeat.deadline

    def join(self, account, credentials, ticket, now):
        self._joining.append((account.connection_id, credentials.reveal("api_key")))
        self._join()

    def leave(self, connection_id, now):
        self._frames.append(json.dumps({"op": "leave", "id": str(connection_id)}))

    def open(self, now):
        self._is_open = True
        self._heartbeat.start(now)
        self._join()

    def outbox(self):
        frames, self._frames = self._frames, []
        return frames

    def receive(self, frame, now):  # noqa: PLR0911 — one return a word of the dialect
        self._heartbeat.heard(now)
        said = decode_json(frame)
        connection = UUID(said["id"]) if "id" in said else None
        match said["op"]:
            case "joined":
                return [Live(connection)]
            case "refused":
                errors = {"key": KeyRejected, "busy": ExchangeUnavailable}
                return [Refused(connection, errors[said["why"]]())]
            case "trade":
                try:
                    return [TradesHeard(connection, (trade_of(said),))]
                except UnreadableRow as error:
                    return [TradesHeard(connection, (), (Unreadable(reason=error.sentence, raw=said),))]
            case "fill":
                return [HistoryDue(connection, Product.SPOT, said["market"])]
            case "closing":
                return [Closing("it said so")]
            case "crash":
                raise RuntimeError("a fault of the reader")
        return []

    def tick(self, now):
        if self._heartbeat.is_dead(now):
            return [Broken("no answer to a ping")]
        if self._heartbeat.is_due(now):
            self._frames.append('{"op": "ping"}')
            self._heartbeat.spoke(now)
        return []

    def _join(self):
        while self._is_open and self._joining:
            connection, key = self._joining.pop(0)
            self._frames.append(json.dumps({"op": "join", "id": str(connection), "key": key}))


class Prices:
    """The client's end of a public conversation."""

    deadline = NEVER

    def __init__(self, markets: Markets) -> None:
        self._frames: list[str] = []

    def follow(self, symbols, now):
        self._frames.append(json.dumps({"op": "follow", "symbols": sorted(symbols)}))

    def open(self, now):
        pass

    def outbox(self):
        frames, self._frames = self._frames, []
        return frames

    def receive(self, frame, now):
        said = decode_json(frame)
        if said["op"] == "closing":
            return [Closing("it said so")]
        return [TickerHeard(Ticker(symbol=said["symbol"], last=Decimal(said["last"]), timestamp_ms=said["at"]))]

    def tick(self, now):
        return []


def ticket_steps(account):
    answer = yield Request(TICKET)
    return answer.data


class Server:
    """The exchange's end. What it is told and who is there can be looked at; what it says is up to the test."""

    def __init__(self) -> None:
        self.url = ""
        self.joined: dict[UUID, list[ServerConnection]] = {}
        self.joins: Counter[UUID] = Counter()
        self.opened = 0
        self.followed: dict[ServerConnection, list[str]] = {}
        self.refuse: dict[UUID, str] = {}
        self.is_closed = False
        self.is_mute = False
        self.lets_in = asyncio.Event()
        self.lets_in.set()
        self.paths: list[str] = []
        self.when_joined: Callable[[UUID], Awaitable[None]] | None = None
        self._number = 0

    @property
    def sockets(self) -> set[ServerConnection]:
        return {socket for sockets in self.joined.values() for socket in sockets}

    async def trade(self, connection: UUID, **known: Any) -> str:
        """Make a trade and say it to whoever listens for this connection."""
        self._number += 1
        row = {
            "op": "trade",
            "id": str(connection),
            "n": self._number,
            "market": "BTCUSDT",
            "price": "64000.10",
            "amount": "0.5",
            "at": 1_767_225_600_000 + self._number,
        }
        await self.say(connection, row | known)
        return f"spot:BTCUSDT:{self._number}"

    async def say(self, connection: UUID, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        for socket in list(self.joined.get(connection, ())):
            with suppress(ConnectionClosed):
                await socket.send(text)

    def cut(self, connection: UUID) -> None:
        """Cut the sockets of a connection without a word."""
        for socket in list(self.joined.get(connection, ())):
            socket.transport.abort()

    async def _answer(self, socket: ServerConnection) -> None:
        self.opened += 1
        self.paths.append(socket.request.path)
        try:
            async for frame in socket:
                if not self.is_mute:
                    await self._answer_to(socket, json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            self.followed.pop(socket, None)
            for sockets in self.joined.values():
                if socket in sockets:
                    sockets.remove(socket)

    async def _answer_to(self, socket: ServerConnection, said: dict[str, Any]) -> None:
        match said["op"]:
            case "ping":
                await socket.send('{"op": "pong"}')
            case "join":
                await self.lets_in.wait()
                connection = UUID(said["id"])
                self.joins[connection] += 1
                if why := self.refuse.get(connection):
                    await socket.send(json.dumps({"op": "refused", "id": said["id"], "why": why}))
                    return
                self.joined.setdefault(connection, []).append(socket)
                await socket.send(json.dumps({"op": "joined", "id": said["id"]}))
                if self.when_joined is not None:
                    await self.when_joined(connection)
            case "leave":
                if socket in (sockets := self.joined.get(UUID(said["id"]), [])):
                    sockets.remove(socket)
            case "follow":
                self.followed[socket] = said["symbols"]
                for number, symbol in enumerate(said["symbols"]):
                    price = {"op": "price", "symbol": symbol, "last": f"{number + 1}.50", "at": 1_767_225_600_000}
                    await socket.send(json.dumps(price))

    def _receive(self, socket: ServerConnection, request: Any) -> Response | None:
        return socket.respond(503, "closed\n") if self.is_closed else None


@asynccontextmanager
async def open_server() -> AsyncIterator[Server]:
    """The exchange, on a free port of this machine."""
    server = Server()
    async with serve(server._answer, "127.0.0.1", 0, process_request=server._receive, close_timeout=0.1) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server


def exchange_at(
    server: Server,
    *,
    accounts_per_socket: int = 1,
    lifetime_ms: int | None = None,
    has_ticket: bool = False,
    renew_ms: int | None = None,
    connects: Pool | None = None,
    ping_ms: int = 200,
) -> Exchange:
    """The exchange's module, with the traits that a test wants."""

    def nothing(*_: Any) -> Any:
        raise AssertionError("nobody reads history here")

    return Exchange(
        id=NAME,
        title="Somewhere",
        docs_url="https://somewhere.example",
        credential_fields=(CredentialField(name="api_key", label="Key"),),
        repair=lambda fields: fields,
        products=(Product.SPOT,),
        ccxt_id=NAME,
        ccxt_config=lambda account: {},
        endpoints=(TICKET,),
        pools=(),
        pool_use=lambda headers, endpoint: (),
        error_of=lambda *_: None,
        clock=TICKET,
        read_clock=int,
        check_key=nothing,
        balances=nothing,
        history=History(
            feeds=lambda account, markets: (),
            feed_of=Feed,
            reach=lambda feed, account, now: 0,
            slice=nothing,
            ask=nothing,
            read=nothing,
        ),
        streams=(
            Stream(
                name="private",
                serves=lambda account: Product.SPOT in account.products,
                url=lambda region, ticket: f"{server.url}/private?token={ticket.get('token', '')}",
                protocol=lambda markets: PrivateStream(markets, ping_ms=ping_ms),
                prepare=ticket_steps if has_ticket else None,
                renew=(lambda account, ticket: ticket_steps(account)) if renew_ms else None,
                renew_ms=renew_ms,
                accounts_per_socket=accounts_per_socket,
                lifetime_ms=lifetime_ms,
                connects=connects,
            ),
        ),
        ticker_streams=(
            TickerStream(
                name="prices",
                products=(Product.SPOT,),
                url=lambda region, ticket: f"{server.url}/prices",
                protocol=Prices,
                symbols_per_socket=3,
                lifetime_ms=lifetime_ms,
            ),
        ),
        decode=decode_json,
        read_stream=lambda *_: Heard(),
        read_rest=lambda *_: Heard(),
    )
