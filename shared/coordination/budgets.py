"""What may still be asked of an exchange, counted once for all processes behind one address.

Each pool is a rolling window: in any stretch of its length never more than its capacity is taken, however
the exchange's own windows lie. The counts stand in Redis, changed by one script; when Redis forgets them,
the exchange's own headers correct them within an answer, and bans come back from wherever `remember` put them.
Where the headers tell the size of a pool too, it is that size that counts, until they have been silent for a while.

Lanes leave room for each other: a lane may fill the pool only up to its ceiling, so that what people wait
for still finds room when history is read at full speed.
"""

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import redis
from msgspec import Struct

from shared.domain.errors import RateLimited, WireUnavailable
from shared.exchanges.kit.contract import Lane, Pool, PoolUse

# How full a pool may get before a lane is told to wait.
CEILINGS: dict[Lane, float] = {"live": 1.0, "manual": 0.95, "balances": 0.9, "backfill": 0.85}

# How long the size that headers told of a pool counts after they last told it.
_SIZE_STANDS_MS = 600_000

# A member of the log is "<number>|<lane>|<weight>", its score when it was taken. The sums stand beside the
# log, so that a take costs what expires since the last one, not the whole log.
_TAKE = """
local log, sums, size, ban, own_ban = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, per, weight = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local lane, capacity = ARGV[4], tonumber(redis.call('get', size) or ARGV[5])
-- What is heavier than its ceiling is let through when the pool is empty: else it would wait for ever.
local limit = math.max(capacity * tonumber(ARGV[6]), weight)
local own_limit = math.max(capacity * tonumber(ARGV[7]), weight)

for _, key in ipairs({ban, own_ban}) do
    local standing = redis.call('get', key)
    if standing then return {-1, standing} end
end

for _, member in ipairs(redis.call('zrangebyscore', log, '-inf', now - per)) do
    local its_lane, its_weight = string.match(member, '|([^|]*)|([^|]*)$')
    redis.call('hincrbyfloat', sums, 'all', -tonumber(its_weight))
    redis.call('hincrbyfloat', sums, its_lane, -tonumber(its_weight))
end
redis.call('zremrangebyscore', log, '-inf', now - per)
if redis.call('zcard', log) == 0 then redis.call('del', sums) end

local function wait_for(too_much, only_lane)
    local freed = 0
    local members = redis.call('zrange', log, 0, 499, 'withscores')
    for at = 1, #members, 2 do
        local its_lane, its_weight = string.match(members[at], '|([^|]*)|([^|]*)$')
        if not only_lane or its_lane == only_lane then
            freed = freed + tonumber(its_weight)
            if freed >= too_much then return tonumber(members[at + 1]) + per - now + 1 end
        end
    end
    return per
end

local all = tonumber(redis.call('hget', sums, 'all') or '0')
local own = tonumber(redis.call('hget', sums, lane) or '0')
local wait = 0
if all + weight > limit + 0.001 then wait = wait_for(all + weight - limit) end
if own + weight > own_limit + 0.001 then wait = math.max(wait, wait_for(own + weight - own_limit, lane)) end
if wait > 0 then return {math.ceil(wait)} end

local number = redis.call('hincrby', sums, 'number', 1)
redis.call('zadd', log, now, number .. '|' .. lane .. '|' .. weight)
redis.call('hincrbyfloat', sums, 'all', weight)
redis.call('hincrbyfloat', sums, lane, weight)
redis.call('pexpire', log, per * 2)
redis.call('pexpire', sums, per * 2)
return {0}
"""

# What the exchange counted beyond our own count was asked by somebody else behind this address, or before
# Redis forgot. It counts from now, and ends when the exchange says that its window does.
_CORRECT = """
local log, sums, size = KEYS[1], KEYS[2], KEYS[3]
local now, per, used, ends = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[5] ~= '' then redis.call('set', size, ARGV[5], 'px', ARGV[6]) end
local all = tonumber(redis.call('hget', sums, 'all') or '0')
local unknown = used - all
if unknown < 1 then return 0 end
local number = redis.call('hincrby', sums, 'number', 1)
redis.call('zadd', log, math.min(now, now + ends - per), number .. '|others|' .. unknown)
redis.call('hincrbyfloat', sums, 'all', unknown)
redis.call('hincrbyfloat', sums, 'others', unknown)
redis.call('pexpire', log, per * 2)
redis.call('pexpire', sums, per * 2)
return unknown
"""


class Ban(Struct, frozen=True, kw_only=True):
    """A pause that an exchange asked for. `scope` is `address:<egress>` or `account:<connection>`."""

    exchange: str
    scope: str
    until_ms: int
    reason: str
    is_ban: bool = False


