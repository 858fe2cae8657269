"""What changes the spot wallet of a classic account besides trades: the rows of its ledger that no trade made.

Docs, Get Account Ledgers - Trade_hf.
The ledger keeps three days; it is asked day by day.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, choice, decimal, millis, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, older_id
from shared.exchanges.kucoin.rest import CLASSIC, LEDGER
from shared.exchanges.kucoin.rows import coin

_PAGE = 200
_TRADES = {"TRADE_EXCHANGE", "MARGIN_EXCHANGE"}
_SIGNS = {"in": 1, "out": -1}


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window."""
    del assets
    found: list[Movement] = []
    if account.mode == CLASSIC:
        for since in range(window.since, window.until, DAY_MS):
            rows = yield from _rows(since, min(since + DAY_MS, window.until))
            found += [_movement(row) for row in rows if not _is_of_trade(row)]
    return tuple(found)


def _rows(since_ms: int, until_ms: int) -> Steps[list[Row]]:
    """Newest first, each page from the id on that the one before ended with."""
    found: list[Row] = []
    params: dict[str, Any] = {"startAt": since_ms, "endAt": until_ms, "limit": _PAGE}
    while True:
        answer = yield from if_allowed(LEDGER, dict(params))
        data = None if answer is None else answer.data.get("data")
        listed = data.get("items") if isinstance(data, Mapping) else data
        rows = [row_of(row, "a row") for row in rows_of(listed or [], "the ledger")]
        found += rows
        if len(rows) < _PAGE:
            return found
        params["lastId"] = older_id(text(rows[-1], "id"), params.get("lastId"))


def _is_of_trade(row: Row) -> bool:
    return text(row, "bizType") in _TRADES or "tradeId" in str(row.get("context"))


def _movement(row: Row) -> Movement:
    return Movement(
        account_type="spot",
        asset=coin(text(row, "currency")),
        id=text(row, "id"),
        amount=choice(row, "direction", _SIGNS) * decimal(row, "amount"),
        timestamp_ms=millis(row, "createdAt"),
        kind=text(row, "bizType").lower(),
    )
