"""What changes a portfolio's accounts besides fills: their transactions that no order of Advanced Trade made.

Docs, https://docs.cdp.coinbase.com/coinbase-app/track-apis/transactions, read 2026-11 (newest first, by accounts, a
hundred a page, without a window; `amount` has its sign and holds the network's fee). That accounts have one id on both
interfaces is not written; ccxt 4.5.90 uses them so.
"""

from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import UserActionNeeded
from shared.domain.windows import Window
from shared.exchanges.coinbase.account import rows_of_accounts, wallet_of
from shared.exchanges.coinbase.rest import TRANSACTIONS
from shared.exchanges.coinbase.rows import coin
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, instant, optional_text, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, after_token

_PAGE = 100
_MOST_PAGES = 30  # of an account so busy that these do not reach back to its gap, the gap stays
_OF_FILLS = "advanced_trade_fill"
_DONE = "completed"


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but fills in a window, of these assets. What arrived in it may have been seen a day before."""
    del account
    found: list[Movement] = []
    since_ms = window.since - DAY_MS
    for each in (yield from _accounts()):
        if wallet_of(each) == "spot" and coin(text(each, "currency")) in assets:
            found += yield from _of_account(text(each, "uuid"), Window(since_ms, window.until))
    return tuple(found)


def _accounts() -> Steps[list[Row]]:
    try:
        return (yield from rows_of_accounts())
    except UserActionNeeded:
        return []


def _of_account(account_id: str, window: Window) -> Steps[list[Movement]]:
    found: list[Movement] = []
    params: dict[str, Any] = {"account_id": account_id, "limit": _PAGE}
    for _ in range(_MOST_PAGES):
        answer = yield from if_allowed(TRANSACTIONS, dict(params))
        if answer is None:
            break
        body = row_of(answer.data, "the answer")
        rows = [row_of(row, "a transaction") for row in rows_of(body.get("data"), "'data'")]
        found += [_movement(row) for row in rows if _counts(row, window)]
        following = _following(body, params.get("starting_after"))
        if following is None or (rows and instant(rows[-1], "created_at") < window.since):
            break
        params["starting_after"] = following
    return found


def _following(body: Row, before: Any) -> str | None:
    pages = body.get("pagination")
    return None if pages is None else after_token(row_of(pages, "'pagination'").get("next_starting_after"), before)


def _counts(row: Row, window: Window) -> bool:
    is_ours = text(row, "type") != _OF_FILLS and optional_text(row, "status") == _DONE
    return is_ours and window.since <= instant(row, "created_at") < window.until


def _movement(row: Row) -> Movement:
    money = row_of(row.get("amount"), "'amount'")
    return Movement(
        account_type="spot",
        asset=coin(text(money, "currency")),
        id=text(row, "id"),
        amount=decimal(money, "amount"),
        timestamp_ms=instant(row, "created_at"),
        kind=text(row, "type"),
    )
