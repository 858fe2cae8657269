"""Balances: one list for spot, one object for each settlement coin, one for everything where it is unified."""

from typing import Any

from simulator.dialect import Call
from simulator.gate.errors import refusal
from simulator.gate.keys import UNIFIED, has_opened
from simulator.gate.listings import product_of
from simulator.gate.rows import POINTS
from simulator.truth import INVERSE, LINEAR, SPOT, ZERO, Holding, plain

WALLETS = {SPOT: "spot", LINEAR: "futures_usdt", INVERSE: "futures_btc"}
"""Where a classic account keeps what a product moves."""
NAMES = {POINTS: "POINT"}


def spot_accounts(call: Call) -> Any:
    """GET /spot/accounts; a unified account has nothing there."""
    wanted = call.params.get("currency")
    return [
        {
            "currency": NAMES.get(coin, coin),
            "available": plain(held.free),
            "locked": plain(held.locked),
            "update_id": call.now_ms,
        }
        for coin, held in call.account.wallets.get(WALLETS[SPOT], {}).items()
        if wanted in {None, "", NAMES.get(coin, coin)}
    ]


def unified_accounts(call: Call) -> Any:
    """GET /unified/accounts."""
    account = call.account
    if account.mode != UNIFIED:
        raise refusal("USER_NOT_FOUND", "please open the unified account first")
    return {
        "user_id": int(account.uid),
        "locked": False,
        "balances": {NAMES.get(coin, coin): _unified(held) for coin, held in account.wallets[UNIFIED].items()},
        "total": "0",
        "borrowed": "0",
        "unified_account_total": "0",
        "unified_account_total_liab": "0",
        "unified_account_total_equity": "0",
        "leverage": "2",
        "spot_hedge": False,
    }


def _unified(held: Holding) -> dict[str, Any]:
    return {
        "available": plain(held.free),
        "freeze": plain(held.locked),
        "borrowed": "0",
        "negative_liab": "0",
        "futures_pos_liab": "0",
        "equity": plain(held.total),
        "total_freeze": plain(held.locked),
        "total_liab": "0",
        "spot_in_use": "0",
        "cross_balance": plain(held.free),
        "iso_balance": "0",
    }


def futures_accounts(call: Call) -> Any:
    """GET /futures/{settle}/accounts: empty for a unified account, refused where it was never opened."""
    account, product = call.account, product_of(call)
    if not has_opened(account, product):
        raise refusal("USER_NOT_FOUND")
    settle = call.names["settle"].upper()
    wallet = account.wallets.get(WALLETS[product], {}) if account.mode != UNIFIED else {}
    held = wallet.get(settle, Holding())
    return {
        "user": int(account.uid),
        "currency": settle,
        "total": plain(held.total),
        "available": plain(held.free),
        "unrealised_pnl": "0",
        "position_margin": "0",
        "order_margin": "0",
        "point": plain(wallet.get(POINTS, Holding()).total),
        "bonus": "0",
        "in_dual_mode": False,
        "enable_credit": account.mode == UNIFIED,
        "position_initial_margin": "0",
        "maintenance_margin": "0",
        "cross_available": plain(ZERO),
        "cross_order_margin": "0",
        "cross_initial_margin": "0",
        "cross_maintenance_margin": "0",
        "history": {"dnw": "0", "pnl": "0", "fee": "0", "refr": "0", "fund": "0", "point_fee": "0"},
    }


def cross_margin(call: Call) -> Any:
    """GET /margin/cross/accounts: never opened here."""
    return {"user_id": int(call.account.uid), "locked": False, "balances": {}, "total": "0", "borrowed": "0"}
