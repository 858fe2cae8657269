"""An account: what its key may do, in which world it lives, and what lies in its wallets.

A key belongs to a classic account or a unified one; each has calls of its own, and refuses the other's. Accounts move
from classic to unified by their owner's will, or by the exchange's. Docs, Get Account Info, Get Account Settings and
the pages of the wallets, read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, ContractBroken, ExchangeUnavailable, PermissionMissing
from shared.domain.trades import Product
from shared.exchanges.bitget.rest import (
    CLASSIC,
    CONTRACT_WALLET,
    FUNDING_WALLET,
    ISOLATED_WALLET,
    KEY,
    MARGIN_WALLET,
    SETTINGS,
    SPOT_WALLET,
    UNIFIED,
    UNIFIED_FUNDING,
    UNIFIED_KEY,
    UNIFIED_WALLET,
)
from shared.exchanges.bitget.rows import coin
from shared.exchanges.kit.contract import Endpoint, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total as exact_total

_REACH = "The exchange serves the fills of the last 90 days; older ones can only be exported on its website."
_MOVES_COINS = {"wtow", "wwow"}  # transfers and withdrawals; which is which is not documented
_BETWEEN = ("upgrading", "switching")
_READS_SPOT = {"stor", "stow"}
_READS_CONTRACTS = {"coor", "coow", "cpor", "cpow"}
_TRADES = {"stow", "coow", "cpow", "trade"}


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask in which world the key lives, and there what it may do.

    Raises `ExchangeUnavailable` while the account is between the two.
    """
    if (yield from _mode()) == UNIFIED:
        return (yield from _unified_key())
    return (yield from _classic_key(account))


def _mode() -> Steps[str]:
    """A unified account's settings, and its key's description, open to its own keys only.

    A failure that passes is no answer: it is raised, and never taken for "classic".
    """
    for endpoint in (SETTINGS, UNIFIED_KEY):
        try:
            answer = yield Request(endpoint)
        except (AccountModeChanged, ContractBroken):
            return CLASSIC
        except PermissionMissing:
            continue  # which key it is of, this does not tell
        if row_of(answer.data.get("data"), "the account's settings").get("accountMode") in _BETWEEN:
            raise ExchangeUnavailable("The account is changing its mode at the exchange; it is asked again later.")
        return UNIFIED
    raise PermissionMissing


def _classic_key(account: Account) -> Steps[KeyReport]:
    """`authorities` are codes of four letters whose last is r (read) or w (write), or words.

    The list of codes is not complete in the docs: whatever is not plainly a right to read counts as one to write.
    """
    answer = yield Request(KEY)
    found = row_of(answer.data.get("data"), "the report on the key")
    codes = tuple(str(code) for code in rows_of(found.get("authorities") or [], "'authorities'"))
    written = {code.lower() for code in codes}
    writes = {code for code in written if code != "readonly" and not (len(code) == 4 and code.endswith("r"))}
    moves = {code for code in writes if code in _MOVES_COINS or "withdraw" in code or "transfer" in code}
    unknown = writes - moves - _TRADES
    remarks = [_REACH]
    products = None
    if written and all(len(code) == 4 for code in written):
        products = _seen_products(account, written)
        if products != account.products:
            remarks.append("The key may not read all products that were asked for: give it the right to read them.")
    if unknown:
        remarks.append(f"The key has rights that are not known here: {', '.join(sorted(unknown))}.")
    if not written:
        remarks.append("The exchange does not tell what this key may do.")
    return KeyReport(
        can_read=Verdict.YES if written else Verdict.UNKNOWN,
        can_trade=_verdict(bool(writes), is_told=bool(written)),
        can_withdraw=_verdict(bool(moves), is_told=bool(written) and (bool(moves) or not unknown)),
        uid=optional_text(found, "userId"),
        mode=CLASSIC,
        permissions=codes,
        addresses=_addresses(found.get("ips")),
        remarks=tuple(remarks),
        products=products,
        details={"is_lead_trader": found.get("traderType") == "trader"},
    )


