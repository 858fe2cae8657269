"""Messages that an exchange numbers: which are missing, and for how long. Told the time."""

_PATIENCE_MS = 2_000
_MOST_MISSING = 100


class Numbering:
    """A number that does not come shortly after a later one did was lost, and with it what it said.

    if numbering.is_broken(now): the socket has lost something
    numbering.heard(number, now)
    """

    __slots__ = ("_last", "_missing")

    def __init__(self) -> None:
        self._last: int | None = None  # the first number heard is the beginning
        self._missing: dict[int, int] = {}

    def heard(self, number: int, now: int) -> None:
        """A message with this number came: the next one, one before it that was missing, or one told again."""
        self._missing.pop(number, None)
        if self._last is not None:
            new = range(self._last + 1, number)[: _MOST_MISSING + 1]
            self._missing |= dict.fromkeys(new, now)
        self._last = number if self._last is None else max(self._last, number)

    def is_broken(self, now: int) -> bool:
        """Whether something is missing for good."""
        return len(self._missing) > _MOST_MISSING or any(
            now - since >= _PATIENCE_MS for since in self._missing.values()
        )
