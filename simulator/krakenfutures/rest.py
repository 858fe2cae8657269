"""Every REST path, what it costs, and the wallets: cash, margin accounts of each coin, and the flexible one."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from simulator.dialect import Call, Route
from simulator.http import Response
from simulator.krakenfutures.errors import good
from simulator.krakenfutures.history import executions, fills
from simulator.krakenfutures.keys import DEMO, LIVE, key_report
from simulator.krakenfutures.listings import coin_id, instruments
from simulator.markets import DOLLARS
from simulator.truth import ZERO, Holding

CASH, MARGIN, FLEX = "cash", "margin", "flex"
DERIVATIVES, HISTORY = "derivatives", "history"


def routes() -> Iterator[Route]:
    """`details.general`: the key must be allowed to read."""
    for host in (LIVE, DEMO):
        yield Route(method="GET", host=host, path="/derivatives/api/v3/instruments", handler=instruments, pool="public")
        for path, handler, pool, weight in (
            ("/derivatives/api/v3/fills", fills, DERIVATIVES, 2),
            ("/derivatives/api/v3/accounts", _accounts, DERIVATIVES, 2),
            ("/api/history/v3/executions", executions, HISTORY, 1),
            ("/api/auth/v1/api-keys/v3/check", _key, DERIVATIVES, 1),
        ):
            yield Route(
                method="GET",
                host=host,
                path=path,
                handler=handler,
                signed=True,
                pool=pool,
                weight=weight,
                details={"general": handler is not _key},
            )


def _key(call: Call) -> Response:
    return good(key_report(call.account), call.now_ms)


def _accounts(call: Call) -> Response:
    wallets = call.account.wallets
    found: dict[str, Any] = {
        "cash": {
            "balances": {coin_id(coin).lower(): held.total for coin, held in wallets.get(CASH, {}).items()},
            "type": "cashAccount",
        }
    }
    for coin, held in wallets.get(MARGIN, {}).items():
        found[f"fi_{coin_id(coin).lower()}usd"] = _margin(coin, held)
    found["flex"] = _flexible(wallets.get(FLEX, {}))
    return good({"accounts": found}, call.now_ms)


def _margin(coin: str, held: Holding) -> dict[str, Any]:
    """One coin that is its own collateral."""
    nothing = {"im": 0, "mm": 0, "lt": 0, "tt": 0}
    return {
        "auxiliary": {"usd": 0, "pv": held.total, "pnl": 0, "af": held.free, "funding": 0},
        "marginRequirements": nothing,
        "triggerEstimates": nothing,
        "balances": {coin_id(coin).lower(): held.total},
        "currency": coin_id(coin).lower(),
        "type": "marginAccount",
    }


def _flexible(assets: dict[str, Holding]) -> dict[str, Any]:
    currencies, worth = {}, ZERO
    for coin, held in assets.items():
        value = (held.total * DOLLARS.get(coin, Decimal(1))).quantize(Decimal("0.0001"))
        worth += value
        told = {"quantity": held.total, "value": value, "collateral": value, "available": held.free}
        currencies[coin_id(coin)] = told
    return {
        "currencies": currencies,
        "initialMargin": 0,
        "initialMarginWithOrders": 0,
        "maintenanceMargin": 0,
        "balanceValue": worth,
        "portfolioValue": worth,
        "collateralValue": worth,
        "pnl": 0,
        "unrealizedFunding": 0,
        "totalUnrealized": 0,
        "totalUnrealizedAsMargin": 0,
        "availableMargin": worth,
        "marginEquity": worth,
        "type": "multiCollateralMarginAccount",
    }
