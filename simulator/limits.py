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
    """Windows of requests by any key, e.g. `("ip", "127.0.0.1")` or `("uid", "123", "spot")`."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, ...], list[float]] = {}
        self._bans: dict[tuple[str, ...], int] = {}
        self._offences: dict[tuple[str, ...], int] = {}

    def take(
        self, key: tuple[str, ...], weight: float, *, limit: float, span_ms: int, now_ms: int, aligned: bool = False
    ) -> Use:
        """Adds `weight` to the window of `key`; `aligned` windows start on the clock, others at their first call."""
        window = self._windows.get(key)
        if window is None or now_ms >= window[1] or now_ms < window[1] - span_ms:
            start = now_ms - now_ms % span_ms if aligned else now_ms
            window = self._windows[key] = [0.0, float(start + span_ms)]
        window[0] += weight
        return Use(window[0], limit, int(window[1]))

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
        return {"/".join(key): window[0] for key, window in self._windows.items()}

    def clear(self) -> None:
        self._windows.clear()
        self._bans.clear()
        self._offences.clear()
