"""Fills of the last 90 days: windows, pages of a hundred in no fixed order, ids and cursors that lead to older ones."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

from simulator.bitget.errors import good, refusal
from simulator.bitget.listings import COIN_FUTURES, PRODUCTS, category_of, product_type
from simulator.bitget.rows import contract_fill, spot_fill, unified_fill
from simulator.dialect import DAY_MS, Call
from simulator.truth import SPOT, Fill

WALL_MS = 90 * DAY_MS
SPOT_SPAN_MS, CONTRACT_SPAN_MS, UNIFIED_SPAN_MS = 90 * DAY_MS, 7 * DAY_MS, 30 * DAY_MS
LARGEST_PAGE, LARGEST_MARGIN_PAGE = 100, 500
SEQUENCE_BITS = 22
"""A cursor is a moment and the place among the fills of it, packed into one long number."""

_moment = attrgetter("timestamp_ms")
_place = attrgetter("timestamp_ms", "sequence")


def _number(fill: Fill) -> int:
    return int(fill.trade_id) if fill.trade_id.isdecimal() else 0


def spot_fills(call: Call) -> Any:
    """GET /api/v2/spot/trade/fills."""
    since, until = window(call, SPOT_SPAN_MS)
    found = _newest_first(
        call, SPOT, _market_id(call, SPOT), since, until, by_id=True, before_id=whole(call, "idLessThan")
    )
    page = _page(call, _of_order(call, found), LARGEST_PAGE)
    return good([spot_fill(fill, call.account) for fill in page], call.now_ms)


def contract_fills(call: Call) -> Any:
    """GET /api/v2/mix/order/fills and /fill-history."""
    category = product_type(call)
    since, until = window(call, CONTRACT_SPAN_MS)
    page: list[Fill] = []
    if category in PRODUCTS:
        product = PRODUCTS[category]
        found = _newest_first(
            call, product, _market_id(call, product), since, until, by_id=True, before_id=whole(call, "idLessThan")
        )
        page = _page(call, _of_category(category, _of_order(call, found)), LARGEST_PAGE)
    rows = [contract_fill(fill, call.account) for fill in page]
    return good({"fillList": rows, "endId": min(page, key=_number).trade_id if page else ""}, call.now_ms)


def margin_fills(call: Call) -> Any:
    """GET /api/v2/margin/crossed/fills and /isolated/fills: nobody here trades on margin."""
    for name in ("symbol", "startTime"):
        if not call.params.get(name):
            raise refusal("40019", call.now_ms, f"Parameter {name} cannot be empty")
    window(call, SPOT_SPAN_MS)
    _page(call, iter(()), LARGEST_MARGIN_PAGE)
    return good({"fills": [], "minId": None, "maxId": None}, call.now_ms)


def unified_fills(call: Call) -> Any:
    """GET /api/v3/trade/fills: all products, or those of one `category`; there is no way to ask for a symbol."""
    category = call.params.get("category", "").upper()
    if category not in {"", *PRODUCTS, "MARGIN"}:
        raise refusal("40017", call.now_ms, "Parameter verification failed category")
    since, until = window(call, UNIFIED_SPAN_MS)
    found: Iterator[Fill] = iter(())
    if category != "MARGIN":
        product = PRODUCTS.get(category, "")
        found = _newest_first(call, product, "", since, until, before_place=_cursor(call))
    found = _of_category(category, _of_order(call, found))
    page = _page(call, found, LARGEST_PAGE)
    following = ""
    if page:
        last = min(page, key=_place)
        following = str(last.timestamp_ms << SEQUENCE_BITS | last.sequence & (1 << SEQUENCE_BITS) - 1)
    return good({"list": [unified_fill(fill) for fill in page], "cursor": following}, call.now_ms)


# What is asked.


def whole(call: Call, name: str) -> int | None:
    """A whole number among the parameters, None when it is not there; raises 40017."""
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise refusal("40017", call.now_ms, f"Parameter verification failed {name}")
    return int(written)


def window(call: Call, span_ms: int) -> tuple[int, int]:
    """First and last moment of the window; both ends that were asked for stay outside (no document says they do not).

    Raises 40704 for what is older than 90 days, 40705 for a window that is too long, 40707 for one that ends first.
    """
    start, end, now = whole(call, "startTime"), whole(call, "endTime"), call.now_ms
    if start is not None and end is not None:
        if end < start:
            raise refusal("40707", now)
        if end - start > span_ms:
            raise refusal("40705", now, f"The start and end time cannot exceed {span_ms // DAY_MS} days")
    oldest = start if start is not None else end
    if oldest is not None and oldest < now - WALL_MS:
        raise refusal("40704", now)
    if start is None:
        last = now if end is None else end - 1
        return max(now - WALL_MS, last - span_ms), last
    return start + 1, start + span_ms if end is None else end - 1


def _market_id(call: Call, product: str) -> str:
    """The market asked for, "" for all: one that is delisted still has its history."""
    symbol = call.params.get("symbol", "")
    if symbol and (product, symbol) not in call.exchange.markets:
        raise refusal("40034", call.now_ms, f"Parameter {symbol} does not exist")
    return symbol


def _cursor(call: Call) -> tuple[int, int] | None:
    """Where the cursor leads; raises 40700."""
    written = call.params.get("cursor", "")
    if not written:
        return None
    if not written.isdecimal():
        raise refusal("40700", call.now_ms)
    return int(written) >> SEQUENCE_BITS, int(written) & (1 << SEQUENCE_BITS) - 1


# What is found.


def _newest_first(
    call: Call,
    product: str,
    market_id: str,
    since_ms: int,
    until_ms: int,
    *,
    by_id: bool = False,
    before_id: int | None = None,
    before_place: tuple[int, int] | None = None,
) -> Iterator[Fill]:
    """Fills of the window, lazily. Ids of one product rise with the time, so that both are found by halving."""
    rows = call.account.fills.get((product, market_id), [])
    start, stop = bisect_left(rows, since_ms, key=_moment), bisect_right(rows, until_ms, key=_moment)
    if by_id and call.account.was_put_back:
        rows = sorted(rows[start:stop], key=_number)
        start, stop = 0, len(rows)
    if before_id is not None:
        stop = min(stop, bisect_left(rows, before_id, key=_number))
    if before_place is not None:
        stop = min(stop, bisect_left(rows, before_place, key=_place))
    for place in range(stop - 1, start - 1, -1):
        if rows[place].visible_ms <= call.now_ms:
            yield rows[place]


def _of_order(call: Call, found: Iterator[Fill]) -> Iterator[Fill]:
    order = call.params.get("orderId")
    return (fill for fill in found if fill.order.id == order) if order else found


def _of_category(category: str, found: Iterator[Fill]) -> Iterator[Fill]:
    if category in {"", "SPOT", COIN_FUTURES}:
        return found
    return (fill for fill in found if category_of(fill.market) == category)


def _page(call: Call, found: Iterator[Fill], most: int) -> list[Fill]:
    """The newest ones, in an order that means nothing."""
    limit = whole(call, "limit")
    if limit is not None and not 1 <= limit <= most:
        raise refusal("40017", call.now_ms, "Parameter verification failed limit")
    page = list(islice(found, most if limit is None else limit))
    call.exchange.dice.shuffle(page)
    return page
