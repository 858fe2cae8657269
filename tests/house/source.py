"""What the house tests look at: our own files, by room, and their syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("shared", "workers", "scheduler", "streamer", "web", "cli", "simulator", "migrations", "benchmarks", "tests")
PROCESSES = ("web", "workers", "scheduler", "streamer", "simulator", "migrations")


def files(*folders: str, pattern: str = "*.py") -> Iterator[Path]:
    """All our files under these folders (all rooms when none is named)."""
    for folder in folders or ROOMS:
        yield from (path for path in sorted((ROOT / folder).rglob(pattern)) if "__pycache__" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def where(path: Path, line: int = 0) -> str:
    """A place that an editor can jump to."""
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def calls(path: Path) -> Iterator[tuple[str, int]]:
    """Every call in a file, by its dotted name, and its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and (name := dotted(node.func)):
            yield name, node.lineno
