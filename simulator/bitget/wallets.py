"""What an account holds: in the classic account by product and margin coin, in the unified one all together.

A migration moves everything into the unified account, a way back moves it into the spot account.
"""

from decimal import Decimal
from typing import Any

from simulator.bitget.errors import good
from simulator.bitget.keys import UNIFIED
from simulator.bitget.listings import DEMO_FUTURES, PRODUCTS, USDC_FUTURES, USDT_FUTURES, product_type
from simulator.dialect import Call
from simulator.markets import DOLLARS
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Holding, plain

FUNDING = "funding"
EIGHT_PLACES = Decimal("0.00000001")


def held(account: Account, *wallets: str) -> dict[str, Holding]:
    """Coins of several wallets, added up."""
    found: dict[str, Holding] = {}
    for wallet in wallets:
        for coin, holding in account.wallets.get(wallet, {}).items():
            before = found.get(coin, Holding())
            found[coin] = Holding(before.free + holding.free, before.locked + holding.locked)
    return {coin: holding for coin, holding in found.items() if holding.total or holding.locked}


def unified_coins(account: Account) -> dict[str, Holding]:
    """Everything that a unified account trades with."""
    return held(account, UNIFIED, SPOT, LINEAR, INVERSE)


def contract_coins(account: Account, category: str) -> dict[str, Holding]:
    """Margin of one product type."""
    if category in DEMO_FUTURES:
        return {}
    coins = held(account, PRODUCTS[category])
    wanted = {USDT_FUTURES: "USDT", USDC_FUTURES: "USDC"}.get(category)
    return {coin: holding for coin, holding in coins.items() if wanted in {None, coin}}


def _dollars(coins: dict[str, Holding]) -> str:
    worth = sum((one.total * DOLLARS.get(coin, Decimal(1)) for coin, one in coins.items()), Decimal(0))
    return plain(worth.quantize(EIGHT_PLACES))


def _places(amount: Decimal) -> str:
    """At least eight places, as the spot account writes amounts."""
    return f"{amount:.8f}" if amount == amount.quantize(EIGHT_PLACES) else plain(amount)


def spot_assets(call: Call) -> Any:
    """GET /api/v2/spot/account/assets."""
    wanted = call.params.get("coin")
    data = [
        {
            "coin": coin,
            "available": _places(holding.free),
            "limitAvailable": "0",
            "frozen": _places(holding.locked),
            "locked": "0.00000000",
            "uTime": str(call.now_ms),
        }
        for coin, holding in held(call.account, SPOT, UNIFIED).items()
        if wanted in {None, "", coin}
    ]
    return good(data, call.now_ms)


def contract_accounts(call: Call) -> Any:
    """GET /api/v2/mix/account/accounts."""
    data = [
        {
            "marginCoin": coin,
            "locked": plain(holding.locked),
            "available": plain(holding.free),
            "crossedMaxAvailable": plain(holding.free),
            "isolatedMaxAvailable": plain(holding.free),
            "maxTransferOut": plain(holding.free),
            "accountEquity": plain(holding.total),
            "usdtEquity": _dollars({coin: holding}),
            "btcEquity": "0",
            "crossedRiskRate": "0",
            "unrealizedPL": "0",
            "coupon": "0",
            "crossedUnrealizedPL": None,
            "isolatedUnrealizedPL": None,
        }
        for coin, holding in contract_coins(call.account, product_type(call)).items()
    ]
    return good(data, call.now_ms)


def funding_assets(call: Call) -> Any:
    """GET /api/v2/account/funding-assets."""
    data = [
        {"coin": coin, "available": plain(holding.free), "frozen": plain(holding.locked), "usdtValue": "0"}
        for coin, holding in held(call.account, FUNDING).items()
    ]
    return good(data, call.now_ms)


def unified_funding(call: Call) -> Any:
    """GET /api/v3/account/funding-assets."""
    data = [
        {
            "coin": coin,
            "available": plain(holding.free),
            "frozen": plain(holding.locked),
            "balance": plain(holding.total),
        }
        for coin, holding in held(call.account, FUNDING).items()
    ]
    return good(data, call.now_ms)


def unified_assets(call: Call) -> Any:
    """GET /api/v3/account/assets."""
    coins = unified_coins(call.account)
    total = _dollars(coins)
    data = {
        "accountEquity": total,
        "usdtEquity": total,
        "btcEquity": "0",
        "unrealisedPnl": "0",
        "usdtUnrealisedPnl": "0",
        "btcUnrealizedPnl": "0",
        "effEquity": total,
        "mmr": "0",
        "imr": "0",
        "mgnRatio": "0",
        "positionMgnRatio": "0",
        "assets": [
            {
                "coin": coin,
                "equity": plain(holding.total),
                "usdValue": _dollars({coin: holding}),
                "balance": plain(holding.total),
                "available": plain(holding.free),
                "debt": "0",
                "locked": plain(holding.locked),
            }
            for coin, holding in coins.items()
        ],
    }
    return good(data, call.now_ms)


def overview(call: Call) -> Any:
    """GET /api/v2/account/all-account-balance: what each account is worth in USDT."""
    account = call.account
    contracts = _dollars(held(account, LINEAR, INVERSE))
    data = [
        {"accountType": "spot", "usdtBalance": _dollars(held(account, SPOT, UNIFIED))},
        {"accountType": "futures", "usdtBalance": contracts},
        {"accountType": "funding", "usdtBalance": _dollars(held(account, FUNDING))},
        *({"accountType": kind, "usdtBalance": "0"} for kind in ("earn", "bots", "margin")),
    ]
    return good(data, call.now_ms)


def margin_assets(call: Call) -> Any:
    """GET /api/v2/margin/crossed/account/assets and the isolated one: nobody here borrows."""
    return good([], call.now_ms)
