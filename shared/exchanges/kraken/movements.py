"""What changes the spot wallet besides spot trades: the rows of the ledgers that are of another type.

Margin trades are among them: of these only fees, results and settlements move coins.
Docs, Get Ledgers Info:
fifty a page, newest first; a row changes the balance by its amount less its fee.
Field names are those that ccxt 4.5.90 reads; the live documents were not at hand.
"""

from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.windows import Window
from shared.exchanges.kit import numbers
from shared.exchanges.kit.asking import if_allowed
from shared.exchanges.kit.contract import Movement, Steps
from shared.exchanges.kit.fields import Row, decimal, millis, optional_decimal, row_of, text
from shared.exchanges.kraken.account import WALLET
from shared.exchanges.kraken.names import held_coin
from shared.exchanges.kraken.rest import LEDGERS

_PAGE = 50
_TRADE = "trade"


def movements(account: Account, window: Window, assets: frozenset[str]) -> Steps[tuple[Movement, ...]]:
    """Everything but spot trades in a window. Its start is left out of what the exchange answers, its end is in it."""
    del account, assets
    found: dict[str, Movement] = {}
    params: dict[str, Any] = {"start": window.since // 1_000 - 1, "end": -(-window.until // 1_000), "ofs": 0}
    while True:
        answer = yield from if_allowed(LEDGERS, dict(params))
        rows: Row = {}
        if answer is not None:
            rows = row_of(row_of(answer.data.get("result"), "the answer").get("ledger") or {}, "'ledger'")
        for name, raw in rows.items():
            row = row_of(raw, "a row")
            if text(row, "type") != _TRADE:
                found[name] = _movement(name, row)
        if len(rows) < _PAGE:
            return tuple(found.values())
        params["ofs"] += len(rows)


def _movement(name: str, row: Row) -> Movement:
    fee = optional_decimal(row, "fee") or Decimal(0)
    seconds = numbers.product(decimal(row, "time"), Decimal(1_000))
    return Movement(
        account_type=WALLET,
        asset=held_coin(text(row, "asset"))[0],
        id=name,
        amount=numbers.total(decimal(row, "amount"), -fee),
        timestamp_ms=millis({"time": int(seconds)}, "time"),
        kind=text(row, "type"),
    )
