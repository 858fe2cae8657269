"""Counts requests against an exchange's limits, and remembers its bans."""

from msgspec import Struct


class Use(Struct, frozen=True):
    """How much of a window is used after a call, and when (ms) it starts anew."""

    used: float
    limit: float
    reset_ms: int

    @property
    def broken(self) -> bool:
        return self.used > self.limit

    @property
    def left(self) -> float:
        return max(0.0, self.limit - self.used)


class Windows:
    """Windows and leaking buckets of requests by any key, e.g. `("ip", "127.0.0.1")` or `("uid", "123", "spot")`."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, ...], list[float]] = {}
        self._buckets: dict[tuple[str, ...], tuple[float, int]] = {}
        self._bans: dict[tuple[str, ...], int] = {}
        self._offences: dict[tuple[str, ...], int] = {}
        self._spent: dict[tuple[str, ...], float] = {}

    def take(
        self, key: tuple[str, ...], weight: float, *, limit: float, span_ms: int, now_ms: int, aligned: bool = False
    ) -> Use:
        """Adds `weight` to the window of `key`; `aligned` windows start on the clock, others at their first call."""
        window = self._windows.get(key)
        if window is None or now_ms >= window[1] or now_ms < window[1] - span_ms:
            start = now_ms - now_ms % span_ms if aligned else now_ms
            window = self._windows[key] = [0.0, float(start + span_ms)]
        window[0] += weight
        self._spend(key, weight * span_ms / limit)
        return Use(window[0], limit, int(window[1]))

    def drip(self, key: tuple[str, ...], weight: float, *, limit: float, per_s: float, now_ms: int, most: float) -> Use:
        """Adds `weight` to the bucket of `key`, which loses `per_s` every second and never holds more than `most`."""
        level, before_ms = self._buckets.get(key, (0.0, now_ms))
        level = max(0.0, level - per_s * max(0, now_ms - before_ms) / 1000) + weight
        self._buckets[key] = (min(level, most), now_ms)
        self._spend(key, weight / per_s * 1000)
        return Use(level, limit, now_ms + int(max(0.0, level - limit) / per_s * 1000))

    def _spend(self, key: tuple[str, ...], span_ms: float) -> None:
        self._spent[key] = self._spent.get(key, 0.0) + span_ms

    def spent(self) -> dict[str, float]:
        """How many milliseconds of its allowance each key has used up since the beginning."""
        return {"/".join(key): round(span_ms, 3) for key, span_ms in self._spent.items()}

    def offend(self, key: tuple[str, ...]) -> int:
        """One more offence of `key`; how many there were, this one included."""
        self._offences[key] = self._offences.get(key, 0) + 1
        return self._offences[key]

    def forgive(self, key: tuple[str, ...]) -> None:
        self._offences.pop(key, None)

    def ban(self, key: tuple[str, ...], until_ms: int) -> None:
        self._bans[key] = until_ms

    def banned_until(self, key: tuple[str, ...], now_ms: int) -> int | None:
        """Until when (ms) `key` is banned, or None."""
        until = self._bans.get(key)
        return until if until is not None and until > now_ms else None

    def bans(self, now_ms: int) -> dict[str, int]:
        return {"/".join(key): until for key, until in self._bans.items() if until > now_ms}

    def used(self) -> dict[str, float]:
        counted = {"/".join(key): window[0] for key, window in self._windows.items()}
        return counted | {"/".join(key): round(level, 3) for key, (level, _) in self._buckets.items()}

    def clear(self) -> None:
        self._windows.clear()
        self._buckets.clear()
        self._bans.clear()
        self._offences.clear()
