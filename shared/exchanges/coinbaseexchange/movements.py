"""What changes a profile's accounts besides fills: the rows of a coin's ledger that no trade made.

Docs, https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/accounts/get-single-account-ledger, read
2026-11: newest first, a thousand a page, types transfer, match, fee, rebate and conversion; what a trade made names
the trade in its details. Rebates and fees that name none are taken as the exchange's own.
"""

from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import UserActionNeeded
from shared.domain.windows import Window
from shared.exchanges.coinbaseexchange.account import accounts_of_profile
from shared.exchanges.coinbaseexchange.history import PAGE, older, written
from shared.exchanges.coinbaseexchange.rest import LEDGER
from shared.exchanges.coinbaseexchange.rows import coin
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, instant, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS

_MOST_PAGES = 50  # of an account so busy that these do not reach back to its gap, the gap stays
_MATCH = "match"
_OF_TRADES = {"fee", "rebate"}


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but fills in a window, of these assets."""
    del account
    found: list[Movement] = []
    try:
        accounts = yield from accounts_of_profile()
    except UserActionNeeded:
        return ()
    for each in accounts:
        asset = coin(text(each, "currency"))
        if asset in assets:
            rows = yield from _rows(text(each, "id"), window)
            found += [_movement(row, asset) for row in rows if _counts(row, window)]
    return tuple(found)


def _rows(account_id: str, window: Window) -> Steps[list[Row]]:
    """Whether dates are taken to the day is not documented: a day to spare on both sides, and no page in vain."""
    found: list[Row] = []
    dates = {"start_date": written(window.since - DAY_MS), "end_date": written(window.until + DAY_MS)}
    params: dict[str, Any] = {"id": account_id, "limit": PAGE, **dates}
    for _ in range(_MOST_PAGES):
        answer = yield from if_allowed(LEDGER, dict(params))
        if answer is None:
            break
        rows = [row_of(row, "a row") for row in rows_of(answer.data, "the ledger")]
        found += rows
        if not rows or instant(rows[-1], "created_at") < window.since:
            break
        params["after"] = older(answer, params.get("after"))
    return found


def _counts(row: Row, window: Window) -> bool:
    kind, details = text(row, "type"), row_of(row.get("details") or {}, "'details'")
    is_of_trade = kind == _MATCH or (kind in _OF_TRADES and bool(details.get("trade_id") or details.get("order_id")))
    return not is_of_trade and window.since <= instant(row, "created_at") < window.until


def _movement(row: Row, asset: str) -> Movement:
    return Movement(
        account_type="spot",
        asset=asset,
        id=text(row, "id"),
        amount=decimal(row, "amount"),
        timestamp_ms=instant(row, "created_at"),
        kind=text(row, "type"),
    )
