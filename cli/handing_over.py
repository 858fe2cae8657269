"""Users whose keys the storm replaced give the new ones to their connections, and try again until they are taken."""

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.desk import Desk, say
from cli.embedded.folder import write_private
from cli.supervisor import room

FIELDS = ("api_key", "secret", "passphrase")
AGAIN_AFTER = 3.0


@dataclass
class Wish:
    """One account's new key on its way. `said` is what `tradesync replace` said last."""

    file: Path
    process: "subprocess.Popen[str] | None" = None
    again_at: float = 0.0
    said: str = ""


@dataclass
class Handover:
    """All that are under way. `look` is called again and again; nothing here waits."""

    desk: Desk
    wishes: dict[str, Wish] = field(default_factory=dict)

    def want(self, account: dict[str, Any]) -> None:
        """This account's connection is to get the key that it has now."""
        name = account["name"]
        file = self.desk.folder.resolve() / f"new-key-of-{name}"
        write_private(file, "".join(f"{each}={account[each]}\n" for each in FIELDS if account[each]))
        self._end(name)
        self.wishes[name] = Wish(file)

    def look(self) -> None:
        """Start what is to be tried, and see what became of it."""
        for name, wish in list(self.wishes.items()):
            if wish.process is None:
                if time.monotonic() >= wish.again_at:
                    wish.process = self._start(name, wish)
            elif (code := wish.process.poll()) is not None:
                wish.said, wish.process = wish.process.communicate()[0].strip(), None
                wish.again_at = time.monotonic() + AGAIN_AFTER
                if code == 0:
                    say(f"  {name} has its new key")
                    self._end(name)

    @property
    def refused(self) -> list[str]:
        """Whose new key was not taken, and why."""
        return [f"{name}: its new key is not taken: {wish.said}" for name, wish in self.wishes.items()]

    def close(self) -> None:
        """End what is still under way."""
        for name in list(self.wishes):
            self._end(name)

    def _start(self, name: str, wish: Wish) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603 — one of our rooms
            room("cli", "replace", name, "--key-file", str(wish.file)), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=dict(self.desk.supervisor.environment), cwd=self.desk.folder,
        )  # fmt: skip

    def _end(self, name: str) -> None:
        wish = self.wishes.pop(name, None)
        if wish is not None:
            if wish.process is not None:
                wish.process.kill()
                wish.process.communicate()
            with suppress(FileNotFoundError):
                wish.file.unlink()
