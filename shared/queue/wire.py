"""The connection to Redis: how it is opened, waited for and looked at. Everything in it may vanish at any instant."""

import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
import redis.asyncio
from msgspec import Struct
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from shared.domain.errors import BadInput, WireUnavailable

# Routers cut sockets that are idle for 300 s; a dead peer is noticed within seconds.
_HEALTH_CHECK_SECONDS = 30
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_TRIES = 3


def open_wire(url: str, *, verify_tls: bool = False, connections: int = 32) -> redis.Redis:
    """A client for `redis://` or `rediss://`. Opens nothing yet; at most `connections` sockets, later callers wait.

    Without `verify_tls` a `rediss://` server may have signed its own certificate, as hosted ones do.
    Raises `BadInput` for an address that is none.
    """
    pool = redis.BlockingConnectionPool.from_url(
        _checked(url),
        max_connections=connections,
        timeout=_ANSWER_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), _TRIES),
        **_options(url, verify_tls=verify_tls),
    )
    return redis.Redis(connection_pool=pool)


def open_async_wire(url: str, *, verify_tls: bool = False) -> "redis.asyncio.Redis":
    """The same for a process that lives on an event loop."""
    return redis.asyncio.Redis.from_url(
        _checked(url),
        retry=AsyncRetry(ExponentialBackoff(cap=0.5, base=0.05), _TRIES),
        **_options(url, verify_tls=verify_tls),
    )


def _checked(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise BadInput("REDIS_URL must begin with redis:// or rediss://.")
    return url


def _options(url: str, *, verify_tls: bool) -> dict[str, Any]:
    options: dict[str, Any] = {
        "health_check_interval": _HEALTH_CHECK_SECONDS,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
    }
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    if url.startswith("rediss://"):
        options["ssl_cert_reqs"] = ssl.CERT_REQUIRED if verify_tls else ssl.CERT_NONE
        options["ssl_check_hostname"] = verify_tls
    return options


def wait_for_wire(
    client: redis.Redis,
    *,
    patience: timedelta,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when Redis answers. Tells the reason once a try; raises `WireUnavailable` when patience ends."""
    deadline = clock() + patience.total_seconds()
    pause = 0.25
    while True:
        try:
            client.ping()
        except redis.AuthenticationError as error:
            raise WireUnavailable("Redis refuses the password in REDIS_URL.") from error
        except redis.RedisError as error:
            if clock() + pause > deadline:
                raise WireUnavailable(
                    f"Redis does not answer: {_reason(error)}.", hint="Check REDIS_URL and that the server runs."
                ) from error
            tell(f"Redis does not answer yet: {_reason(error)}; trying again")
            sleep(pause)
            pause = min(pause * 2, 4.0)
        else:
            return


def _reason(error: redis.RedisError) -> str:
    # The text names host and port, never the password: redis-py leaves it out.
    return str(error).rstrip(".") or type(error).__name__


class WireState(Struct, frozen=True, kw_only=True):
    """What the server says of itself. `used_share` is the used part of its memory limit, 0 where it has none."""

    version: str
    policy: str
    used_bytes: int
    limit_bytes: int
    is_persistent: bool

    @property
    def used_share(self) -> float:
        return self.used_bytes / self.limit_bytes if self.limit_bytes else 0.0

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know, in sentences."""
        found = []
        if self.policy not in ("noeviction", ""):
            found.append(
                f"Redis may throw queued jobs away: its maxmemory-policy is {self.policy}, it should be noeviction."
            )
        if self.used_share >= ALARM_SHARE:
            found.append(f"Redis has used {self.used_share:.0%} of its memory limit.")
        return tuple(found)


ALARM_SHARE = 0.6


def wire_state(client: redis.Redis) -> WireState:
    """Ask the server for its version, policy and memory. Raises `WireUnavailable`."""
    try:
        info: Any = client.info()
    except redis.RedisError as error:
        raise WireUnavailable from error
    return WireState(
        version=str(info.get("valkey_version") or info.get("redis_version") or ""),
        policy=str(info.get("maxmemory_policy", "")),
        used_bytes=int(info.get("used_memory", 0)),
        limit_bytes=int(info.get("maxmemory", 0)),
        is_persistent=bool(info.get("aof_enabled")),
    )
