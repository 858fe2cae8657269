"""How far each exchange's clock is from ours: the median of several probes, asked again now and then."""

import statistics
import threading
from collections.abc import Callable

from msgspec import Struct

PROBES = 5
KEEP_MS = 600_000


class Offset(Struct, frozen=True):
    """`ms` to add to our time to get theirs; `spread_ms` between the probes; when it was measured (our time)."""

    ms: int
    spread_ms: int
    measured_ms: int


class Clocks:
    """One offset per exchange, measured when it is first needed and every ten minutes."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now = now_ms
        self._door = threading.Lock()
        self._measuring: dict[str, threading.Lock] = {}
        self._offsets: dict[str, Offset] = {}

    def get(self, exchange: str, probe: Callable[[], int], *, is_stale: bool = False) -> Offset:
        """The offset; `probe` asks the exchange for its time once. Raises what the probe raises."""
        known = self._offsets.get(exchange)
        if known and not is_stale and self._now() - known.measured_ms < KEEP_MS:
            return known
        with self._door:
            lock = self._measuring.setdefault(exchange, threading.Lock())
        with lock:
            again = self._offsets.get(exchange)
            if again is not None and again is not known:
                return again  # somebody measured while we waited
            self._offsets[exchange] = measured = self._measure(probe)
            return measured

    def known(self, exchange: str) -> int:
        """The last measured offset, 0 before the first."""
        offset = self._offsets.get(exchange)
        return offset.ms if offset else 0

    def _measure(self, probe: Callable[[], int]) -> Offset:
        found = []
        for _ in range(PROBES):
            sent = self._now()
            theirs = probe()
            found.append(theirs - (sent + self._now()) // 2)
        return Offset(round(statistics.median(found)), max(found) - min(found), self._now())
