"""`./dev`: runs on any python3 with the standard library alone, says what is missing, and leaves nothing to git."""

import ast
import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DEV = ROOT / "dev"


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, working on a checkout of its own."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("dev_script", str(DEV))
    spec = spec_from_loader("dev_script", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    for name in ("pyproject.toml", module.DEV, module.BROWSER):
        (tmp_path / name).write_text("")
    state = tmp_path / ".dev"
    for name, value in {
        "ROOT": tmp_path,
        "STATE": state,
        "VENV": state / "venv",
        "STAMP": state / "installed.json",
    }.items():
        monkeypatch.setattr(module, name, str(value))
    return module


def say(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, DEV, *words], capture_output=True, text=True, check=False, timeout=60)


def test_it_parses_on_an_old_python_and_imports_the_standard_library_alone() -> None:
    tree = ast.parse(DEV.read_text(), feature_version=(3, 6))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert set() == imported - sys.stdlib_module_names


def test_it_can_be_called_by_its_name_and_names_no_address() -> None:
    assert os.access(DEV, os.X_OK)
    assert DEV.read_text().startswith("#!/usr/bin/env python3\n")
    assert "://" not in DEV.read_text()


def test_without_a_word_it_explains_itself() -> None:
    said = say()
    assert 0 == said.returncode
    for word in ("demo", "up", "test", "check", "bench", "lock"):
        assert f"\n  {word} " in said.stdout


def test_lock_takes_one_option_only() -> None:
    said = say("lock", "--nonsense")
    assert (1, "usage: ./dev lock [--upgrade]\n") == (said.returncode, said.stderr)


def test_what_is_installed_already_is_not_installed_again(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    python = Path(dev.VENV) / "bin" / "python"

    def must(command: list[str]) -> None:
        commands.append(command)
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch()

    monkeypatch.setattr(dev, "must", must)
    monkeypatch.setattr(dev, "find_uv", lambda: "uv")
    dev.install([dev.DEV])
    assert ["venv", "pip", "pip"] == [command[1] for command in commands]
    assert "--require-hashes" in commands[1]
    assert {"--no-deps", "--editable"} <= set(commands[2])
    dev.install([dev.DEV])
    assert 3 == len(commands)
    (Path(dev.ROOT) / dev.DEV).write_text("changed")
    monkeypatch.setattr(dev, "works", lambda _python: True)
    dev.install([dev.DEV])
    assert ["pip", "pip"] == [command[1] for command in commands[3:]]


def test_tests_bring_a_browser_that_the_demo_leaves_in_place(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    (Path(dev.VENV) / "bin").mkdir(parents=True)
    (Path(dev.VENV) / "bin" / "python").touch()
    monkeypatch.setattr(dev, "must", commands.append)
    monkeypatch.setattr(dev, "find_uv", lambda: "uv")
    monkeypatch.setattr(dev, "works", lambda _python: True)
    dev.install([dev.DEV, dev.BROWSER])
    dev.install([dev.DEV])
    (Path(dev.ROOT) / "pyproject.toml").write_text("changed")
    dev.install([dev.DEV])
    synced = [command for command in commands if command[2] == "sync"]
    assert 2 == len(synced)
    assert all(command[-1].endswith(dev.BROWSER) for command in synced)


def test_a_computer_without_any_installer_is_told_what_to_install(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_command: list[str], heard: list[str] | None = None) -> int:
        if heard is not None:
            heard.append("No module named pip")
        return 1

    monkeypatch.setattr(dev, "run", refuse)
    monkeypatch.setattr(dev, "uv_version", lambda _path: (0, 0))
    with pytest.raises(SystemExit) as ended:
        dev.find_uv()
    assert 1 == ended.value.code
    assert "uv, or pip, or the venv module" in capsys.readouterr().err


def test_an_old_uv_is_passed_over(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder, version in (("old", "0.8.9"), ("new", "0.10.1")):
        (tmp_path / folder).mkdir()
        uv = tmp_path / folder / "uv"
        uv.write_text(f"#!/bin/sh\necho uv {version}\n")
        uv.chmod(0o755)
    assert (0, 8) == dev.uv_version(str(tmp_path / "old" / "uv"))
    monkeypatch.setenv("PATH", str(tmp_path / "new"))
    assert str(tmp_path / "new" / "uv") == dev.find_uv()


def test_a_checkout_that_is_not_whole_says_so(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(dev.ROOT) / dev.DEV).unlink()
    with pytest.raises(SystemExit):
        dev.install([dev.DEV])
    assert "requirements-dev.txt is missing" in capsys.readouterr().err


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_git_never_sees_what_it_makes() -> None:
    made = [".dev/x", ".state/x", "tradesync.egg-info/x", ".mypy_cache/x", ".ruff_cache/x", ".pytest_cache/x", ".env"]
    ignored = subprocess.run(["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made == ignored.stdout.split()
