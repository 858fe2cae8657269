"""What is known of a key, and what lies in its profile. A key belongs to one profile.

Docs: https://docs.cdp.coinbase.com/exchange/reference, Get all accounts for a profile, read 2026-11.
"""

from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.exchanges.coinbaseexchange.rest import ACCOUNTS
from shared.exchanges.coinbaseexchange.rows import coin
from shared.exchanges.kit.contract import CredentialField, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text

FIELDS = (
    CredentialField(name="api_key", label="API key", is_secret=False),
    CredentialField(name="secret", label="API secret"),
    CredentialField(name="passphrase", label="API passphrase, as shown when the key was made"),
)
_REMARKS = (
    "This exchange does not tell what a key may do: make sure at its website that this one has 'View' only.",
    "This key sees one profile only; connect a key of each profile whose trades are wanted.",
)


def check_key(account: Account) -> Steps[KeyReport]:
    """A key that may list its accounts can read; nothing tells what else it may do, and it is not tried out."""
    del account
    rows = yield from accounts_of_profile()
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=Verdict.UNKNOWN,
        can_withdraw=Verdict.UNKNOWN,
        uid=next((optional_text(row, "profile_id") for row in rows), None),
        remarks=_REMARKS,
    )


def balances(account: Account) -> Steps[Wallets]:
    """All accounts of the profile, one for each currency."""
    del account
    rows = yield from accounts_of_profile()
    return Wallets(
        balances=tuple(
            Balance(
                account_type="spot",
                asset=coin(text(row, "currency")),
                total=decimal(row, "balance"),
                free=optional_decimal(row, "available"),
                used=optional_decimal(row, "hold"),
            )
            for row in rows
        )
    )


def accounts_of_profile() -> Steps[list[Row]]:
    """The rows of all accounts, one for each currency."""
    answer = yield Request(ACCOUNTS)
    rows: list[Any] = rows_of(answer.data, "the list of accounts")
    return [row_of(row, "the account") for row in rows]
