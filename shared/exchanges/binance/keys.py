"""What a Binance key may do, which products its account has, and what lies in its wallets.

`canTrade` and `canWithdraw` of /api/v3/account describe the account and not the key; they are not used.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from shared.domain.balances import Balance
from shared.domain.connections import Account, KeyReport, Verdict
from shared.domain.errors import TradeSyncError, Transient, UnreadableRow, UserActionNeeded
from shared.domain.trades import Product
from shared.exchanges.binance.endpoints import (
    FUNDING,
    FUTURES_ACCOUNT,
    ISOLATED_ACCOUNT,
    KEY,
    MARGIN_ACCOUNT,
    SPOT_ACCOUNT,
)
from shared.exchanges.kit import numbers
from shared.exchanges.kit.contract import Answer, Endpoint, Request, Steps, Wallets
from shared.exchanges.kit.fields import Row, decimal, optional_decimal, optional_text, row_of, rows_of, text

_WITHDRAW = ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer")
_TRADE = (
    "enableSpotAndMarginTrading",
    "enableMargin",
    "enableVanillaOptions",
    "enablePortfolioMarginTrading",
    "enableFixApiTrade",
)
# Binance shows futures only to keys that could also trade them.
_FUTURES = "enableFutures"
_ALL_SPOT = {"omitZeroBalances": "true"}


def check_key(account: Account) -> Steps[KeyReport]:
    """Ask for the key's powers, the account's uid, and which of the wanted products it can see."""
    spot = row_of((yield Request(SPOT_ACCOUNT, _ALL_SPOT)).data, "the account")
    flags: Row = {}
    remarks = []
    if account.region == "global":
        flags = row_of((yield Request(KEY)).data, "the key's restrictions")
    else:
        remarks.append("Binance's test networks do not tell what a key may do.")
    wallets, products = ["spot"], [Product.SPOT]
    for name, endpoint in _EXTRA_WALLETS.items():
        if name == "futures" and Product.LINEAR not in account.products:
            continue
        if name != "futures" and account.region != "global":
            continue
        answer = yield from _attempt(endpoint)
        if isinstance(answer, Answer):
            wallets.append(name)
        if name == "futures" and isinstance(answer, Answer):
            products.append(Product.LINEAR)
        elif name == "futures":
            remarks.append(f"Futures are not read: {answer}")
    return KeyReport(
        can_read=_verdict(flags, ("enableReading",)),
        can_trade=_can_trade(flags),
        can_withdraw=_verdict(flags, _WITHDRAW),
        uid=optional_text(spot, "uid"),
        permissions=tuple(sorted(name for name, value in flags.items() if value is True and name != "ipRestrict")),
        expires_ms=_moment(flags, "tradingAuthorityExpirationTime"),
        remarks=(*remarks, *_remarks(flags)),
        products=tuple(product for product in products if product in account.products),
        details={"wallets": wallets, "key_created_ms": _moment(flags, "createTime")},
    )


def _attempt(endpoint: Endpoint) -> Steps[Answer | TradeSyncError]:
    """An answer that may be refused without harm: a wallet that was never opened, or that the key may not see."""
    try:
        return (yield Request(endpoint))
    except Transient:
        raise
    except TradeSyncError as error:
        return error


def _verdict(flags: Row, names: tuple[str, ...]) -> Verdict:
    if not flags:
        return Verdict.UNKNOWN
    return Verdict.YES if any(flags.get(name) is True for name in names) else Verdict.NO


def _can_trade(flags: Row) -> Verdict:
    """Futures can only be read by a key that could trade them, so that flag alone is a remark and no refusal."""
    verdict = _verdict(flags, _TRADE)
    if verdict is Verdict.NO and flags.get(_FUTURES) is True:
        return Verdict.UNKNOWN
    return verdict


def _remarks(flags: Row) -> tuple[str, ...]:
    remarks = []
    if flags.get(_FUTURES) is True:
        remarks.append(
            "The key has “Enable Futures”, which Binance wants even for reading futures: it could also trade them."
            " We only ever read."
        )
    if flags and flags.get("ipRestrict") is not True:
        remarks.append("The key is bound to no address; Binance takes rights from such keys when they lie idle.")
    return tuple(remarks)


def _moment(flags: Row, name: str) -> int | None:
    value = flags.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def balances(account: Account) -> Steps[Wallets]:
    """Every wallet the key check found; one that does not answer keeps its last state, with the reason."""
    found = list(balances_of_spot((yield Request(SPOT_ACCOUNT, _ALL_SPOT)).data))
    missing: dict[str, str] = {}
    known = account.details.get("wallets")
    for name, endpoint in _EXTRA_WALLETS.items():
        if isinstance(known, list | tuple):
            is_wanted = name in known
        else:
            is_wanted = name == "futures" and Product.LINEAR in account.products
        if not is_wanted:
            continue
        try:
            answer = yield Request(endpoint)
            found += _READERS[name](answer.data)
        except (UserActionNeeded, UnreadableRow) as error:
            missing[name] = error.sentence
        except Transient:
            raise
        except TradeSyncError as error:
            missing[name] = error.sentence
    return Wallets(balances=tuple(found), missing=missing)


def balances_of_spot(body: Any) -> tuple[Balance, ...]:
    """The spot wallet of /api/v3/account. Simple-Earn positions show as LD<asset>, as Binance writes them."""
    rows = rows_of(row_of(body, "the account").get("balances"), "the field 'balances'")
    return tuple(_free_and(row, "spot", "locked") for row in rows)


def _balances_of_funding(body: Any) -> tuple[Balance, ...]:
    return tuple(_free_and(row, "funding", "locked", "freeze", "withdrawing") for row in rows_of(body, "the wallet"))


def _balances_of_margin(body: Any) -> tuple[Balance, ...]:
    rows = rows_of(row_of(body, "the account").get("userAssets"), "the field 'userAssets'")
    balances = (_free_and(row, "margin", "locked") for row in rows)
    return tuple(balance for balance in balances if balance.total)


def _balances_of_isolated(body: Any) -> tuple[Balance, ...]:
    """Each isolated pair is a wallet of its own."""
    rows = rows_of(row_of(body, "the account").get("assets"), "the field 'assets'")
    found = []
    for pair in rows:
        wallet = f"isolated:{text(row_of(pair, 'the pair'), 'symbol')}"
        found += [_free_and(pair.get(part), wallet, "locked") for part in ("baseAsset", "quoteAsset")]
    return tuple(balance for balance in found if balance.total)


def _balances_of_futures(body: Any) -> tuple[Balance, ...]:
    """Settled cash: walletBalance, without what open positions have won or lost so far."""
    rows = rows_of(row_of(body, "the account").get("assets"), "the field 'assets'")
    found = []
    for raw in rows:
        row = row_of(raw, "the asset")
        total = decimal(row, "walletBalance")
        if total:
            found.append(
                Balance(
                    account_type="futures",
                    asset=text(row, "asset"),
                    total=total,
                    free=optional_decimal(row, "availableBalance"),
                    used=optional_decimal(row, "initialMargin"),
                )
            )
    return tuple(found)


def _free_and(raw: Any, wallet: str, *held: str) -> Balance:
    row = row_of(raw, "the asset")
    free = decimal(row, "free")
    used = numbers.total(*(optional_decimal(row, name) or Decimal(0) for name in held))
    return Balance(account_type=wallet, asset=text(row, "asset"), total=numbers.total(free, used), free=free, used=used)


_EXTRA_WALLETS: Mapping[str, Endpoint] = {
    "futures": FUTURES_ACCOUNT,
    "funding": FUNDING,
    "margin": MARGIN_ACCOUNT,
    "isolated": ISOLATED_ACCOUNT,
}
_READERS: Mapping[str, Callable[[Any], tuple[Balance, ...]]] = {
    "futures": _balances_of_futures,
    "funding": _balances_of_funding,
    "margin": _balances_of_margin,
    "isolated": _balances_of_isolated,
}
