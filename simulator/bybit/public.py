"""Public sockets: tickers and best quotes, one category to a socket."""

from typing import Any

from simulator.bybit.talk import Talk
from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, Market, plain

MOST_SPOT_ARGS = 10
LONGEST_ARGS = 21_000
TICKERS, QUOTES = "tickers", "orderbook.1"


class PublicTalk(Talk):
    """One socket of market data."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.category = call.names.get("category", "")
        self.topics: dict[str, Market] = {}

    def pong(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.category == "option":
            return {"args": [str(self.exchange.now_ms())], "op": "pong"}
        answer = {"success": True, "ret_msg": "pong", "conn_id": self.conn_id}
        return answer | {"req_id": asked.get("req_id", ""), "op": "ping"}

    def operate(self, operation: str, args: list[Any], asked: dict[str, Any]) -> None:
        topics = [str(topic) for topic in args]
        if operation == "subscribe":
            trouble, found = self._checked(topics)
            self.acknowledge(asked, trouble, "subscribe")
            for topic, market in found.items():
                self.topics[topic] = market
                self.socket.event(self._snapshot(topic, market))
        elif operation == "unsubscribe":
            for topic in topics:
                self.topics.pop(topic, None)
            self.acknowledge(asked, said="unsubscribe")
        else:
            self.acknowledge(asked, "error:invalid op auth")

    def _checked(self, topics: list[str]) -> tuple[str, dict[str, Market]]:
        """What is wrong with a subscription, or its markets: one unknown symbol spoils all."""
        if self.category == SPOT and len(topics) > MOST_SPOT_ARGS:
            return "args size >10", {}
        if sum(map(len, (*self.topics, *topics))) > LONGEST_ARGS:
            return "args length is over 21000", {}
        found = {}
        for topic in topics:
            name, _, symbol = topic.rpartition(".")
            if name not in {TICKERS, QUOTES}:
                return f"error:handler not found,topic:{topic}", {}
            market = self.exchange.market(self.category, symbol)
            if market is None:
                return f"Invalid symbol :[{topic}]", {}
            found[topic] = market
        return "", found

    def _snapshot(self, topic: str, market: Market) -> Frame:
        now = self.exchange.now_ms()
        if topic.startswith(QUOTES):
            return _quotes(market, now)
        return _message(topic, "snapshot", _fields(market), now)


class Prices:
    """Renders every topic once a second, however many sockets asked for it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._told: dict[tuple[str, str], dict[str, str]] = {}

    def tell(self) -> None:
        """Spot is told whole; contracts only what changed since it was told last."""
        talks = [one.conversation for one in self.exchange.sockets if isinstance(one.conversation, PublicTalk)]
        frames: dict[tuple[str, str], Frame | None] = {}
        now = self.exchange.now_ms()
        for talk in talks:
            for topic, market in talk.topics.items():
                if market.status != "trading":
                    continue
                key = (talk.category, topic)
                if key not in frames:
                    frames[key] = self._frame(topic, market, now)
                frame = frames[key]
                if frame is not None:
                    talk.socket.event(frame)

    def _frame(self, topic: str, market: Market, now: int) -> Frame | None:
        if topic.startswith(QUOTES):
            return _quotes(market, now)
        fields = _fields(market)
        if market.product == SPOT:
            return _message(topic, "snapshot", fields, now)
        before = self._told.get(market.key, {})
        self._told[market.key] = fields
        changed = {name: value for name, value in fields.items() if before.get(name) != value}
        return _message(topic, "delta", {"symbol": market.id, **changed}, now) if changed else None


def _fields(market: Market) -> dict[str, str]:
    """A ticker's fields: spot has no quotes in it."""
    last = market.shown
    fields = {
        "symbol": market.id,
        "lastPrice": plain(last),
        "highPrice24h": plain(max(market.high_24h, last)),
        "lowPrice24h": plain(min(market.low_24h, last)),
        "prevPrice24h": plain(market.open_24h),
        "volume24h": plain(market.volume_24h),
        "turnover24h": plain(market.turnover_24h),
        "price24hPcnt": f"{(last / market.open_24h - 1):.4f}" if market.open_24h else "0",
    }
    if market.product == SPOT:
        return fields | {"usdIndexPrice": plain(last)}
    return fields | {
        "markPrice": plain(last),
        "indexPrice": plain(last),
        "openInterest": "49598.325",
        "fundingRate": "0.0001",
        "nextFundingTime": "4102444800000",
        "bid1Price": plain(market.bid),
        "bid1Size": plain(market.step * 7),
        "ask1Price": plain(market.ask),
        "ask1Size": plain(market.step * 9),
    }


def _message(topic: str, kind: str, data: dict[str, str], now: int) -> Frame:
    return framed({"topic": topic, "ts": now, "type": kind, "cs": 24_987_956_059, "data": data})


def _quotes(market: Market, now: int) -> Frame:
    bid, ask = [plain(market.bid), plain(market.step * 7)], [plain(market.ask), plain(market.step * 9)]
    data = {"s": market.id, "b": [bid], "a": [ask], "u": now // 1000, "seq": now}
    return framed({"topic": f"{QUOTES}.{market.id}", "ts": now, "type": "snapshot", "data": data, "cts": now})
