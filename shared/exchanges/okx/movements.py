"""What changes the trading wallet besides trades: every row of the account's bills that no fill made.

Docs, Get bills details (last 3 months):
newest first, 100 a page, both ends of the window included.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.kit import numbers
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, optional_decimal, optional_text, row_of, text
from shared.exchanges.kit.paging import older_id
from shared.exchanges.okx.rest import BILLS, rows_in
from shared.exchanges.okx.rows import coin

_PAGE = 100
_TRADE = "2"
_KINDS = {"1": "transfer", "7": "interest", "16": "loan", "22": "loan", "27": "conversion", "28": "conversion"}


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but fills in a window."""
    del account, assets
    found: list[Movement] = []
    params: dict[str, Any] = {"begin": window.since, "end": window.until, "limit": _PAGE}
    while True:
        answer = yield from if_allowed(BILLS, dict(params))
        rows = [] if answer is None else [row_of(row, "a bill") for row in rows_in(answer.data)]
        for row in rows:
            found += _of_fill(row) if _is_of_fill(row) else _alone(row)
        if len(rows) < _PAGE:
            return tuple(found)
        params["after"] = older_id(text(rows[-1], "billId"), params.get("after"))


def _is_of_fill(row: Row) -> bool:
    return text(row, "type") == _TRADE or (optional_text(row, "tradeId") or "0") != "0"


def _alone(row: Row) -> Iterator[Movement]:
    kind = text(row, "type")
    yield Movement(
        account_type="trading",
        asset=coin(text(row, "ccy")),
        id=text(row, "billId"),
        amount=decimal(row, "balChg"),
        timestamp_ms=millis(row, "ts"),
        kind=_KINDS.get(kind, f"bill of type {kind}"),
    )


def _of_fill(row: Row) -> Iterator[Movement]:
    """A market in dollars is paid in one of several coins: that one moves, and not the coin that the market names."""
    names, paid = text(row, "instId").split("-"), text(row, "ccy")
    if len(names) != 2 or paid in names:
        return
    change = numbers.total(decimal(row, "balChg"), -(optional_decimal(row, "fee") or Decimal(0)))
    for asset, amount in ((paid, change), (names[1], change.copy_negate())):
        yield Movement(
            account_type="trading",
            asset=coin(asset),
            id=text(row, "billId"),
            amount=amount,
            timestamp_ms=millis(row, "fillTime" if row.get("fillTime") else "ts"),
            kind=f"paid in {coin(paid)}",
        )
