"""What a key may do, which contract interface its account is on, and what lies in its wallets.

Docs, API Key Query, Get all Accounts, Get Account Balance and V5 Account Balance, read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, ContractBroken, KeyRejected, MarketGone, PermissionMissing
from shared.domain.trades import Product
from shared.exchanges.htx.rest import (
    ACCOUNTS,
    CONTRACT_WALLET,
    KEY,
    LEGACY,
    MATCHES,
    OLD_WALLET,
    UID,
    V5,
    WALLET,
)
from shared.exchanges.htx.rows import coin
from shared.exchanges.kit.contract import Answer, OwnKey, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text
from shared.exchanges.kit.numbers import total
from shared.exchanges.kit.paging import DAY_MS

_READ, _WITHDRAW = "readOnly", "withdraw"
_THREE_DAYS = (
    "This exchange shows contract trades of the last three days only; older ones cannot be read with a key, "
    "export them on its website."
)


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask what the key may do, which contract interface the account is on, and whether spot wants symbols named."""
    answer = yield Request(UID)
    uid = text(row_of(answer.data, "the answer"), "data")
    key = yield from _key(uid)
    remarks = list(key.remarks)
    mode = yield from _mode()
    products = tuple(one for one in account.products if one is not Product.LINEAR or mode)
    if Product.LINEAR in account.products:
        if not mode:
            remarks.append("The exchange shows no contracts of this account; only spot is read.")
        elif mode == V5:
            remarks.append(_THREE_DAYS)
    details = {}
    if Product.SPOT in account.products:
        details["needs_symbol"] = yield from _needs_symbol()
    return KeyReport(
        can_read=Verdict.YES,
        can_trade=key.can_trade,
        can_withdraw=key.can_withdraw,
        uid=uid,
        mode=mode or V5,
        permissions=key.permissions,
        addresses=key.addresses,
        expires_ms=key.expires_ms,
        remarks=tuple(remarks),
        products=products,
        details=details,
    )


def _key(uid: str) -> Steps[KeyReport]:
    """What the key says of itself. It is documented for main users: another's may not ask, or not be found."""
    unknown = KeyReport(
        can_read=Verdict.YES,
        can_trade=Verdict.UNKNOWN,
        can_withdraw=Verdict.UNKNOWN,
        remarks=("The exchange does not tell what this key may do.",),
    )
    try:
        answer = yield Request(KEY, {"uid": uid, "accessKey": OwnKey()})
    except (PermissionMissing, ContractBroken):
        return unknown
    rows = rows_of(row_of(answer.data, "the answer").get("data"), "'data'")
    return _report(row_of(rows[0], "the key"), answer) if len(rows) == 1 else unknown


def _report(row: Row, answer: Answer) -> KeyReport:
    if optional_text(row, "status") == "expired":
        raise KeyRejected("The API key has expired; make a new one at the exchange, bound to an address.")
    words = _words(row, "permission")
    remarks = []
    days, expires_ms = row.get("validDays"), None
    if isinstance(days, int) and days >= 0:
        expires_ms = answer.received_ms + days * DAY_MS
        remarks.append(f"The key expires in {days} days: keys that are bound to no address live 90 days.")
    others = set(words) - {_READ, _WITHDRAW}
    return KeyReport(
        can_read=Verdict.YES,
        # A word that is not known counts as a right to do something.
        can_trade=_verdict(bool(others), words),
        can_withdraw=_verdict(_WITHDRAW in words, words),
        permissions=words,
        addresses=_words(row, "ipAddresses"),
        expires_ms=expires_ms,
        remarks=tuple(remarks),
    )


def _words(row: Row, name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in (optional_text(row, name) or "").split(",") if word.strip())


def _verdict(is_named: bool, words: tuple[str, ...]) -> Verdict:
    if not words:
        return Verdict.UNKNOWN
    return Verdict.YES if is_named else Verdict.NO


