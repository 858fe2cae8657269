"""What all of Bitget's sockets have in common: operations in JSON, text pings, limits of what a client may say."""

from typing import Any

import msgspec

from simulator.dialect import Call, Conversation
from simulator.sockets import Socket

SILENCE_S = 130.0
"""Without a text ping the server is gone after about so long, whatever else is said."""
HOUR_MS = 3_600_000
MOST_SUBSCRIBES = 240
MOST_CHANNELS = 1_000
LONGEST_ARGS = 4_096
FATAL_ARGS = 25
"""Sockets of the third version break over a request with that many arguments."""
WORDS = {
    30001: "doesn't exist",
    30003: "invalid op",
    30004: "User needs to log in",
    30005: "Login failed",
    30006: "Too many requests",
    30007: "request over limit,connection close",
    30011: "Invalid ACCESS_KEY",
    30012: "Invalid ACCESS_PASSPHRASE",
    30013: "Invalid ACCESS_TIMESTAMP",
    30014: "Request timestamp expired",
    30015: "Invalid sign",
    30016: "Param error",
}
Channel = tuple[str, str, str]
"""instType, channel or topic, and which market (or coin) of it."""


class Talk(Conversation):
    """One socket, of the second version or of the third, which has other names for the same and other rows."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.is_third = call.request.path.startswith("/v3/")
        self.conn_id = f"{self.exchange.dice.getrandbits(64):016x}"
        self.channels: dict[Channel, dict[str, Any]] = {}
        """What is subscribed, with the argument that asked for it."""
        self._pinged_at = self.exchange.real_s()
        self._subscribes = 0
        self._hour_began = self.exchange.now_ms()

    def received(self, message: str | bytes) -> None:
        if message == "ping":
            self._pinged_at = self.exchange.real_s()
            self.socket.reply("pong")
            return
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        args = asked.get("args") if isinstance(asked, dict) else None
        if not isinstance(asked, dict) or not isinstance(args, list) or not all(isinstance(a, dict) for a in args):
            self.complain(30016)
        elif self.is_third and len(args) >= FATAL_ARGS:
            self.socket.abort()
        elif len(msgspec.json.encode(args)) > LONGEST_ARGS:
            self.complain(30016)
        else:
            self._operate(str(asked.get("op", "")), args)

    def _operate(self, operation: str, args: list[dict[str, Any]]) -> None:
        if operation == "login":
            self.sign_in(args[0] if args else {})
        elif operation == "subscribe":
            if self._asks_too_often():
                self.complain(30006)
                return
            for arg in args:
                self._subscribe(arg)
        elif operation == "unsubscribe":
            for arg in args:
                self.forget(self.channel_of(arg))
                self._acknowledge("unsubscribe", arg)
        else:
            self.complain(30003)

    def _asks_too_often(self) -> bool:
        now = self.exchange.now_ms()
        if now - self._hour_began >= HOUR_MS:
            self._hour_began, self._subscribes = now, 0
        self._subscribes += 1
        return self.exchange.enforcing and self._subscribes > MOST_SUBSCRIBES

    def _subscribe(self, arg: dict[str, Any]) -> None:
        channel = self.channel_of(arg)
        code = 30006 if len(self.channels) >= MOST_CHANNELS else self.refuse(channel)
        if code is not None:
            self.complain(code, arg)
            return
        self._acknowledge("subscribe", arg)
        if channel not in self.channels:
            self.channels[channel] = arg
            self.follow(channel, arg)

    def _acknowledge(self, event: str, arg: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"event": event, "arg": arg}
        self.socket.reply(answer | {"connId": self.conn_id} if self.is_third else answer)

    def complain(self, code: int, arg: dict[str, Any] | None = None) -> None:
        """An error; only the second version says what it is about."""
        words = WORDS[code]
        if code == 30001 and arg is not None:
            words = ",".join(f"{name}:{value}" for name, value in arg.items()) + f" {words}"
        about = {"arg": arg} if arg is not None and not self.is_third else {}
        self.socket.reply({"event": "error", **about, "code": code, "msg": words})

    def channel_of(self, arg: dict[str, Any]) -> Channel:
        """What an argument asks for, in the words of its version."""
        kind = str(arg.get("instType", ""))
        if self.is_third:
            return kind, str(arg.get("topic", "")), str(arg.get("symbol", ""))
        return kind, str(arg.get("channel", "")), str(arg.get("instId", arg.get("coin", "")))

    def message(self, arg: dict[str, Any], data: Any) -> dict[str, Any]:
        """A push: always a whole snapshot."""
        return {"action": "snapshot", "arg": arg, "data": data, "ts": self.exchange.now_ms()}

    # What the derived ones do.

    def sign_in(self, arg: dict[str, Any]) -> None:
        """A login."""
        raise NotImplementedError

    def refuse(self, channel: Channel) -> int | None:
        """The code for a channel that is not to be had; None where it is acknowledged."""
        raise NotImplementedError

    def follow(self, channel: Channel, arg: dict[str, Any]) -> None:
        """A new subscription was acknowledged."""

    def forget(self, channel: Channel) -> None:
        """A subscription ends, if there was one."""
        self.channels.pop(channel, None)

    # Limits.

    def too_many_messages(self) -> None:
        self.complain(30007)
        self.socket.close(1008, "")

    def tick(self, now_ms: int) -> None:
        limit = self.exchange.rules.get("silent_cut_s", SILENCE_S)
        if self.exchange.real_s() - self._pinged_at >= limit:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.socket.abort()
