"""Bills of the classic spot account: a row for whatever changed a coin, ninety days, ids that lead to older ones."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from simulator.bitget.errors import good, refusal
from simulator.bitget.fills import SPOT_SPAN_MS, whole, window
from simulator.dialect import Call
from simulator.truth import SPOT, Fill, plain

LARGEST_PAGE = 500
IDS_BEGIN_MS = 1_288_834_974_657
Row = dict[str, Any]


def spot_bills(call: Call) -> Any:
    """GET /api/v2/spot/account/bills."""
    since, until = window(call, SPOT_SPAN_MS)
    before, limit = whole(call, "idLessThan"), whole(call, "limit")
    if limit is not None and not 1 <= limit <= LARGEST_PAGE:
        raise refusal("40017", call.now_ms, "Parameter verification failed limit")
    rows = sorted([*_trades(call, since, until), *_money(call, since, until)], key=_number, reverse=True)
    asked = {name: call.params[name] for name in ("coin", "groupType", "businessType") if call.params.get(name)}
    wanted = (
        row
        for row in rows
        if (before is None or _number(row) < before) and all(row[name] == value for name, value in asked.items())
    )
    page = list(islice(wanted, 100 if limit is None else limit))
    call.exchange.dice.shuffle(page)
    return good(page, call.now_ms)


def _number(row: Row) -> int:
    return int(row["billId"])


def _row(moment: int, place: int, coin: str, size: Decimal, group: str, business: str) -> Row:
    return {
        "billId": str((moment - IDS_BEGIN_MS) << 22 | place % (1 << 22)),
        "coin": coin,
        "groupType": group,
        "businessType": business,
        "size": plain(size),
        "balance": "0",
        "fees": "0",
        "cTime": str(moment),
    }


def _trades(call: Call, since: int, until: int) -> Iterator[Row]:
    for fill in call.account.read_fills(call.now_ms, product=SPOT, since_ms=since, until_ms=until):
        yield from _legs(fill)


def _legs(fill: Fill) -> Iterator[Row]:
    sign = 1 if fill.side == "buy" else -1
    legs = [(fill.market.base, sign * fill.amount, fill.side), (fill.market.quote, -sign * fill.cost, fill.side)]
    legs += [(fee.currency, -fee.amount, "deduction_handling_fee") for fee in fill.fees]
    for place, (coin, size, business) in enumerate(legs):
        yield _row(fill.timestamp_ms, fill.sequence * 8 + place, coin, size, "transaction", business)


def _money(call: Call, since: int, until: int) -> Iterator[Row]:
    for place, (moment, wallet, coin, amount) in enumerate(call.account.deposits):
        if wallet == SPOT and since <= moment <= until:
            group, business = ("deposit", "deposit") if amount > 0 else ("withdraw", "withdraw")
            yield _row(moment, place * 8 + 7, coin, amount, group, business)
