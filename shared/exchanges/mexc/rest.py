"""REST: which calls are made, and how often they may be. Two systems: spot under /api/v3, contracts under /api/v1.

Docs: https://www.mexc.com/api-docs/spot-v3/general-info and /futures/update-log, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse

# Spot's newest text allows 300 an address, all calls together, older ones more. Contracts allow 20 a path and do not
# say to whom: one pool for all paths of an address is right in either case.
POOLS = (
    Pool(name="spot", scope="address", capacity=300, per_ms=10_000),
    Pool(name="futures", scope="address", capacity=20, per_ms=2_000),
)


def _spot(name: str, path: str, weight: float) -> Endpoint:
    return Endpoint(name=f"spotPrivateGet{name}", method="GET", path=f"/api/v3/{path}", pool="spot", weight=weight)


def _futures(name: str, path: str) -> Endpoint:
    path = f"/api/v1/private/{path}"
    return Endpoint(name=f"contractPrivateGet{name}", method="GET", path=path, pool="futures", weight=1)


def _public(name: str, path: str, pool: str, weight: float) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=weight, signed=False)


CLOCK = _public("spotPublicGetTime", "/api/v3/time", "spot", 1)
SPOT_MARKETS = _public("spotPublicGetExchangeInfo", "/api/v3/exchangeInfo", "spot", 25)
FUTURES_MARKETS = _public("contractPublicGetDetail", "/api/v1/contract/detail", "futures", 1)

KEY = _spot("ApiKeyInfo", "apiKeyInfo", 1)
SELF_SYMBOLS = _spot("SelfSymbols", "selfSymbols", 1)
SPOT_WALLET = _spot("Account", "account", 10)
SPOT_TRADES = _spot("MyTrades", "myTrades", 10)
SPOT_ORDERS = _spot("AllOrders", "allOrders", 10)
DEPOSITS = _spot("CapitalDepositHisrec", "capital/deposit/hisrec", 1)
WITHDRAWALS = _spot("CapitalWithdrawHistory", "capital/withdraw/history", 1)
TRANSFERS = _spot("CapitalTransfer", "capital/transfer", 1)
_LISTEN_KEYS = "/api/v3/userDataStream"
LISTEN_KEYS = _spot("UserDataStream", "userDataStream", 1)
NEW_LISTEN_KEY = Endpoint(name="spotPrivatePostUserDataStream", method="POST", path=_LISTEN_KEYS, pool="spot", weight=1)
KEEP_LISTEN_KEY = Endpoint(name="spotPrivatePutUserDataStream", method="PUT", path=_LISTEN_KEYS, pool="spot", weight=1)

FUTURES_WALLET = _futures("AccountAssets", "account/assets")
FUTURES_DEALS = _futures("OrderListOrderDeals", "order/list/order_deals")
FUTURES_ORDERS = _futures("OrderListHistoryOrders", "order/list/history_orders")
OPEN_POSITIONS = _futures("PositionOpenPositions", "position/open_positions")
OLD_POSITIONS = _futures("PositionListHistoryPositions", "position/list/history_positions")

ENDPOINTS = (
    *(CLOCK, SPOT_MARKETS, FUTURES_MARKETS, KEY, SELF_SYMBOLS, SPOT_WALLET, SPOT_TRADES, SPOT_ORDERS),
    *(DEPOSITS, WITHDRAWALS, TRANSFERS),
    *(LISTEN_KEYS, NEW_LISTEN_KEY, KEEP_LISTEN_KEY),
    *(FUTURES_WALLET, FUTURES_DEALS, FUTURES_ORDERS, OPEN_POSITIONS, OLD_POSITIONS),
)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: not to ask for currencies, which needs a right that keys for reading seldom have."""
    del account
    return {"has": {"fetchCurrencies": False}}


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("serverTime") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise ContractBroken("The exchange does not tell its time.")
    return moment


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """Nothing: no header tells what is left."""
    del headers, endpoint
    return ()
