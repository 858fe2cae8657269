"""Spot's private socket `/ws/v2`: plain text, signed in first, fills with their fees on `trade.clearing`."""

import hmac
import re
from typing import Any

from simulator.dialect import Call, Event, OrderEnded, OrderFilled, OrderOpened
from simulator.htx import spot_rows
from simulator.htx.keys import is_timely, signature_of
from simulator.htx.talk import Talk
from simulator.sockets import Socket
from simulator.truth import SPOT, Account, Fill

PATH = "/ws/v2"
MOST_PER_KEY = 10
SIGNED = ("accessKey", "signatureMethod", "signatureVersion", "timestamp")
_CHANNEL = re.compile(r"(?:trade\.clearing#(?P<cleared>[^#]+)(?:#(?P<mode>[01]))?|orders#(?P<ordered>[^#]+))")


class SpotTalk(Talk):
    """One account's conversation. A tag is the channel as it was subscribed."""

    ping_every_s = 20
    pings_missed = 2

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.account: Account | None = None
        self.channels: set[str] = set()

    def packed(self, data: Any) -> Any:
        return data

    def ping(self, now_ms: int) -> dict[str, Any]:
        return {"action": "ping", "data": {"ts": now_ms}}

    def complain(self) -> None:
        self.say({"action": "error", "code": 2001, "message": "invalid.json"})

    def asked(self, message: dict[str, Any]) -> None:
        action, channel = message.get("action"), str(message.get("ch", ""))
        if action == "pong":
            data = message.get("data")
            self.pong(data.get("ts") if isinstance(data, dict) else None)
        elif action == "req" and channel == "auth":
            self._sign_in(message.get("params"))
        elif action not in {"sub", "unsub"}:
            self._refuse(str(action), channel, 2001, "invalid.action")
        elif self.account is None:
            self._refuse(action, channel, 2002, "invalid.auth.state")
        elif action == "sub":
            self._subscribe(self.account, channel)
        else:
            self.channels.discard(channel)
            self.exchange.listeners.remove(self.account, self, channel)
            self.say({"action": "unsub", "code": 200, "ch": channel, "data": {}})

    def _refuse(self, action: str, channel: str, code: int, message: str) -> None:
        self.say({"action": action, "code": code, "ch": channel, "message": message})

    def _sign_in(self, params: Any) -> None:
        if not isinstance(params, dict) or not all(params.get(name) for name in (*SIGNED, "signature")):
            self._refuse("req", "auth", 2001, "missing.param.auth")
            return
        request, exchange = self.call.request, self.exchange
        account = exchange.by_key.get(str(params["accessKey"]))
        if account is None or not is_signed(account, request.host, params):
            self._refuse("req", "auth", 2002, "auth.fail")
            return
        is_timed = is_timely(exchange, str(params["timestamp"])) and params["signatureVersion"] == "2.1"
        # A key that is bound to other addresses hears the same words as a wrong signature.
        is_good = account.refusal_of_key(exchange.now_ms(), request.address) is None and "read" in account.permissions
        if not is_timed or not is_good:
            self._refuse("req", "auth", 2002, "auth.fail")
            return
        if self._others(account) >= MOST_PER_KEY and exchange.enforcing:
            self._refuse("req", "auth", 4000, "too.many.connection")
            self.socket.close(1000, "")
            return
        self.account = account
        self.say({"action": "req", "code": 200, "ch": "auth", "data": {}})

    def _others(self, account: Account) -> int:
        talks = (one.conversation for one in self.exchange.sockets if not one.closing)
        return sum(isinstance(one, SpotTalk) and one.account is account for one in talks)

    def _subscribe(self, account: Account, channel: str) -> None:
        found = _CHANNEL.fullmatch(channel)
        if found is None:
            self._refuse("sub", channel, 2001, "invalid.ch")
            return
        symbol = found["cleared"] or found["ordered"]
        if symbol != "*" and self.exchange.market(SPOT, symbol) is None:
            self._refuse("sub", channel, 2001, "invalid.symbol")
            return
        if channel not in self.channels:
            self.channels.add(channel)
            self.exchange.listeners.add(account, self, channel)
        self.say({"action": "sub", "code": 200, "ch": channel, "data": {}})

    # Telling.

    def tell(self, account: Account, channel: str, events: list[Event]) -> None:
        """What happened, on one channel. Fills of one order keep no order on `trade.clearing`."""
        found = _CHANNEL.fullmatch(channel)
        assert found is not None
        if found["ordered"]:
            self._tell_orders(channel, found["ordered"], events)
            return
        symbol = found["cleared"]
        told = [one for one in events if _is_of(one, symbol)]
        fills = [one.fill for one in told if isinstance(one, OrderFilled)]
        if len(fills) > 1 and self.exchange.dice.random() < 0.5:
            fills.reverse()
        for fill in fills:
            self._push(f"trade.clearing#{fill.market.id}#{found['mode'] or 0}", spot_rows.clearing(account, fill), fill)
        if found["mode"] == "1":
            for one in told:
                if isinstance(one, OrderEnded) and one.order.status == "canceled":
                    row = spot_rows.cancellation(account, one.order)
                    self._push(f"trade.clearing#{one.order.market.id}#1", row, None)

    def _tell_orders(self, channel: str, symbol: str, events: list[Event]) -> None:
        for one in events:
            if not _is_of(one, symbol):
                continue
            if isinstance(one, OrderFilled):
                fill = one.fill
                self._push(channel, spot_rows.order_event("trade", fill.order, fill.timestamp_ms, fill), None)
            elif isinstance(one, OrderOpened):
                self._push(channel, spot_rows.order_event("creation", one.order, one.timestamp_ms), None)
            elif isinstance(one, OrderEnded) and one.order.status == "canceled":
                self._push(channel, spot_rows.order_event("cancellation", one.order, one.timestamp_ms), None)

    def _push(self, channel: str, data: dict[str, Any], fill: Fill | None) -> None:
        """Says it; now and then without its action, as the documents write it."""
        message = {"ch": channel, "data": data}
        is_bare = fill is not None and fill.sequence % 4 == 0
        self.socket.event(message if is_bare else {"action": "push"} | message)

    def enveloped(self, tag: Any, message: Any) -> Any:
        return {"action": "push", "ch": tag, "data": message}

    def too_many_messages(self) -> None:
        self._refuse("error", "", 4000, "too.many.request")
        self.socket.close(1000, "")

    def notice(self, name: str, account: Account | None) -> None:
        """A deleted key ends its sockets without a word."""
        if name in {"key_revoked", "key_expired"} and account is self.account:
            self.socket.close(1000, "")


def is_signed(account: Account, host: str, params: dict[str, Any]) -> bool:
    """Whether the parameters of a sign-in carry the account's signature."""
    pairs = [(name, str(params[name])) for name in SIGNED]
    return hmac.compare_digest(signature_of(account.secret, "GET", host, PATH, pairs), str(params["signature"]))


def _is_of(event: Event, symbol: str) -> bool:
    if isinstance(event, OrderFilled):
        market = event.fill.market
    elif isinstance(event, OrderOpened | OrderEnded):
        market = event.order.market
    else:
        return False
    return market.product == SPOT and symbol in {"*", market.id}
