"""An account: what its key may do, which mode it is in, and what lies in its two wallets.

Docs, Get account configuration, Get balance (trading and funding account), read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import ContractBroken, PermissionMissing
from shared.exchanges.kit.contract import Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.okx.rest import CONFIG, FUNDING, TRADING, rows_in
from shared.exchanges.okx.rows import coin

MODES: Mapping[str, str] = {"1": "spot", "2": "futures", "3": "multi", "4": "portfolio"}
_POWERS = {"read_only", "trade", "withdraw"}


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask what the key may do and in which mode the account is."""
    del account
    answer = yield Request(CONFIG)
    rows = rows_in(answer.data)
    if not rows:
        raise ContractBroken("The exchange does not describe the account.")
    config = row_of(rows[0], "the account's description")
    level = text(config, "acctLv")
    if level not in MODES:
        raise ContractBroken(f"The account's acctLv is {level!r}, which is unknown.")
    powers, addresses = _listed(config.get("perm")), _listed(config.get("ip"))
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=_power("trade", powers),
        can_withdraw=_power("withdraw", powers),
        uid=optional_text(config, "uid"),
        mode=MODES[level],
        permissions=powers,
        addresses=addresses,
        remarks=tuple(_remarks(config, powers, addresses)),
    )


def _listed(value: Any) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else []
    return tuple(word.strip() for word in words if word.strip())


def _power(name: str, powers: tuple[str, ...]) -> Verdict:
    if name in powers:
        return Verdict.YES
    return Verdict.NO if powers and _POWERS.issuperset(powers) else Verdict.UNKNOWN


def _remarks(config: Row, powers: tuple[str, ...], addresses: tuple[str, ...]) -> list[str]:
    remarks = ["This exchange serves the trades of the last three months; older ones are exported on its website."]
    if not addresses and {"trade", "withdraw"} & set(powers):
        remarks.append("A key that may trade and is bound to no IP address expires after 14 days without use.")
    if unknown := sorted(set(powers) - _POWERS):
        remarks.append(f"The key has rights that are not known here: {', '.join(unknown)}.")
    if config.get("mainUid") not in {None, "", config.get("uid")}:
        remarks.append("This is a sub-account's key; the main account needs one of its own.")
    return remarks


def balances(account: Account) -> Steps[Wallets]:
    """The trading wallet, and the funding wallet where the key may see it."""
    del account
    answer = yield Request(TRADING)
    found = [_trading(coin_row) for wallet in rows_in(answer.data) for coin_row in _coins(wallet)]
    missing: dict[str, str] = {}
    try:
        answer = yield Request(FUNDING)
    except PermissionMissing:
        missing["funding"] = "The key may not see the funding wallet."
    else:
        found += [_funding(row_of(row, "a coin")) for row in rows_in(answer.data)]
    return Wallets(balances=tuple(found), missing=missing)


def spot_wallets(account: Account) -> frozenset[str]:
    """In all other modes the trading wallet is collateral as well, of contracts and of loans."""
    return frozenset({"trading"}) if account.mode == "spot" else frozenset()


def _coins(wallet: Any) -> list[Row]:
    details = rows_of(row_of(wallet, "a wallet").get("details"), "'details'")
    return [row_of(row, "a coin") for row in details]


def _trading(row: Row) -> Balance:
    """`cashBal` is what is there; `eq` would add open profit."""
    free = optional_decimal(row, "availBal")
    return Balance(
        account_type="trading",
        asset=coin(text(row, "ccy")),
        total=decimal(row, "cashBal"),
        free=optional_decimal(row, "availEq") if free is None else free,
        used=optional_decimal(row, "frozenBal"),
    )


def _funding(row: Row) -> Balance:
    return Balance(
        account_type="funding",
        asset=coin(text(row, "ccy")),
        total=decimal(row, "bal"),
        free=optional_decimal(row, "availBal"),
        used=optional_decimal(row, "frozenBal"),
    )
