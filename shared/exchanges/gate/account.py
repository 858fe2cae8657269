"""An account: what its key may do, in which mode it is, and what lies in its wallets.

A key is described only among all keys of the main account, masked: it is known by its beginning, and by what else is
told of it. Docs: https://www.gate.com/docs/developers/apiv4 (Get account detail, Query all main account keys, Query
mode of the unified account, the wallets), read 2026-11.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, ContractBroken, PermissionMissing
from shared.domain.trades import Product
from shared.exchanges.gate.coins import coin
from shared.exchanges.gate.history import products_of
from shared.exchanges.gate.rest import (
    CROSS_WALLET,
    DETAIL,
    FUTURES_WALLET,
    KEYS,
    LENDING_WALLET,
    MARGIN_WALLETS,
    MODE,
    SPOT_WALLET,
    UNIFIED_WALLET,
)
from shared.exchanges.kit.contract import Endpoint, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total as exact_total

CLASSIC = "classic"
UNIFIED = ("single_currency", "multi_currency", "portfolio")
_PERMISSIONS = {Product.SPOT: "spot", Product.LINEAR: "futures"}
_SHARED = ("user_id", "ip_whitelist", "currency_pairs")
_TRADES = {"spot", "margin", "futures", "delivery", "options", "unified", "earn", "loan", "account"}
_WITHDRAWS = {"wallet", "withdraw", "withdrawal", "withdrawals"}


def check_key(account: Account) -> Steps[KeyReport]:
    """What the key may do, and the account's mode. What a key without the right `account` may not ask is unknown."""
    detail = yield from _asked(DETAIL)
    keys = yield from _own_keys(detail or {})
    mode = yield from _mode(account)
    futures: Row | None = {}
    if Product.LINEAR in products_of(account):
        futures = yield from _asked(FUTURES_WALLET)
    products = tuple(
        product
        for product in products_of(account)
        if all(_PERMISSIONS[product] in _names(key) for key in keys)
        and (product is Product.SPOT or futures is not None)
    )
    remarks = []
    if not keys:
        remarks.append("The exchange does not tell what this key may do; let it read `account`, or look there.")
    if not mode:
        remarks.append("The key may not see the account's mode; let it read `unified`, or balances may be missing.")
    if Product.SPOT in set(products_of(account)) - set(products):
        remarks.append("Spot trades cannot be read: the key lacks that permission.")
    if Product.LINEAR in set(products_of(account)) - set(products):
        remarks.append("Perpetuals cannot be read: there is no futures account yet, or the key may not see it.")
    if detail and detail.get("currency_pairs"):
        remarks.append("The key is bound to some markets: trades of all others cannot be seen with it.")
    detail, futures = detail or {}, futures or {}
    return KeyReport(
        can_read=Verdict.UNKNOWN if not keys else Verdict.YES if products else Verdict.NO,
        can_trade=_agreed(_can_trade(key) for key in keys),
        can_withdraw=_agreed(_can_withdraw(key) for key in keys),
        uid=optional_text(detail, "user_id") or optional_text(futures, "user"),
        mode=mode,
        permissions=tuple(dict.fromkeys(f"{name}:{power}" for key in keys for name, power in _powers(key))),
        addresses=tuple(str(address) for address in detail.get("ip_whitelist") or ()),
        remarks=tuple(remarks),
        products=products,
    )


def _asked(endpoint: Endpoint) -> Steps[Row | None]:
    """The answer; None where the key may not ask, or where there is no such account."""
    try:
        answer = yield Request(endpoint, {"settle": "usdt"} if endpoint is FUTURES_WALLET else {})
    except (AccountModeChanged, PermissionMissing):
        return None
    return row_of(answer.data, f"the answer of {endpoint.path}")


def _mode(account: Account) -> Steps[str]:
    """The account's mode in the exchange's words; empty where the key may not ask."""
    try:
        answer = yield Request(MODE)
    except PermissionMissing:
        return ""
    except AccountModeChanged:
        return CLASSIC  # a unified account was never opened
    except ContractBroken:
        if account.region != "testnet":  # which has no unified accounts
            raise
        return CLASSIC
    mode = text(row_of(answer.data, "the account's mode"), "mode")
    if mode not in (CLASSIC, *UNIFIED):
        raise ContractBroken(f"The account's mode is {mode!r}, which is unknown.")
    return mode


def _own_keys(detail: Row) -> Steps[list[Row]]:
    """The descriptions that may be this key's: one, or those of a list that show its beginning and its account.

    A sub-account's key is not among those of the main account.
    """
    try:
        answer = yield Request(KEYS)
    except PermissionMissing:
        return []
    rows = [row_of(row, "a key") for row in (answer.data if isinstance(answer.data, list) else [answer.data])]
    return [
        row
        for row in rows
        if row.get("state", 1) == 1
        and isinstance(row.get("perms"), list)
        and _fits(optional_text(row, "key") or "", answer.key_begins)
        and all(str(row[name]) == str(detail[name]) for name in _SHARED if name in row and name in detail)
    ]


