"""Spot fills in the order in which their orders ended: GET /spot/my_trades filters by that, not by a fill's own time.

A fill of an order that is still open is in no window yet; it comes up in the window of its order's end.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from simulator.dialect import Event, OrderEnded, OrderFilled
from simulator.truth import SPOT, Account, Fill, Order

FOR_EVER_MS = 1 << 60


class Ended(Struct):
    """One account's fills: those of ended orders by market ("": all), and those that wait for their order's end."""

    rows: dict[str, list[Fill]] = field(default_factory=dict)
    waiting: dict[str, list[Fill]] = field(default_factory=dict)

    def end(self, order: Order) -> None:
        """The order is over: its fills may be seen."""
        for fill in self.waiting.pop(order.id, []):
            for key in ("", order.market.id):
                insort(self.rows.setdefault(key, []), fill, key=_place)


def note(account: Account, events: Iterable[Event]) -> None:
    """Keeps what `publish` tells, for accounts that were read already."""
    known: Ended | None = account.details.get("ended")
    if known is None:
        return
    for event in events:
        if isinstance(event, OrderFilled) and event.fill.market.product == SPOT:
            known.waiting.setdefault(event.fill.order.id, []).append(event.fill)
        elif isinstance(event, OrderEnded) and event.order.market.product == SPOT:
            known.end(event.order)


def read(account: Account, now_ms: int, market_id: str, since_s: int, until_s: int) -> Iterator[Fill]:
    """What REST shows of orders that ended within these seconds, both included; newest first."""
    rows = _known(account).rows.get(market_id, [])
    start = bisect_left(rows, since_s * 1000, key=_end)
    stop = bisect_left(rows, (until_s + 1) * 1000, key=_end)
    for place in range(stop - 1, start - 1, -1):
        if rows[place].visible_ms <= now_ms:
            yield rows[place]


def fills_of(account: Account, order: Order, now_ms: int = FOR_EVER_MS) -> list[Fill]:
    """What REST shows at `now_ms` of one order, ended or not; newest first."""
    found = account.read_fills(
        now_ms,
        product=order.market.product,
        market_id=order.market.id,
        since_ms=min(order.created_ms, order.updated_ms),
        until_ms=max(order.created_ms, order.updated_ms),
        newest_first=True,
    )
    return [fill for fill in found if fill.order is order]


def _known(account: Account) -> Ended:
    known: Ended | None = account.details.get("ended")
    if known is not None:
        return known
    known = account.details["ended"] = Ended()
    for fill in sorted(account.fills.get((SPOT, ""), []), key=_place):
        if fill.order.status == "open":
            known.waiting.setdefault(fill.order.id, []).append(fill)
        else:
            for key in ("", fill.market.id):
                known.rows.setdefault(key, []).append(fill)
    return known


def _end(fill: Fill) -> int:
    return fill.order.updated_ms


def _place(fill: Fill) -> tuple[int, int]:
    return fill.order.updated_ms, fill.sequence
