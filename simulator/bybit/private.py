"""The private socket: sign in first, then executions and the wallet of one account."""

from collections.abc import Callable
from typing import Any

import msgspec

from simulator.bybit import rows
from simulator.bybit.errors import MESSAGES, REFUSED_KEYS
from simulator.bybit.executions import told_fundings
from simulator.bybit.keys import is_signed
from simulator.bybit.rest import UNIFIED, wallet_of
from simulator.bybit.talk import Talk
from simulator.dialect import BalanceMoved, Call, Event, Noise, OrderFilled
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fill

CATEGORIES = (SPOT, LINEAR, INVERSE, "option")
EXECUTION, FAST, WALLET = "execution", "execution.fast", "wallet"
SILENT = ("order", "position", "greeks", *(f"{topic}.{one}" for topic in ("order", "position") for one in CATEGORIES))
"""Topics that may be subscribed and say nothing here: none of them tells of a trade that execution does not."""
TOPICS = {EXECUTION, FAST, WALLET, *SILENT, *(f"{topic}.{one}" for topic in (EXECUTION, FAST) for one in CATEGORIES)}


class PrivateTalk(Talk):
    """One account's conversation: AUTH, then topics."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None
        self.topics: dict[str, None] = {}

    def pong(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = {"op": "pong", "args": [str(self.exchange.now_ms())], "conn_id": self.conn_id}
        return {"req_id": asked["req_id"], **answer} if "req_id" in asked else answer

    def operate(self, operation: str, args: list[Any], asked: dict[str, Any]) -> None:
        if operation == "auth":
            self._sign_in(args, asked)
        elif self.account is None:
            self.acknowledge(asked, "Request not authorized")
        elif operation == "subscribe":
            self._subscribe([str(topic) for topic in args], asked)
        else:
            for topic in map(str, args):
                if topic in self.topics:
                    del self.topics[topic]
                    self.exchange.listeners.remove(self.account, self, topic)
            self.acknowledge(asked)

    def _sign_in(self, args: list[Any], asked: dict[str, Any]) -> None:
        """Once a socket. Who is refused is told in one of two ways, and let go."""
        if len(args) != 3 or self.account is not None:
            self.acknowledge(asked, "Params Error")
            return
        key, expires, signature = map(str, args)
        account = self.exchange.by_key.get(key)
        if account is None or account.revoked:
            self._turn_away(10003)
            return
        if not expires.isdecimal() or not self.exchange.trusts_time(int(expires), behind_ms=-1, ahead_ms=86_400_000):
            self.acknowledge(asked, "Params Error: expires is not later than the server's time")
            self.socket.close(1000, "")
            return
        if not is_signed(account, f"GET/realtime{expires}", signature):
            self.acknowledge(asked, "error:USVC1111, Signature is invalid")
            self.socket.close(1000, "")
            return
        reason = account.refusal_of_key(self.exchange.now_ms(), self.call.request.address)
        if reason is not None:
            self._turn_away(REFUSED_KEYS[reason])
            return
        self.account = account
        self.acknowledge(asked)

    def _turn_away(self, code: int) -> None:
        self.socket.reply({"retCode": code, "retMsg": MESSAGES[code], "op": "auth", "connId": self.conn_id})
        self.socket.close(1000, "")

    def _subscribe(self, topics: list[str], asked: dict[str, Any]) -> None:
        """All of the topics or none of them."""
        assert self.account is not None
        unknown = [topic for topic in topics if topic not in TOPICS]
        if unknown or not topics:
            self.acknowledge(asked, f"error:handler not found,topic:{unknown[0] if unknown else ''}")
            return
        if EXECUTION in topics and any(topic.startswith(f"{EXECUTION}.") and FAST not in topic for topic in topics):
            self.acknowledge(asked, "error:all-in-one topic and categorised topics cannot be subscribed together")
            return
        for topic in topics:
            if topic not in self.topics:
                self.topics[topic] = None
                self.exchange.listeners.add(self.account, self, topic)
        self.acknowledge(asked)

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.socket.close(1000, "")


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells everyone who listens; what one order caused comes in one message, in no promised order."""
    fills: dict[str, list[Fill]] = {}
    payments = []
    for event in events:
        if isinstance(event, OrderFilled):
            fills.setdefault(event.fill.market.product, []).append(event.fill)
        elif isinstance(event, Noise) and event.market.product == LINEAR:
            payments.append(rows.Funding(event.timestamp_ms, event.market))
    told_fundings(account).extend(payments)
    heard = exchange.listeners.of(account)
    if not heard:
        return
    now = exchange.now_ms()
    frames: dict[str, list[Frame]] = {}
    for talk, topic in heard:
        if topic not in frames:
            frames[topic] = [
                *_fill_frames(exchange, topic, fills, now),
                *_funding_frames(account, topic, payments, now),
            ]
            if topic == WALLET and any(isinstance(e, BalanceMoved) and e.wallet == UNIFIED for e in events):
                frames[topic].append(_message(topic, f"{account.uid}_wallet", [wallet_of(account, set())], now))
        for frame in frames[topic]:
            talk.socket.event(frame)


def _row_of(topic: str) -> Callable[[Fill], dict[str, Any]] | None:
    if topic.startswith(FAST):
        return rows.fast_execution
    return rows.told_execution if topic.startswith(EXECUTION) else None


def _concerns(topic: str, category: str) -> bool:
    return topic in {EXECUTION, FAST} or topic.endswith(f".{category}")


def _fill_frames(exchange: Exchange, topic: str, fills: dict[str, list[Fill]], now: int) -> list[Frame]:
    row_of = _row_of(topic)
    frames = []
    for category, made in fills.items():
        if row_of is None or not _concerns(topic, category):
            continue
        told = [row_of(fill) for fill in made if not topic.startswith(FAST) or fill.kind == "trade"]
        if len(told) > 1 and exchange.dice.random() < 0.5:
            told.reverse()
        if told:
            frames.append(_message(topic, f"{made[0].sequence}_{made[0].market.id}", told, now))
    return frames


def _funding_frames(account: Account, topic: str, payments: list[rows.Funding], now: int) -> list[Frame]:
    if topic not in {EXECUTION, f"{EXECUTION}.{LINEAR}"}:
        return []
    return [
        _message(topic, one.id_for(account.uid), [{"category": LINEAR, **rows.funding(one, account.uid)}], now)
        for one in payments
    ]


def _message(topic: str, own_id: str, data: list[Any], now: int) -> Frame:
    body = {"topic": topic, "id": f"{own_id}_{now}", "creationTime": now, "data": data}
    return framed(msgspec.json.encode(body).decode())
