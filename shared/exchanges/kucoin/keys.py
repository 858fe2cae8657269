"""What a key may do, which kind of account it opens, and what lies in its wallets.

`General` is the right to read; every other permission is a right to do something. The account's mode decides which
half of the API is spoken. Docs: https://www.kucoin.com/docs-new/rest/account-info, read 2026-11.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, ContractBroken, PermissionMissing
from shared.domain.trades import Product
from shared.exchanges.kit.contract import CredentialField, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total
from shared.exchanges.kucoin.history import wants_futures
from shared.exchanges.kucoin.rest import (
    CLASSIC,
    FUNDING_WALLET,
    FUTURES_WALLET,
    HAS_HF,
    KEY,
    MODE,
    OLD_FILLS,
    UNIFIED,
    UNIFIED_WALLET,
    WALLETS,
)
from shared.exchanges.kucoin.rows import coin

CREDENTIAL_FIELDS = (
    CredentialField(name="api_key", label="API key"),
    CredentialField(name="secret", label="API secret"),
    CredentialField(name="passphrase", label="API passphrase, as set when the key was made"),
)

_READS = {"general"}
_WITHDRAWS = {"transfer", "withdraw", "withdrawal", "innertransfer"}
_TRADES = {"trade", "spot", "margin", "futures", "unified", "earn"}

_SEVEN_DAYS = (
    "This exchange serves spot fills of the last 7 days only; older ones cannot be read with a key, "
    "export them on its website."
)


def check_key(account: Account) -> Steps[KeyReport]:
    """What the key may do, and the account's mode, detected anew."""
    answer = yield Request(KEY)
    found = row_of(answer.data.get("data"), "the report on the key")
    words = _words(optional_text(found, "permission"))
    known = {word.lower() for word in words}
    mode = yield from _mode()
    details: dict[str, Any] = {}
    remarks = []
    if mode == CLASSIC and Product.SPOT in account.products:
        details["has_old_fills"] = yield from _has_old_fills()
        if not details["has_old_fills"]:
            remarks.append(_SEVEN_DAYS)
    unknown = sorted(word for word in words if word.lower() not in _READS | _WITHDRAWS | _TRADES)
    if unknown:
        remarks.append(f"The key has rights that are not known here: {', '.join(unknown)}.")
    return KeyReport(
        can_read=Verdict.YES if known & _READS else Verdict.UNKNOWN,
        can_trade=_verdict(known & _TRADES, is_certain=bool(words) and not unknown),
        can_withdraw=_verdict(known & _WITHDRAWS, is_certain=bool(words) and not unknown),
        uid=optional_text(found, "uid"),
        mode=mode,
        permissions=words,
        addresses=_words(optional_text(found, "ipWhitelist")),
        remarks=tuple(remarks),
        details=details,
    )


def _words(written: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (written or "").split(",") if word.strip())


def _verdict(found: Iterable[str], *, is_certain: bool) -> Verdict:
    if found:
        return Verdict.YES
    return Verdict.NO if is_certain else Verdict.UNKNOWN


def _mode() -> Steps[str]:
    """The account's mode. Accounts from before unified ones may not even be asked: they are classic."""
    try:
        answer = yield Request(MODE)
    except (AccountModeChanged, ContractBroken, PermissionMissing):
        return CLASSIC
    data = row_of(answer.data.get("data"), "the account's mode")
    return UNIFIED if text(data, "selfAccountMode").upper() == "UNIFIED" else CLASSIC


def _has_old_fills() -> Steps[bool]:
    """Whether the old fills endpoint has something of this account: then it has years of it."""
    try:
        answer = yield Request(HAS_HF)
        if answer.data.get("data") is False:
            return True
        answer = yield Request(OLD_FILLS, {"currentPage": 1, "pageSize": 10})
    except (ContractBroken, PermissionMissing):
        return False
    data = answer.data.get("data")
    return bool(isinstance(data, Mapping) and data.get("items"))


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

_WALLET_NAMES = {"main": "funding", "trade": "spot", "trade_hf": "spot"}
_LINEAR_COINS = ("USDT", "USDC")
_INVERSE_COINS = ("XBT", "ETH", "XRP", "DOT", "SOL")