def _fits(masked: str, begins: str) -> bool:
    """Whether a masked key, `c5dc...*****`, can be one that begins so."""
    shown = masked.rstrip("*").rstrip(".")
    return shown.startswith(begins) or begins.startswith(shown)


def _powers(key: Row) -> list[tuple[str, str]]:
    perms = [row_of(perm, "a permission") for perm in rows_of(key["perms"], "'perms'")]
    return [(text(perm, "name"), "read" if perm.get("read_only") is True else "write") for perm in perms]


def _names(key: Row) -> set[str]:
    return {name for name, _ in _powers(key)}


def _writes(key: Row) -> set[str]:
    return {name for name, power in _powers(key) if power == "write"}


def _can_trade(key: Row) -> Verdict:
    return Verdict.YES if _writes(key) - _WITHDRAWS else Verdict.NO


def _can_withdraw(key: Row) -> Verdict:
    """The right to withdraw has had several names: one that is not known may be another."""
    writes = _writes(key)
    if writes & _WITHDRAWS:
        return Verdict.YES
    return Verdict.UNKNOWN if writes - _TRADES else Verdict.NO


def _agreed(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    return found.pop() if len(found) == 1 else Verdict.UNKNOWN


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────


def balances(account: Account) -> Steps[Wallets]:
    """Every wallet of the account's mode. Raises `AccountModeChanged` when the account is in another one now."""
    mode = yield from _mode(account)
    if mode and account.mode and mode != account.mode:
        raise AccountModeChanged(f"The account was in the mode {account.mode!r} and is in {mode!r} now.")
    found: list[Balance] = []
    missing: dict[str, str] = {}
    for name, endpoint, read in _UNIFIED_WALLETS if (mode or account.mode) in UNIFIED else _CLASSIC_WALLETS:
        if endpoint is FUTURES_WALLET and Product.LINEAR not in products_of(account):
            continue
        try:
            answer = yield Request(endpoint, {"settle": "usdt"} if endpoint is FUTURES_WALLET else {})
        except PermissionMissing:
            missing[name] = f"The key may not see the {name} wallet; let it read that at the exchange."
        except AccountModeChanged:
            continue  # it was never opened, so nothing lies in it
        else:
            found += read(name, answer.data)
    return Wallets(balances=tuple(found), missing=missing)


def _balance(name: str, asset: str, row: Row, free: str, *held: str) -> Balance:
    used = exact_total(*(optional_decimal(row, one) or Decimal(0) for one in held))
    return Balance(
        account_type=name,
        asset=coin(asset),
        total=exact_total(decimal(row, free), used),
        free=decimal(row, free),
        used=used,
    )


def _listed(name: str, data: Any) -> list[Balance]:
    rows = [row_of(row, "a coin") for row in rows_of(data, "the wallet")]
    return [_balance(name, text(row, "currency"), row, "available", "locked", "lent") for row in rows]


def _by_coin(name: str, data: Any) -> list[Balance]:
    """What is there: `equity` would add open profit and subtract what is borrowed."""
    coins = row_of(row_of(data, "the wallet").get("balances"), "'balances'")
    return [_balance(name, asset, row_of(row, "a coin"), "available", "freeze") for asset, row in coins.items()]


def _isolated(name: str, data: Any) -> list[Balance]:
    """One wallet of two coins for each market."""
    return [
        _balance(f"{name}:{text(pair, 'currency_pair')}", text(half, "currency"), half, "available", "locked")
        for pair in (row_of(row, "a margin wallet") for row in rows_of(data, "the margin wallets"))
        for half in (row_of(pair.get(side), f"'{side}'") for side in ("base", "quote"))
    ]


def _futures(name: str, data: Any) -> list[Balance]:
    """`total` is without open profit."""
    row = row_of(data, "the futures wallet")
    whole, free = decimal(row, "total"), optional_decimal(row, "available")
    used = None if free is None else exact_total(whole, -free)
    return [Balance(account_type=name, asset=coin(text(row, "currency")), total=whole, free=free, used=used)]


_Wallet = tuple[str, Endpoint, Callable[[str, Any], list[Balance]]]
_MARGIN: tuple[_Wallet, ...] = (("margin", MARGIN_WALLETS, _isolated), ("lending", LENDING_WALLET, _listed))
_UNIFIED_WALLETS: tuple[_Wallet, ...] = (("unified", UNIFIED_WALLET, _by_coin), *_MARGIN)
_CLASSIC_WALLETS: tuple[_Wallet, ...] = (
    ("spot", SPOT_WALLET, _listed),
    ("futures", FUTURES_WALLET, _futures),
    ("cross margin", CROSS_WALLET, _by_coin),
    *_MARGIN,
)
