"""What changes a spot wallet besides trades: deposits, withdrawals, transfers, conversions, dust, dividends.

There is no one list of all of it. Docs: developers.binance.com, Wallet (Capital, Asset) and Convert.
Transfers from and to isolated margin pairs and sub-accounts are not asked for, nor what card and bank moved.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import UnreadableRow
from shared.domain.windows import Window
from shared.exchanges.binance.endpoints import CONVERSIONS, DEPOSITS, DIVIDENDS, DUST, TRANSFERS, WITHDRAWALS
from shared.exchanges.kit import numbers
from shared.exchanges.kit.asking import all_pages, if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import (
    Row,
    decimal,
    millis,
    optional_decimal,
    optional_text,
    row_of,
    rows_of,
    text,
    whole,
)

_SPOT = "spot"
_DAY_MS = 86_400_000
_CREDITED = {1, 6}  # 6: counts, and may not be withdrawn yet
_GIVEN_BACK = {1, 3, 5}  # cancelled, rejected, failed
_WALLETS = ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING", "OPTION", "PORTFOLIO_MARGIN")


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but trades in a window. The test networks tell none of it."""
    del assets
    if account.region != "global":
        return ()
    span = {"startTime": window.since, "endTime": window.until}
    # Deposits are found by the moment at which they were first seen, withdrawals by that of the wish.
    early = span | {"startTime": window.since - _DAY_MS}
    found: list[Movement] = []
    for row in (yield from all_pages(DEPOSITS, {**early, "limit": 1000, "offset": 0}, _list, "offset", 1000)):
        found += _deposit(row_of(row, "a deposit"))
    for row in (yield from all_pages(WITHDRAWALS, {**early, "limit": 1000, "offset": 0}, _list, "offset", 1000)):
        found += _withdrawal(row_of(row, "a withdrawal"))
    for wallet in _WALLETS:
        for kind, sign in ((f"MAIN_{wallet}", -1), (f"{wallet}_MAIN", 1)):
            asked = {**span, "type": kind, "size": 100, "current": 1}
            for row in (yield from all_pages(TRANSFERS, asked, _rows, "current", 100)):
                found += _transfer(row_of(row, "a transfer"), sign)
    for endpoint, name, read in (
        (CONVERSIONS, "list", _conversion),
        (DUST, "userAssetDribblets", _dust),
        (DIVIDENDS, "rows", _dividend),
    ):
        answer = yield from if_allowed(endpoint, span)
        rows = [] if answer is None else rows_of(row_of(answer.data, "the answer").get(name) or [], f"'{name}'")
        found += [move for row in rows for move in read(row_of(row, "a row"))]
    return tuple(found)


def _list(data: Any) -> list[Any]:
    return rows_of(data, "the list")


def _rows(data: Any) -> list[Any]:
    return rows_of(row_of(data, "the answer").get("rows") or [], "'rows'")


def _moved(row: Row, name: str, asset: str, amount: Decimal, at_ms: int, kind: str) -> Movement:
    own = text(row, name)
    return Movement(account_type=_SPOT, asset=asset, id=f"{kind}:{own}", amount=amount, timestamp_ms=at_ms, kind=kind)


def _is_spot(row: Row) -> bool:
    """`walletType` 1 is the funding wallet."""
    return str(row.get("walletType", 0)) == "0"


def _deposit(row: Row) -> Iterator[Movement]:
    if _is_spot(row) and whole(row, "status") in _CREDITED:
        at_ms = millis(row, "completeTime" if row.get("completeTime") else "insertTime")
        yield _moved(row, "id", text(row, "coin"), decimal(row, "amount"), at_ms, "deposit")


def _withdrawal(row: Row) -> Iterator[Movement]:
    """`amount` is what arrives: the fee goes as well."""
    if _is_spot(row) and whole(row, "status") not in _GIVEN_BACK:
        gone = numbers.total(decimal(row, "amount"), optional_decimal(row, "transactionFee") or Decimal(0))
        yield _moved(row, "id", text(row, "coin"), gone.copy_negate(), _written(row, "applyTime"), "withdrawal")


def _written(row: Row, name: str) -> int:
    """A moment of UTC without saying so, `2021-04-15 12:09:16`, as epoch ms."""
    try:
        moment = datetime.strptime(f"{text(row, name)} +0000", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        raise UnreadableRow(f"the field {name!r} is {row.get(name)!r}, not a moment") from None
    return int(moment.timestamp()) * 1_000


def _transfer(row: Row, sign: int) -> Iterator[Movement]:
    if text(row, "status") == "CONFIRMED":
        yield _moved(
            row, "tranId", text(row, "asset"), sign * decimal(row, "amount"), millis(row, "timestamp"), "transfer"
        )


def _conversion(row: Row) -> Iterator[Movement]:
    if text(row, "orderStatus") == "SUCCESS":
        at_ms = millis(row, "createTime")
        for asset, amount, sign in (("fromAsset", "fromAmount", -1), ("toAsset", "toAmount", 1)):
            yield _moved(row, "orderId", text(row, asset), sign * decimal(row, amount), at_ms, "conversion")


def _dust(row: Row) -> Iterator[Movement]:
    """Several coins into one; what is told of each is before the charge."""
    details = [row_of(each, "a coin") for each in rows_of(row.get("userAssetDribbletDetails"), "the coins")]
    got: dict[str, Decimal] = {}
    for each in details:
        target = optional_text(each, "targetAsset") or "BNB"
        net = numbers.total(decimal(each, "transferedAmount"), -decimal(each, "serviceChargeAmount"))
        got[target] = numbers.total(got.get(target, Decimal(0)), net)
        yield _dusted(row, text(each, "fromAsset"), -decimal(each, "amount"))
    for asset, amount in got.items():
        yield _dusted(row, asset, amount)


def _dusted(row: Row, asset: str, amount: Decimal) -> Movement:
    return _moved(row, "transId", asset, amount, millis(row, "operateTime"), "dust")


def _dividend(row: Row) -> Iterator[Movement]:
    yield _moved(row, "id", text(row, "asset"), decimal(row, "amount"), millis(row, "divTime"), "reward")
