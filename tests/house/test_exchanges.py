"""An exchange is one module: nothing outside its own places knows its name."""

import pkgutil
import re
from pathlib import Path

import shared.exchanges
from tests.house.source import ROOT, files, where

NAMES = {module.name for module in pkgutil.iter_modules(shared.exchanges.__path__)} - {"kit"}
WORDS = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(sorted(NAMES))})(?![a-z0-9])", re.IGNORECASE)
PROCESS_ROOMS = ("shared", "workers", "scheduler", "streamer", "web", "cli", "simulator", "migrations")


def own_places(path: Path) -> set[str]:
    """The exchanges whose module, dialect or assets this file belongs to; one's name may hold another's."""
    parts = path.relative_to(ROOT).parts
    if parts[:2] == ("shared", "exchanges") or parts[0] == "simulator":
        place = parts[2] if parts[0] == "shared" else parts[1]
        return {name for name in NAMES if place.startswith(name)}
    return set()


def test_no_exchange_is_named_outside_its_own_places() -> None:
    told = [
        f"{where(path, number)} {found[0]}"
        for path in files(*PROCESS_ROOMS)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for found in WORDS.finditer(line)
        if found[0].lower() not in own_places(path)
    ]
    assert [] == told, "move what is true of one exchange into its module, and say it in general here"


def test_no_template_or_statement_names_an_exchange() -> None:
    told = [
        f"{where(path)} {found[0]}"
        for pattern in ("*.html", "*.js", "*.sql", "*.css")
        for path in files("web", "migrations", "shared", pattern=pattern)
        for found in WORDS.finditer(path.read_text())
    ]
    assert [] == told, "an exchange's name is data, never part of a page or a statement"


def test_every_exchange_has_samples_with_source_and_date() -> None:
    for name in sorted(NAMES):
        samples = list((ROOT / "tests" / "exchanges" / "samples").glob(f"{name}*"))
        assert samples, f"{name}: write samples from the documented field names into tests/exchanges/samples"
        for sample in samples:
            text = "".join(file.read_text() for file in ([sample] if sample.is_file() else sample.rglob("*.*")))
            assert re.search(r"20\d\d-\d\d", text), f"{where(sample)}: say when its source was read"
