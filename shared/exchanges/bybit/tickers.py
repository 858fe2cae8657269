"""The public price sockets, one for each product.

Spot sends whole tickers without bid and ask, contracts a snapshot and then only what changed. Subscriptions go out in
small requests, one at a time: an unknown symbol makes the exchange refuse a whole request, and not every refusal says
which request it means. Docs, Ticker (WebSocket), read 2026-11.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.bybit.hosts import public_socket
from shared.exchanges.bybit.stream import ANSWER_WITHIN_MS, PING_EVERY_MS, PONG_WITHIN_MS, is_success, operation_of
from shared.exchanges.kit.contract import Broken, Event, Frame, TickerHeard, TickerStream
from shared.exchanges.kit.contract import Ticket as StreamTicket
from shared.exchanges.kit.fields import millis, optional_decimal
from shared.exchanges.kit.rhythm import NEVER, Heartbeat
from shared.exchanges.kit.wire import decode_json, encode_json

_ARGS_PER_REQUEST = 10  # spot refuses more
_TOPIC = "tickers."


class TickerSocket:
    """Follows the wanted symbols of one product. Use it as `TickerProtocol` shows.

    What is followed moves towards what is wanted, one request at a time. Symbols that the exchange refused alone are
    not asked for again on this socket.
    """

    def __init__(self, markets: Markets, product: Product) -> None:
        self._markets, self._product = markets, product
        self._wanted: dict[str, Market] = {}
        self._followed: set[str] = set()
        self._alone: set[str] = set()
        self._refused: set[str] = set()
        self._asked: tuple[str, list[str]] | None = None
        self._answer_due = NEVER
        self._states: dict[str, dict[str, Any]] = {}
        self._heartbeat = Heartbeat(PING_EVERY_MS, PONG_WITHIN_MS)
        self._is_open = False
        self._frames: list[Frame] = []

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        return min(self._heartbeat.deadline, self._answer_due)

    def follow(self, symbols: frozenset[str], now: int) -> None:
        """From now on these. Symbols of other products, and unknown ones, are not followed here."""
        found = (self._markets.find_symbol(symbol) for symbol in sorted(symbols))
        self._wanted = {market.id: market for market in found if market and market.product is self._product}
        self._move_on(now)

    def open(self, now: int) -> None:
        """The socket is open."""
        self._is_open = True
        self._heartbeat.start(now)
        self._move_on(now)

    def outbox(self) -> list[Frame]:
        """What is to be sent now."""
        frames, self._frames = self._frames, []
        return frames

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """What a frame means. A price that cannot be read is left out: the next one comes soon."""
        self._heartbeat.heard(now)
        try:
            message = decode_json(frame)
        except UnreadableRow:
            return []
        if not isinstance(message, Mapping):
            return []
        topic = message.get("topic")
        if isinstance(topic, str) and topic.startswith(_TOPIC):
            return self._heard(topic.removeprefix(_TOPIC), message)
        if operation_of(message) in {"subscribe", "unsubscribe"}:
            self._answered(is_success(message), now)
        return []

    def tick(self, now: int) -> list[Event]:
        """What the time means."""
        if now >= self._answer_due:
            return [Broken("no answer to a subscription")]
        if self._heartbeat.is_dead(now):
            return [Broken("no answer to a ping")]
        if self._heartbeat.is_due(now):
            self._frames.append(encode_json({"req_id": "ping", "op": "ping"}))
            self._heartbeat.spoke(now)
        return []

    def _move_on(self, now: int) -> None:
        """Ask for the next step from what is followed to what is wanted, unless an answer is still due."""
        if not self._is_open or self._asked is not None:
            return
        surplus = sorted(self._followed - self._wanted.keys())
        missing = [id_ for id_ in self._wanted if id_ not in self._followed and id_ not in self._refused]
        lonely = [id_ for id_ in missing if id_ in self._alone]
        if surplus:
            self._ask("unsubscribe", surplus[:_ARGS_PER_REQUEST], now)
        elif together := [id_ for id_ in missing if id_ not in self._alone][:_ARGS_PER_REQUEST]:
            self._ask("subscribe", together, now)
        elif lonely:
            self._ask("subscribe", lonely[:1], now)

    def _ask(self, operation: str, ids: list[str], now: int) -> None:
        args = [f"{_TOPIC}{id_}" for id_ in ids]
        self._frames.append(encode_json({"req_id": operation, "op": operation, "args": args}))
        self._asked = (operation, ids)
        self._answer_due = now + ANSWER_WITHIN_MS

    def _answered(self, is_good: bool, now: int) -> None:
        if self._asked is None:
            return
        (operation, ids), self._asked, self._answer_due = self._asked, None, NEVER
        if operation == "unsubscribe":
            self._followed.difference_update(ids)
            for id_ in ids:
                self._states.pop(id_, None)
        elif is_good:
            self._followed.update(ids)
        elif len(ids) == 1:
            self._refused.update(ids)
        else:
            self._alone.update(ids)
        self._move_on(now)

    def _heard(self, id_: str, message: Mapping[str, Any]) -> list[Event]:
        market, data = self._wanted.get(id_), message.get("data")
        if market is None or not isinstance(data, Mapping):
            return []
        if message.get("type") == "snapshot":
            self._states[id_] = dict(data)
        elif id_ in self._states:
            self._states[id_].update(data)
        else:
            return []  # a change of something never heard
        state = self._states[id_]
        try:
            ticker = Ticker(
                symbol=market.symbol,
                last=optional_decimal(state, "lastPrice"),
                bid=optional_decimal(state, "bid1Price"),
                ask=optional_decimal(state, "ask1Price"),
                timestamp_ms=millis(message, "ts"),
            )
        except UnreadableRow:
            return []
        return [TickerHeard(ticker)]


def _stream(product: Product) -> TickerStream:
    def address(region: str, ticket: StreamTicket) -> str:
        del ticket
        return f"wss://{public_socket(region)}/v5/public/{product}"

    def protocol(markets: Markets) -> TickerSocket:
        return TickerSocket(markets, product)

    make: Callable[[Markets], TickerSocket] = protocol
    return TickerStream(name=f"tickers-{product}", products=(product,), url=address, protocol=make)


STREAMS = tuple(_stream(product) for product in (Product.SPOT, Product.LINEAR, Product.INVERSE))
