"""When to read a feed of which a fill was heard without its fee, or without its trade: soon, and again.

History lags behind the socket, by how much is each exchange's own matter.
"""

from msgspec import Struct

from shared.exchanges.kit.contract import Due, Feed
from shared.exchanges.kit.rhythm import NEVER

_PAUSE_MS = 2_000  # however many fills are heard, a feed is read at most so often


class _Wish(Struct):
    moments: list[int]
    orders: set[str]
    read_at: int = -_PAUSE_MS


class Completion:
    """Feeds that wait to be read, each at its moments. Told the time."""

    __slots__ = ("_looks", "_wishes")

    def __init__(self, looks_ms: tuple[int, ...]) -> None:
        self._looks = looks_ms
        self._wishes: dict[Feed, _Wish] = {}

    def want(self, feed: Feed, now: int, order_id: str | None = None) -> None:
        """A fill of this feed was heard; of which order, where it is known."""
        wish = self._wishes.setdefault(feed, _Wish([], set()))
        if order_id is not None:
            wish.orders.add(order_id)
        soon = max(now + self._looks[0], wish.read_at + _PAUSE_MS)
        first = min(wish.moments[0], soon) if wish.moments else soon
        wish.moments = [first, *(now + look for look in self._looks[1:] if now + look > first)]

    def due(self, now: int) -> list[Due]:
        """What is to be read now. The order is named at the first look, where there is only one."""
        found = []
        for feed, wish in list(self._wishes.items()):
            if not wish.moments or wish.moments[0] > now:
                continue
            found.append(Due(feed, next(iter(wish.orders)) if len(wish.orders) == 1 else None))
            wish.orders.clear()
            wish.read_at = now
            wish.moments = [moment for moment in wish.moments if moment > now]
            if not wish.moments:
                del self._wishes[feed]
        return found

    @property
    def deadline(self) -> int:
        """When something is due."""
        return min((wish.moments[0] for wish in self._wishes.values() if wish.moments), default=NEVER)
