"""What all of KuCoin's sockets have in common: JSON messages, and the client's ping."""

from typing import TYPE_CHECKING, Any

import msgspec

from simulator.dialect import Conversation

if TYPE_CHECKING:
    from simulator.truth import Account

NANOS = 1_000_000


class Talk(Conversation):
    """Reads messages, answers pings and hands the rest on."""

    def received(self, message: str | bytes) -> None:
        try:
            asked = msgspec.json.decode(message)
        except msgspec.DecodeError:
            asked = None
        if not isinstance(asked, dict):
            self.complain("", 400, "message is invalid")
        elif asked.get("type") == "ping":
            pong = {"id": asked.get("id", ""), "type": "pong", "timestamp": self.exchange.now_ms() * 1000}
            self.socket.reply(pong)
        else:
            self.asked(asked)

    def asked(self, asked: dict[str, Any]) -> None:
        """A message that is no ping."""
        raise NotImplementedError

    def complain(self, name: str, code: int, words: str) -> None:
        """An error in the exchange's words."""
        self.socket.reply({"id": name, "type": "error", "code": code, "data": words})

    def turn_away(self, name: str, words: str) -> None:
        """The token is no good: it is said on the open socket, which is then closed."""
        self.complain(name, 401, words)
        self.socket.close(1000, words)

    def notice(self, name: str, account: "Account | None") -> None:
        """A dying token takes its sockets along."""
        del account
        if name == "token_dies":
            self.turn_away("", "token is expired")

    def tell_prices(self) -> None:
        """Once a second: the news of what is followed here."""