class Budgets:
    """The shared budget. Thread-safe; one for each process.

    `egress` names the address this process leaves from. `remember` is handed every ban, to keep it over a
    restart of Redis; what it kept is given back by `restore`. With `is_limited` false only bans count.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        egress: str,
        backfill_share: float = 0.5,
        is_limited: bool = True,
        remember: Callable[[Ban], None] | None = None,
    ) -> None:
        self._client = client
        self._egress = egress
        self._backfill_share = backfill_share
        self._is_limited = is_limited
        self._remember = remember
        self._take = client.register_script(_TAKE)
        self._correct = client.register_script(_CORRECT)
        self._bans: dict[tuple[str, str], Ban] = {}
        self._door = threading.Lock()

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

        Raises `RateLimited` while a ban stands, and `WireUnavailable`.
        """
        address = f"address:{egress or self._egress}"
        own = f"account:{account}" if account is not None else address
        self._refuse_banned(exchange, (address, own), now_ms)
        if not self._is_limited:
            return 0
        share = self._backfill_share if lane == "backfill" else 1.0
        answer = self._run(
            self._take,
            keys=[*_keys(exchange, pool, account, address), _ban_key(exchange, address), _ban_key(exchange, own)],
            args=[now_ms, pool.per_ms, weight, lane, pool.capacity, CEILINGS[lane], share],
        )
        if answer[0] == -1:
            ban = _ban_of(answer[1])
            self._note(ban)
            self._refuse_banned(exchange, (address, own), now_ms)
            return 0 if ban.until_ms <= now_ms else ban.until_ms - now_ms
        return int(answer[0])

    def take_connect(self, exchange: str, name: str, *, capacity: float, per_ms: int, now_ms: int) -> int:
        """The right to open one more socket: 0 when taken, else the milliseconds to wait.

        Counted per address; `name` tells the exchange's counters apart. Raises like `take`.
        """
        pool = Pool(name=f"connect:{name}", scope="address", capacity=capacity, per_ms=per_ms)
        return self.take(exchange, None, pool, 1.0, lane="live", now_ms=now_ms)

    def correct(
        self, exchange: str, account: UUID | None, pool: Pool, use: PoolUse, now_ms: int, *, egress: str = ""
    ) -> None:
        """Believe the exchange's own count where it is higher than ours, and the size it tells of its pool.

        Raises `WireUnavailable`.
        """
        used = use.used
        if use.remaining is not None:
            used = max(used or 0.0, (use.capacity or pool.capacity) - use.remaining)
        if (used is None and use.capacity is None) or not self._is_limited:
            return
        ends = pool.per_ms if use.reset_ms is None else max(0, min(use.reset_ms, pool.per_ms))
        keys = _keys(exchange, pool, account, f"address:{egress or self._egress}")
        size = "" if use.capacity is None else use.capacity
        self._run(self._correct, keys=keys, args=[now_ms, pool.per_ms, used or 0.0, ends, size, _SIZE_STANDS_MS])

    def ban(
        self, exchange: str, account: UUID | None, until_ms: int, reason: str, *, ban: bool = False, egress: str = ""
    ) -> None:
        """Ask nothing until then: of this account, or with account None from this address."""
        scope = f"address:{egress or self._egress}" if account is None else f"account:{account}"
        made = Ban(exchange=exchange, scope=scope, until_ms=until_ms, reason=reason, is_ban=ban)
        if self._note(made):
            if self._remember is not None:
                self._remember(made)
            self._store(made)

    def restore(self, bans: Iterable[Ban]) -> None:
        """Mind these again: what was remembered before a restart, or by others while Redis was away."""
        for ban in bans:
            if self._note(ban):
                self._store(ban)

    def _note(self, ban: Ban) -> bool:
        """Whether this is news: it stands longer than what is known."""
        with self._door:
            known = self._bans.get((ban.exchange, ban.scope))
            if known is not None and known.until_ms >= ban.until_ms:
                return False
            self._bans[ban.exchange, ban.scope] = ban
            return True

    def _store(self, ban: Ban) -> None:
        text = json.dumps([ban.exchange, ban.scope, ban.until_ms, ban.reason, ban.is_ban])
        try:
            self._client.set(_ban_key(ban.exchange, ban.scope), text, pxat=ban.until_ms)
        except redis.RedisError as error:
            raise WireUnavailable from error

    def _refuse_banned(self, exchange: str, scopes: tuple[str, str], now_ms: int) -> None:
        for scope in scopes:
            ban = self._bans.get((exchange, scope))
            if ban is None:
                continue
            if ban.until_ms <= now_ms:
                with self._door:
                    self._bans.pop((exchange, scope), None)
                continue
            raise RateLimited(ban.reason, until_ms=ban.until_ms, ban=ban.is_ban, scope=scope.partition(":")[0])

    def _run(self, script: Any, *, keys: list[str], args: list[Any]) -> Any:
        try:
            return script(keys=keys, args=args)
        except redis.RedisError as error:
            raise WireUnavailable from error

    def use(self, exchange: str, pool: Pool, account: UUID | None = None) -> float:
        """The share of a pool that is taken now, for showing. Raises `WireUnavailable`."""
        _, sums, size = _keys(exchange, pool, account, f"address:{self._egress}")
        try:
            used: Any = self._client.hget(sums, "all")
            capacity: Any = self._client.get(size)
        except redis.RedisError as error:
            raise WireUnavailable from error
        return float(used or 0) / float(capacity or pool.capacity)


def _keys(exchange: str, pool: Pool, account: UUID | None, address: str) -> list[str]:
    scope = f"account:{account}" if pool.scope == "account" and account is not None else address
    log = f"budget:{exchange}:{pool.name}:{scope}"
    return [log, f"{log}:sums", f"{log}:size"]


def _ban_key(exchange: str, scope: str) -> str:
    return f"ban:{exchange}:{scope}"


def _ban_of(text: bytes) -> Ban:
    exchange, scope, until_ms, reason, is_ban = json.loads(text)
    return Ban(exchange=exchange, scope=scope, until_ms=until_ms, reason=reason, is_ban=is_ban)
