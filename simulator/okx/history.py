"""Fills and bills over REST: newest first, at most 100 rows, cursors of bill ids, each with its horizon."""

from collections.abc import Callable, Iterator
from functools import partial
from heapq import merge
from itertools import islice
from typing import Any

from simulator.dialect import DAY_MS, Call
from simulator.okx import rows, shelves
from simulator.okx.errors import good, refusal
from simulator.okx.listings import find, inst_type_of, is_in_family
from simulator.okx.wallets import TRADING
from simulator.truth import Fill

LARGEST_PAGE = 100
LATE_MS = 60_000
"""Room above now: what was booked a moment ago may bear a time to come."""
Bill = tuple[int, Callable[[], dict[str, str]]]
"""Its id, and how it is written."""


def fills(horizon_ms: int, *, needs_type: bool) -> Callable[[Call], Any]:
    """GET /api/v5/trade/fills and fills-history: what is older than the horizon is silently not there."""

    def answer(call: Call) -> Any:
        kind = inst_type_of(call, required=needs_type)
        above, below = _range(call, horizon_ms)
        inst_id = call.params.get("instId", "")
        if inst_id and find(call.exchange, inst_id, delisted=True) is None:
            raise refusal(51001)
        order = call.account.orders.get(call.params.get("ordId", ""))
        if order is not None:
            above = max(above, rows.id_at(order.created_ms) - 1)
            below = min(below, rows.id_at(order.updated_ms + rows.LONGEST_DELAY_MS + 1))
        narrowed = inst_id if kind else ""
        found = shelves.newest_first(call.account, call.now_ms, kind, above=above, below=below, inst_id=narrowed)
        page = islice((fill for fill in found if _is_asked_for(fill, call.params)), _limit(call))
        return good([rows.fill_row(fill) for fill in page])

    return answer


def bills(horizon_ms: int) -> Callable[[Call], Any]:
    """GET /api/v5/account/bills and bills-archive."""

    def answer(call: Call) -> Any:
        kind = inst_type_of(call, required=False)
        above, below = _range(call, horizon_ms)
        found = merge(
            _fill_bills(call, kind, above, below),
            _transfers(call, kind, above, below),
            key=lambda bill: bill[0],
            reverse=True,
        )
        written = (write() for _, write in found)
        wanted = {name: call.params[name] for name in ("ccy", "type", "subType") if call.params.get(name)}
        page = (row for row in written if all(row[name] == value for name, value in wanted.items()))
        return good(list(islice(page, _limit(call))))

    return answer


def _fill_bills(call: Call, kind: str, above: int, below: int) -> Iterator[Bill]:
    # A fill's legs have two ids: the second may be the last one below, or the first one above.
    for fill in shelves.newest_first(call.account, call.now_ms, kind, above=above - 1, below=below):
        for row in reversed(rows.fill_bills(fill)):
            own_id = int(row["billId"])
            if above < own_id < below:
                yield own_id, partial(dict[str, str], row)


def _transfers(call: Call, kind: str, above: int, below: int) -> list[Bill]:
    """Deposits came by way of the funding wallet; they belong to no market."""
    if kind:
        return []
    found: list[Bill] = []
    for place, (moment, wallet, coin, amount) in enumerate(call.account.deposits):
        own_id = rows.transfer_id(moment, place)
        if wallet == TRADING and above < own_id < below:
            found.append((own_id, partial(rows.transfer_bill, own_id, moment, coin, amount)))
    return sorted(found, key=lambda bill: bill[0], reverse=True)


# What was asked for.


def _whole(call: Call, name: str) -> int | None:
    written = call.params.get(name, "")
    if not written:
        return None
    if not written.isdecimal():
        raise refusal(51000, name)
    return int(written)


def _limit(call: Call) -> int:
    """More than a page is not refused, but not given either."""
    limit = _whole(call, "limit")
    return LARGEST_PAGE if limit is None else min(max(limit, 1), LARGEST_PAGE)


def _range(call: Call, horizon_ms: int) -> tuple[int, int]:
    """The bill ids in question, both ends left out: `after` leads to older ones, `before` to newer ones.

    `begin` and `end` are of the time of booking, both included.
    """
    begin, end, after, before = (_whole(call, name) for name in ("begin", "end", "after", "before"))
    oldest = max(call.now_ms - horizon_ms, begin or 0)
    newest = min(call.now_ms + LATE_MS, call.now_ms + LATE_MS if end is None else end)
    above = max(rows.id_at(oldest) - 1, before or 0)
    below = min(rows.id_at(newest + 1), rows.id_at(newest + 1) if after is None else after)
    return above, below


def _is_asked_for(fill: Fill, params: dict[str, str]) -> bool:
    """Whether a fill fits what else was asked."""
    own = {"ordId": fill.order.id, "instId": fill.market.id, "subType": rows.sub_type(fill)}
    if any(params.get(name, value) not in {"", value} for name, value in own.items()):
        return False
    return is_in_family(fill.market, params.get("instFamily", ""))


FILLS_HORIZON_MS, FILLS_HISTORY_HORIZON_MS = 3 * DAY_MS, 90 * DAY_MS
BILLS_HORIZON_MS, BILLS_ARCHIVE_HORIZON_MS = 7 * DAY_MS, 90 * DAY_MS
