"""Half-open stretches of time `[since, until)` in epoch milliseconds, and sets of them.

Coverage is the set of windows of a feed that are proven complete. The arithmetic here and Postgres'
multiranges agree; a test holds them together.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from msgspec import Struct


class Window(Struct, frozen=True, order=True):
    """`[since, until)` in epoch milliseconds. Never empty, never the wrong way round."""

    since: int
    until: int

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(f"a window must end after it begins: [{self.since}, {self.until})")

    def meet(self, other: "Window") -> "Window | None":
        """What both hold, or None."""
        since, until = max(self.since, other.since), min(self.until, other.until)
        return Window(since, until) if since < until else None

    def holds(self, moment: int) -> bool:
        """Whether this moment lies inside."""
        return self.since <= moment < self.until


class Coverage:
    """A set of windows: disjoint, not touching, ascending. Values, not state: every change is a new one."""

    __slots__ = ("windows",)

    def __init__(self, windows: Iterable[Window] = ()) -> None:
        merged: list[Window] = []
        for window in sorted(windows):
            if merged and window.since <= merged[-1].until:
                if window.until > merged[-1].until:
                    merged[-1] = Window(merged[-1].since, window.until)
            else:
                merged.append(window)
        self.windows: tuple[Window, ...] = tuple(merged)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Coverage) and self.windows == other.windows

    def __hash__(self) -> int:
        return hash(self.windows)

    def __iter__(self) -> Iterator[Window]:
        return iter(self.windows)

    def __bool__(self) -> bool:
        return bool(self.windows)

    def __repr__(self) -> str:
        return f"Coverage({', '.join(f'[{w.since}, {w.until})' for w in self.windows)})"

    def add(self, window: Window) -> "Coverage":
        """With this window proven too."""
        return Coverage((*self.windows, window))

    def remove(self, window: Window) -> "Coverage":
        """Without this window: what is to be read again."""
        left: list[Window] = []
        for own in self.windows:
            if own.since < window.since:
                left.append(Window(own.since, min(own.until, window.since)))
            if own.until > window.until:
                left.append(Window(max(own.since, window.until), own.until))
        return Coverage(left)

    def gaps(self, wanted: Window) -> tuple[Window, ...]:
        """Wanted minus covered, ascending."""
        gaps: list[Window] = []
        since = wanted.since
        for own in self.windows:
            if own.until <= since:
                continue
            if own.since >= wanted.until:
                break
            if own.since > since:
                gaps.append(Window(since, own.since))
            since = own.until
        if since < wanted.until:
            gaps.append(Window(since, wanted.until))
        return tuple(gaps)

    def covers(self, wanted: Window) -> bool:
        """Whether nothing of the wanted window is missing."""
        return not self.gaps(wanted)

    @property
    def edge(self) -> int | None:
        """The newest proven moment, or None when nothing is proven."""
        return self.windows[-1].until if self.windows else None


def milliseconds(span: timedelta) -> int:
    """A span in whole milliseconds."""
    return span // timedelta(milliseconds=1)
