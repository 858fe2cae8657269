"""The spot account's book: a row for whatever changed a coin, newest first; an order takes and is filled."""

from collections.abc import Iterator
from decimal import Decimal
from heapq import merge
from itertools import islice
from typing import Any

from simulator.dialect import Call
from simulator.gate.history import LARGEST_PAGE, USUAL_PAGE, whole, window
from simulator.gate.wallets import NAMES, WALLETS
from simulator.truth import SPOT, Fill, plain

Row = dict[str, Any]


def account_book(call: Call) -> list[Row]:
    """GET /spot/account_book."""
    limit = whole(call, "limit", USUAL_PAGE, 1, LARGEST_PAGE)
    skipped = limit * (whole(call, "page", 1, 1) - 1)
    since, until = (moment * 1000 for moment in window(call))
    found = merge(
        _trades(call, since, until + 999), _money(call, since, until + 999), key=lambda row: row["time"], reverse=True
    )
    asked = {name: call.params[name] for name in ("currency", "type") if call.params.get(name)}
    wanted = (row for row in found if all(row[name] == value for name, value in asked.items()))
    return list(islice(wanted, skipped, skipped + limit))


def _row(own_id: str, moment: int, coin: str, change: Decimal, kind: str) -> Row:
    name = NAMES.get(coin, coin)
    told = {"currency": name, "change": plain(change), "balance": "0", "type": kind, "text": ""}
    return {"id": own_id, "time": moment} | told


def _trades(call: Call, since: int, until: int) -> Iterator[Row]:
    if call.account.wallets.get(WALLETS[SPOT]) is None:
        return
    for fill in call.account.read_fills(call.now_ms, product=SPOT, since_ms=since, until_ms=until, newest_first=True):
        yield from _legs(fill)


def _legs(fill: Fill) -> Iterator[Row]:
    sign = 1 if fill.side == "buy" else -1
    legs = [(fill.market.base, sign * fill.amount), (fill.market.quote, -sign * fill.cost)]
    for place, (coin, change) in enumerate(legs):
        kind = "order_fill" if change > 0 else "new_order"
        yield _row(f"{fill.sequence * 8 + place}", fill.timestamp_ms, coin, change, kind)
    for place, fee in enumerate(fill.fees):
        yield _row(f"{fill.sequence * 8 + 2 + place}", fill.timestamp_ms, fee.currency, -fee.amount, "order_fee")


def _money(call: Call, since: int, until: int) -> list[Row]:
    found = [
        _row(f"{900_000_000_000 + place}", moment, coin, amount, "deposit" if amount > 0 else "withdraw")
        for place, (moment, wallet, coin, amount) in enumerate(call.account.deposits)
        if wallet == WALLETS[SPOT] and since <= moment <= until
    ]
    return sorted(found, key=lambda row: row["time"], reverse=True)
