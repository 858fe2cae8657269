"""Files: named for what they are for, saying why they exist, of a size that can be read."""

import ast
import re

from tests.house.source import ROOT, files, tree, where

FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "managers", "misc", "lib"}
LONGEST = 520
ALTERNATIVES = re.compile(
    r"^\s*#\s?(?:-{3,}|={3,}|#{3,})|^\s*# (?:\w+ = |return |if .*:$|for .*:$|import |from \w+ import )"
)


def test_no_file_is_a_drawer_for_anything() -> None:
    drawers = [where(path) for path in files() if FORBIDDEN & {path.stem, path.parent.name}]
    assert [] == drawers, "name these for what they hold; a name like utils says nothing"


def test_every_module_says_why_it_exists() -> None:
    silent = [where(path) for path in files() if not ast.get_docstring(tree(path))]
    assert [] == silent, "begin these with one sentence that says what they are for"


def test_no_file_of_ours_has_grown_out_of_hand() -> None:
    long = [
        where(path) for path in files() if len(path.read_text().splitlines()) > LONGEST and "tests" not in path.parts
    ]
    assert [] == long, f"split these by subject: they pass {LONGEST} lines"


def test_no_code_is_left_in_comments() -> None:
    left = [
        where(path, number)
        for path in files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ALTERNATIVES.match(line)
    ]
    assert [] == left, "remove code that is commented out, and banners; git remembers"


def test_every_folder_of_code_is_a_package() -> None:
    bare = {where(path.parent) for path in files() if not (path.parent / "__init__.py").exists()}
    loaded_by_path = {"migrations/versions"}
    assert set() == {folder for folder in bare - loaded_by_path if not folder.startswith("tests")}, (
        "add an __init__.py that says what the room is for"
    )


def test_the_map_in_the_architecture_is_the_tree_on_disk() -> None:
    drawn = (ROOT / "ARCHITECTURE.md").read_text().partition("```text")[2].partition("```")[0]
    named = {line.split()[0].rstrip("/") for line in drawn.splitlines() if re.match(r"^( {2})?[a-z]", line)}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"docs"}
    shelves = {path.parent.name for path in ROOT.glob("shared/*/__init__.py")} | {"settings.py", "logs.py"}
    assert rooms | shelves == named, "draw the map in ARCHITECTURE.md anew"
