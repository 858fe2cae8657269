"""The trading and the funding wallet, as REST and the account channel tell them."""

from typing import Any

from simulator.truth import Account, plain

TRADING, FUNDING = "trading", "funding"


def trading_wallet(account: Account, coins: set[str], now_ms: int) -> dict[str, Any]:
    """The trading wallet with the coins that hold something, or those of them that were asked for."""
    no_equity = account.mode == "spot"
    details = []
    for coin, held in account.wallets.get(TRADING, {}).items():
        if not (held.free or held.locked) or (coins and coin not in coins):
            continue
        total, free, locked = plain(held.total), plain(held.free), plain(held.locked)
        empty = (
            "imr",
            "mgnRatio",
            "mmr",
            "notionalLever",
            "maxLoan",
            "spotInUseAmt",
            "clSpotInUseAmt",
            "maxSpotInUseAmt",
        )
        zero = ("borrowFroz", "crossLiab", "fixedBal", "interest", "isoEq", "isoLiab", "isoUpl", "liab", "rewardBal")
        details.append(
            dict.fromkeys(empty, "")
            | dict.fromkeys((*zero, "spotIsoBal", "stgyEq", "twap", "upl", "uplLiab"), "0")
            | {"ccy": coin, "eq": total, "cashBal": total, "spotBal": total, "disEq": total, "eqUsd": total}
            | {"availBal": free, "availEq": "" if no_equity else free, "frozenBal": locked, "ordFrozen": locked}
            | {"uTime": str(now_ms)}
        )
    return {
        **dict.fromkeys(("adjEq", "borrowFroz", "imr", "mgnRatio", "mmr", "notionalUsd", "ordFroz", "upl"), ""),
        "isoEq": "0",
        "totalEq": "0",
        "uTime": str(now_ms),
        "details": details,
    }


def funding_wallet(account: Account) -> list[dict[str, str]]:
    """Its coins that hold something."""
    return [
        {"ccy": coin, "bal": plain(held.total), "availBal": plain(held.free), "frozenBal": plain(held.locked)}
        for coin, held in account.wallets.get(FUNDING, {}).items()
        if held.total
    ]
