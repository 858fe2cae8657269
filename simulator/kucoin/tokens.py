"""Tokens that open sockets: who they are for, and how long they are good."""

from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from simulator.kucoin.errors import good
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.dialect import Call

LIFE_MS = 24 * 3_600_000
PING_MS, PONG_MS = 18_000, 10_000
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Token(Struct):
    """One token; `account` None for public sockets, `host` where it is good."""

    account: Account | None
    host: str
    until_ms: int
    is_used: bool = False


class Tokens:
    """All tokens of the exchange."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def make(self, account: Account | None, host: str, now_ms: int, dice: Random) -> str:
        """A new token."""
        if len(self._tokens) > 10_000:
            self._tokens = {name: token for name, token in self._tokens.items() if token.until_ms > now_ms}
        name = "2neAiuYvAU61ZDXANAGAsiL4-" + "".join(dice.choices(_LETTERS, k=64)) + "=="
        self._tokens[name] = Token(account, host, now_ms + LIFE_MS)
        return name

    def take(self, name: str, host: str, now_ms: int, *, once: bool) -> Token | str:
        """The token, or in the exchange's words why it does not open `host`. A classic one opens one socket only."""
        token = self._tokens.get(name)
        if token is None or token.host != host:
            return "token is invalid"
        if now_ms >= token.until_ms or (once and token.is_used):
            return "token is expired"
        token.is_used = True
        return token

    def kill(self, account: Account | None) -> None:
        """Every token of an account (None: of everyone) is past its time."""
        for token in self._tokens.values():
            if account is None or token.account is account:
                token.until_ms = 0


SPOT_SOCKETS, FUTURES_SOCKETS = "ws-api-spot.kucoin.com", "ws-api-futures.kucoin.com"
UNIFIED_SOCKETS = "wsapi-push.kucoin.com"


def bullet(call: "Call", tokens: Tokens) -> Any:
    """POST /api/v1/bullet-public and -private, on either host: a token, and where to go with it."""
    host = FUTURES_SOCKETS if "futures" in call.request.host else SPOT_SOCKETS
    account = call.signed_by
    server = {
        "endpoint": call.request.base.replace("http", "ws", 1) + f"/{host}/",
        "encrypt": True,
        "protocol": "websocket",
        "pingInterval": PING_MS,
        "pingTimeout": PONG_MS,
    }
    token = tokens.make(account, host, call.now_ms, call.exchange.dice)
    return good({"token": token, "instanceServers": [server]})


def unified_bullet(call: "Call", tokens: Tokens) -> Any:
    """POST /api/v2/bullet-private: only a token, the address is known."""
    return good({"token": tokens.make(call.account, UNIFIED_SOCKETS, call.now_ms, call.exchange.dice)})
