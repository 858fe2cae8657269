"""What changes the spot wallet of a classic account besides trades: the bills that are not of the group of trades.

Docs, Get Account Bills (90 days in one question and in all, pages of 500, ids that lead to older ones).
Whether a withdrawal's `size` holds its fee is not written; it is taken as holding it.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.bitget.rest import BILLS, CLASSIC
from shared.exchanges.bitget.rows import coin
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, older_id

_PAGE = 500
_LONGEST_MS = 90 * DAY_MS - 60_000
_TRADES = "transaction"


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window. No document says that its ends are in it: it is asked for a little wider."""
    del assets
    if account.mode != CLASSIC:
        return ()
    found: list[Movement] = []
    since = max(window.since, window.until - _LONGEST_MS)
    params: dict[str, Any] = {"startTime": since - 1, "endTime": window.until + 1, "limit": _PAGE}
    while True:
        answer = yield from if_allowed(BILLS, dict(params))
        listed = [] if answer is None else rows_of(answer.data.get("data") or [], "the bills")
        rows = [row_of(row, "a bill") for row in listed]
        found += [_movement(row) for row in rows if text(row, "groupType").lower() != _TRADES]
        if len(rows) < _PAGE:
            return tuple(found)
        oldest = min((text(row, "billId") for row in rows), key=int)
        params["idLessThan"] = older_id(oldest, params.get("idLessThan"))


def _movement(row: Row) -> Movement:
    return Movement(
        account_type="spot",
        asset=coin(text(row, "coin")),
        id=text(row, "billId"),
        amount=decimal(row, "size"),
        timestamp_ms=millis(row, "cTime"),
        kind=text(row, "groupType"),
    )
