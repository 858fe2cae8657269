"""Private sockets: spot accounts on the WebSocket API, futures accounts on their listen keys."""

from typing import Any

import msgspec

from simulator.binance import rows
from simulator.binance.errors import Broken, missing
from simulator.binance.futures import owner_of
from simulator.binance.keys import check_key, check_signature, check_time
from simulator.dialect import (
    BalanceMoved,
    Call,
    Conversation,
    Event,
    Noise,
    OrderEnded,
    OrderFilled,
    OrderOpened,
)
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, text_frame
from simulator.truth import LINEAR, SPOT, Account

MOST_SUBSCRIPTIONS = 1000
MOST_SUBSCRIPTIONS_EVER = 65_535
SPOT_TAG = "spot"
FUTURES_TAG = "futures"
REMOVED = ("userDataStream.start", "userDataStream.ping", "userDataStream.stop")

_encode = msgspec.json.Encoder().encode


class WebSocketApi(Conversation):
    """The WebSocket API of spot: requests with ids, and user data of several accounts by subscription."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.subscriptions: dict[int, Account] = {}
        self.logged_on: Account | None = None
        self._next = 0
        self._answers = {
            "ping": lambda _params: {},
            "time": lambda _params: {"serverTime": self.exchange.now_ms()},
            "session.logon": self._log_on,
            "session.logout": self._log_out,
            "session.status": lambda _params: self._status(),
            "session.subscriptions": lambda _params: [{"subscriptionId": number} for number in self.subscriptions],
            "userDataStream.subscribe.signature": self._subscribe_signed,
            "userDataStream.subscribe": self._subscribe,
            "userDataStream.unsubscribe": self._unsubscribe,
        }

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
            self.socket.reply({"id": None, "status": 400, "error": {"code": -1000, "msg": "JSON Syntax error"}})
            return
        number, method, params = asked.get("id"), asked["method"], asked.get("params") or {}
        weight = 2 if method.startswith(("userDataStream", "session")) else 1
        used = self.exchange.dialect.admit_request(self.call.request.address, weight)  # type: ignore[attr-defined]
        limits = [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 6000,
                "count": int(used.used),
            }
        ]
        if used.broken and self.exchange.enforcing:
            error = {"code": -1003, "msg": "Too many requests; current limit is 6000 weight per 1 MINUTE.",
                     "data": {"serverTime": self.exchange.now_ms(), "retryAfter": used.reset_ms}}  # fmt: skip
            self.socket.reply({"id": number, "status": 429, "error": error, "rateLimits": limits})
            return
        try:
            result = self._answer(method, params)
        except Broken as broken:
            self.socket.reply(
                {
                    "id": number,
                    "status": broken.status,
                    "error": {"code": broken.code, "msg": broken.message},
                    "rateLimits": limits,
                }
            )
            return
        self.socket.reply({"id": number, "status": 200, "result": result, "rateLimits": limits})

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        if method in REMOVED:
            raise Broken(-1000, f"The method '{method}' has been removed.")
        handler = self._answers.get(method)
        if handler is None:
            raise Broken(-1000, f"Unknown method '{method}'.")
        if self.logged_on is not None and self.logged_on.refusal_of_key(self.exchange.now_ms(), ""):
            raise Broken(-2015)
        return handler(params)

    # Who.

    def _signed(self, params: dict[str, Any]) -> Account:
        text = {name: str(value) for name, value in params.items()}
        account = check_key(self.exchange, text.get("apiKey"), self.call.request.address, futures=False)
        check_time(self.exchange, text)
        signature = text.pop("signature", None)
        if not signature:
            raise missing("signature")
        check_signature(account, "&".join(f"{name}={text[name]}" for name in sorted(text)), signature)
        return account

    def _log_on(self, params: dict[str, Any]) -> Any:
        account = self._signed(params)
        if account.details.get("key_type", "hmac") != "ed25519":
            raise Broken(-2015, "Invalid API-key, IP, or permissions for action: session.logon needs an Ed25519 key.")
        self.logged_on = account
        return self._status()

    def _log_out(self, _params: dict[str, Any]) -> Any:
        self.logged_on = None
        return self._status()

    def _status(self) -> dict[str, Any]:
        return {
            "apiKey": self.logged_on.api_key if self.logged_on else None,
            "authorizedSince": self.socket.opened_ms if self.logged_on else None,
            "connectedSince": self.socket.opened_ms,
            "returnRateLimits": True,
            "serverTime": self.exchange.now_ms(),
            "userDataStream": bool(self.subscriptions),
        }

    # Subscriptions.

    def _subscribe_signed(self, params: dict[str, Any]) -> Any:
        return self._begin(self._signed(params))

    def _subscribe(self, _params: dict[str, Any]) -> Any:
        if self.logged_on is None:
            raise Broken(-2015, "Invalid API-key, IP, or permissions for action: log on first.")
        return self._begin(self.logged_on)

    def _begin(self, account: Account) -> Any:
        if any(one is account for one in self.subscriptions.values()):
            raise Broken(-1000, "You already have an active subscription for this account.")
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS or self._next >= MOST_SUBSCRIPTIONS_EVER:
            raise Broken(-1000, "Too many subscriptions on this connection.")
        number = self._next
        self._next += 1
        self.subscriptions[number] = account
        self.exchange.listeners.add(account, self, (SPOT_TAG, number))
        return {"subscriptionId": number}

    def _unsubscribe(self, params: dict[str, Any]) -> Any:
        wanted = params.get("subscriptionId")
        if wanted is None:
            for number in list(self.subscriptions):
                self._end(number)
            return {}
        if wanted not in self.subscriptions:
            raise Broken(-1000, "The subscription does not exist.")
        self._end(wanted)
        return {}

    def _end(self, number: int) -> None:
        account = self.subscriptions.pop(number)
        self.exchange.listeners.remove(account, self, (SPOT_TAG, number))

    # What it is told.

    def enveloped(self, tag: Any, message: Any) -> Any:
        raw = msgspec.Raw(message.encode() if isinstance(message, str) else _encode(message))
        return {"subscriptionId": tag[1], "event": raw}

    def notice(self, name: str, account: Account | None) -> None:
        now = self.exchange.now_ms()
        if name == "maintenance":
            self.socket.reply({"e": "serverShutdown", "E": now})
        elif name == "token_dies":
            for number, one in list(self.subscriptions.items()):
                if account is None or one is account:
                    self.socket.reply({"subscriptionId": number, "event": {"e": "eventStreamTerminated", "E": now}})
                    self._end(number)
        elif name == "key_revoked" and account is not None:
            for number, one in list(self.subscriptions.items()):
                if one is account:
                    self._end(number)

    def end_of_life(self) -> None:
        self.socket.reply({"e": "serverShutdown", "E": self.exchange.now_ms()})
        self.socket.close(1008, "24 hours are over")


class FuturesStream(Conversation):
    """The user data of the futures account whose listen key the address holds.

    An address with a key that does not live is let in and hears nothing, as the exchange's does.
    """

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        streams = call.params.get("streams", "")
        self.combined = bool(streams)
        self.key = call.params.get("listenKey") or call.names.get("key") or streams.split("/")[0]
        self.owner = owner_of(call, self.key)

    def opened(self) -> None:
        if self.owner is not None:
            self.exchange.listeners.add(self.owner, self, (FUTURES_TAG, self.key))

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            self.socket.reply({"error": {"code": 3, "msg": "Invalid JSON"}})
            return
        self.socket.reply({"result": None, "id": asked.get("id") if isinstance(asked, dict) else None})

    def wrapped(self, event: bytes) -> Frame:
        """One event as this address sends it."""
        if self.combined:
            event = b'{"stream":"%s","data":%s}' % (self.key.encode(), event)
        return text_frame(event)

    def enveloped(self, tag: Any, message: Any) -> Any:
        if not self.combined:
            return message
        raw = msgspec.Raw(message.encode() if isinstance(message, str) else _encode(message))
        return {"stream": self.key, "data": raw}

    def tick(self, now_ms: int) -> None:
        if self.owner is not None and self.owner.details.get("listen_key", (None, 0))[1] <= now_ms:
            self._expire()

    def notice(self, name: str, account: Account | None) -> None:
        if name == "token_dies" and self.owner is not None and account in {None, self.owner}:
            self._expire()
        elif name == "key_revoked" and self.owner is not None and account is self.owner:
            self.exchange.listeners.drop(self)
            self.owner = None

    def _expire(self) -> None:
        assert self.owner is not None
        self.socket.reply({"e": "listenKeyExpired", "E": self.exchange.now_ms(), "listenKey": self.key})
        self.exchange.listeners.drop(self)
        self.owner = None


# ── Telling ───────────────────────────────────────────────────────────────────────────────────────────


def publish(exchange: Exchange, account: Account, events: list[Event]) -> None:
    """Tells every subscription of an account what happened, each product to its own sockets."""
    heard = exchange.listeners.of(account)
    if not heard:
        return
    spot = [(talk, tag[1]) for talk, tag in heard if isinstance(talk, WebSocketApi)]
    futures = [talk for talk, _tag in heard if isinstance(talk, FuturesStream)]
    now = exchange.now_ms()
    told = [_encode(message) for message in _spot_messages(exchange, events, now)] if spot else []
    for talk, number in spot:
        talk.socket.events([text_frame(b'{"subscriptionId":%d,"event":%s}' % (number, one)) for one in told])
    told = [_encode(message) for message in _futures_messages(account, events, now)] if futures else []
    for stream in futures:
        stream.socket.events([stream.wrapped(one) for one in told])


def _spot_messages(exchange: Exchange, events: list[Event], now: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for event in events:
        if isinstance(event, BalanceMoved):
            if event.wallet == "spot":
                messages += rows.spot_deposits(event) if event.cause == "deposit" else []
                messages.append(rows.spot_position(event))
        elif isinstance(event, Noise):
            messages += _noise(exchange, event, now)
        else:
            report = _spot_report(event, now)
            messages += [report] if report else []
    return messages


def _spot_report(event: OrderOpened | OrderFilled | OrderEnded, now: int) -> dict[str, Any] | None:
    if isinstance(event, OrderFilled):
        fill = event.fill
        return rows.execution_report(fill.order, "TRADE", now, fill) if fill.market.product == SPOT else None
    if event.order.market.product != SPOT:
        return None
    if isinstance(event, OrderOpened):
        return rows.execution_report(event.order, "NEW", now)
    return rows.execution_report(event.order, "CANCELED", now) if event.order.status == "canceled" else None


def _noise(exchange: Exchange, event: Noise, now: int) -> list[dict[str, Any]]:
    """What is no fill, and looks more or less like one."""
    if event.market.product != SPOT:
        return []
    if event.name == "prevention":
        exchange.last_order += 2
        return [rows.prevention_report(event.market, exchange.last_order, now, event.market.price)]
    if event.name == "list_status":
        return [_list_status(exchange, event.market.id, now)]
    return [{"e": "externalLockUpdate", "E": now, "a": event.market.base, "d": "0.0", "T": now}]


def _list_status(exchange: Exchange, symbol: str, now: int) -> dict[str, Any]:
    return {
        "e": "listStatus",
        "E": now,
        "s": symbol,
        "g": exchange.last_order,
        "c": "OCO",
        "l": "EXEC_STARTED",
        "L": "EXECUTING",
        "r": "NONE",
        "C": f"list-{exchange.last_order}",
        "T": now,
        "O": [],
    }


def _futures_messages(account: Account, events: list[Event], now: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    moved = {
        event.fill.market.id: event.fill.market
        for event in events
        if isinstance(event, OrderFilled) and event.fill.market.product == LINEAR
    }
    for event in events:
        if isinstance(event, OrderFilled):
            if event.fill.market.product == LINEAR:
                messages.append(rows.trade_lite(event.fill, now))
                messages.append(rows.order_trade_update(event.fill.order, "TRADE", now, event.fill))
        elif isinstance(event, OrderOpened):
            if event.order.market.product == LINEAR:
                messages.append(rows.order_trade_update(event.order, "NEW", now))
        elif isinstance(event, OrderEnded):
            if event.order.market.product == LINEAR and event.order.status == "canceled":
                messages.append(rows.order_trade_update(event.order, "CANCELED", now))
        elif isinstance(event, BalanceMoved) and event.wallet == "futures":
            messages.append(rows.account_update(account, event, list(moved.values())))
    return messages
