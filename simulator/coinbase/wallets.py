"""What an account holds: one account for each coin, the futures' dollars apart, and what a trade costs."""

import base64
import binascii
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.coinbase.errors import invalid
from simulator.coinbase.fills import limit_of
from simulator.coinbase.listings import FIAT
from simulator.coinbase.rows import written_ms
from simulator.dialect import Call
from simulator.truth import SPOT, ZERO, Account, Holding, plain

SPOT_WALLET, FUTURES_WALLET, VAULT = "spot", "futures", "vault"
USUAL_PAGE, LARGEST_PAGE = 49, 250


def holdings(account: Account) -> list[tuple[str, str, Holding]]:
    """Wallet, coin and holding of everything but futures, in an order that stays."""
    return [
        (wallet, coin, account.wallets[wallet][coin])
        for wallet in (SPOT_WALLET, VAULT)
        for coin in sorted(account.wallets.get(wallet, {}))
    ]


def own_id(account: Account, wallet: str, coin: str) -> str:
    """An account's id, the same on both interfaces."""
    return str(uuid5(NAMESPACE_OID, f"{account.uid} {wallet} {coin}"))


def _money(amount: Any, coin: str) -> dict[str, str]:
    return {"value": plain(amount), "currency": coin}


def accounts(call: Call) -> Any:
    """GET /api/v3/brokerage/accounts, by pages."""
    limit, start = limit_of(call, USUAL_PAGE, LARGEST_PAGE), _start(call)
    everything = holdings(call.account)
    page = everything[start : start + limit]
    is_more = start + limit < len(everything)
    cursor = base64.urlsafe_b64encode(f"accounts:{start + limit}".encode()).decode() if is_more else ""
    found = [_account(call.account, *one) for one in page]
    return {"accounts": found, "has_next": is_more, "cursor": cursor, "size": len(found)}


def _start(call: Call) -> int:
    cursor = call.params.get("cursor", "")
    if not cursor:
        return 0
    try:
        word, number = base64.urlsafe_b64decode(cursor).decode().split(":")
        if word == "accounts":
            return int(number)
    except (ValueError, binascii.Error):
        pass
    raise invalid("cursor is invalid")


def _account(account: Account, wallet: str, coin: str, held: Holding) -> dict[str, Any]:
    kind = "VAULT" if wallet == VAULT else "FIAT" if coin in FIAT else "CRYPTO"
    return {
        "uuid": own_id(account, wallet, coin),
        "name": f"{coin} {'Vault' if wallet == VAULT else 'Wallet'}",
        "currency": coin,
        "available_balance": _money(held.free, coin),
        "default": wallet == SPOT_WALLET,
        "active": True,
        "created_at": written_ms(account.created_ms),
        "updated_at": written_ms(account.created_ms),
        "deleted_at": None,
        "type": f"ACCOUNT_TYPE_{kind}",
        "ready": True,
        "hold": _money(held.locked, coin),
        "retail_portfolio_id": account.uid,
    }


def old_accounts(call: Call) -> Any:
    """GET /v2/accounts: no holds, and pages by `starting_after`."""
    limit = limit_of(call, 25, LARGEST_PAGE)
    everything = holdings(call.account)
    ids = [own_id(call.account, wallet, coin) for wallet, coin, _ in everything]
    after = call.params.get("starting_after")
    start = ids.index(after) + 1 if after in ids else 0
    page = everything[start : start + limit]
    following = ids[start + limit - 1] if start + limit < len(ids) else None
    data = [
        {
            "id": own_id,
            "name": f"{coin} Wallet",
            "primary": coin == "BTC",
            "type": "vault" if wallet == VAULT else "fiat" if coin in FIAT else "wallet",
            "currency": {"code": coin, "name": coin, "exponent": 8, "type": "fiat" if coin in FIAT else "crypto"},
            "balance": {"amount": plain(held.total), "currency": coin},
            "created_at": written_ms(call.account.created_ms),
            "updated_at": written_ms(call.account.created_ms),
            "resource": "account",
            "resource_path": f"/v2/accounts/{own_id}",
        }
        for own_id, (wallet, coin, held) in zip(ids[start:], page, strict=False)
    ]
    following_uri = following and f"/v2/accounts?limit={limit}&starting_after={following}"
    return {"pagination": {"next_starting_after": following, "limit": limit, "next_uri": following_uri}, "data": data}


def futures_summary(account: Account) -> dict[str, Any]:
    """The dollars behind US futures: the total counts those of the spot wallet once more."""
    spot, futures = (account.wallets.get(wallet, {}).get("USD", Holding()) for wallet in (SPOT_WALLET, FUTURES_WALLET))
    return {
        "futures_buying_power": _money(spot.free + futures.free, "USD"),
        "total_usd_balance": _money(spot.total + futures.total, "USD"),
        "cbi_usd_balance": _money(spot.total, "USD"),
        "cfm_usd_balance": _money(futures.total, "USD"),
        "total_open_orders_hold_amount": _money(spot.locked + futures.locked, "USD"),
        "unrealized_pnl": _money(ZERO, "USD"),
        "daily_realized_pnl": _money(ZERO, "USD"),
        "initial_margin": _money(ZERO, "USD"),
        "available_margin": _money(futures.free, "USD"),
        "liquidation_threshold": _money(ZERO, "USD"),
        "liquidation_buffer_amount": _money(futures.free, "USD"),
        "liquidation_buffer_percentage": "1000",
    }


def futures_balance(call: Call) -> Any:
    """GET /api/v3/brokerage/cfm/balance_summary."""
    return {"balance_summary": futures_summary(call.account)}


def transaction_summary(call: Call) -> Any:
    """GET /api/v3/brokerage/transaction_summary: what trades cost at this tier."""
    maker, taker = call.exchange.dialect.rates[SPOT]
    return {
        "total_volume": 0,
        "total_fees": 0,
        "fee_tier": {
            "pricing_tier": "Advanced 1",
            "usd_from": "0",
            "usd_to": "1000",
            "taker_fee_rate": plain(taker),
            "maker_fee_rate": plain(maker),
        },
        "margin_rate": None,
        "goods_and_services_tax": None,
        "total_balance": "",
        "has_promo_fee": False,
    }
