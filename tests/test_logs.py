"""Logs: one event a line, bound context, and no secret in any of them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from shared import logs
from shared.settings import Settings

SECRET = "s3cr3t-planted-in-many-places"


@pytest.fixture(params=["json", "pretty"])
def style(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield io.StringIO()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
    logs._concealed.clear()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_line_off_a_terminal(out: io.StringIO) -> None:
    logs.configure("worker", stream=out)
    logs.get_log().info("trades.recorded", new=3)
    (line,) = lines(out)
    assert {"event": "trades.recorded", "new": 3, "process": "worker", "level": "info"}.items() <= line.items()
    assert line["timestamp"].endswith("Z")


def test_what_is_bound_is_said_with_everything_inside(out: io.StringIO) -> None:
    logs.configure("worker", stream=out)
    with logs.bound(job="a job", connection="a connection"):
        logs.get_log().warning("lease.lost")
    logs.get_log().info("job.started")
    inside, outside = lines(out)
    assert ("a job", "a connection") == (inside["job"], inside["connection"])
    assert "job" not in outside


def test_less_than_the_level_is_not_said(out: io.StringIO) -> None:
    logs.configure("worker", level="warning", stream=out)
    logs.get_log().info("job.started")
    assert "" == out.getvalue()


def test_libraries_speak_the_same_way(out: io.StringIO) -> None:
    logs.configure("worker", stream=out)
    logging.getLogger("somebody.else").warning("lost %s", "it")
    (line,) = lines(out)
    assert ("lost it", "somebody.else", "worker") == (line["event"], line["logger"], line["process"])


@pytest.mark.parametrize(
    "fields",
    [
        {"api_key": SECRET},
        {"credentials": {"secret": SECRET}},
        {"settings": {"database_url": f"postgres://user:{SECRET}@host/name"}},
        {"address": f"redis://:{SECRET}@host:6379/0"},
        {"url": f"https://host/path?timestamp=1&signature={SECRET}"},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"reason": f"refused: {{'KC-API-SIGN': '{SECRET}'}}"},
        {"key": SecretStr(SECRET)},
        {"reason": f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----"},
    ],
)
def test_a_planted_secret_is_not_printed(out: io.StringIO, style: Any, fields: dict[str, Any]) -> None:
    logs.configure("worker", style=style, stream=out)
    logs.get_log().error("something.happened", **fields)
    assert "something.happened" in out.getvalue()
    assert SECRET not in out.getvalue()


def test_a_secret_in_a_traceback_is_not_printed(out: io.StringIO, style: Any) -> None:
    logs.configure("worker", style=style, stream=out)
    logs.conceal(SECRET)
    try:
        int(f"cannot reach {SECRET}")
    except ValueError:
        logs.get_log().exception("process.failed")
        logging.getLogger("library").exception("failed")
    assert "ValueError" in out.getvalue()
    assert SECRET not in out.getvalue()


def test_the_settings_own_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch, out: io.StringIO) -> None:
    monkeypatch.setattr("sys.stdout", out)
    key, password = "a-credentials-key-of-some-length", "a-long-password"
    settings = Settings(
        database_url=SecretStr(f"postgres://me:{password}@host/name"),
        redis_url=SecretStr("redis://host"),
        credentials_key=SecretStr(key),
    )
    logs.set_up(settings, process="worker")
    logs.get_log().error("something.happened", reason=f"got {key}, and {password} too")
    assert "something.happened" in out.getvalue()
    assert key not in out.getvalue()
    assert password not in out.getvalue()
