"""Ledgers: what moved each coin, fifty rows a page, newest first; a trade is a row for each of its two coins."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from heapq import merge
from itertools import islice
from typing import Any

import msgspec

from simulator.dialect import EIGHT_PLACES, Call
from simulator.http import Response
from simulator.kraken.errors import INVALID_ARGUMENTS, good, refusal
from simulator.kraken.history import PAGE
from simulator.kraken.listings import asset_id
from simulator.kraken.rows import fee_of
from simulator.truth import SPOT, ZERO, plain

FEE = Decimal("0.001")
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Entry = tuple[int, str, dict[str, Any]]
"""Its moment, its id, and the rest of it."""


def ledgers(call: Call) -> Response:
    """POST Ledgers. `start` is left out and `end` is in it, in seconds."""
    offset, bounds = call.params.get("ofs", "0"), {}
    for name in ("start", "end"):
        written = call.params.get(name, "")
        if written and not written.isdecimal():
            raise refusal(INVALID_ARGUMENTS)
        bounds[name] = int(written) * 1000 if written else None
    if not offset.isdecimal():
        raise refusal(INVALID_ARGUMENTS)
    since = 0 if bounds["start"] is None else bounds["start"] + 1
    until = call.now_ms if bounds["end"] is None else bounds["end"]
    entries = merge(_trades(call, since, until), _money(call, since, until), key=lambda entry: entry[0], reverse=True)
    kind = call.params.get("type", "all")
    wanted = [entry for entry in entries if kind in {"all", entry[2]["type"]}]
    page = islice(wanted, int(offset), int(offset) + PAGE)
    return good({"ledger": {name: row for _, name, row in page}, "count": len(wanted)})


def _row(moment: int, kind: str, refid: str, coin: str, amount: Decimal, fee: Decimal) -> dict[str, Any]:
    return {
        "refid": refid,
        "time": msgspec.Raw(f"{moment // 1000}.{moment % 1000:03d}1".encode()),
        "type": kind,
        "subtype": "",
        "aclass": "currency",
        "asset": asset_id(coin),
        "amount": plain(amount),
        "fee": plain(fee),
        "balance": "0.0000000000",
    }


def _name(first: str, number: int) -> str:
    """An id of the usual form, one for each number."""
    letters = ""
    for _ in range(15):
        number, place = divmod(number, len(DIGITS))
        letters = DIGITS[place] + letters
    return f"L{first}{letters[:4]}-{letters[4:9]}-{letters[9:]}"


def _trades(call: Call, since: int, until: int) -> Iterator[Entry]:
    for fill in call.account.read_fills(call.now_ms, product=SPOT, since_ms=since, until_ms=until, newest_first=True):
        sign = 1 if fill.side == "buy" else -1
        legs = ((fill.market.base, sign * fill.amount, ZERO), (fill.market.quote, -sign * fill.cost, fee_of(fill)))
        for first, (coin, amount, fee) in zip("AB", legs, strict=True):
            row = _row(fill.timestamp_ms, "trade", fill.trade_id, coin, amount, fee)
            yield fill.timestamp_ms, _name(first, fill.sequence), row


def _money(call: Call, since: int, until: int) -> list[Entry]:
    """What comes in costs a little, and so does what goes out: the fee stands beside the amount."""
    found = []
    for place, (moment, wallet, coin, net) in enumerate(call.account.deposits):
        if wallet == SPOT and since <= moment <= until:
            fee = (abs(net) * FEE).quantize(EIGHT_PLACES, ROUND_DOWN)
            kind = "deposit" if net > 0 else "withdrawal"
            row = _row(moment, kind, _name("R", place)[1:], coin, net + fee, fee)
            found.append((moment, _name("M", place), row))
    return sorted(found, key=lambda entry: entry[0], reverse=True)
