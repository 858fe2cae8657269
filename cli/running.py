"""What runs on this desk: lets every word of the command speak to a demo or `up` without being told where it is."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path

ENVIRONMENT = "environment.json"


def state_folder(name: str) -> Path:
    """Where the state of `demo` or `up` lies: beside the source where there is one, else where we stand."""
    source = Path(__file__).parents[1]
    return (source if (source / "pyproject.toml").exists() else Path.cwd()) / ".state" / name


def is_taken(folder: Path) -> bool:
    """Whether somebody runs on this folder right now."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def running_environment() -> tuple[str, dict[str, str]] | None:
    """What runs here right now, and the settings that reach it; None when nothing does.

    A .env that names a database means another one.
    """
    with suppress(OSError):
        if any(line.strip().startswith("DATABASE_URL=") for line in Path(".env").read_text().splitlines()):
            return None
    for name in ("up", "demo"):
        folder = state_folder(name)
        with suppress(OSError, ValueError):
            environment = json.loads((folder / ENVIRONMENT).read_text())
            if is_taken(folder):
                return name, environment
    return None
