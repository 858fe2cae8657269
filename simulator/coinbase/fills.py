"""Histories of fills and of orders: windows over the moment of booking, opaque cursors, pages that may be empty.

From https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/orders/list-fills, read 2026-11. What the
page leaves open is done the harder way: windows are half open and finer than a millisecond, a page that is empty or
short may have others after it, and only an empty cursor is the end.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from simulator.coinbase import rows
from simulator.coinbase.errors import invalid
from simulator.dialect import Call
from simulator.truth import Fill, Order

USUAL_PAGE, LARGEST_PAGE = 100, 250
MOST_ORDERS = 1000
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Place(Struct, frozen=True):
    """Where a page ended: its number, and the last row's moment and sequence."""

    page: int = 0
    timestamp_ms: int = rows.EVER
    sequence: int = rows.EVER


def several(call: Call, name: str) -> set[str]:
    """All values of a parameter that may be repeated."""
    return {value for key, value in parse_qsl(call.request.query) if key in {name, f"{name}[]"} and value}


def moment_ns(call: Call, name: str) -> int | None:
    """A moment in RFC 3339, to the nanosecond; raises INVALID_ARGUMENT."""
    text = call.params.get(name, "")
    if not text:
        return None
    found = MOMENT.fullmatch(text)
    if found is None:
        raise invalid(f"parsing field {name!r}: parsing time {text!r}")
    seconds = int(datetime.fromisoformat(found[1] + found[3]).timestamp())
    return seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))


def limit_of(call: Call, usual: int, most: int) -> int:
    """The size of a page: more than is allowed is cut without a word."""
    text = call.params.get("limit", "") or "0"
    if not text.isdecimal():
        raise invalid(f"parsing field 'limit': {text!r}")
    return min(int(text) or usual, most)


def fills(call: Call) -> Any:
    """GET /api/v3/brokerage/orders/historical/fills. Only `product_ids` narrows it: `product_id` is not known."""
    limit, place = limit_of(call, USUAL_PAGE, LARGEST_PAGE), _place(call)
    # As if some rows of each page had been filtered out after it was cut.
    size = (limit, 0, max(1, limit // 2))[place.page % 3]
    found = list(islice(_found(call, place), size))
    if len(found) < size:
        return {"fills": _written(call, found), "cursor": ""}
    last = Place(place.page + 1, place.timestamp_ms, place.sequence)
    if found:
        last = Place(place.page + 1, found[-1].timestamp_ms, found[-1].sequence)
    return {"fills": _written(call, found), "cursor": _cursor(call, last)}


def _written(call: Call, found: list[Fill]) -> list[dict[str, Any]]:
    return [rows.fill_row(call.account, fill) for fill in found]


def _found(call: Call, place: Place) -> Iterator[Fill]:
    """What the question is about, newest first, from `place` on."""
    since_ns, until_ns = moment_ns(call, "start_sequence_timestamp"), moment_ns(call, "end_sequence_timestamp")
    products, orders, trades = (several(call, name) for name in ("product_ids", "order_ids", "trade_ids"))
    since_ms = 0 if since_ns is None else (since_ns - rows.SEQUENCED_AFTER_NS) // rows.NANOS
    until_ms = rows.EVER if until_ns is None else (until_ns - rows.SEQUENCED_AFTER_NS) // rows.NANOS
    if orders:
        known = [call.account.orders[one] for one in orders if one in call.account.orders]
        since_ms = max(since_ms, min((order.created_ms for order in known), default=rows.EVER))
        until_ms = min(until_ms, max((order.updated_ms for order in known), default=0))
    for fill in call.account.read_fills(
        call.now_ms, since_ms=since_ms, until_ms=min(until_ms, place.timestamp_ms), newest_first=True
    ):
        if (fill.timestamp_ms, fill.sequence) >= (place.timestamp_ms, place.sequence):
            continue
        booked = rows.sequenced_ns(fill)
        if (since_ns is not None and booked < since_ns) or (until_ns is not None and booked >= until_ns):
            continue
        if (
            (not products or fill.market.id in products)
            and (not orders or fill.order.id in orders)
            and (not trades or fill.trade_id in trades)
        ):
            yield fill


def _question(call: Call) -> str:
    """What a cursor is bound to: everything that was asked but the place and the size."""
    asked = sorted(pair for pair in parse_qsl(call.request.query) if pair[0] not in {"cursor", "limit"})
    return f"{zlib.crc32(f'{call.account.uid}{call.request.path}{asked}'.encode()):08x}"


def _cursor(call: Call, place: Place) -> str:
    text = f"{_question(call)}:{place.page}:{place.timestamp_ms}:{place.sequence}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place(call: Call) -> Place:
    """Where the cursor leads; raises INVALID_ARGUMENT for one that belongs to no such question."""
    cursor = call.params.get("cursor", "")
    if not cursor:
        return Place()
    try:
        question, *numbers = base64.urlsafe_b64decode(cursor).decode().split(":")
        place = Place(*map(int, numbers))
    except (ValueError, TypeError, binascii.Error):
        raise invalid("cursor is invalid") from None
    if question != _question(call):
        raise invalid("cursor does not belong to this request")
    return place


def orders(call: Call) -> Any:
    """GET /api/v3/brokerage/orders/historical/batch, newest first."""
    limit, place = limit_of(call, MOST_ORDERS, MOST_ORDERS), _place(call)
    found = list(islice(_orders(call, place), limit + 1))
    is_more = len(found) > limit
    page = found[:limit]
    cursor = _cursor(call, Place(place.page + 1, 0, page[-1][0])) if is_more else ""
    written = [rows.order_row(call.account, order) for _, order in page]
    return {"orders": written, "sequence": "0", "has_next": is_more, "cursor": cursor}


def _orders(call: Call, place: Place) -> Iterator[tuple[int, Order]]:
    """Orders with their places in the account's list, which only grows."""
    statuses, products, wanted = (several(call, name) for name in ("order_status", "product_ids", "order_ids"))
    since_ns, until_ns = moment_ns(call, "start_date"), moment_ns(call, "end_date")
    everything = list(call.account.orders.values())
    for number in range(min(len(everything), place.sequence) - 1, -1, -1):
        order = everything[number]
        created = order.created_ms * rows.NANOS
        if (since_ns is not None and created < since_ns) or (until_ns is not None and created >= until_ns):
            continue
        if (
            (not statuses or rows.STATUSES[order.status] in statuses)
            and (not products or order.market.id in products)
            and (not wanted or order.id in wanted)
        ):
            yield number, order
