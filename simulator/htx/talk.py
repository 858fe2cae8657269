"""What all of HTX's sockets have in common: the server pings, and who misses too many is cut."""

import gzip
from typing import Any

import msgspec

from simulator.dialect import Call, Conversation
from simulator.sockets import Frame, Socket, framed

_encode = msgspec.json.Encoder().encode


def zipped(data: Any) -> Frame:
    """`data` as a binary frame of zipped JSON."""
    return framed(gzip.compress(_encode(data), compresslevel=1, mtime=0))


class Talk(Conversation):
    """One socket. Derived classes say how they ping and how often; a pong must give the time of a ping back."""

    ping_every_s: float = 5
    """Real seconds between two pings."""
    pings_missed = 5
    """After so many pings without an answer the socket is cut."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self._pinged_at = self.exchange.real_s()
        self._unanswered: dict[str, float] = {}

    def packed(self, data: Any) -> Any:
        """A message as this socket carries it."""
        return zipped(data)

    def ping(self, now_ms: int) -> Any:
        """The server's ping."""
        raise NotImplementedError

    def asked(self, message: dict[str, Any]) -> None:
        """A JSON object of the client."""
        raise NotImplementedError

    def complain(self) -> None:
        """Answers what is no JSON object."""
        raise NotImplementedError

    def say(self, data: Any) -> None:
        """Answers the client."""
        self.socket.reply(self.packed(data))

    def received(self, message: str | bytes) -> None:
        try:
            found = msgspec.json.decode(message)
        except msgspec.DecodeError:
            found = None
        if isinstance(found, dict):
            self.asked(found)
        else:
            self.complain()

    def pong(self, stamp: Any) -> None:
        """A pong: it counts for all pings before it."""
        if str(stamp) in self._unanswered:
            self._unanswered.clear()

    def tick(self, now_ms: int) -> None:
        if self.socket.stalled:
            return
        rules, now = self.exchange.rules, self.exchange.real_s()
        every = rules.get("ping_every_s", self.ping_every_s)
        within = rules.get("pong_within_s", every * self.pings_missed)
        if self._unanswered and now - next(iter(self._unanswered.values())) >= within:
            self.exchange.counters["sockets_cut_no_pong"] += 1
            self.socket.close(1000, "")
        elif now - self._pinged_at >= every:
            self._pinged_at = now
            self._unanswered[str(now_ms)] = now
            self.say(self.ping(now_ms))
