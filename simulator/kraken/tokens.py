"""Tokens that open the private channels: fifteen minutes to be used, and then good on that one socket."""

from random import Random

from msgspec import Struct

from simulator.dialect import Conversation
from simulator.truth import Account

LIFE_S = 900
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Token(Struct, eq=False):
    """One token, and the socket that it was first used on."""

    account: Account
    until_ms: int
    used_on: Conversation | None = None


class Tokens:
    """All tokens of the exchange."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def make(self, account: Account, now_ms: int, dice: Random) -> str:
        """A new token."""
        if len(self._tokens) > 10_000:
            self._tokens = {name: one for name, one in self._tokens.items() if one.until_ms > now_ms}
        name = "".join(dice.choices(_LETTERS, k=43))
        self._tokens[name] = Token(account, now_ms + LIFE_S * 1000)
        return name

    def take(self, name: str, talk: Conversation, now_ms: int) -> Account | None:
        """Whose token it is, None where it opens nothing: too late, dead, or at home on another socket."""
        token = self._tokens.get(name)
        if token is None:
            return None
        if token.used_on is None and now_ms < token.until_ms:
            token.used_on = talk
        return token.account if token.used_on is talk else None

    def kill(self, account: Account | None) -> None:
        """Every token of an account (None: of everyone) is void."""
        self._tokens = {
            name: one for name, one in self._tokens.items() if account is not None and one.account is not account
        }
