"""A balance: how much of one asset lies in one of an account's wallets."""

from decimal import Decimal

from msgspec import Struct


class Balance(Struct, frozen=True, kw_only=True):
    """`total` is the wallet's settled amount; `free` and `used` are None where the exchange does not tell."""

    account_type: str
    asset: str
    total: Decimal
    free: Decimal | None = None
    used: Decimal | None = None
