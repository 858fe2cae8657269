"""The contracts' private sockets, zipped: V5's `/ws/v5/notification`, and the one of the old interface."""

import hmac
from typing import Any

from simulator.dialect import Call, Event, OrderFilled
from simulator.htx import contract_rows
from simulator.htx.errors import NOT_UNIFIED
from simulator.htx.keys import is_timely, signature_of
from simulator.htx.talk import Talk, zipped
from simulator.sockets import Socket
from simulator.truth import LINEAR, Account, Fill

V5_PATH, LEGACY_PATH = "/ws/v5/notification", "/linear-swap-notification"
MOST_PER_USER = 30
SIGNED = ("AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp")
ECHOED = ("op", "type", "cid", "topic", "contract_code")
TRADE, ORDERS = "trade", "orders"
SILENT = ("match_orders", "account", "positions")
"""Topics that may be subscribed and say nothing here: none of them tells of a trade for sure."""
LEGACY_ORDERS = "orders_cross"
LEGACY_SILENT = ("matchOrders_cross", "orders", "matchOrders", "accounts_cross", "positions_cross")


class NotificationTalk(Talk):
    """One account's conversation. A tag is the topic and the contract, `*` for all."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.is_legacy = call.request.path == LEGACY_PATH
        self.account: Account | None = None
        self.topics: set[tuple[str, str]] = set()

    def ping(self, now_ms: int) -> dict[str, Any]:
        return {"op": "ping", "ts": str(now_ms)}

    def complain(self) -> None:
        self.say({"op": "error", "err-code": 2001, "err-msg": "invalid json", "ts": self.exchange.now_ms()})

    def asked(self, message: dict[str, Any]) -> None:
        operation = message.get("op")
        if operation == "pong":
            self.pong(message.get("ts"))
        elif operation == "auth":
            self._sign_in(message)
        elif operation not in {"sub", "unsub"}:
            self.complain()
        elif self.account is None:
            self._answer(message, 2002, "Authentication required.")
        else:
            self._follow(self.account, str(operation), message)

    def _answer(self, message: dict[str, Any], code: int = 0, text: str = "") -> None:
        answer = {name: value for name, value in message.items() if name in ECHOED}
        answer |= {"err-code": code, "ts": self.exchange.now_ms()}
        if code:
            answer["err-msg"] = text
        elif message["op"] == "auth" and self.account is not None:
            answer["data"] = {"user-id": self.account.uid}
        self.say(answer)

    def _sign_in(self, message: dict[str, Any]) -> None:
        if not all(message.get(name) for name in (*SIGNED, "Signature")):
            self._answer(message, 2040, "Missing required parameter.")
            return
        request, exchange = self.call.request, self.exchange
        account = exchange.by_key.get(str(message["AccessKeyId"]))
        pairs = [(name, str(message[name])) for name in SIGNED]
        refusal = None if account is None else account.refusal_of_key(exchange.now_ms(), request.address)
        if (
            account is None
            or refusal is not None
            or message["SignatureVersion"] != "2"
            or not is_timely(exchange, str(message["Timestamp"]))
            or not hmac.compare_digest(
                signature_of(account.secret, "GET", request.host, request.path, pairs), str(message["Signature"])
            )
        ):
            self._answer(message, 2003, "Authentication failed.")
            return
        if self._others(account) >= MOST_PER_USER and exchange.enforcing:
            self._answer(message, 2030, "Exceeds connection limit of single user.")
            self._end()
            return
        self.account = account
        self._answer(message)

    def _others(self, account: Account) -> int:
        talks = (one.conversation for one in self.exchange.sockets if not one.closing)
        return sum(isinstance(one, NotificationTalk) and one.account is account for one in talks)

    def _follow(self, account: Account, operation: str, message: dict[str, Any]) -> None:
        topic, code = str(message.get("topic", "")), str(message.get("contract_code", ""))
        known = {LEGACY_ORDERS, *LEGACY_SILENT} if self.is_legacy else {TRADE, ORDERS, *SILENT}
        if self.is_legacy:
            topic, _, code = topic.partition(".")
            code = code.upper()
        if bool(account.details.get("legacy")) is not self.is_legacy:
            text = "Non - single account user is not available, please check through the cross and isolated account"
            self._answer(message, NOT_UNIFIED, text)
        elif topic not in known:
            self._answer(message, 2010, "Topic error.")
        elif not code:
            self._answer(message, 2040, "Missing required parameter.")
        elif code != "*" and self.exchange.market(LINEAR, code) is None:
            self._answer(message, 2011, "Contract doesn't exist.")
        elif operation == "sub":
            if (topic, code) not in self.topics:
                self.topics.add((topic, code))
                self.exchange.listeners.add(account, self, (topic, code))
            self._answer(message)
        elif (topic, code) not in self.topics:
            self._answer(message, 2012, "Topic not subscribed.")
        else:
            self.topics.discard((topic, code))
            self.exchange.listeners.remove(account, self, (topic, code))
            self._answer(message)

    # Telling.

    def tell(self, account: Account, tag: tuple[str, str], events: list[Event]) -> None:
        """What happened, on one topic; fills of one order in one message, in no promised order."""
        topic, code = tag
        fills = [one.fill for one in events if isinstance(one, OrderFilled)]
        fills = [fill for fill in fills if fill.market.product == LINEAR and code in {"*", fill.market.id}]
        if not fills:
            return
        if topic == TRADE:
            if len(fills) > 1 and self.exchange.dice.random() < 0.5:
                fills.reverse()
            self._notify(account, topic, fills[0], [contract_rows.told_execution(fill) for fill in fills])
        elif topic == ORDERS and not self.is_legacy:
            for fill in fills:
                self._notify(account, topic, fill, contract_rows.told_order(fill))
        elif topic == LEGACY_ORDERS:
            for fill in fills:
                head = {"op": "notify", "topic": f"{topic}.{fill.market.id.lower()}", "ts": self.exchange.now_ms()}
                self.socket.event(zipped(head | contract_rows.legacy_told(account, fill)))

    def _notify(self, account: Account, topic: str, fill: Fill, data: Any) -> None:
        message = {
            "op": "notify",
            "topic": topic,
            "contract_code": fill.market.id,
            "ts": self.exchange.now_ms(),
            "uid": account.uid,
            "data": data,
        }
        self.socket.event(zipped(message))

    def enveloped(self, tag: Any, message: Any) -> Any:
        """A whole notice zipped, or a row in a notice of its own."""
        if isinstance(message, dict) and "op" in message:
            return zipped(message)
        assert self.account is not None
        head = {"op": "notify", "topic": tag[0], "ts": self.exchange.now_ms(), "uid": self.account.uid}
        return zipped(head | {"data": [message]})

    def _end(self) -> None:
        """Announces the end, and ends."""
        self.say({"op": "close", "ts": self.exchange.now_ms()})
        self.socket.close(1000, "")

    def too_many_messages(self) -> None:
        self.say({"op": "error", "err-code": 2004, "err-msg": "Number of visits exceeds limit.", "ts": 0})
        self._end()

    def notice(self, name: str, account: Account | None) -> None:
        is_own = name in {"key_revoked", "key_expired"} and account is self.account
        if is_own or name == "maintenance":
            self._end()
