"""Plants one error at a time in an exchange's row readers and looks whether the tests find it.

    python -m tests.planted_errors [EXCHANGE ...]

Kinds of errors: a wrong field, side, role, kind, sign, unit, a part of an identity left out, an arithmetic step left
out. Each mutant is first held against the samples (own and real ones), in this process; those that no sample finds
are tried by the exchange's own tests. Prints what survived, and a line for each exchange; exit code 1 if any did.
Nothing is written into the tree: a mutant lives in a copy.
"""

import ast
import copy
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = Path("shared") / "exchanges"
FIELD_READERS = {
    "text", "optional_text", "decimal", "optional_decimal", "positive", "whole", "millis", "nanos", "choice", "truth",
    "side", "moment",
}  # fmt: skip
OPPOSITES = {"BUY": "SELL", "SELL": "BUY", "TAKER": "MAKER", "MAKER": "TAKER"}
KINDS = {"TRADE": "ADL", "LIQUIDATION": "TRADE", "ADL": "TRADE", "SETTLEMENT": "TRADE", "DELIVERY": "TRADE",
         "BLOCK": "TRADE", "CONVERSION": "TRADE", "ADJUSTMENT": "TRADE"}  # fmt: skip
UNITS = {"millis": "nanos", "nanos": "millis"}
ARITHMETIC = {"exact_product", "product", "quotient", "total", "exact_total", "identity"}


@dataclass(frozen=True)
class Mutant:
    """A file with one error in it."""

    file: Path
    line: int
    what: str
    source: str


def row_readers(exchange: str) -> list[Path]:
    """The files of a module in which trades are made of rows."""
    folder = ROOT / MODULES / exchange
    files = sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return [file for file in files if " Trade(" in file.read_text()]


def mutants(file: Path) -> Iterator[Mutant]:
    """Every error that can be planted in a file, one at a time."""
    tree = ast.parse(file.read_text())
    count = sum(1 for _ in _places(tree))
    for place in range(count):
        changed = copy.deepcopy(tree)
        node, what, plant = next(each for number, each in enumerate(_places(changed)) if number == place)
        plant()
        yield Mutant(file, node.lineno, what, ast.unparse(changed))


def _places(tree: ast.AST):
    """Where an error can be planted: the node, what it is, and a function that plants it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield from _in_call(node, node.func.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from _in_attribute(node, node.value.id)
        elif (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.USub)
            and not isinstance(node.operand, ast.Constant)
        ):
            yield node, "a sign is lost", lambda node=node: setattr(node, "op", ast.UAdd())


def _in_call(node: ast.Call, name: str):
    if name in FIELD_READERS and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
        field = node.args[1]
        yield node, f"{name} of another field than {field.value!r}", lambda: setattr(field, "value", f"{field.value}_")
    if name in UNITS:
        yield node, f"{UNITS[name]} instead of {name}", lambda: setattr(node.func, "id", UNITS[name])
    if name in ARITHMETIC and len(node.args) >= 2:
        for place in range(len(node.args)):
            if not isinstance(node.args[place], ast.Starred):
                what = f"part {place + 1} of {name} is left out"
                if name == "quotient":
                    yield node, f"{name} the wrong way round", node.args.reverse
                    break
                yield node, what, lambda place=place: node.args.pop(place)


def _in_attribute(node: ast.Attribute, owner: str):
    if owner in {"Side", "TakerOrMaker"} and node.attr in OPPOSITES:
        yield node, f"{owner}.{node.attr} is its opposite", lambda: setattr(node, "attr", OPPOSITES[node.attr])
    if owner == "Kind" and node.attr in KINDS:
        yield node, f"Kind.{node.attr} is another", lambda: setattr(node, "attr", KINDS[node.attr])


# ── Judging ───────────────────────────────────────────────────────────────────────────────────────────


def is_found_by_samples(exchange: str, mutant: Mutant) -> bool:
    """Whether any sample is read otherwise than expected when this error is in the module."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    try:
        _plant_in_memory(mutant)
        os._exit(0 if _samples_agree(exchange) else 1)
    except BaseException:  # noqa: BLE001 — whatever it is, it was noticed
        os._exit(1)


def _plant_in_memory(mutant: Mutant) -> None:
    """Every module of the exchange is loaded anew, this one with its error."""
    name = ".".join(mutant.file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    finder = _Planted(name, mutant)
    sys.meta_path.insert(0, finder)


class _Planted(importlib.machinery.PathFinder):
    """Loads one module from a changed source."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self._name, self._mutant = name, mutant

    def find_spec(self, fullname, path=None, target=None):  # type: ignore[no-untyped-def, override]
        if fullname != self._name:
            return None
        loader = importlib.machinery.SourceFileLoader(fullname, str(self._mutant.file))
        source = self._mutant.source
        loader.get_code = lambda _name: compile(source, str(self._mutant.file), "exec")  # type: ignore[method-assign]
        return importlib.util.spec_from_loader(fullname, loader, origin=str(self._mutant.file))


def _samples_agree(exchange: str) -> bool:
    from tests.exchanges import messages, test_conformance

    for name, sample in messages.own_samples():
        if name == exchange:
            test_conformance.test_a_sample_is_read_as_expected((name, sample))
    for name, sample in messages.real_messages():
        if name == exchange:
            test_conformance.test_a_real_message_is_read_as_expected((name, sample))
    test_conformance.test_stream_and_rest_give_one_trade_one_identity(exchange)
    return True


def is_found_by_tests(exchange: str, mutant: Mutant) -> bool:
    """Whether the exchange's own tests fail in a copy of the tree with this error."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("shared", "tests", "simulator", "pyproject.toml"):
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, Path(folder, name), ignore=ignore) if source.is_dir() else shutil.copy(
                source, folder
            )
        Path(folder, mutant.file.relative_to(ROOT)).write_text(mutant.source)
        tests = sorted(str(file) for file in Path(folder, "tests", "exchanges").glob(f"test_{exchange}_*.py"))
        if not tests:
            return False
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *tests],
            cwd=folder, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": folder},
        )  # fmt: skip
        return done.returncode == 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(wanted: list[str]) -> int:
    """Plant every error of these exchanges, or of all."""
    known = sorted(
        entry.stem for entry in (ROOT / MODULES).iterdir() if not entry.name.startswith("_") and entry.name != "kit"
    )
    survived = 0
    for exchange in wanted or known:
        planted = by_tests = 0
        for file in row_readers(exchange):
            for mutant in mutants(file):
                planted += 1
                if is_found_by_samples(exchange, mutant):
                    continue
                if is_found_by_tests(exchange, mutant):
                    by_tests += 1
                    continue
                survived += 1
                _say(f"  survived: {mutant.file.relative_to(ROOT)}:{mutant.line} {mutant.what}")
        _say(f"{exchange}: {planted} planted, {by_tests} of them found by its tests only")
    _say(f"{survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
