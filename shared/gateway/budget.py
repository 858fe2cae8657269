"""Who may ask now, and with which nonce: what the gateway wants to know before each call, as protocols.

The shared answers are in Redis (`shared.coordination`); the ones here know no limit and no other process, for
tests and for a single program.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from uuid import UUID

from shared.exchanges.kit.contract import Lane, Pool, PoolUse


class Budget(Protocol):
    """What may still be asked of an exchange, shared by everyone behind one egress address.

    `account` is the connection asking, None for a call without a key; only pools of scope "account" count by it.
    `egress` names the address the call leaves from, "" for this process's own.
    """

    def take(
        self,
        exchange: str,
        account: UUID | None,
        pool: Pool,
        weight: float,
        *,
        lane: Lane,
        now_ms: int,
        egress: str = "",
    ) -> int:
        """Take `weight` units: 0 when they are taken; else nothing is taken, and the milliseconds to wait.

        Raises `RateLimited` while a ban stands.
        """

    def correct(
        self, exchange: str, account: UUID | None, pool: Pool, use: PoolUse, now_ms: int, *, egress: str = ""
    ) -> None:
        """Believe the exchange's own count."""

    def ban(
        self, exchange: str, account: UUID | None, until_ms: int, reason: str, *, ban: bool = False, egress: str = ""
    ) -> None:
        """Ask nothing until then: of this account, or with account None from this address.

        `ban` says that the exchange called it one, and not a pause.
        """


class Turns(Protocol):
    """One call of a key at a time, over all processes, where the exchange wants a nonce that only rises."""

    def turn(self, exchange: str, account: UUID, now_ms: int) -> AbstractContextManager[int]:
        """The right to make one call, held until its answer is in, and the nonce for it.

        Raises `RateLimited` when somebody else holds it for too long.
        """


class Unlimited:
    """A budget without limits, for tests and single programs."""

    def take(
        self,
        exchange: str,
        account: UUID | None,
        pool: Pool,
        weight: float,
        *,
        lane: Lane,
        now_ms: int,
        egress: str = "",
    ) -> int:
        """Always yes."""
        del exchange, account, pool, weight, lane, now_ms, egress
        return 0

    def correct(
        self, exchange: str, account: UUID | None, pool: Pool, use: PoolUse, now_ms: int, *, egress: str = ""
    ) -> None:
        """Nothing to correct."""

    def ban(
        self, exchange: str, account: UUID | None, until_ms: int, reason: str, *, ban: bool = False, egress: str = ""
    ) -> None:
        """Nothing is remembered: the caller got the error."""


class TurnsHere:
    """Turns within this process only."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._locks: dict[tuple[str, UUID], threading.Lock] = {}
        self._last: dict[tuple[str, UUID], int] = {}

    @contextmanager
    def turn(self, exchange: str, account: UUID, now_ms: int) -> Iterator[int]:
        """Wait for this key's turn; the nonce is the time, or one more than the last."""
        key = (exchange, account)
        with self._door:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            nonce = max(now_ms, self._last.get(key, 0) + 1)
            self._last[key] = nonce
            yield nonce
