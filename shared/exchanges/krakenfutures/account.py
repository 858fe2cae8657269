"""An account: what its key may do, what lies in its wallets, and whether history names trades as the socket does.

Docs, Check API Key, Get Wallets, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import ContractBroken, PermissionMissing, Transient
from shared.exchanges.kit.contract import Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of
from shared.exchanges.kit.numbers import total as exact_total
from shared.exchanges.krakenfutures.rest import EXECUTIONS, FILLS, KEY, WALLETS
from shared.exchanges.krakenfutures.rows import coin

ONE_ID = "one_id"
"""The account's detail: whether `uid` of history is the id of the fill. Absent as long as nothing was traded."""

_COMPARED = 100  # fills: as many as their list has
_READS = {"NO_ACCESS": Verdict.NO, "READ_ONLY": Verdict.YES, "FULL_ACCESS": Verdict.YES}
_ACTS = {"NO_ACCESS": Verdict.NO, "READ_ONLY": Verdict.NO, "FULL_ACCESS": Verdict.YES}


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask what the key may do; then compare the ids of the last fills with those of history."""
    del account
    answer = yield Request(KEY)
    result = row_of(answer.data, "the key's description")
    permissions = row_of(result.get("permissions"), "the key's permissions")
    general, transfer = (str(permissions.get(area, "")) for area in ("general", "transfer"))
    can_read = _READS.get(general, Verdict.UNKNOWN)
    details = {} if can_read is Verdict.NO else (yield from _compared_ids())
    addresses = result.get("allowedCidrBlocks")
    return KeyReport(
        can_read=can_read,
        can_trade=_ACTS.get(general, Verdict.UNKNOWN),
        can_withdraw=_ACTS.get(transfer, Verdict.UNKNOWN),
        uid=optional_text(result, "accountUid"),
        permissions=(f"general:{general}", f"transfer:{transfer}"),
        addresses=tuple(str(block) for block in addresses) if isinstance(addresses, list) else (),
        details=details,
    )


def _compared_ids() -> Steps[Mapping[str, Any]]:
    """Whether history names the last fills as their list does. Two ids that agree once are not alike by chance."""
    try:
        fills = yield Request(FILLS)
        executions = yield Request(EXECUTIONS, {"sort": "desc", "count": _COMPARED})
    except (ContractBroken, PermissionMissing, Transient):
        return {}
    of_fills = {row.get("fill_id") for row in _rows(fills.data, "fills")}
    of_executions = {_uid(row) for row in _rows(executions.data, "elements")}
    if not of_fills or not of_executions:
        return {}
    return {ONE_ID: bool(of_fills & of_executions - {None})}


def _rows(data: Any, name: str) -> list[Row]:
    rows = data.get(name) if isinstance(data, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _uid(row: Any) -> str | None:
    for name in ("event", "execution", "execution"):
        row = row.get(name, row.get(name.capitalize())) if isinstance(row, Mapping) else None
    return row.get("uid") if isinstance(row, Mapping) else None


def balances(account: Account) -> Steps[Wallets]:
    """Every wallet: the holding wallet, one for each pair of inverse contracts, and the one of many collaterals."""
    del account
    answer = yield Request(WALLETS)
    wallets = row_of(row_of(answer.data, "the answer").get("accounts"), "'accounts'")
    return Wallets(
        balances=tuple(balance for name, raw in wallets.items() for balance in _wallet(name, row_of(raw, "a wallet")))
    )


def _wallet(name: str, row: Row) -> list[Balance]:
    if "currencies" in row:
        coins = row_of(row["currencies"], "'currencies'")
        return [_collateral(name, asset, row_of(raw, "a coin")) for asset, raw in coins.items()]
    amounts = row_of(row.get("balances"), "'balances'")
    own = optional_text(row, "currency")  # beside it stand positions, by contract
    wanted = [asset for asset in amounts if own is None or asset.lower() == own.lower()]
    return [Balance(account_type=name, asset=coin(asset), total=decimal(amounts, asset)) for asset in wanted]


def _collateral(wallet: str, asset: str, row: Row) -> Balance:
    total, free = decimal(row, "quantity"), optional_decimal(row, "available")
    used = None if free is None else exact_total(total, -free)
    return Balance(account_type=wallet, asset=coin(asset), total=total, free=free, used=used)
