"""What private and public sockets have in common: methods in JSON, acknowledgements with times, heartbeats.

From docs.kraken.com (read 2026-11): websocket API v2.
"""

from typing import Any

import msgspec

from simulator.dialect import Call, Conversation
from simulator.kraken.errors import encode
from simulator.kraken.rows import told_time
from simulator.sockets import Frame, Socket, text_frame
from simulator.truth import Account

IDLE_S = 60.0
HEARTBEAT = text_frame(b'{"channel":"heartbeat"}')
ELSEWHERE = "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"


class Talk(Conversation):
    """One socket. Whoever subscribes to nothing and says nothing for a minute is cut."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.connection = self.exchange.dice.getrandbits(63)
        self.has_spoken = False

    @property
    def is_subscribed(self) -> bool:
        raise NotImplementedError

    def subscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        raise NotImplementedError

    def unsubscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        raise NotImplementedError

    def opened(self) -> None:
        self._tell_status("online")

    def _tell_status(self, system: str) -> None:
        data = {"version": "2.0.10", "system": system, "api_version": "v2", "connection_id": self.connection}
        self.say({"channel": "status", "type": "update", "data": [data]})

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        params = asked.get("params") or {} if isinstance(asked, dict) else None
        if not isinstance(asked, dict) or not isinstance(params, dict):
            self.fail({}, "Malformed request")
            return
        method = asked.get("method")
        if method == "ping":
            self._answer(asked, {})
        elif method == "subscribe":
            self.subscribe(params, asked)
        elif method == "unsubscribe":
            self.unsubscribe(params, asked)
        else:
            self.fail(asked, "EGeneral:Invalid arguments:method")

    def say(self, message: Any) -> None:
        """Something asked for; numbers keep their digits."""
        self.has_spoken = True
        self.socket.reply(text_frame(encode(message)))

    def tell(self, frame: Frame) -> None:
        """Something that happened."""
        self.has_spoken = True
        self.socket.event(frame)

    def accept(self, asked: dict[str, Any], result: dict[str, Any]) -> None:
        self._answer(asked, {"result": result, "success": True})

    def fail(self, asked: dict[str, Any], error: str, **more: str) -> None:
        self._answer(asked, {"error": error, "success": False, **more})

    def _answer(self, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """`method` and the client's own `req_id` come back; pings are answered by pongs."""
        method = {"ping": "pong"}.get(asked.get("method", ""), asked.get("method"))
        told = {"method": method} | ({"req_id": asked["req_id"]} if "req_id" in asked else {}) | answer
        now = self.exchange.now_ms()
        self.say(told | {"time_in": told_time(now, 17), "time_out": told_time(now, 58)})

    def tick(self, now_ms: int) -> None:
        if self.is_subscribed:
            if not self.has_spoken:
                self.socket.reply(HEARTBEAT)
        elif self.exchange.real_s() - self.socket.heard_at >= IDLE_S:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.socket.close(1000, "")
        self.has_spoken = False

    def notice(self, name: str, account: Account | None) -> None:
        if name == "maintenance":
            self._tell_status("maintenance")
