"""Binance's public prices: `<symbol>@ticker` of spot and of futures, subscribed to as the wanted symbols change."""

from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.binance.rows import event_of
from shared.exchanges.kit.contract import Broken, Closing, Event, Frame, TickerHeard
from shared.exchanges.kit.fields import Row, millis, optional_decimal, text
from shared.exchanges.kit.rhythm import Heartbeat, Outbox
from shared.exchanges.kit.wire import decode_json, encode_json

# Five messages a second from us, pongs included, or the socket is cut and later the address banned.
MESSAGES, PER_MS = 3, 1_000
STREAMS_PER_MESSAGE = 100
PROBE_EVERY_MS = 30_000
PROBE_PATIENCE_MS = 10_000
_TICKERS = ("24hrTicker", "24hrMiniTicker")


class Prices:
    """The conversation of one price socket, for the symbols of one product."""

    def __init__(self, markets: Markets, product: Product) -> None:
        self._markets, self._product = markets, product
        self._wanted: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._out = Outbox(MESSAGES, PER_MS)
        self._heartbeat = Heartbeat(PROBE_EVERY_MS, PROBE_PATIENCE_MS)
        self._is_open = False
        self._last_id = 0
        self._now = 0

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called: the next message that may go out, or the next sign of life."""
        return min(self._out.deadline if self._is_open else self._heartbeat.deadline, self._heartbeat.deadline)

    def follow(self, symbols: frozenset[str], now: int) -> None:
        """Want these symbols from now on; those of other products or unknown ones are not ours."""
        self._now = now
        found = (self._markets.find_symbol(symbol) for symbol in symbols)
        self._wanted = frozenset(
            f"{market.id.lower()}@ticker" for market in found if market and market.product is self._product
        )
        if self._is_open:
            self._catch_up()

    def open(self, now: int) -> None:
        """The socket is open: subscribe to what is wanted."""
        self._now, self._is_open = now, True
        self._heartbeat.start(now)
        self._catch_up()

    def outbox(self) -> list[Frame]:
        """What may be sent now; the rest waits for its turn (`deadline`)."""
        return self._out.take(self._now) if self._is_open else []

    def tick(self, now: int) -> list[Event]:
        """Let waiting messages go; give up on a socket that says nothing."""
        self._now = now
        if self._heartbeat.is_dead(now):
            return [Broken("it says nothing, not even when asked")]
        if self._heartbeat.is_due(now):
            self._say("LIST_SUBSCRIPTIONS", None)
            self._heartbeat.spoke(now, expects_answer=bool(self._asked))
        return []

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """One frame from the exchange. A price that cannot be read is left out: the next one comes in a second."""
        self._now = now
        self._heartbeat.heard(now)
        try:
            message = decode_json(frame)
            rows = message if isinstance(message, list) else [message]
            events: list[Event] = []
            for raw in rows:
                row = event_of(raw)
                if row.get("e") == "serverShutdown":
                    events.append(Closing("Binance is about to close this socket"))
                elif row.get("e") in _TICKERS:
                    events.append(TickerHeard(ticker_from_row(row, self._markets, self._product)))
        except UnreadableRow:
            return []
        return events

    def _catch_up(self) -> None:
        for method, streams in (
            ("UNSUBSCRIBE", self._asked - self._wanted),
            ("SUBSCRIBE", self._wanted - self._asked),
        ):
            ordered = sorted(streams)
            for start in range(0, len(ordered), STREAMS_PER_MESSAGE):
                self._say(method, ordered[start : start + STREAMS_PER_MESSAGE])
        self._asked = self._wanted

    def _say(self, method: str, params: list[str] | None) -> None:
        self._last_id += 1
        request: dict[str, Any] = {"method": method, "id": self._last_id}
        if params is not None:
            request["params"] = params
        self._out.put(encode_json(request))


def ticker_from_row(row: Row, markets: Markets, product: Product) -> Ticker:
    """The latest price; futures tickers carry no best bid and ask."""
    market = markets.get(product, text(row, "s"))
    return Ticker(
        symbol=market.symbol,
        last=optional_decimal(row, "c"),
        bid=optional_decimal(row, "b"),
        ask=optional_decimal(row, "a"),
        timestamp_ms=millis(row, "E"),
    )
