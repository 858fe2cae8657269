"""How long to wait before the next try: growing, with full jitter, and without an end."""

import random
from collections.abc import Callable

Uniform = Callable[[float, float], float]


class Backoff:
    """Pauses in seconds. Somewhere between nothing and a ceiling that doubles, so that a herd is spread out.

    pause = backoff.next()      # after a failure
    backoff.reset()             # after a success that lasted
    """

    __slots__ = ("_failures", "_first", "_longest", "_uniform")

    def __init__(self, *, first: float = 1.0, longest: float = 60.0, uniform: Uniform = random.uniform) -> None:
        self._first, self._longest, self._uniform = first, longest, uniform
        self._failures = 0

    def next(self, *, at_least: float = 0.0) -> float:
        """The next pause; with `at_least`, that long and some jitter on top."""
        ceiling = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return at_least + self._uniform(0.0, ceiling)

    def reset(self) -> None:
        """Begin anew."""
        self._failures = 0
