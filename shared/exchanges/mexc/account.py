"""An account: what its key may do, and what lies in its two wallets.

A key's rights are words like `SPOT_DEAL_READ`; only the key itself may ask for them, and must name itself. The account
tells `canTrade` and `canWithdraw` too, but of its owner, not of the key. Docs: https://www.mexc.com/api-docs, Query API
Key Info, Account Information, Get all informations of user's asset, read 2026-11.
"""

from collections.abc import Iterable
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import ContractBroken, PermissionMissing
from shared.domain.trades import Product
from shared.exchanges.kit.contract import OwnKey, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total
from shared.exchanges.kit.paging import DAY_MS
from shared.exchanges.mexc.rest import FUTURES_WALLET, KEY, SPOT_WALLET
from shared.exchanges.mexc.rows import FUTURES, coin

_READS, _WRITES = ("_READ", "_R"), ("_WRITE", "_W")
_SPOT_NEEDS = {"SPOT_ACCOUNT"}
_FUTURES_NEED = {"CONTRACT_ACCOUNT", "CONTRACT_DEAL"}
_SOON_DAYS = 14

_REACH = (
    "This exchange serves spot fills of about the last 30 days only, symbol by symbol, and futures fills of 90 days; "
    "older ones cannot be read with a key, export them on its website."
)
_NO_SPOT = "The key may not read spot: it lacks SPOT_ACCOUNT_READ."
_NO_FUTURES = "The key may not read futures: it needs CONTRACT_ACCOUNT_READ and CONTRACT_DEAL_READ."
_NO_MONEY = (
    "The key lacks SPOT_WITHDRAW_READ or SPOT_TRANSFER_READ: deposits, withdrawals and transfers cannot explain why a "
    "balance changed."
)
_NO_ORDERS = (
    "The key lacks SPOT_DEAL_READ: more than 100 spot fills of one symbol within one second could not be told apart."
)


def check_key(account: Account) -> Steps[KeyReport]:
    """What the key may do. Keys from before 2026 and of sub-accounts may not be told: then all is unknown."""
    try:
        answer = yield Request(KEY, {"accessKey": OwnKey()})
    except (ContractBroken, PermissionMissing):
        unknown = Verdict.UNKNOWN
        remarks = ("The exchange does not tell what this key may do.", _REACH)
        return KeyReport(can_read=unknown, can_trade=unknown, can_withdraw=unknown, remarks=remarks)
    info = row_of(answer.data, "the report on the key")
    scopes = _words(optional_text(info, "permissions"))
    readable = {scope.removesuffix(end) for scope in scopes for end in _READS if scope.endswith(end)}
    powers = [scope for scope in scopes if not scope.endswith(_READS)]
    products = tuple(product for product in account.products if _needs(product) <= readable)
    days = info.get("remainingValidity")
    days = days if isinstance(days, int) and not isinstance(days, bool) and days >= 0 else None
    return KeyReport(
        can_read=_verdict(products, scopes),
        can_trade=_verdict([power for power in powers if not _withdraws(power)], scopes),
        can_withdraw=_verdict([power for power in powers if _withdraws(power)], scopes),
        permissions=scopes,
        addresses=_words(optional_text(info, "ipWhiteList")),
        expires_ms=None if days is None else answer.received_ms + days * DAY_MS,
        remarks=tuple(_remarks(account, products, readable, scopes, days)),
        products=products if scopes else None,
        details={"lists_orders": "SPOT_DEAL" in readable},
    )


def _words(written: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (written or "").split(",") if word.strip())


def _needs(product: Product) -> set[str]:
    return _FUTURES_NEED if product in FUTURES else _SPOT_NEEDS


def _withdraws(scope: str) -> bool:
    return "WITHDRAW" in scope


def _verdict(found: Iterable[object], scopes: tuple[str, ...]) -> Verdict:
    """A right that is not one to read counts as one to act, known or not; without any words nothing is known."""
    if not scopes:
        return Verdict.UNKNOWN
    return Verdict.YES if any(found) else Verdict.NO


def _remarks(
    account: Account, products: tuple[Product, ...], readable: set[str], scopes: tuple[str, ...], days: int | None
) -> list[str]:
    remarks = [_REACH]
    lost = set(account.products) - set(products) if scopes else set()
    if Product.SPOT in lost:
        remarks.append(_NO_SPOT)
    if lost & set(FUTURES):
        remarks.append(_NO_FUTURES)
    if Product.SPOT in products and "SPOT_DEAL" not in readable:
        remarks.append(_NO_ORDERS)
    if Product.SPOT in products and not {"SPOT_WITHDRAW", "SPOT_TRANSFER"} <= readable:
        remarks.append(_NO_MONEY)
    unknown = [scope for scope in scopes if not scope.endswith((*_READS, *_WRITES))]
    if unknown:
        remarks.append(f"The key has rights that are not known here: {', '.join(unknown)}.")
    if days is not None and days <= _SOON_DAYS:
        remarks.append(f"The key expires in {days} days; a key that is bound to IP addresses does not expire.")
    return remarks


def balances(account: Account) -> Steps[Wallets]:
    """Both wallets, whatever the connection follows. One that the key may not see is named as missing."""
    del account
    found: list[Balance] = []
    missing: dict[str, str] = {}
    for name, endpoint, read in (("spot", SPOT_WALLET, spot_wallet), ("futures", FUTURES_WALLET, _futures_wallet)):
        try:
            answer = yield Request(endpoint)
        except PermissionMissing as error:
            missing[name] = error.sentence
        else:
            found += read(answer.data)
    return Wallets(balances=tuple(found), missing=missing)


def spot_wallet(response: Any) -> list[Balance]:
    """What lies in the spot wallet; the exchange leaves out what is zero."""
    rows = rows_of(row_of(response, "the response").get("balances"), "'balances'")
    return [_on_spot(row_of(row, "a balance")) for row in rows]


def _on_spot(row: Row) -> Balance:
    free, locked = decimal(row, "free"), decimal(row, "locked")
    return Balance(
        account_type="spot", asset=coin(text(row, "asset")), total=total(free, locked), free=free, used=locked
    )


def _futures_wallet(response: Any) -> list[Balance]:
    rows = rows_of(row_of(response, "the response").get("data"), "'data'")
    return [_on_futures(row_of(row, "a balance")) for row in rows]


def _on_futures(row: Row) -> Balance:
    """`equity` holds what positions keep back too, and unrealised profit, which is not there yet."""
    unrealised = optional_decimal(row, "unrealized")
    settled = decimal(row, "equity") if unrealised is None else total(decimal(row, "equity"), -unrealised)
    free = optional_decimal(row, "availableBalance")
    used = None if free is None else total(settled, -free)
    return Balance(account_type="futures", asset=coin(text(row, "currency")), total=settled, free=free, used=used)
