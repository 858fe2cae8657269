"""TradesHistory and QueryOrders: fifty rows a page, newest first, by offsets that move under whoever reads."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from operator import attrgetter

from msgspec import Struct

from simulator.dialect import Call
from simulator.http import Response
from simulator.kraken.errors import INVALID_ARGUMENTS, good, refusal
from simulator.kraken.rows import matches, rest_order, rest_trade
from simulator.truth import Account, Fill

PAGE = 50
MOST_ORDERS = 50
KINDS = {"all", "any position", "closed position", "closing position", "no position"}
_time = attrgetter("timestamp_ms")
_place = attrgetter("timestamp_ms", "sequence")


def hide(account: Account, fills: list[Fill]) -> None:
    """Remembers trades that REST shows only later."""
    late = [fill for fill in fills if fill.visible_ms > fill.timestamp_ms]
    if late:
        account.details.setdefault("hidden", []).extend(late)


class Window(Struct):
    """A span of an account's trades, without those that are not to be seen yet."""

    rows: list[Fill]
    start: int
    stop: int
    hidden: set[int]

    def newest_first(self) -> Iterator[Fill]:
        """All of it."""
        places = range(self.stop - 1, self.start - 1, -1)
        return (self.rows[place] for place in places if self.rows[place].sequence not in self.hidden)

    @property
    def count(self) -> int:
        gone = sum(self.rows[place].sequence in self.hidden for place in self._late_places()) if self.hidden else 0
        return max(0, self.stop - self.start) - gone

    def _late_places(self) -> range:
        """Where hidden rows may stand: from the oldest of them on."""
        oldest = min(self.hidden)
        place = self.stop
        while place > self.start and self.rows[place - 1].sequence >= oldest:
            place -= 1
        return range(place, self.stop)

    def page(self, offset: int) -> list[Fill]:
        """One page of it."""
        if self.hidden:
            return list(islice(self.newest_first(), offset, offset + PAGE))
        top = self.stop - offset
        return [self.rows[place] for place in range(top - 1, max(self.start, top - PAGE) - 1, -1)]


def _window(call: Call) -> Window:
    """What `start` (exclusive) and `end` (inclusive) and the key's own bounds leave.

    Trades bear microseconds: one of 12.0001 s comes after a start of 12, and after an end of 12 too.
    """
    account, rows = call.account, call.account.all_fills()
    late = [fill for fill in account.details.get("hidden", ()) if fill.visible_ms > call.now_ms]
    if "hidden" in account.details:
        account.details["hidden"] = late
    start, stop = 0, len(rows)
    for name in ("start", "end"):
        bound = call.params.get(name, "")
        if bound:
            place = _place_of(rows, bound, math.floor if name == "start" else math.ceil)
            start, stop = (place, stop) if name == "start" else (start, place)
    since, until = account.details.get("query_from_ms"), account.details.get("query_to_ms")
    if since:
        start = max(start, bisect_left(rows, int(since), key=_time))
    if until:
        stop = min(stop, bisect_right(rows, int(until), key=_time))
    return Window(rows, start, stop, {fill.sequence for fill in late})


def _place_of(rows: list[Fill], bound: str, whole: Callable[[Decimal], int]) -> int:
    """Where in an account's trades a bound stands: seconds, or the id of a trade (the place behind it)."""
    if bound.startswith("T"):
        found = next((fill for fill in reversed(rows) if fill.trade_id == bound), None)
        if found is None:
            raise refusal(INVALID_ARGUMENTS)
        return bisect_left(rows, _place(found), key=_place) + 1
    if not re.fullmatch(r"\d{1,12}(\.\d{1,12})?", bound):
        raise refusal(INVALID_ARGUMENTS)
    return bisect_left(rows, whole(Decimal(bound) * 1000), key=_time)


def trades_history(call: Call) -> Response:
    """POST TradesHistory. Flags are `true` or `false`, and nothing else is either."""
    params = call.params
    offset, kind = params.get("ofs", "0"), params.get("type", "all")
    if not offset.isdecimal() or kind not in KINDS:
        raise refusal(INVALID_ARGUMENTS)
    window = _window(call)
    if kind not in {"all", "no position"}:
        window.stop = window.start
    if params.get("consolidate_taker") == "false":
        rows = [part for fill in window.newest_first() for part in reversed(matches(fill))]
        page, count = rows[int(offset) : int(offset) + PAGE], len(rows)
    else:
        page, count = window.page(int(offset)), window.count
    result = {"trades": {fill.trade_id: rest_trade(fill) for fill in page}}
    return good(result if params.get("without_count") == "true" else result | {"count": count})


def query_orders(call: Call) -> Response:
    """POST QueryOrders: up to fifty orders by their ids."""
    account, names = call.account, call.params.get("txid", "").split(",")
    if not names[0] or len(names) > MOST_ORDERS:
        raise refusal(INVALID_ARGUMENTS)
    found = [account.orders.get(name) for name in names]
    result = {}
    for order in found:
        if order is None:
            raise refusal("EOrder:Unknown order")
        product, market_id = order.market.key
        near = account.read_fills(
            call.now_ms, product=product, market_id=market_id, since_ms=order.created_ms, until_ms=order.updated_ms
        )
        fills = [fill for fill in near if fill.order is order]
        result[order.id] = rest_order(order, fills, trades=call.params.get("trades") == "true")
    return good(result)
