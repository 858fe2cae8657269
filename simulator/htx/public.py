"""Public sockets, zipped: tickers, day sums and best quotes of spot and of contracts in USDT."""

import re
from typing import Any

from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.htx.listings import number
from simulator.htx.talk import Talk, zipped
from simulator.sockets import Frame, Socket
from simulator.truth import LINEAR, SPOT, Market

KINDS = {SPOT: {"ticker", "detail", "bbo"}, LINEAR: {"detail", "bbo"}}
_TOPIC = re.compile(r"market\.(?P<market>[A-Za-z0-9-]+)\.(?P<kind>\w+)")


class PublicTalk(Talk):
    """One socket of one product's prices; a topic is followed by its name."""

    product = SPOT

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.topics: dict[str, tuple[Market, str]] = {}

    def ping(self, now_ms: int) -> dict[str, Any]:
        return {"ping": now_ms}

    def complain(self) -> None:
        self._refuse({}, "invalid json")

    def asked(self, message: dict[str, Any]) -> None:
        if "pong" in message:
            self.pong(message["pong"])
        elif "ping" in message:
            self.say({"pong": message["ping"]})
        elif "unsub" in message:
            topic = str(message["unsub"])
            self.topics.pop(topic, None)
            self._answer(message, {"status": "ok", "unsubbed": topic})
        elif "sub" in message:
            self._subscribe(message, message["sub"])
        else:
            self._refuse(message, "invalid request")

    def _subscribe(self, message: dict[str, Any], topic: Any) -> None:
        found = _TOPIC.fullmatch(topic) if isinstance(topic, str) else None
        market = self.exchange.market(self.product, found["market"]) if found else None
        if found is None or found["kind"] not in KINDS[self.product]:
            self._refuse(message, f"invalid topic {topic}")
        elif market is None:
            self._refuse(message, f"invalid symbol {found['market']}")
        else:
            self.topics[found[0]] = (market, found["kind"])
            self._answer(message, {"status": "ok", "subbed": found[0]})
            self.socket.event(told(found[0], market, found["kind"], self.exchange.now_ms()))

    def _answer(self, message: dict[str, Any], said: dict[str, Any]) -> None:
        own = {"id": message["id"]} if "id" in message else {}
        self.say(own | said | {"ts": self.exchange.now_ms()})

    def _refuse(self, message: dict[str, Any], text: str) -> None:
        self._answer(message, {"status": "error", "err-code": "bad-request", "err-msg": text})

    def too_many_messages(self) -> None:
        self._refuse({}, "too many requests")
        self.socket.close(1000, "")


class SpotPrices(PublicTalk):
    """Spot: two missed pings end it."""

    pings_missed = 2


class ContractPrices(PublicTalk):
    """Contracts: five missed pings end it."""

    product = LINEAR


def tell_prices(exchange: Exchange) -> None:
    """Once a second: each topic is rendered once, however many follow it."""
    now = exchange.now_ms()
    frames: dict[tuple[str, str], Frame] = {}
    for talk in [one.conversation for one in exchange.sockets if isinstance(one.conversation, PublicTalk)]:
        for topic, (market, kind) in talk.topics.items():
            if market.status != "trading":
                continue
            key = (talk.product, topic)
            if key not in frames:
                frames[key] = told(topic, market, kind, now)
            talk.socket.event(frames[key])


def told(topic: str, market: Market, kind: str, now: int) -> Frame:
    """One message of a topic; all its numbers are JSON numbers."""
    tick = _quotes(market, topic, now) if kind == "bbo" else _day(market, kind, now)
    return zipped({"ch": topic, "ts": now, "tick": tick})


def _quotes(market: Market, topic: str, now: int) -> dict[str, Any]:
    bid_size, ask_size = market.step * 7, market.step * 9
    if market.product == LINEAR:
        bid, ask = [number(market.bid), number(bid_size)], [number(market.ask), number(ask_size)]
        return {"mrid": now, "id": now // 1000, "bid": bid, "ask": ask, "ts": now, "version": now, "ch": topic}
    return {
        "seqId": now,
        "ask": number(market.ask),
        "askSize": number(ask_size),
        "bid": number(market.bid),
        "bidSize": number(bid_size),
        "quoteTime": now,
        "symbol": market.id,
    }


def _day(market: Market, kind: str, now: int) -> dict[str, Any]:
    last = market.shown
    tick: dict[str, Any] = {
        "open": number(market.open_24h),
        "high": number(max(market.high_24h, last)),
        "low": number(min(market.low_24h, last)),
        "close": number(last),
        "count": 471_348,
    }
    if market.product == LINEAR:
        # Sums count both sides of each trade.
        return tick | {
            "id": now // 1000,
            "mrid": now,
            "amount": number(market.volume_24h * 2),
            "vol": number((market.volume_24h * 2 / market.contract_size).to_integral_value()),
            "trade_turnover": number(market.turnover_24h * 2),
            "bid": [number(market.bid), number(market.step * 7)],
            "ask": [number(market.ask), number(market.step * 9)],
        }
    tick |= {"amount": number(market.volume_24h), "vol": number(market.turnover_24h)}
    if kind == "detail":
        return tick | {"id": now, "version": now}
    return tick | {
        "bid": number(market.bid),
        "bidSize": number(market.step * 7),
        "ask": number(market.ask),
        "askSize": number(market.step * 9),
        "lastPrice": number(last),
        "lastSize": number(market.step * 3),
    }
