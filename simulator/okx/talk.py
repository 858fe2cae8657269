"""What OKX's sockets have in common: operations in JSON, `ping` as bare text, cuts with codes of its own."""

from typing import Any

import msgspec

from simulator.dialect import Call, Conversation
from simulator.sockets import Socket

MESSAGES = {
    50101: "APIKey does not match current environment.",
    60004: "Invalid timestamp",
    60005: "Invalid apiKey",
    60006: "Timestamp request expired",
    60007: "Invalid sign",
    60009: "Login failed.",
    60011: "Please log in",
    60012: "Illegal request: {}",
    60014: "Requests too frequent",
    60018: "Wrong URL or {} doesn't exist. Please use the correct URL, channel and parameters.",
    60024: "Wrong passphrase",
    60029: "Only users who are VIP6 and above in trading fee tier are allowed to subscribe to this channel",
    60031: "The WebSocket endpoint does not allow multiple or repeated logins",
    60032: "API key doesn't exist",
}
SILENCE_S = 30
LONGEST_REQUEST = 65_536
OPERATIONS, OPERATIONS_MS = 480, 3_600_000
LAST_WORDS_MS = 60_000
"""How long after the notice a socket is closed for an upgrade."""


class Talk(Conversation):
    """One socket; derived classes say what may be subscribed."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.conn_id = f"{self.exchange.dice.getrandbits(32):08x}"
        self.has_subscribed = False
        self.ends_ms: int | None = None

    def received(self, message: str | bytes) -> None:
        if message == "ping":
            self.socket.reply("pong")
            return
        if len(message) > LONGEST_REQUEST:
            self.socket.close(1009, "Request frame exceeds the limit")
            return
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        args = asked.get("args") if isinstance(asked, dict) else None
        operations = {"login": self.sign_in, "subscribe": self.subscribe_all, "unsubscribe": self.unsubscribe_all}
        wanted = operations.get(str(asked.get("op"))) if isinstance(asked, dict) else None
        if wanted is None or not isinstance(args, list) or not all(isinstance(arg, dict) for arg in args) or not args:
            text = message if isinstance(message, str) else message.decode("utf-8", "replace")
            self.refuse(60012, asked if isinstance(asked, dict) else {}, text)
        elif self._is_too_often():
            self.refuse(60014, asked)
        else:
            wanted(asked, args)

    def _is_too_often(self) -> bool:
        use = self.exchange.windows.take(
            ("operations", self.conn_id), 1, limit=OPERATIONS, span_ms=OPERATIONS_MS, now_ms=self.exchange.now_ms()
        )
        return use.broken and self.exchange.enforcing

    def sign_in(self, asked: dict[str, Any], args: list[dict[str, Any]]) -> None:
        """Public sockets know nobody."""
        self.refuse(60009, asked)

    def subscribe_all(self, asked: dict[str, Any], args: list[dict[str, Any]]) -> None:
        """Each of the subscriptions is taken or refused by itself."""
        for arg in args:
            self.subscribe(asked, {str(name): str(value) for name, value in arg.items()})

    def unsubscribe_all(self, asked: dict[str, Any], args: list[dict[str, Any]]) -> None:
        for arg in args:
            self.unsubscribe({str(name): str(value) for name, value in arg.items()})
            self.acknowledge("unsubscribe", asked, arg)

    def subscribe(self, asked: dict[str, Any], arg: dict[str, str]) -> None:
        raise NotImplementedError

    def unsubscribe(self, arg: dict[str, str]) -> None:
        raise NotImplementedError

    def acknowledge(self, event: str, asked: dict[str, Any], arg: dict[str, Any]) -> None:
        """Says that one subscription began or ended; the client's own id comes back where it gave one."""
        own = {"id": asked["id"]} if "id" in asked else {}
        self.socket.reply(own | {"event": event, "arg": arg, "connId": self.conn_id})

    def refuse(self, code: int, asked: dict[str, Any], about: str = "") -> None:
        own = {"id": asked["id"]} if "id" in asked else {}
        told = MESSAGES[code].replace("{}", about)
        self.socket.reply(own | {"event": "error", "code": str(code), "msg": told, "connId": self.conn_id})

    def refuse_channel(self, asked: dict[str, Any], arg: dict[str, str]) -> None:
        self.refuse(60018, asked, ",".join(f"{name}:{value}" for name, value in arg.items()))

    # Ends.

    def fell_silent(self) -> None:
        self.socket.close(4004, "No data received for 30s.")

    def tick(self, now_ms: int) -> None:
        limit = self.exchange.rules.get("silent_cut_s", SILENCE_S)
        if not self.has_subscribed and self.exchange.real_s() - self.socket.opened_at >= limit:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.fell_silent()

    def end_of_life(self) -> None:
        """An upgrade is announced a minute before it comes."""
        now = self.exchange.now_ms()
        if self.ends_ms is None:
            self.ends_ms = now + LAST_WORDS_MS
            self._announce()
        elif now >= self.ends_ms:
            self.socket.close(1001, "Service upgrade")

    def notice(self, name: str, account: Any) -> None:
        if name == "maintenance":
            self._announce()

    def _announce(self) -> None:
        told = "The connection will soon be closed for a service upgrade. Please reconnect."
        self.socket.reply({"event": "notice", "code": "64008", "msg": told, "connId": self.conn_id})
