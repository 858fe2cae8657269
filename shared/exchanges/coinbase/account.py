"""What a key may do, and what lies in the portfolio that it opens: a key sees one portfolio only.

Docs: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api, Get API Key Permissions and List
Accounts, read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import ContractBroken
from shared.exchanges.coinbase.rest import ACCOUNTS, KEY
from shared.exchanges.coinbase.rows import coin
from shared.exchanges.kit.contract import Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total
from shared.exchanges.kit.paging import after_token

_PAGE = 250
_POWERS = {"view": "can_view", "trade": "can_trade", "transfer": "can_transfer"}
_ONE_PORTFOLIO = "This key sees one portfolio only; connect a key of each portfolio whose trades are wanted."


def check_key(account: Account) -> Steps[KeyReport]:
    """What the key may do, in the exchange's own three words; the account is its portfolio."""
    del account
    answer = yield Request(KEY)
    found = row_of(answer.data, "the report on the key")
    verdicts = {power: _verdict(found.get(name)) for power, name in _POWERS.items()}
    return KeyReport(
        can_read=verdicts["view"],
        can_trade=verdicts["trade"],
        can_withdraw=verdicts["transfer"],
        uid=optional_text(found, "portfolio_uuid"),
        permissions=tuple(power for power, verdict in verdicts.items() if verdict is Verdict.YES),
        remarks=(_ONE_PORTFOLIO,),
    )


def _verdict(told: Any) -> Verdict:
    if not isinstance(told, bool):
        return Verdict.UNKNOWN
    return Verdict.YES if told else Verdict.NO


def balances(account: Account) -> Steps[Wallets]:
    """All accounts of the portfolio, page by page; several of one kind and coin are one balance."""
    del account
    sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
    for row in (yield from rows_of_accounts()):
        wallet, asset = wallet_of(row), coin(text(row, "currency"))
        before = sums.get((wallet, asset), (Decimal(0), Decimal(0)))
        sums[wallet, asset] = (
            total(before[0], _amount(row, "available_balance")),
            total(before[1], _amount(row, "hold")),
        )
    return Wallets(
        balances=tuple(
            Balance(account_type=wallet, asset=asset, total=total(free, used), free=free, used=used)
            for (wallet, asset), (free, used) in sums.items()
        )
    )


def rows_of_accounts() -> Steps[list[Row]]:
    """The rows of all accounts, page by page."""
    found: list[Row] = []
    cursor = None
    while True:
        answer = yield Request(ACCOUNTS, {"limit": _PAGE} | ({"cursor": cursor} if cursor else {}))
        body = row_of(answer.data, "the list of accounts")
        found += [row_of(raw, "the account") for raw in rows_of(body.get("accounts"), "'accounts'")]
        if body.get("has_next") is not True:
            return found
        cursor = after_token(body.get("cursor"), cursor)
        if cursor is None:
            raise ContractBroken("The exchange says there are more accounts, and not where.")


def wallet_of(row: Row) -> str:
    """Which wallet an account belongs to: `spot` for coins and money, else the exchange's word."""
    kind = text(row, "type").removeprefix("ACCOUNT_TYPE_").lower()
    return "spot" if kind in {"crypto", "fiat"} else kind


def _amount(row: Row, name: str) -> Decimal:
    """An amount of the account's own currency; one that was never held may be left out."""
    told = row.get(name)
    return decimal(told, "value") if isinstance(told, Mapping) else Decimal(0)
