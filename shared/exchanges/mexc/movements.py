"""What changes the spot wallet besides trades: deposits, withdrawals, transfers to and from contracts.

There is no one list of all of it. Docs, Deposit History, Withdraw History (seven days in one question, 90 in all, a
thousand rows) and Query User Universal Transfer History, read 2026-11 from a stored copy; field names are also those
that ccxt 4.5.90 reads. Whether a withdrawal's `amount` holds its fee is not written; ccxt takes it as
holding it. Transfers to other users are not asked for, whose rows do not say which side is ours, nor conversions of
dust, whose rows were not at hand.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.kit.asking import all_pages, if_allowed
from shared.exchanges.kit.contract import Endpoint, Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, optional_text, row_of, rows_of, text, whole
from shared.exchanges.kit.paging import DAY_MS
from shared.exchanges.mexc.rest import DEPOSITS, TRANSFERS, WITHDRAWALS
from shared.exchanges.mexc.rows import coin

_LONGEST_MS = 7 * DAY_MS
_REACH_MS = 89 * DAY_MS
_ARRIVED = {5, 12}  # SUCCESS, COMPLETED
_GIVEN_BACK = {8, 9}  # FAILED, CANCEL


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window."""
    del account, assets
    found: list[Movement] = []
    # Deposits are found by the moment at which they were first seen, withdrawals by that of the wish.
    early = Window(max(window.since - DAY_MS, window.until - _REACH_MS), window.until)
    for row in (yield from _by_weeks(DEPOSITS, early)):
        found += _deposit(row)
    for row in (yield from _by_weeks(WITHDRAWALS, early)):
        found += _withdrawal(row)
    span = {"startTime": window.since, "endTime": window.until}
    for source, target, sign in (("SPOT", "FUTURES", -1), ("FUTURES", "SPOT", 1)):
        asked = {**span, "fromAccountType": source, "toAccountType": target, "page": 1, "size": 100}
        for row in (yield from all_pages(TRANSFERS, asked, _rows, "page", 100)):
            found += _transfer(row, sign)
    return tuple(found)


def _by_weeks(endpoint: Endpoint, window: Window) -> Steps[list[Row]]:
    found: list[Row] = []
    for since in range(window.since, window.until, _LONGEST_MS):
        span = {"startTime": since, "endTime": min(since + _LONGEST_MS, window.until), "limit": 1_000}
        answer = yield from if_allowed(endpoint, span)
        listed = [] if answer is None else rows_of(answer.data, "the list")
        found += [row_of(row, "a row") for row in listed]
    return list({_own(row): row for row in found}.values())


def _own(row: Row) -> str:
    """Deposits have no id of their own: the transaction and its place in it are one."""
    return text(row, "id") if optional_text(row, "id") else text(row, "txId")


def _rows(data: Any) -> list[Row]:
    return [row_of(row, "a row") for row in rows_of(row_of(data, "the answer").get("rows") or [], "'rows'")]


def _moved(own: str, asset: str, amount: Decimal, at_ms: int, kind: str) -> Movement:
    return Movement(
        account_type="spot", asset=coin(asset), id=f"{kind}:{own}", amount=amount, timestamp_ms=at_ms, kind=kind
    )


def _coin_of(row: Row) -> str:
    """`USDC-TRX` names the network as well."""
    return text(row, "coin").partition("-")[0]


def _deposit(row: Row) -> Iterator[Movement]:
    if whole(row, "status") in _ARRIVED:
        at_ms = millis(row, "updateTime" if row.get("updateTime") else "insertTime")
        yield _moved(_own(row), _coin_of(row), decimal(row, "amount"), at_ms, "deposit")


def _withdrawal(row: Row) -> Iterator[Movement]:
    if whole(row, "status") not in _GIVEN_BACK:
        gone = decimal(row, "amount").copy_negate()
        yield _moved(_own(row), _coin_of(row), gone, millis(row, "applyTime"), "withdrawal")


def _transfer(row: Row, sign: int) -> Iterator[Movement]:
    if text(row, "status") == "SUCCESS":
        amount = sign * decimal(row, "amount")
        yield _moved(text(row, "tranId"), text(row, "asset"), amount, millis(row, "timestamp"), "transfer")
