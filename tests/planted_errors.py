"""Plants one error at a time in what reads an exchange's messages, and looks whether the project's tests find it.

    python -m tests.planted_errors [EXCHANGE ...]

Read are trades, balances, what a key may do, prices, movements, names of coins; `tests/planted_kinds.py` says which
errors there are. All happens in a copy of the tree, where real messages are not at hand: they are no part of the
project, so they do not count. The exchange's tests are collected once; each error lives in a fork, in which the code
of the loaded functions is exchanged and those tests run that came through its lines. Prints each survivor and a line
for each exchange; exit code 1 if any survived.
"""

import ast
import gc
import mmap
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

from shared.exchanges import load
from tests.planted_kinds import Error, errors, fields_of, samples_of

ROOT = Path(__file__).parents[1]
MODULES = Path("shared", "exchanges")
TESTS = Path("tests", "exchanges")
READERS = re.compile(r"\b(Trade|Balance|KeyReport|Ticker|Movement)\(")
NAMERS = {"coins", "names", "messages", "push", "fills"}
# Numbers outside of the functions of these are a socket's limits, and no reading.
MANNERS, NUMBER = {"prices", "tickers"}, re.compile(r"[\d_]+ is [\d_]+")
LONGEST_CPU_S = 60

# Errors that change nothing anybody could see: the place (file: function: error), and why.
EQUIVALENT = {
    "htx/account.py: _key: NO for Verdict.YES": "`check_key` says by itself that the key can read",
    "htx/account.py: _report: NO for Verdict.YES": "`check_key` says by itself that the key can read",
    "bybit/rows.py: _usual_currency: 0 is 1": "neither is below zero",
    "coinbaseexchange/rows.py: read_stream: LINEAR for Product.SPOT": "`feed_of` takes no notice of the product",
    "gate/account.py: _fits: '*' is unknown": "an underscore, which no key ends with, is stripped as well",
    "gate/account.py: _fits: '.' is unknown": "an underscore, which no key ends with, is stripped as well",
}

NOTHING = Error("", range(0), "nothing", ast.Pass(), "", None)


def readers(exchange: str) -> list[Path]:
    """The files of a module in which messages are read."""
    files = sorted((ROOT / MODULES / exchange).glob("*.py"))
    return [file for file in files if READERS.search(file.read_text()) or file.stem in NAMERS]


