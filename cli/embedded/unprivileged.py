"""Postgres refuses to run as root. When we are root, this finds it somebody to be.

1. A user namespace: inside it user 65534 stands for the root outside. Nothing is copied, the files stay root's.
2. Where the kernel or a container forbids that: drop to `nobody`, with the data in the system's folder for temporary
   files that outlive a restart (root's above, nobody's below), and a copy of the programs if nobody cannot reach them.

The mode of a folder that exists is never changed.
"""

import ctypes
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.children import ON_LINUX, start_child
from cli.embedded.errors import ServersUnavailable
from cli.embedded.programs import PostgresPrograms

CLONE_NEWUSER = 0x10000000
INSIDE = 65534
FORCE_NOBODY = "TRADESYNC_POSTGRES_AS_NOBODY"
TEMPORARY = Path("/var/tmp")  # noqa: S108 — a folder of root's own is made in it, and checked


@dataclass(frozen=True)
class Somebody:
    """Who Postgres runs as, where its data then live, and with which programs."""

    programs: PostgresPrograms
    data: Path
    prepare: Callable[[], None] | None = None
    user: int | None = None

    @property
    def home(self) -> Path:
        """The folder that is ours whoever runs Postgres; the password lies there, and goes when the data go."""
        return self.data.parent if self.user is None else self.data.parent.parent

    @property
    def folder(self) -> Path | None:
        """The working folder: nobody may not be able to stay in ours."""
        return None if self.user is None else Path("/")


def somebody_for(programs: PostgresPrograms, data: Path, *, force_nobody: bool | None = None) -> Somebody:
    """Choose who runs Postgres. `data` is where its folder would be for an ordinary user."""
    if os.geteuid() != 0:
        return Somebody(programs, data)
    if force_nobody is None:
        force_nobody = bool(os.environ.get(FORCE_NOBODY))
    if not force_nobody and ON_LINUX and _runs(programs.folder / "postgres", prepare=enter_namespace):
        return Somebody(programs, data, prepare=enter_namespace)
    return _nobody(programs, data)


def enter_namespace() -> None:
    """Become user 65534 of a new user namespace. Runs in the child, between fork and exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    outside_user, outside_group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE} {outside_user} 1"),
        ("gid_map", f"{INSIDE} {outside_group} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _nobody(programs: PostgresPrograms, data: Path) -> Somebody:
    try:
        user = pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise ServersUnavailable(
            "Postgres does not run as root, and there is no user 'nobody' to run it as. "
            "Start this as an ordinary user, or set DATABASE_URL."
        ) from None
    above = TEMPORARY / f"tradesync-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"
    above.mkdir(mode=0o711, exist_ok=True)
    found = above.lstat()
    if above.is_symlink() or found.st_uid != 0 or found.st_mode & 0o022:
        raise ServersUnavailable(f"{above} is not root's alone. Remove it, or set DATABASE_URL.")
    home = above / "data"
    if not home.exists():
        home.mkdir(mode=0o700)
        os.chown(home, user, user)
    if not _runs(programs.folder / "postgres", user=user):
        programs = _copy_programs(programs, above / f"programs-{programs.version}")
    return Somebody(programs, home / data.name, user=user)


def _copy_programs(programs: PostgresPrograms, to: Path) -> PostgresPrograms:
    """Copy what nobody cannot reach. The programs look for their libraries beside the package: its shape is kept."""
    installed = programs.folder.parent
    package = installed.parent
    if not to.exists():
        beside = to.with_name(f".{to.name}.{os.getpid()}")
        for part in ("bin", "lib", "share"):
            shutil.copytree(installed / part, beside / package.name / installed.name / part, symlinks=True)
        if programs.libraries is not None:
            shutil.copytree(programs.libraries, beside / programs.libraries.name)
        for each in (beside, *beside.rglob("*")):  # our own copy: a strict umask must not hide it from nobody
            if not each.is_symlink():
                each.chmod(0o755 if each.is_dir() or each.parent.name == "bin" else 0o644)
        beside.rename(to)
    libraries = programs.libraries and to / programs.libraries.name
    return PostgresPrograms(to / package.name / installed.name / "bin", programs.version, libraries)


def _runs(program: Path, *, prepare: Callable[[], None] | None = None, user: int | None = None) -> bool:
    """Try the whole preparation on a trivial call."""
    try:
        child = start_child(
            [program, "--version"],
            stop_signal=signal.SIGKILL,
            output=subprocess.DEVNULL,
            folder=Path("/"),
            prepare=prepare,
            user=user,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return child.wait(10) == 0
