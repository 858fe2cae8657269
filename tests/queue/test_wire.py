"""The connection to Redis: how it is opened, waited for, and what is said of it."""

import ssl
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis

from shared.domain.errors import BadInput, WireUnavailable
from shared.queue.wire import WireState, open_async_wire, open_wire, wait_for_wire, wire_state


@pytest.mark.parametrize("url", ["", "http://here", "localhost:6379"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="REDIS_URL"):
        open_wire(url)


@pytest.mark.parametrize("open_any", [open_wire, open_async_wire])
def test_a_hosted_servers_own_certificate_is_taken_unless_told_otherwise(open_any: object) -> None:
    lax = open_any("rediss://:secret@host:6380")  # type: ignore[operator]
    strict = open_any("rediss://:secret@host:6380", verify_tls=True)  # type: ignore[operator]
    told = [client.connection_pool.connection_kwargs for client in (lax, strict)]
    assert [options["ssl_cert_reqs"] for options in told] == [ssl.CERT_NONE, ssl.CERT_REQUIRED]
    assert [options["ssl_check_hostname"] for options in told] == [False, True]


def test_idle_sockets_are_kept_alive_and_looked_after() -> None:
    options = open_wire("redis://host").connection_pool.connection_kwargs
    assert (options["socket_keepalive"], options["health_check_interval"]) == (True, 30)


def test_a_server_that_comes_late_is_waited_for(redis_url: str) -> None:
    answers = iter([redis.ConnectionError("refused"), redis.BusyLoadingError("loading"), None])
    told: list[str] = []

    class Late:
        def ping(self) -> None:
            answer = next(answers)
            if answer is not None:
                raise answer

    wait_for_wire(
        Late(),  # type: ignore[arg-type]
        patience=timedelta(seconds=30),
        tell=told.append,
        sleep=lambda _: None,
    )
    assert [sentence.split(";")[0] for sentence in told] == [
        "Redis does not answer yet: refused",
        "Redis does not answer yet: loading",
    ]


def test_a_server_that_does_not_come_is_named() -> None:
    with pytest.raises(WireUnavailable, match="Check REDIS_URL"):
        wait_for_wire(
            redis.Redis(port=1), patience=timedelta(milliseconds=1), tell=lambda _: None, sleep=lambda _: None
        )


def test_a_wrong_password_is_not_waited_for(redis_url: str) -> None:
    place = urlsplit(redis_url)
    wrong = open_wire(f"redis://:wrong@{place.hostname}:{place.port}/0")
    with pytest.raises(WireUnavailable, match="password"), wrong:
        wait_for_wire(wrong, patience=timedelta(seconds=30), tell=lambda _: None)


def test_what_the_server_says_of_itself(redis_url: str) -> None:
    with open_wire(redis_url) as client:
        state = wire_state(client)
    assert state.policy == "noeviction"
    assert state.used_bytes > 0
    assert state.warnings() == ()


@pytest.mark.parametrize(
    ("policy", "used", "limit", "warnings"),
    [
        ("noeviction", 59, 100, 0),
        ("noeviction", 60, 100, 1),
        ("noeviction", 60, 0, 0),
        ("allkeys-lru", 0, 100, 1),
        ("volatile-ttl", 99, 100, 2),
    ],
)
def test_what_endangers_the_queue_is_said(policy: str, used: int, limit: int, warnings: int) -> None:
    state = WireState(version="7", policy=policy, used_bytes=used, limit_bytes=limit, is_persistent=False)
    assert len(state.warnings()) == warnings
