"""The spot socket: control in JSON text, everything else in protobuf; private with a listen key in its address."""

import re
from typing import Any

import msgspec

from simulator.dialect import BalanceMoved, Call, Conversation, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.exchange import Exchange
from simulator.mexc import frames
from simulator.mexc.listenkeys import MOST_SOCKETS, ListenKey, ListenKeys
from simulator.mexc.spot import WALLET
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, Account, Market

DEALS, ORDERS, ACCOUNT = (f"spot@private.{name}.v3.api.pb" for name in ("deals", "orders", "account"))
PRIVATE = (DEALS, ORDERS, ACCOUNT)
ZONE = r"24H|UTC[+-]\d{1,2}"
MINI = re.compile(rf"spot@public\.miniTicker\.v3\.api\.pb@(?P<symbol>\w+)@({ZONE})")
MINIS = re.compile(rf"spot@public\.miniTickers\.v3\.api\.pb@({ZONE})")
QUOTES = re.compile(r"spot@public\.aggre\.bookTicker\.v3\.api\.pb@(100|10)ms@(?P<symbol>\w+)")
MOST_TOPICS = 30
BARE_S = 30.0
"""A socket without any subscription is let go after so many seconds."""


class Stream(Conversation):
    """One socket; `key` None: without a listen key, for market data alone."""

    def __init__(self, socket: Socket, call: Call, keys: ListenKeys) -> None:
        super().__init__(socket, call)
        self.name = call.params.get("listenKey")
        self.key: ListenKey | None = keys.find(self.name or "", call.now_ms)
        self.topics: dict[str, Market | None] = {}
        self.bare_since_s = self.exchange.real_s()

    def opened(self) -> None:
        """A key that does not open is said in a text; one socket too many is closed without a word."""
        if self.key is not None:
            self.key.sockets += 1
        if self.name is not None and self.key is None:
            self.socket.reply("Invalid listen key")
            self.socket.close(1000, "")
        elif self.key is not None and self.key.sockets > MOST_SOCKETS:
            self.socket.close(1008, "")

    def closed(self) -> None:
        if self.key is not None:
            self.key.sockets -= 1

    def tick(self, now_ms: int) -> None:
        limit = min(BARE_S, self.exchange.rules.get("silent_cut_s", BARE_S))
        if not self.topics and self.exchange.real_s() - self.bare_since_s >= limit:
            self.exchange.counters["sockets_cut_bare"] += 1
            self.fell_silent()

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict):
            self._reply(0, "msg format invalid", code=1)
            return
        method, topics = str(asked.get("method")).upper(), asked.get("params")
        number = asked.get("id", 0)
        if method == "PING":
            self._reply(0, "PONG")
        elif method not in {"SUBSCRIPTION", "UNSUBSCRIPTION"} or not isinstance(topics, list) or not topics:
            self._reply(number, "msg format invalid", code=1)
        elif method == "SUBSCRIPTION":
            self._subscribe([str(topic) for topic in topics], number)
        else:
            self._unsubscribe([str(topic) for topic in topics], number)

    def _reply(self, number: Any, text: str, code: int = 0) -> None:
        self.socket.reply({"id": number, "code": code, "msg": text})

    def _subscribe(self, topics: list[str], number: Any) -> None:
        """All or none; a refusal is told with code 0 too."""
        blocked = [topic for topic in topics if not self._is_known(topic)]
        if blocked or len({*self.topics, *topics}) > MOST_TOPICS:
            reason = "Blocked" if blocked else "Too many subscriptions"
            named = ",".join(blocked or topics)
            self._reply(number, f"Not Subscribed successfully! [{named}]. Reason\N{FULLWIDTH COLON} {reason}!")
            return
        self._reply(number, ",".join(topics))
        for topic in topics:
            if topic in self.topics:
                continue
            self.topics[topic] = self._market(topic)
            if topic in PRIVATE and self.key is not None:
                self.exchange.listeners.add(self.key.account, self, topic)
            elif topic not in PRIVATE:
                self.socket.event(price_frame(self.exchange, topic, self.topics[topic]))

    def _unsubscribe(self, topics: list[str], number: Any) -> None:
        for topic in topics:
            if topic in self.topics:
                del self.topics[topic]
                if topic in PRIVATE and self.key is not None:
                    self.exchange.listeners.remove(self.key.account, self, topic)
        if not self.topics:
            self.bare_since_s = self.exchange.real_s()
        self._reply(number, ",".join(topics))

    def _is_known(self, topic: str) -> bool:
        if topic in PRIVATE:
            return self.key is not None
        return MINIS.fullmatch(topic) is not None or self._market(topic) is not None

    def _market(self, topic: str) -> Market | None:
        asked = MINI.fullmatch(topic) or QUOTES.fullmatch(topic)
        return self.exchange.market(SPOT, asked["symbol"]) if asked else None

    def enveloped(self, tag: Any, message: Any) -> Any:
        """A raw body of a deal in this socket's wrapper."""
        if not isinstance(message, bytes):
            return message
        return frames.wrapped(str(tag), frames.DEALS, message, self.exchange.now_ms())


def price_frame(exchange: Exchange, topic: str, market: Market | None) -> Frame:
    """What a public topic says now; without a market it is the one of all markets."""
    now = exchange.now_ms()
    if market is None:
        body = frames.mini_tickers(exchange.open_markets(SPOT))
        return framed(frames.wrapped(topic, frames.MINIS, body, now))
    if MINI.fullmatch(topic):
        return framed(frames.wrapped(topic, frames.MINI, frames.mini_ticker(market), now, market.id))
    return framed(frames.wrapped(topic, frames.QUOTES, frames.quotes(market), now, market.id))


def tell_prices(exchange: Exchange) -> None:
    """Renders every topic once, however many sockets asked for it."""
    told: dict[str, Frame] = {}
    for socket in list(exchange.sockets):
        if not isinstance(socket.conversation, Stream):
            continue
        for topic, market in socket.conversation.topics.items():
            if topic in PRIVATE or (market is not None and market.status != "trading"):
                continue
            if topic not in told:
                told[topic] = price_frame(exchange, topic, market)
            socket.event(told[topic])


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone whose listen key is still good; the others hear nothing, and nothing tells them so."""
    now, told = exchange.now_ms(), {}
    for talk, topic in exchange.listeners.of(account):
        if not isinstance(talk, Stream) or talk.key is None or talk.key.until_ms <= now:
            continue
        if topic not in told:
            told[topic] = [frame for event in events for frame in _frames(topic, event, now)]
        talk.socket.events(told[topic])


def _frames(topic: str, event: Event, now: int) -> list[Frame]:
    """What one event is on one topic."""
    if topic == ACCOUNT:
        if not isinstance(event, BalanceMoved) or event.wallet != WALLET:
            return []
        return [
            framed(frames.wrapped(topic, frames.ACCOUNT, frames.balance(event, coin), now, made_ms=event.timestamp_ms))
            for coin in event.assets
        ]
    if isinstance(event, OrderFilled) and topic == DEALS and event.fill.market.product == SPOT:
        return [framed(frames.wrapped(topic, frames.DEALS, frames.deal(event.fill), now, event.fill.market.id))]
    if topic == ORDERS and isinstance(event, OrderOpened | OrderFilled | OrderEnded):
        order = event.fill.order if isinstance(event, OrderFilled) else event.order
        body = frames.order(event) if order.market.product == SPOT else None
        if body is not None:
            return [framed(frames.wrapped(topic, frames.ORDERS, body, now, order.market.id, order.updated_ms))]
    return []