def _seen_products(account: Account, codes: set[str]) -> tuple[Product, ...]:
    contracts = bool(codes & _READS_CONTRACTS)
    return tuple(
        product
        for product in account.products
        if (codes & _READS_SPOT if product in (Product.SPOT, Product.MARGIN) else contracts)
    )


def _unified_key() -> Steps[KeyReport]:
    """Only `read-only` is believed to be that."""
    answer = yield Request(UNIFIED_KEY)
    found = row_of(answer.data.get("data"), "the report on the key")
    kind = text(found, "permType")
    rights = tuple(str(right) for right in rows_of(found.get("permissions") or [], "'permissions'"))
    is_writing = kind.lower() != "read-only"
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=_verdict(is_writing, is_told=True),
        can_withdraw=_verdict(is_writing and any("withdraw" in right.lower() for right in rights), is_told=True),
        uid=optional_text(found, "userId"),
        mode=UNIFIED,
        permissions=(kind, *rights),
        addresses=_addresses(found.get("ips")),
        remarks=(_REACH,),
    )


def _verdict(has_it: bool, *, is_told: bool) -> Verdict:
    if not is_told:
        return Verdict.UNKNOWN
    return Verdict.YES if has_it else Verdict.NO


def _addresses(value: Any) -> tuple[str, ...]:
    """The bound addresses, told as one text or a list of them."""
    told = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(address for address in (str(one).strip() for one in told) if address)


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

_CONTRACT_WALLETS = {"USDT-FUTURES": "usdt futures", "USDC-FUTURES": "usdc futures", "COIN-FUTURES": "coin futures"}


def balances(account: Account) -> Steps[Wallets]:
    """All wallets of the account. One that the key may not see is named as missing, with the reason."""
    found: list[Balance] = []
    missing: dict[str, str] = {}
    for name, endpoint, params in _UNIFIED_WALLETS if account.mode == UNIFIED else _CLASSIC_WALLETS:
        try:
            answer = yield Request(endpoint, params)
        except PermissionMissing as error:
            missing[name] = error.sentence
            continue
        data = answer.data.get("data")
        rows = rows_of(data.get("assets") if isinstance(data, Mapping) else data, "the wallet")
        found += [_balance(name, row_of(row, "a coin")) for row in rows]
    return Wallets(balances=tuple(found), missing=missing)


_CLASSIC_WALLETS: tuple[tuple[str, Endpoint, Mapping[str, Any]], ...] = (
    ("spot", SPOT_WALLET, {}),
    ("funding", FUNDING_WALLET, {}),
    *((name, CONTRACT_WALLET, {"productType": kind}) for kind, name in _CONTRACT_WALLETS.items()),
    ("crossed margin", MARGIN_WALLET, {}),
    ("isolated margin", ISOLATED_WALLET, {}),
)
_UNIFIED_WALLETS: tuple[tuple[str, Endpoint, Mapping[str, Any]], ...] = (
    ("unified", UNIFIED_WALLET, {}),
    ("funding", UNIFIED_FUNDING, {}),
)


def _balance(wallet: str, row: Row) -> Balance:
    """One coin. The total is what is settled: without open profit, and before what is owed is taken off."""
    held = [part for part in (optional_decimal(row, name) for name in ("frozen", "locked")) if part is not None]
    free = decimal(row, "available")
    return Balance(
        account_type=f"{wallet} {row['symbol']}" if row.get("symbol") else wallet,  # isolated: a wallet a market
        asset=coin(text(row, "marginCoin" if "marginCoin" in row else "coin")),
        total=_total(row, free, held),
        free=free,
        used=exact_total(*held) if held else None,
    )


def _total(row: Row, free: Decimal, held: list[Decimal]) -> Decimal:
    for name in ("balance", "totalAmount"):
        told = optional_decimal(row, name)
        if told is not None:
            return told
    equity = optional_decimal(row, "accountEquity")
    if equity is not None:  # a contract wallet's, with open profit
        return exact_total(equity, -(optional_decimal(row, "unrealizedPL") or Decimal(0)))
    return exact_total(free, *held)