def balances(account: Account) -> Steps[Wallets]:
    """All wallets of the account. One that is not open to the key is named as missing, with the reason."""
    found = yield from _main_wallets(account)
    missing: dict[str, str] = {}
    if account.mode == UNIFIED:
        try:
            answer = yield Request(FUNDING_WALLET, {"accountType": "FUNDING"})
            found += _unified_wallet(answer.data, "funding")
        except (ContractBroken, PermissionMissing) as error:
            missing["funding"] = error.sentence
        return Wallets(balances=tuple(found), missing=missing)
    for currency in _futures_coins(account):
        try:
            answer = yield Request(FUTURES_WALLET, {"currency": currency})
            found += _futures_wallet(answer.data)
        except (ContractBroken, PermissionMissing) as error:
            missing["futures"] = error.sentence
            break
    return Wallets(balances=tuple(found), missing=missing)


def held_coins(account: Account) -> Steps[set[str]]:
    """The coins in the wallets that spot trades move."""
    found = yield from _main_wallets(account)
    return {balance.asset for balance in found if balance.total}


def _main_wallets(account: Account) -> Steps[list[Balance]]:
    if account.mode == UNIFIED:
        answer = yield Request(UNIFIED_WALLET, {"accountMode": UNIFIED})
        return _unified_wallet(answer.data, "unified")
    answer = yield Request(WALLETS)
    return _classic_wallets(answer.data)


def _futures_coins(account: Account) -> tuple[str, ...]:
    if not wants_futures(account):
        return ()
    return (*_LINEAR_COINS, *_INVERSE_COINS) if Product.INVERSE in account.products else _LINEAR_COINS


def _classic_wallets(response: Any) -> list[Balance]:
    """Every wallet but the futures': the spot wallet may stand there under its old and its new name."""
    rows = rows_of(row_of(response, "the response").get("data"), "'data'")
    return _summed(
        (
            _WALLET_NAMES.get(text(row, "type"), text(row, "type")),
            coin(text(row, "currency")),
            decimal(row, "balance"),
            optional_decimal(row, "available"),
            optional_decimal(row, "holds"),
        )
        for row in map(_row, rows)
    )


def _futures_wallet(response: Any) -> list[Balance]:
    """One currency's wallet. `marginBalance` is what is settled; `accountEquity` would add open profit."""
    row = row_of(row_of(response, "the response").get("data"), "'data'")
    settled = decimal(row, "marginBalance")
    free = optional_decimal(row, "availableBalance")
    asset = coin(text(row, "currency"))
    used = None if free is None else total(settled, -free)
    return [Balance(account_type="futures", asset=asset, total=settled, free=free, used=used)]


def _unified_wallet(response: Any, name: str) -> list[Balance]:
    """`balance` is what is there; `equity` would add open profit and subtract what is borrowed."""
    data = row_of(row_of(response, "the response").get("data"), "'data'")
    wallets = map(_row, rows_of(data.get("accounts"), "'accounts'"))
    rows = [_row(row) for wallet in wallets for row in rows_of(wallet.get("currencies"), "'currencies'")]
    return _summed(
        (
            name,
            coin(text(row, "currency")),
            decimal(row, "balance"),
            optional_decimal(row, "available"),
            optional_decimal(row, "hold"),
        )
        for row in rows
    )


def _row(value: Any) -> Row:
    return row_of(value, "the wallet")


def _summed(
    rows: Iterable[tuple[str, str, Decimal, Decimal | None, Decimal | None]],
) -> list[Balance]:
    """One balance for each wallet and coin, however many rows tell of it."""
    sums: dict[tuple[str, str], Balance] = {}
    for name, asset, whole, free, used in rows:
        known = sums.get((name, asset))
        sums[name, asset] = Balance(
            account_type=name,
            asset=asset,
            total=whole if known is None else total(known.total, whole),
            free=free if known is None else _added(known.free, free),
            used=used if known is None else _added(known.used, used),
        )
    return list(sums.values())


def _added(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else total(one, other)
