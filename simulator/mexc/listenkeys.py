"""Listen keys, which open a spot account's socket: each call makes another, an hour long, sixty at most."""

from random import Random
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from simulator.mexc.errors import refusal
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.dialect import Call

LIFE_MS = 3_600_000
MOST_KEYS = 60
MOST_SOCKETS = 5
"""So many sockets one listen key opens."""


class ListenKey(Struct, eq=False):
    """One key; `sockets` are open with it now."""

    name: str
    account: Account
    until_ms: int
    sockets: int = 0


class ListenKeys:
    """All listen keys of the exchange."""

    def __init__(self) -> None:
        self._keys: dict[str, ListenKey] = {}

    def of(self, account: Account, now_ms: int) -> list[ListenKey]:
        """An account's valid keys."""
        self._keys = {name: key for name, key in self._keys.items() if key.until_ms > now_ms}
        return [key for key in self._keys.values() if key.account is account]

    def make(self, account: Account, now_ms: int, dice: Random) -> ListenKey:
        """A new key; raises the refusal of one too many."""
        if len(self.of(account, now_ms)) >= MOST_KEYS:
            raise refusal(730000)
        key = ListenKey(f"{dice.getrandbits(256):064x}", account, now_ms + LIFE_MS)
        self._keys[key.name] = key
        return key

    def find(self, name: str, now_ms: int) -> ListenKey | None:
        """The key, None where it is unknown or over."""
        key = self._keys.get(name)
        return key if key is not None and key.until_ms > now_ms else None

    def kill(self, account: Account | None) -> None:
        """Every key of an account (None: of everyone) is over."""
        for key in self._keys.values():
            if account is None or key.account is account:
                key.until_ms = 0


def create(call: "Call", keys: ListenKeys) -> Any:
    """POST /api/v3/userDataStream."""
    return {"listenKey": keys.make(call.account, call.now_ms, call.exchange.dice).name}


def prolong(call: "Call", keys: ListenKeys) -> Any:
    """PUT: another hour."""
    key = _own(call, keys)
    key.until_ms = call.now_ms + LIFE_MS
    return {"listenKey": key.name}


def delete(call: "Call", keys: ListenKeys) -> Any:
    """DELETE: over at once."""
    key = _own(call, keys)
    key.until_ms = 0
    return {"listenKey": key.name}


def listed(call: "Call", keys: ListenKeys) -> Any:
    """GET: all that are valid."""
    return {"listenKey": [key.name for key in keys.of(call.account, call.now_ms)]}


def _own(call: "Call", keys: ListenKeys) -> ListenKey:
    key = keys.find(call.params.get("listenKey", ""), call.now_ms)
    if key is None or key.account is not call.account:
        raise refusal(730002)
    return key
