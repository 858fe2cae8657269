"""One call of a key at a time over all processes, and a nonce that only rises, where an exchange wants both.

The nonce is the fence: a holder that was stopped for longer than its turn lasts sends an older nonce than
the one who came after it, and the exchange refuses it.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import redis

from shared.domain.errors import RateLimited, WireUnavailable

TURN_MS = 15_000  # longer than any request's timeout
_PATIENCE_MS = 2_000
_PAUSE_SECONDS = 0.01

# The last nonce outlives its turns; when Redis forgets it, the clock has moved past it.
_ENTER = """
if not redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return {0, redis.call('pttl', KEYS[1])}
end
local nonce = tonumber(ARGV[3])
local last = tonumber(redis.call('get', KEYS[2]) or '0')
if nonce <= last then nonce = last + 1 end
local text = string.format('%.0f', nonce)
redis.call('set', KEYS[2], text, 'PX', 86400000)
return {1, text}
"""
_LEAVE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Turns:
    """The right to make one call with a key. Thread-safe."""

    def __init__(self, client: redis.Redis, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._enter = client.register_script(_ENTER)
        self._leave = client.register_script(_LEAVE)
        self._sleep = sleep

    @contextmanager
    def turn(self, exchange: str, account: UUID, now_ms: int) -> Iterator[int]:
        """Hold the turn until the answer is in; the nonce is the time, or one more than the last.

        Raises `RateLimited` when others hold it for too long, and `WireUnavailable`.
        """
        key = f"turn:{exchange}:{account}"
        token = secrets.token_hex(8)
        nonce = self._wait(key, token, now_ms)
        try:
            yield nonce
        finally:
            self._give_back(key, token)

    def _wait(self, key: str, token: str, now_ms: int) -> int:
        waited = 0.0
        while True:
            try:
                is_ours, value = self._enter(keys=[key, f"{key}:nonce"], args=[token, TURN_MS, now_ms + int(waited)])
            except redis.RedisError as error:
                raise WireUnavailable from error
            if is_ours:
                return int(value)
            if waited >= _PATIENCE_MS:
                raise RateLimited(
                    "Another request with this key is still under way.",
                    until_ms=now_ms + int(waited) + max(int(value), 500),
                    scope="account",
                )
            self._sleep(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS * 1000

    def _give_back(self, key: str, token: str) -> None:
        try:
            answer: Any = self._leave(keys=[key], args=[token])
        except redis.RedisError:
            return  # it ends by itself
        del answer
