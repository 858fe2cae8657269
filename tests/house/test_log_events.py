"""Log events: constant, named `area.happening`, and every one of them explained."""

import ast
import re
from functools import cache

from tests.house.source import PROCESSES, ROOT, dotted, files, tree, where

DOCUMENT = ROOT / "docs" / "log-events.md"
SPEAKS = re.compile(r"(^|\.)_?log\.(debug|info|warning|error|exception|critical)$")
HANDS_ON = re.compile(r"(^|\.)_say$")
EVENT = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")


@cache
def spoken() -> dict[str, str]:
    """Every event that is logged, and where."""
    found = {}
    for path in files("shared", *PROCESSES):
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            texts = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
            name = dotted(node.func)
            for text in texts:
                if SPEAKS.search(name) or (HANDS_ON.search(name) and EVENT.fullmatch(str(text))):
                    found[str(text)] = where(path, node.lineno)
    return found


def explained() -> list[str]:
    return re.findall(r"^\| `([^`]+)`", DOCUMENT.read_text(), re.MULTILINE)


def test_events_are_named_for_an_area_and_what_happened() -> None:
    odd = {event: place for event, place in spoken().items() if not EVENT.fullmatch(event)}
    assert {} == odd, "say area.happening, and put the rest into fields"


def test_every_event_is_explained() -> None:
    silent = {event: place for event, place in spoken().items() if event not in explained()}
    assert {} == silent, "add a line to docs/log-events.md"


def test_every_event_that_is_explained_is_logged_somewhere() -> None:
    assert [] == sorted(set(explained()) - set(spoken())), "take these lines out of docs/log-events.md"
    assert sorted(explained()) == explained(), "keep docs/log-events.md in order"
