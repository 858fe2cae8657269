"""What changes the spot wallet besides trades: the rows of the account's history that are of another type.

Docs, Get Account History (an hour in one question, the last 30 days, pages of 500 that name the id of the next).
A busy hour has thousands of rows of trades, so all other types are asked for by name. Maker rebates are part of their
fills; what is called a rebate here is taken as the commission for those whom one brought. The live documents were not
at hand: field names and types are those of a stored copy of them and of ccxt 4.5.90, read 2026-11.
"""

from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.htx.account import POINTS
from shared.exchanges.htx.rest import ACCOUNT_HISTORY, ACCOUNTS
from shared.exchanges.htx.rows import coin
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, row_of, rows_of, text
from shared.exchanges.kit.paging import DAY_MS, after_token

POINT_COIN = "HBPOINT"
_PAGE = 500
_LONGEST_MS = 3_600_000
_OF_TRADES = {"trade", "transact-fee", "fee-deduction"}
_TYPES = "transfer,deposit,withdraw,withdraw-fee,rebate,interest,credit,liquidation,exchange,etf,other-types"


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window. Of a window longer than a day its last day: what came in shows at its end."""
    del account
    wallets = {"spot", POINTS} if POINT_COIN in assets else {"spot"}
    found: dict[str, Movement] = {}
    answer = yield from if_allowed(ACCOUNTS, {})
    rows = [] if answer is None else rows_of(row_of(answer.data, "the answer").get("data"), "'data'")
    for wallet in (row_of(row, "a wallet") for row in rows):
        if text(wallet, "type") in wallets:
            for since in range(max(window.since, window.until - DAY_MS), window.until, _LONGEST_MS):
                until = min(since + _LONGEST_MS, window.until)
                for row in (yield from _rows(text(wallet, "id"), Window(since, until))):
                    if text(row, "transact-type") not in _OF_TRADES:
                        found[text(row, "record-id")] = _movement(row)
    return tuple(found.values())


def _rows(wallet_id: str, hour: Window) -> Steps[list[Row]]:
    """All rows of an hour, both ends in it; each page names the first row of the next."""
    found: list[Row] = []
    params: dict[str, Any] = {"account-id": wallet_id, "start-time": hour.since, "end-time": hour.until}
    params |= {"size": _PAGE, "sort": "asc", "transact-types": _TYPES}
    while True:
        answer = yield from if_allowed(ACCOUNT_HISTORY, dict(params))
        if answer is None:
            return found
        body = row_of(answer.data, "the answer")
        found += [row_of(row, "a row") for row in rows_of(body.get("data") or [], "the history")]
        following = after_token(body.get("next-id"), params.get("from-id"))
        if following is None:
            return found
        params["from-id"] = following


def _movement(row: Row) -> Movement:
    return Movement(
        account_type="spot",
        asset=coin(text(row, "currency")),
        id=text(row, "record-id"),
        amount=decimal(row, "transact-amt"),
        timestamp_ms=millis(row, "transact-time"),
        kind=text(row, "transact-type"),
    )
