"""What comes in through the door: the clock, chance, the environment; and what never stands in a test."""

import ast
import re

import pytest

from tests.house.source import calls, dotted, files, tree, where

CLOCK_AND_CHANCE = re.compile(
    r"(^|\.)(now|utcnow|today|time|time_ns|monotonic|monotonic_ns|perf_counter|random|randint|choice|shuffle|uuid1|uuid4|"
    r"token_bytes|token_hex|token_urlsafe|urandom)$"
)
SLEEP = re.compile(r"(^|\.)sleep$")
READS_ENVIRONMENT = re.compile(r"(^|\.)getenv$")
HANDED_IN = re.compile(r"^(self|cls)\.|^(dice|clock|exchange|protocol)\.")


@pytest.mark.parametrize("room", ["shared/domain", "shared/exchanges"])
def test_time_and_chance_are_handed_in(room: str) -> None:
    taken = [
        f"{where(path, line)} {name}()"
        for path in files(room)
        for name, line in calls(path)
        if CLOCK_AND_CHANCE.search(name) and "." in name and not HANDED_IN.match(name)
    ]
    assert [] == taken, "hand the moment or the chance in, so that a test can choose it"


def test_only_the_settings_read_the_environment() -> None:
    read = [
        where(path, node.lineno)
        for path in files("shared", "workers", "scheduler", "streamer", "web", "migrations", "simulator")
        if path.name != "settings.py"
        for node in ast.walk(tree(path))
        if READS_ENVIRONMENT.search(dotted(node))
        or dotted(node) in {"os.environ.get", "os.environ.copy"}
        or (isinstance(node, ast.Subscript) and dotted(node.value) == "os.environ")
    ]
    assert [] == read, "make it a field of shared.settings.Settings and hand it in"


def test_no_test_sleeps() -> None:
    asleep = [
        where(path, line)
        for path in files("tests")
        for name, line in calls(path)
        if SLEEP.search(name) and "tests/fixtures" not in where(path)
    ]
    assert [] == asleep, "wait for what you wait for: tests.fixtures.waiting.until(condition), or an event"
