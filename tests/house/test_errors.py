"""Errors: each says something of its own, in a sentence and in a code."""

import importlib
import re

from shared.domain.errors import TradeSyncError
from tests.house.source import ROOT, files


def every_error() -> list[type[TradeSyncError]]:
    for path in files("shared"):
        if "TradeSyncError" in path.read_text() or "errors import" in path.read_text():
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found: list[type[TradeSyncError]] = []
    waiting: list[type[TradeSyncError]] = [TradeSyncError]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.__subclasses__()
    return [error for error in found if error.__module__.startswith("shared")]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in every_error()]
    assert sorted(set(codes)) == sorted(codes), "two errors share a code: give each its own"
    assert [] == [code for code in codes if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)]


def test_every_error_has_a_sentence_of_its_own() -> None:
    sentences = {error: (error.__doc__ or "").strip().splitlines()[:1] for error in every_error()}
    silent = [error.__name__ for error, lines in sentences.items() if not lines or not lines[0].endswith((".", "!"))]
    assert [] == silent, "its docstring's first line is what users read: one whole sentence"
    told = [lines[0] for lines in sentences.values()]
    assert sorted(set(told)) == sorted(told), "two errors say the same"


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = set(
        re.findall(
            r"^ *([A-Z][A-Za-z]+)(?:\(\w+\))?  ",
            importlib.import_module("shared.domain.errors").__doc__ or "",
            re.MULTILINE,
        )
    )
    real = {error.__name__ for error in every_error() if error.__module__ == "shared.domain.errors"}
    assert real == drawn, "draw the tree in shared/domain/errors.py anew"
