"""A Valkey (or Redis) of our own. Its settings go in over standard input: a password is in no process list."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis

from cli.embedded.children import free_port, start_child, stop_child
from cli.embedded.errors import ServersUnavailable
from cli.embedded.folder import kept_secret
from cli.embedded.programs import ValkeyProgram, find_valkey

READY_WITHIN = 15.0
_CROWD = "tradesync:crowd"


class ValkeyServer:
    """One server in one folder. `durable=False` is for tests: nothing is kept."""

    def __init__(
        self, folder: Path, *, durable: bool = True, memory: str = "0", program: ValkeyProgram | None = None
    ) -> None:
        self.program = program or find_valkey()
        self.name = f"{self.program.name.capitalize()} {self.program.version}"
        self.folder = folder
        self.port = 0
        self._durable = durable
        self._memory = memory
        self._password = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, password included: never print it."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def _data(self) -> Path:
        return self.folder / f"{self.program.name}-{self.program.version.partition('.')[0]}"

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.folder / "valkey.log"

    def start(self) -> str:
        """Start, wait until it answers, and give its address. A restart keeps the data and takes a new port."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._password = kept_secret(self.folder / "valkey.password")
        for _attempt in range(3):
            self.port = free_port()
            if self._launch():
                return self.url
        raise ServersUnavailable(f"{self.name} does not start. Its log: {self.log}")

    def revive(self) -> bool:
        """Start again at the same address after it died; false when it does not come up."""
        return self._launch()

    # What may happen to a server, for those who want to see what becomes of the system then: `OSError` if it cannot.

    def flush(self) -> None:
        """Forget everything."""
        self._tell("FLUSHALL")

    def fill(self) -> None:
        """There is no room for anything from now on."""
        self._tell("CONFIG", "SET", "maxmemory", "1")

    def limit(self, size: int) -> None:
        """There is room for so many bytes from now on."""
        self._tell("CONFIG", "SET", "maxmemory", str(size))

    def crowd(self) -> None:
        """Fill all the room there is with what nobody needs. Without a limit it would never end: `ValueError`."""
        for size in (20_000, 100, 100):  # what carried the larger ones is given back when its connection ends
            with redis.Redis.from_url(self.url, socket_timeout=3) as client:
                if not int(client.config_get("maxmemory")["maxmemory"]):
                    raise ValueError("there is no limit of memory to be reached")
                with suppress(redis.OutOfMemoryError):
                    while True:
                        client.rpush(_CROWD, b"\0" * size)

    def empty(self) -> None:
        """There is as much room as when it was started."""
        self._tell("CONFIG", "SET", "maxmemory", self._memory)
        self._tell("DEL", _CROWD)

    def pause(self, seconds: float) -> None:
        """Answer nobody for so long; by itself it goes on, since it would not hear a word to."""
        self._tell("CLIENT", "PAUSE", str(int(seconds * 1000)))

    def _tell(self, *words: str) -> None:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=3) as client:
                client.execute_command(*words)
        except redis.RedisError as error:
            raise OSError(f"{self.name} does not do {words[0]}") from error

    def stop(self) -> None:
        """Stop without losing anything."""
        if self.process is not None:
            stop_child(self.process, [(signal.SIGTERM, 10.0)])
            self.process = None

    def _launch(self) -> bool:
        settings = "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self.port}",
                f"requirepass {self._password}",
                f'dir "{self._data}"',
                'save ""',
                f"appendonly {'yes' if self._durable else 'no'}",
                f"maxmemory {self._memory}",
                "maxmemory-policy noeviction",
                "daemonize no",
                "",
            ]
        )
        with self.log.open("ab") as log:
            self.process = start_child(
                [self.program.path, "-"], stop_signal=signal.SIGTERM, output=log, stdin=subprocess.PIPE
            )
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(settings.encode())
        until = time.monotonic() + READY_WITHIN
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            while self.process.poll() is None and time.monotonic() < until:
                try:
                    client.ping()
                except (redis.exceptions.BusyLoadingError, redis.exceptions.ConnectionError):
                    time.sleep(0.01)
                else:
                    return True
        self.stop()
        return False
