"""Which jobs run beside each other in this process. One that may end its worker runs alone, so that it shows.

Streamed batches go on meanwhile: they are no jobs.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_SECONDS = 1.0


class Company:
    """The jobs at work here."""

    def __init__(self) -> None:
        self._door = threading.Condition()
        self._working = 0
        self._loners = 0  # one runs, or they wait until nobody else does
        self._has_loner = False

    @property
    def is_wanted_alone(self) -> bool:
        """Whether one works alone, or waits for the others to end."""
        return self._loners > 0

    @contextmanager
    def beside(self, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[bool]:
        """Work beside others. False when one wants to be alone and the patience is over: then do not."""
        with self._door:
            may = self._door.wait_for(lambda: self._loners == 0, patience_seconds)
            self._working += may
        try:
            yield may
        finally:
            with self._door:
                self._working -= may
                self._door.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work when nobody else does, however long that takes. Not to be called while working beside others."""
        with self._door:
            self._loners += 1
            self._door.wait_for(lambda: self._working == 0 and not self._has_loner)
            self._has_loner = True
        try:
            yield
        finally:
            with self._door:
                self._loners -= 1
                self._has_loner = False
                self._door.notify_all()
