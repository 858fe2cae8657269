"""Work asked for through Redis, as `docs/operations.md` tells it: the commands are taken from the document itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.system import System, running

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
SECTION = OPERATIONS.partition("## Triggering a sync")[2].partition("\n## ")[0]
HISTORY = 20


def block(language: str) -> str:
    """The section's example in this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


def commands(connection_id: UUID) -> list[list[str]]:
    """The documented Redis commands, word by word, for this connection and a new id."""
    message_id = str(uuid4())
    lines = [line.split(maxsplit=3) for line in block("text").splitlines()]
    assert [line[0] for line in lines] == ["HSET", "RPUSH"]
    documented = lines[0][2]
    example = json.loads(lines[0][3])["kwargs"]["connection_id"]
    return [
        [word.replace(documented, message_id).replace(example, str(connection_id)) for word in line] for line in lines
    ]


@pytest.fixture(scope="module")
def system(
    module_database_url: str, module_redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """A worker and nothing else: no scheduler decides what is due, no streamer hears anything."""
    folder = tmp_path_factory.mktemp("triggering")
    with (
        SimulatorProcess("--no-limits") as simulator,
        running(simulator, module_database_url, module_redis_url, folder, "worker") as started,
    ):
        yield started


@pytest.fixture
def connection_id(system: System) -> UUID:
    """A connection with a past that nobody has read."""
    return system.connect(system.simulator.account("kucoin", products=["linear"], history=HISTORY), "linear")


def is_read(system: System, connection_id: UUID) -> bool:
    """Whether all its past is stored and proven."""
    stored = system.one("SELECT count(*) FROM trades WHERE connection_id = %s", connection_id)
    done = "SELECT count(*) FROM jobs WHERE connection_id = %s AND request = 'sync_history' AND state = 'done'"
    return bool(stored == HISTORY and system.one(done, connection_id))


def test_two_redis_commands_have_a_history_read_while_no_scheduler_runs(system: System, connection_id: UUID) -> None:
    assert system.one("SELECT count(*) FROM jobs WHERE connection_id = %s", connection_id) == 0
    with redis.Redis.from_url(system.redis_url) as any_client:
        for command in commands(connection_id):
            any_client.execute_command(*command)
        until(lambda: is_read(system, connection_id))
        until(lambda: not any_client.hlen("dramatiq:history.msgs"), what="no message is left")
    assert system.one("SELECT sync_type FROM trade_sync_sessions WHERE connection_id = %s", connection_id) == "manual"
    assert system.has_all_trades()


def test_the_documented_lines_of_python_do_the_same(system: System, connection_id: UUID) -> None:
    written = block("python").replace("redis://…", system.redis_url).replace('UUID("…")', f'UUID("{connection_id}")')
    exec(compile(written, "docs/operations.md", "exec"), {})
    until(lambda: is_read(system, connection_id))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("{no json", "cannot be read"),
        (None, "without a body"),
        ('{"actor_name":"sell_all","kwargs":{}}', "'sell_all' is unknown"),
        ('{"actor_name":"sync_history","kwargs":{"connection_id":"mine"}}', "cannot be read"),
        ('{"actor_name":"sync_history","kwargs":{"connection_id":"%s","since_ms":2,"until_ms":1}}', "wrong way round"),
        ('{"actor_name":"catch_up","kwargs":{"connection_id":"%s","since":0}}', "no argument 'since'"),
    ],
)
def test_a_message_that_makes_no_sense_is_kept_with_its_reason_and_the_worker_goes_on(
    system: System, connection_id: UUID, body: str | None, reason: str
) -> None:
    with redis.Redis.from_url(system.redis_url) as any_client:
        message_id = str(uuid4())
        if body is not None:
            any_client.hset("dramatiq:history.msgs", message_id, body.replace("%s", str(connection_id)))
        any_client.rpush("dramatiq:history", message_id)
        found: list[tuple[Any, ...]] = until(lambda: of_the_queue(system, reason))
        assert len(found) == 1
        for command in commands(connection_id):
            any_client.execute_command(*command)
        until(lambda: is_read(system, connection_id))
        until(lambda: not any_client.hlen("dramatiq:history.msgs"), what="no message is left")
    system.rows("DELETE FROM quarantine RETURNING id")


def of_the_queue(system: System, reason: str) -> list[tuple[Any, ...]]:
    return [item for item in system.quarantined() if item[0] == "queue" and reason in item[1]]
