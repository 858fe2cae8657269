"""The exchanges' time: real by default, and able to start elsewhere, run faster or be wrong."""

import time
from collections.abc import Callable


class Clock:
    """Simulated epoch milliseconds: `start_ms` (now, when left out) plus what really passed, times `speed`."""

    def __init__(
        self, *, start_ms: int | None = None, speed: float = 1.0, wall: Callable[[], float] = time.time
    ) -> None:
        self._wall = wall
        self._since = wall()
        self._start_ms = self._since * 1000 if start_ms is None else float(start_ms)
        self.speed = speed

    def now_ms(self) -> int:
        return int(self._start_ms + (self._wall() - self._since) * 1000 * self.speed)

    def real_ms(self) -> int:
        """What an honest clock on this machine says."""
        return int(self._wall() * 1000)

    def run(self, speed: float) -> None:
        """Goes on from here at another speed; time never jumps."""
        self._start_ms = float(self.now_ms())
        self._since = self._wall()
        self.speed = speed
