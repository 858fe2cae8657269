"""GET /v5/execution/list: seven days at most, newest first, rows of one instant in no fixed order, opaque cursors."""

import base64
import binascii
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

from simulator.bybit import rows
from simulator.bybit.errors import good, refusal
from simulator.bybit.listings import category_of
from simulator.dialect import DAY_MS, Call
from simulator.truth import LINEAR, Account, Fill, Market

WEEK_MS = 7 * DAY_MS
HORIZON_MS = 730 * DAY_MS
FUNDING_EVERY_MS = 8 * 3_600_000
USUAL_PAGE, LARGEST_PAGE = 50, 100
BOUND = ("category", "symbol", "orderId", "orderLinkId", "baseCoin", "settleCoin", "startTime", "endTime", "execType")


class Entry(Struct, frozen=True, gc=False):
    """One row to be: when, under which id, and how it is written."""

    timestamp_ms: int
    id: str
    row: Callable[[], dict[str, Any]]


class Place(Struct, frozen=True):
    """Where a page ended, for which question, and how its ties were dealt."""

    salt: str
    since_ms: int
    until_ms: int
    timestamp_ms: int = -1
    id: str = ""


def executions(call: Call) -> Any:
    """Answers with a page and the cursor of the next."""
    category = category_of(call)
    limit = min(max(_whole(call, "limit") or USUAL_PAGE, 1), LARGEST_PAGE)
    market = _market(call, category)
    since, until = _window(call)
    place = _place(call) or Place(f"{call.exchange.dice.getrandbits(32):08x}", since, until)
    page: list[Entry] = []
    is_more = False
    for entry in _entries(call, category, market, place):
        if len(page) == limit:
            is_more = True
            break
        page.append(entry)
    following = ""
    if is_more:
        last = page[-1]
        following = _cursor(call, Place(place.salt, place.since_ms, place.until_ms, last.timestamp_ms, last.id))
    result = {"nextPageCursor": following, "category": category, "list": [entry.row() for entry in page]}
    return good(result, call.now_ms)


def _whole(call: Call, name: str) -> int | None:
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise refusal(10001, call.now_ms, f"params error: {name} invalid")
    return int(written)


def _market(call: Call, category: str) -> Market | None:
    """The market asked for: a delisted one still has its history."""
    symbol = call.params.get("symbol")
    if not symbol:
        return None
    market = call.exchange.markets.get((category, symbol))
    if market is None:
        raise refusal(10001, call.now_ms, "params error: symbol invalid")
    return market


def _window(call: Call) -> tuple[int, int]:
    """Both ends of the window; raises 10001 for one that is too long, too old, or the wrong way round."""
    start, end, now = _whole(call, "startTime"), _whole(call, "endTime"), call.now_ms
    if start is not None and end is not None:
        if end < start:
            raise refusal(10001, now, "params error: startTime is later than endTime")
        if end - start > WEEK_MS:
            raise refusal(10001, now, "The time range between startTime and endTime cannot exceed 7 days.")
    if start is not None and start < now - HORIZON_MS:
        raise refusal(10001, now, "Can't query earlier than 2 years.")
    if start is None:
        end = now if end is None else end
        return end - WEEK_MS, end
    return start, start + WEEK_MS if end is None else end


# Cursors.


def _question(call: Call) -> str:
    """What a cursor is bound to."""
    asked = "&".join(f"{name}={call.params.get(name, '')}" for name in BOUND)
    return f"{zlib.crc32(f'{call.account.uid}?{asked}'.encode()):08x}"


def _cursor(call: Call, place: Place) -> str:
    """Opaque, with characters that an address has to escape."""
    parts = (_question(call), place.salt, place.since_ms, place.until_ms, place.timestamp_ms, place.id)
    return quote(base64.b64encode(",".join(map(str, parts)).encode()).decode() + "==:1,1")