def _mode() -> Steps[str]:
    """The contract interface; empty where the exchange shows no contracts at all."""
    try:
        yield Request(CONTRACT_WALLET)
    except AccountModeChanged:
        return LEGACY
    except (PermissionMissing, ContractBroken):
        return ""
    return V5


def _needs_symbol() -> Steps[bool]:
    """Whether fills of spot are shown market by market only (documents disagree)."""
    try:
        yield Request(MATCHES, {"size": 1})
    except MarketGone:
        return True
    return False


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────

_OWED = {"loan", "interest"}
POINTS = "point"


def balances(account: Account) -> Steps[Wallets]:
    """Every wallet of the spot system that the account has, and the contracts'."""
    found: list[Balance] = []
    missing: dict[str, str] = {}
    answer = yield Request(ACCOUNTS)
    for each in rows_of(row_of(answer.data, "the answer").get("data"), "'data'"):
        wallet = row_of(each, "a wallet")
        name = ":".join(filter(None, (text(wallet, "type"), optional_text(wallet, "subtype"))))
        if name == POINTS:
            name = "spot"  # points pay nothing but fees of spot
        try:
            answer = yield Request(WALLET, {"account-id": text(wallet, "id")})
        except (PermissionMissing, ContractBroken) as error:
            missing[name] = error.sentence
        else:
            found += _spot_wallet(name, answer.data)
    if Product.LINEAR in account.products:
        try:
            if account.mode == LEGACY:
                answer = yield Request(OLD_WALLET, {})
                found += _old_contract_wallet(answer.data)
            else:
                answer = yield Request(CONTRACT_WALLET)
                found += _contract_wallet(answer.data)
        except (PermissionMissing, ContractBroken) as error:
            missing["linear"] = error.sentence
    return Wallets(balances=tuple(found), missing=missing)


def _spot_wallet(name: str, response: Any) -> list[Balance]:
    """A row for each coin and state; thousands of them are zero. What is owed is no part of what is there."""
    data = row_of(row_of(response, "the answer").get("data"), "'data'")
    free: dict[str, Decimal] = {}
    used: dict[str, Decimal] = {}
    for each in rows_of(data.get("list"), "'list'"):
        row = row_of(each, "a coin")
        amount, state = decimal(row, "balance"), text(row, "type")
        if amount and state not in _OWED:
            asset, part = coin(text(row, "currency")), free if state == "trade" else used
            part[asset] = total(part.get(asset, Decimal(0)), amount)
    return [
        Balance(
            account_type=name,
            asset=asset,
            total=total(free.get(asset, Decimal(0)), used.get(asset, Decimal(0))),
            free=free.get(asset, Decimal(0)),
            used=used.get(asset, Decimal(0)),
        )
        for asset in sorted(free.keys() | used.keys())
    ]


def _contract_wallet(response: Any) -> list[Balance]:
    """`equity` holds open profit, which is not settled yet."""
    data = row_of(row_of(response, "the answer").get("data"), "'data'")
    rows = [row_of(row, "a coin") for row in rows_of(data.get("details"), "'details'")]
    return [
        Balance(
            account_type="linear",
            asset=coin(text(row, "currency")),
            total=_settled(decimal(row, "equity"), row),
            free=optional_decimal(row, "available_margin"),
        )
        for row in rows
    ]


def _old_contract_wallet(response: Any) -> list[Balance]:
    """The cross-margined wallets of the interface before V5."""
    rows = [row_of(row, "a coin") for row in rows_of(row_of(response, "the answer").get("data"), "'data'")]
    return [
        Balance(
            account_type="linear",
            asset=coin(text(row, "margin_asset")),
            total=_settled(decimal(row, "margin_balance"), row),
            free=optional_decimal(row, "withdraw_available"),
            used=optional_decimal(row, "margin_frozen"),
        )
        for row in rows
    ]


def _settled(equity: Decimal, row: Mapping[str, Any]) -> Decimal:
    return total(equity, -(optional_decimal(row, "profit_unreal") or Decimal(0)))
