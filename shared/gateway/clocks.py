"""How far each exchange's clock is from ours: the median of several probes, looked after with one every minute."""

import statistics
import threading
from collections.abc import Callable

from msgspec import Struct

from shared.domain.errors import Transient

PROBES = 5
LOOK_EVERY_MS = 60_000
KEEP_MS = 600_000
AGREES_MS = 500


class Offset(Struct, frozen=True):
    """`ms` to add to our time to get theirs; `spread_ms` between the probes; when it was measured (our time)."""

    ms: int
    spread_ms: int
    measured_ms: int


class Clocks:
    """One offset per exchange, measured when it is first needed.

    Every minute one probe looks whether it still holds; where it does not, it is measured anew. While the exchange
    cannot be asked, an offset is trusted for ten minutes.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now = now_ms
        self._door = threading.Lock()
        self._measuring: dict[str, threading.Lock] = {}
        self._offsets: dict[str, Offset] = {}
        self._looked: dict[str, int] = {}

    def get(self, exchange: str, probe: Callable[[], int], *, is_stale: bool = False) -> Offset:
        """The offset; `probe` asks the exchange for its time once. Raises what the probe raises."""
        known = self._offsets.get(exchange)
        if known and not is_stale and self._now() - self._looked[exchange] < LOOK_EVERY_MS:
            return known
        with self._door:
            lock = self._measuring.setdefault(exchange, threading.Lock())
        with lock:
            again = self._offsets.get(exchange)
            if again is not None and again is not known:
                return again  # somebody measured while we waited
            if known and not is_stale:
                self._looked[exchange] = self._now()
                measured = self._looked_after(known, probe)
            else:
                measured = self._measure([], probe)
                self._looked[exchange] = measured.measured_ms
            self._offsets[exchange] = measured
            return measured

    def known(self, exchange: str) -> int:
        """The last measured offset, 0 before the first."""
        offset = self._offsets.get(exchange)
        return offset.ms if offset else 0

    def _looked_after(self, known: Offset, probe: Callable[[], int]) -> Offset:
        """The same offset where one probe agrees with it, else a new one."""
        try:
            found = self._probed(probe)
            if abs(found - known.ms) <= AGREES_MS:
                return Offset(known.ms, known.spread_ms, self._now())
            return self._measure([found], probe)
        except Transient:
            if self._now() - known.measured_ms < KEEP_MS:
                return known
            raise

    def _measure(self, found: list[int], probe: Callable[[], int]) -> Offset:
        while len(found) < PROBES:
            found.append(self._probed(probe))
        return Offset(round(statistics.median(found)), max(found) - min(found), self._now())

    def _probed(self, probe: Callable[[], int]) -> int:
        sent = self._now()
        theirs = probe()
        return theirs - (sent + self._now()) // 2