def _place(call: Call) -> Place | None:
    """Where the cursor leads, escaped once or twice; raises 10001 for one that is not of this question."""
    cursor = call.params.get("cursor", "")
    if not cursor:
        return None
    written = unquote(cursor).removesuffix("==:1,1")
    try:
        question, salt, since, until, moment, own_id = base64.b64decode(written, validate=True).decode().split(",")
        place = Place(salt, int(since), int(until), int(moment), own_id)
    except (ValueError, binascii.Error):
        raise refusal(10001, call.now_ms, "params error: cursor invalid") from None
    if question != _question(call):
        raise refusal(10001, call.now_ms, "params error: cursor does not match the query")
    return place


# Rows.


def _entries(call: Call, category: str, market: Market | None, place: Place) -> Iterator[Entry]:
    """What is left of the question from `place` on, newest first; ties as the salt deals them."""
    until = place.until_ms if place.timestamp_ms < 0 else place.timestamp_ms
    found = merge(
        _fills(call, category, market, place.since_ms, until),
        _fundings(call, category, market, place.since_ms, until),
        key=attrgetter("timestamp_ms"),
        reverse=True,
    )

    def dealt(own_id: str) -> tuple[int, str]:
        return zlib.crc32(f"{place.salt}{own_id}".encode()), own_id

    for moment, tied in groupby(found, attrgetter("timestamp_ms")):
        group = sorted(tied, key=lambda entry: dealt(entry.id))
        if moment == place.timestamp_ms:
            group = [entry for entry in group if dealt(entry.id) > dealt(place.id)]
        yield from group


def _fills(call: Call, category: str, market: Market | None, since: int, until: int) -> Iterator[Entry]:
    account, params = call.account, call.params
    if since > until:
        return
    wanted_kind = params.get("execType", "")
    for fill in account.read_fills(
        call.now_ms,
        product=category,
        market_id=market.id if market else "",
        since_ms=since,
        until_ms=until,
        newest_first=True,
    ):
        if wanted_kind and rows.KINDS[fill.kind] != wanted_kind:
            continue
        if _is_asked_for(fill, params):
            yield Entry(fill.timestamp_ms, f"{fill.trade_id}/{fill.order.id}", partial(rows.execution, fill))


def _is_asked_for(fill: Fill, params: dict[str, str]) -> bool:
    """Whether the order or coin fits: the order's id outweighs the client's, and both outweigh the coins."""
    if params.get("orderId"):
        return fill.order.id == params["orderId"]
    if params.get("orderLinkId"):
        return fill.order.client_id == params["orderLinkId"]
    if params.get("symbol"):
        return True
    if params.get("baseCoin"):
        return fill.market.base == params["baseCoin"]
    return not params.get("settleCoin") or fill.market.settle == params["settleCoin"]


def _fundings(call: Call, category: str, market: Market | None, since: int, until: int) -> Iterator[Entry]:
    """Payments of whoever ever traded a perpetual: three a day, and those that its socket was told of."""
    account, params = call.account, call.params
    if category != LINEAR or params.get("execType", "Funding") != "Funding":
        return
    if params.get("orderId") or params.get("orderLinkId"):
        return
    traded = account.fills.get((LINEAR, ""), [])
    if not traded:
        return
    payments = told_fundings(account) + [
        rows.Funding(moment, traded[0].market)
        for moment in range(_next_funding(max(since, traded[0].timestamp_ms)), until + 1, FUNDING_EVERY_MS)
    ]
    for payment in sorted(payments, key=attrgetter("timestamp_ms"), reverse=True):
        fits = market is None or payment.market is market
        if fits and since <= payment.timestamp_ms <= min(until, call.now_ms):
            yield Entry(
                payment.timestamp_ms,
                payment.id_for(account.uid),
                partial(rows.funding, payment, account.uid),
            )


def _next_funding(moment: int) -> int:
    return -(-moment // FUNDING_EVERY_MS) * FUNDING_EVERY_MS


def told_fundings(account: Account) -> list[rows.Funding]:
    """The payments that happened while somebody may have listened."""
    told: list[rows.Funding] = account.details.setdefault("fundings", [])
    return told