class Judge:
    """A pytest plugin that runs nothing but itself: which errors do the collected tests find?"""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self.planted = self.equivalent = 0
        self.survivors: list[str] = []
        self._through: dict[tuple[str, int], dict[pytest.Item, float]] = defaultdict(dict)
        self._finders: Counter[pytest.Item] = Counter()
        self._took: dict[pytest.Item, float] = {}
        self._item: pytest.Item | None = None
        self._on_import: set[tuple[str, int]] = set()
        self._folder = str(ROOT / MODULES / exchange) + os.sep

    def pytest_configure(self) -> None:
        """Examples of hypothesis are few, always the same, and never made smaller."""
        import hypothesis  # not before pytest, which wants to load it itself

        hypothesis.settings.register_profile(
            "few", max_examples=20, database=None, derandomize=True, deadline=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        hypothesis.settings.load_profile("few")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Of the tests of all exchanges only this one's."""
        own = re.compile(rf"test_{self.exchange}_|\[{self.exchange}[\]-]")
        items[:] = [item for item in items if own.search(item.nodeid)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Each test once, to see which lines it comes through; then each error."""
        for item in session.items:
            self._item, began = item, time.process_time()
            if not _passes(item):
                raise SystemExit(f"{item.nodeid} fails without any error planted")
            self._took[item] = time.process_time() - began
        sys.settrace(None)
        _say(f"  {len(session.items)} tests in {sum(self._took.values()):.1f} s")
        for at in self._through:
            self._through[at] = {item: self._took[item] for item in self._through[at]}
        for file in readers(self.exchange):
            _functions(str(file))
        gc.freeze()
        gc.disable()
        for file in readers(self.exchange):
            self._judge(file)
        return True

    def trace(self, frame: FrameType, event: str, _argument: Any) -> Any:
        """Notes which lines of the module are come through by which test, or while it is loaded."""
        file = frame.f_code.co_filename
        if not file.startswith(self._folder):
            return None
        if self._item is None:
            self._on_import.add((file, frame.f_lineno))
        else:
            self._through[file, frame.f_lineno][self._item] = 0.0
        return self.trace

    def _judge(self, file: Path) -> None:
        began, before = time.time(), self.planted
        tree = ast.parse(file.read_text())
        fields = fields_of(samples_of(ROOT / TESTS / "samples" / f"{self.exchange}.json"), _sources(self.exchange))
        if self._is_found(file, tree, NOTHING):
            raise SystemExit(f"{file.name}: tests fail in a fork without any error planted")
        for error in errors(tree, fields):
            if file.stem in MANNERS and not error.function and NUMBER.fullmatch(error.what):
                continue
            self.planted += 1
            name = f"{file.relative_to(ROOT / MODULES)}: {error.function}: {error.what}"
            if name in EQUIVALENT:
                self.equivalent += 1
                continue
            kept = getattr(error.node, error.attribute)
            setattr(error.node, error.attribute, error.value)
            ast.fix_missing_locations(tree)
            found = self._is_found(file, tree, error)
            setattr(error.node, error.attribute, kept)
            if not found:
                self.survivors.append(name)
                _say(f"  survived: {name} (line {error.lines[0]})")
        _say(f"  {file.name}: {self.planted - before} planted in {time.time() - began:.0f} s")

    def _is_found(self, file: Path, tree: ast.Module, error: Error) -> bool:
        through: dict[pytest.Item, float] = {}
        for line in error.lines:
            through |= self._through.get((str(file), line), {})
        is_of_import = not error.function or any((str(file), line) in self._on_import for line in error.lines)
        if is_of_import:
            through = self._took
        items = sorted(through, key=lambda item: (-self._finders[item], through[item]))
        found = _finder(file, tree, items, is_of_import=is_of_import)
        if found is None:
            return False
        if error is NOTHING:
            _say(f"  {items[found].nodeid if found < len(items) else file.name} fails")
        elif found < len(items):
            self._finders[items[found]] += 1
        return True


def _passes(item: Any) -> bool:
    """Runs a test without any report: only whether it fails is wanted, and that quickly."""
    if not item._request:
        item._initrequest()
    try:
        item.ihook.pytest_runtest_setup(item=item)
        item.ihook.pytest_runtest_call(item=item)
    except pytest.skip.Exception:
        return True
    except Exception:  # noqa: BLE001 — whatever it is, it was noticed
        return False
    finally:
        item.session._setupstate.teardown_exact(None)
        item._request = None
        item.funcargs = None
    return True


def _finder(file: Path, tree: ast.Module, items: list[pytest.Item], *, is_of_import: bool) -> int | None:
    """The place of the first test that fails, in a fork; beyond them all: the code cannot be loaded, or never ends."""
    shared = mmap.mmap(-1, 8)
    shared[:] = len(items).to_bytes(8)
    child = os.fork()
    if child:
        is_found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        return int.from_bytes(shared[:]) if is_found else None
    try:
        most = int(time.process_time()) + LONGEST_CPU_S
        resource.setrlimit(resource.RLIMIT_CPU, (most, most))
        code = compile(tree, str(file), "exec")
        _exchange_code(file, code)
        if is_of_import:
            _exchange_values(file, code)
        failing = next((place for place, item in enumerate(items) if not _passes(item)), None)
        if failing is not None:
            shared[:] = failing.to_bytes(8)
        os._exit(failing is not None)
    except BaseException:  # noqa: BLE001 — whatever it is, it was noticed
        os._exit(1)


# ── An error comes into loaded code ───────────────────────────────────────────────────────────────────


def _exchange_code(file: Path, code: CodeType) -> None:
    """All functions of a file go on with other code."""
    changed = {(one.co_qualname, one.co_firstlineno, one.co_freevars): one for one in _all_code(code)}
    for function in _functions(str(file)):
        old = function.__code__
        function.__code__ = changed[old.co_qualname, old.co_firstlineno, old.co_freevars]


@cache
def _functions(file: str) -> list[FunctionType]:
    """All functions of a file that there are, those within functions too."""
    everything = gc.get_objects()
    return [one for one in everything if isinstance(one, FunctionType) and one.__code__.co_filename == file]


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _all_code(inner)


def _exchange_values(file: Path, code: CodeType) -> None:
    """What stands outside of functions is made anew, here and wherever it was imported to."""
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    module, anew = sys.modules[name], ModuleType(name)
    anew.__package__, anew.__file__ = module.__package__, str(file)
    exec(code, anew.__dict__)
    for key, value in vars(anew).items():
        old = vars(module).get(key)
        if key.startswith("__") or isinstance(value, FunctionType) or old == value:
            continue
        if isinstance(value, type) and value.__module__ == name:
            continue
        if isinstance(old, dict):
            old.clear()
            old.update(value)
        for user in list(sys.modules.values()):
            if getattr(user, "__name__", "").startswith(("shared.exchanges.", "tests.exchanges.")):
                for own, held in list(vars(user).items()):
                    if held is old and not isinstance(old, dict):
                        setattr(user, own, value)
    package = name.split(".")[2]
    anew = ModuleType(f"shared.exchanges.{package}")
    anew.__package__ = anew.__name__
    exec((ROOT / MODULES / package / "__init__.py").read_text(), anew.__dict__)
    for field in anew.EXCHANGE.__dataclass_fields__:
        object.__setattr__(load(package), field, getattr(anew.EXCHANGE, field))


# ── One exchange, all exchanges ───────────────────────────────────────────────────────────────────────


def _sources(exchange: str) -> list[Path]:
    return sorted((ROOT / TESTS).glob(f"test_{exchange}_*.py"))


def _pytest_words(exchange: str) -> list[str]:
    """What pytest is asked: the exchange's tests that need no server, and what is promised of every exchange."""
    tests = [str(test) for test in _sources(exchange) if "simulated" not in test.stem]
    promised = [str(ROOT / TESTS / "test_conformance.py"), str(ROOT / TESTS / "test_coin_names.py")]
    return [*tests, *promised, "-q", "-s", "--assert=plain", "-p",
            "no:cacheprovider", "-p", "no:randomly", "-o", "timeout=0"]  # fmt: skip


def judge(exchange: str) -> int:
    """Plant every error of one exchange in this tree, a copy."""
    one = Judge(exchange)
    sys.settrace(one.trace)
    status = pytest.main(_pytest_words(exchange), plugins=[one])
    if status != pytest.ExitCode.OK:
        return 2
    _say(f"{exchange}: {one.planted} planted, {one.equivalent} of them change nothing, {len(one.survivors)} survived")
    return 1 if one.survivors else 0


def _say(line: str) -> None:
    sys.__stdout__.write(f"{line}\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def main(wanted: list[str]) -> int:
    """Judge these exchanges, or all, each in a copy of the tree."""
    if wanted[:1] == ["--here"]:
        return judge(wanted[1])
    folders = (entry.name for entry in (ROOT / MODULES).iterdir() if entry.is_dir() and not entry.name.startswith("_"))
    worst = 0
    for exchange in wanted or sorted(set(folders) - {"kit"}):
        with tempfile.TemporaryDirectory() as folder:
            copied = Path(folder, "project")
            for name in ("shared", "tests", "simulator"):
                shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", copied)
            words = [sys.executable, "-m", "tests.planted_errors", "--here", exchange]
            done = subprocess.run(words, cwd=copied, check=False, env={**os.environ, "PYTHONPATH": str(copied)})
            worst = max(worst, done.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
