"""What changes the spot wallet of a classic account besides trades: the rows of its book that no order made.

Docs, Query account book (30 days in one question, pages of 1,000 by number).
The words for what orders
do are not all written down: whatever speaks of an order, a trade or of fees paid in the exchange's own coin counts as
theirs.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

import re
from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.gate.account import CLASSIC
from shared.exchanges.gate.coins import coin
from shared.exchanges.gate.rest import ACCOUNT_BOOK
from shared.exchanges.kit.asking import all_pages
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, row_of, rows_of, text

_PAGE = 1_000
_LONGEST_MS = 30 * 86_400_000
_OF_ORDERS = re.compile(r"order|trade|fill|(point|gt)_?fee|^fee$", re.IGNORECASE)


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window; both of its ends are asked for in whole seconds."""
    del assets
    if account.mode != CLASSIC:
        return ()
    found: list[Movement] = []
    for since in range(window.since, window.until, _LONGEST_MS):
        until = min(since + _LONGEST_MS, window.until)
        asked = {"from": since // 1_000, "to": until // 1_000, "limit": _PAGE, "page": 1}
        rows = yield from all_pages(ACCOUNT_BOOK, asked, _rows, "page", _PAGE)
        found += [_movement(row) for row in rows if not _OF_ORDERS.search(text(row, "type"))]
    return tuple(found)


def _rows(data: Any) -> list[Row]:
    return [row_of(row, "a row") for row in rows_of(data, "the account book")]


def _movement(row: Row) -> Movement:
    return Movement(
        account_type="spot",
        asset=coin(text(row, "currency")),
        id=text(row, "id"),
        amount=decimal(row, "change"),
        timestamp_ms=millis(row, "time"),
        kind=text(row, "type"),
    )
