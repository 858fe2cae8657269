"""An account: what its key may do, which generation it is of, and what lies in its wallets.

Docs, Get API Key Information, Get Account Info, Get Wallet Balance and Get All Coins Balance, read 2026-11.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import (
    AccountModeChanged,
    ContractBroken,
    ExchangeUnavailable,
    MarketGone,
    PermissionMissing,
)
from shared.exchanges.bybit.rest import ACCOUNT, FUNDING, KEY, OLD_EXECUTIONS, WALLET
from shared.exchanges.kit.contract import Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total as exact_total

CLASSIC, UTA1, UTA2 = "classic", "uta1", "uta2"
_MODES = {1: CLASSIC, 3: UTA1, 4: UTA1, 5: UTA2, 6: UTA2}
# The wallets that `wallet-balance` knows, by generation: the first unified accounts kept inverse contracts apart.
_WALLETS = {CLASSIC: ("SPOT", "CONTRACT"), UTA1: ("UNIFIED", "CONTRACT"), UTA2: ("UNIFIED",)}


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask what the key may do and of which generation the account is."""
    try:
        answer = yield Request(KEY)
    except PermissionMissing:
        return (yield from _unknown_key(account))
    except ContractBroken:
        if account.region != "demo":  # demo trading has no such call
            raise
        return (yield from _unknown_key(account))
    result = row_of(_result(answer.data), "the key's description")
    mode = yield from _mode(result.get("uta"))
    details = yield from _history_of(account, mode)
    permissions = _permissions(result.get("permissions"))
    remarks = []
    expires_ms = _moment(result.get("expiredAt"))
    days = result.get("deadlineDay")
    if isinstance(days, int) and days > 0:
        remarks.append(f"The key expires in {days} days unless it is bound to IP addresses.")
    if mode == CLASSIC:
        remarks.append("This is a classic account: the exchange keeps about 180 days of its spot history.")
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=_power(result, any(_trades(permission) for permission in permissions)),
        can_withdraw=_power(result, any(_withdraws(permission) for permission in permissions)),
        uid=optional_text(result, "userID"),
        mode=mode,
        permissions=permissions,
        addresses=_addresses(result.get("ips")),
        expires_ms=expires_ms,
        remarks=tuple(remarks),
        details=details,
    )


def _unknown_key(account: Account) -> Steps[KeyReport]:
    """The key may not ask about itself: what it may do is unknown, the account's mode is asked for all the same."""
    mode = yield from _mode(None)
    details = yield from _history_of(account, mode)
    return KeyReport(
        can_read=Verdict.UNKNOWN,
        can_trade=Verdict.UNKNOWN,
        can_withdraw=Verdict.UNKNOWN,
        mode=mode,
        remarks=("The exchange does not tell what this key may do.",),
        details=details,
    )


def _mode(uta: Any) -> Steps[str]:
    """The account's generation; where only the key tells, a unified account is of the newest."""
    try:
        answer = yield Request(ACCOUNT)
    except (PermissionMissing, AccountModeChanged):
        return CLASSIC if uta == 0 else UTA2
    status = row_of(_result(answer.data), "the account's description").get("unifiedMarginStatus")
    if status not in _MODES:
        raise ContractBroken(f"The account's unifiedMarginStatus is {status!r}, which is unknown.")
    return _MODES[status]


def _history_of(account: Account, mode: str) -> Steps[Mapping[str, Any]]:
    """Whether the list of executions from before the account was unified can be read.

    Nothing tells whether an account ever was another: where the list answers, it is read. An account without one
    is refused with a code that the docs do not name.
    """
    if mode == CLASSIC:
        return {"has_old_history": False}
    try:
        yield Request(
            OLD_EXECUTIONS, {"category": account.products[0].value if account.products else "spot", "limit": 1}
        )
    except (ContractBroken, PermissionMissing, AccountModeChanged, MarketGone):
        return {"has_old_history": False}
    except ExchangeUnavailable:
        return {}
    return {"has_old_history": True}


def _power(result: Row, named: bool) -> Verdict:
    """Whether the key has a power that its permissions name. A read-only key has none: they are what it can see."""
    if result.get("readOnly") == 1:
        return Verdict.NO
    if result.get("readOnly") != 0 or not isinstance(result.get("permissions"), Mapping):
        return Verdict.UNKNOWN
    return Verdict.YES if named else Verdict.NO


def _withdraws(permission: str) -> bool:
    return permission.lower().endswith("withdraw")


def _trades(permission: str) -> bool:
    """Anything that moves an order, a position or a coin inside the exchange; an unknown word counts as such."""
    return not _withdraws(permission) and permission not in {"Exchange:ExchangeHistory", "Affiliate:Affiliate"}


def _permissions(value: Any) -> tuple[str, ...]:
    """The exchange's own words, `Spot:SpotTrade`; areas without any are left out."""
    areas = value if isinstance(value, Mapping) else {}
    return tuple(f"{area}:{word}" for area, words in areas.items() if isinstance(words, list) for word in words)


def _addresses(value: Any) -> tuple[str, ...]:
    """The bound addresses; a star stands for all."""
    ips = value if isinstance(value, list) else []
    return () if "*" in ips else tuple(str(ip) for ip in ips if ip)


def _moment(value: Any) -> int | None:
    """`2026-12-15T03:21:05Z` as epoch ms. Keys that never expire carry an empty text or the epoch's first second."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000 if moment.year > 2000 else None


def balances(account: Account) -> Steps[Wallets]:
    """Every trading wallet of the account, and the funding wallet where the key may see it."""
    found: list[Balance] = []
    missing: dict[str, str] = {}
    for wallet in _WALLETS.get(account.mode, _WALLETS[UTA2]):
        answer = yield Request(WALLET, {"accountType": wallet})
        found += _trading_wallet(wallet, _result(answer.data))
    try:
        answer = yield Request(FUNDING, {"accountType": "FUND"})
    except PermissionMissing:
        missing["FUND"] = "The key may not see the funding wallet."
    else:
        found += _funding_wallet(_result(answer.data))
    return Wallets(balances=tuple(found), missing=missing)


def _trading_wallet(wallet: str, result: Any) -> list[Balance]:
    rows = rows_of(row_of(result, "'result'").get("list"), "'list'")
    mine = [row_of(row, "a wallet") for row in rows]
    return [
        _coin(wallet, row_of(coin, "a coin"))
        for row in mine
        if row.get("accountType") in {wallet, None}
        for coin in rows_of(row.get("coin"), "'coin'")
    ]


def _coin(wallet: str, row: Row) -> Balance:
    """The total is without unrealised profit. What is free is not told any more: `availableToWithdraw` is retired
    since 2025, and what orders and positions hold is shared between all coins."""
    held = [optional_decimal(row, name) for name in ("locked", "totalOrderIM", "totalPositionIM")]
    told = [part for part in held if part is not None]
    return Balance(
        account_type=wallet,
        asset=text(row, "coin"),
        total=decimal(row, "walletBalance"),
        used=exact_total(*told) if told else None,
    )


def _funding_wallet(result: Any) -> list[Balance]:
    rows = rows_of(row_of(result, "'result'").get("balance"), "'balance'")
    balances_ = []
    for row in (row_of(raw, "a coin") for raw in rows):
        total, free = decimal(row, "walletBalance"), optional_decimal(row, "transferBalance")
        used = None if free is None else exact_total(total, -free)
        balances_.append(Balance(account_type="FUND", asset=text(row, "coin"), total=total, free=free, used=used))
    return balances_


def _result(data: Any) -> Any:
    return data.get("result") if isinstance(data, Mapping) else None
