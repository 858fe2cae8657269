"""What private and public sockets have in common: operations in JSON, acknowledgements, pings, idle cuts."""

import re
from typing import Any

import msgspec

from simulator.dialect import Call, Conversation
from simulator.sockets import Socket

SHORTEST_IDLE_S, LONGEST_IDLE_S = 30, 600


class Talk(Conversation):
    """One socket; `answers` of the derived classes name the operations beside ping."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.conn_id = f"{self.exchange.dice.getrandbits(80):020x}-{self.exchange.dice.randint(1, 99)}"
        told = re.fullmatch(r"(\d+)(s|m)?", call.params.get("max_active_time", ""))
        idle = int(told[1]) * (60 if told[2] == "m" else 1) if told else LONGEST_IDLE_S
        self.idle_s = min(max(idle, SHORTEST_IDLE_S), LONGEST_IDLE_S)

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        operation = asked.get("op") if isinstance(asked, dict) else None
        args = asked.get("args") or [] if isinstance(asked, dict) else []
        if not isinstance(asked, dict) or not isinstance(operation, str) or not isinstance(args, list):
            self.socket.reply({"success": False, "ret_msg": "error:invalid op", "conn_id": self.conn_id})
            return
        if operation == "ping":
            self.socket.reply(self.pong(asked))
        elif operation not in {"auth", "subscribe", "unsubscribe"}:
            self.acknowledge(asked, f"error:invalid op {operation}")
        else:
            self.operate(operation, args, asked)

    def operate(self, operation: str, args: list[Any], asked: dict[str, Any]) -> None:
        """An operation that is no ping."""
        raise NotImplementedError

    def pong(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The answer to a ping; public sockets have another shape."""
        raise NotImplementedError

    def acknowledge(self, asked: dict[str, Any], trouble: str = "", said: str = "") -> None:
        """Success, or what is wrong; the client's own id comes back where it gave one."""
        answer = {"success": not trouble, "ret_msg": trouble or said, "conn_id": self.conn_id}
        if "req_id" in asked:
            answer["req_id"] = asked["req_id"]
        self.socket.reply(answer | {"op": asked["op"]})

    def tick(self, now_ms: int) -> None:
        limit = self.exchange.rules.get("silent_cut_s", self.idle_s)
        if self.exchange.real_s() - self.socket.heard_at >= limit:
            self.exchange.counters["sockets_cut_silent"] += 1
            self.socket.close(1000, "")
