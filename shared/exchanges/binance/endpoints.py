"""Binance's calls, their pools and weights, and its hosts by region.

Weights count per egress address: 6000 a minute for /api (REST and WebSocket API share them), 2400 for /fapi,
12,000 for /sapi. Minute windows are fixed.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse

SPOT = Pool(name="spot", scope="address", capacity=6_000, per_ms=60_000)
FUTURES = Pool(name="futures", scope="address", capacity=2_400, per_ms=60_000)
WALLET = Pool(name="wallet", scope="address", capacity=12_000, per_ms=60_000)
# Some calls under /sapi are counted per account instead.
USER = Pool(name="user", scope="account", capacity=180_000, per_ms=60_000)
POOLS = (SPOT, FUTURES, WALLET, USER)
# 300 attempts in five minutes for the sockets of each product; counted together, which is the careful reading.
CONNECTS = Pool(name="sockets", scope="address", capacity=300, per_ms=300_000)

TIME = Endpoint(name="publicGetTime", method="GET", path="/api/v3/time", pool="spot", weight=1, signed=False)
SPOT_MARKETS = Endpoint(
    name="publicGetExchangeInfo", method="GET", path="/api/v3/exchangeInfo", pool="spot", weight=20, signed=False
)
FUTURES_MARKETS = Endpoint(
    name="fapiPublicGetExchangeInfo", method="GET", path="/fapi/v1/exchangeInfo", pool="futures", weight=1, signed=False
)
KEY = Endpoint(
    name="sapiGetAccountApiRestrictions",
    method="GET",
    path="/sapi/v1/account/apiRestrictions",
    pool="wallet",
    weight=1,
)
SPOT_ACCOUNT = Endpoint(name="privateGetAccount", method="GET", path="/api/v3/account", pool="spot", weight=20)
FUNDING = Endpoint(
    name="sapiPostAssetGetFundingAsset", method="POST", path="/sapi/v1/asset/get-funding-asset", pool="wallet", weight=1
)
MARGIN_ACCOUNT = Endpoint(
    name="sapiGetMarginAccount", method="GET", path="/sapi/v1/margin/account", pool="wallet", weight=10
)
ISOLATED_ACCOUNT = Endpoint(
    name="sapiGetMarginIsolatedAccount", method="GET", path="/sapi/v1/margin/isolated/account", pool="wallet", weight=10
)
FUTURES_ACCOUNT = Endpoint(
    name="fapiPrivateV3GetAccount", method="GET", path="/fapi/v3/account", pool="futures", weight=5
)
SPOT_TRADES = Endpoint(name="privateGetMyTrades", method="GET", path="/api/v3/myTrades", pool="spot", weight=20)
SPOT_OPEN_ORDERS = Endpoint(
    name="privateGetOpenOrders", method="GET", path="/api/v3/openOrders", pool="spot", weight=80
)
SPOT_ORDER_LISTS = Endpoint(
    name="privateGetAllOrderList", method="GET", path="/api/v3/allOrderList", pool="spot", weight=20
)
FUTURES_TRADES = Endpoint(
    name="fapiPrivateGetUserTrades", method="GET", path="/fapi/v1/userTrades", pool="futures", weight=5
)
INCOME = Endpoint(name="fapiPrivateGetIncome", method="GET", path="/fapi/v1/income", pool="futures", weight=30)
NEW_LISTEN_KEY = Endpoint(
    name="fapiPrivatePostListenKey", method="POST", path="/fapi/v1/listenKey", pool="futures", weight=1
)
KEEP_LISTEN_KEY = Endpoint(
    name="fapiPrivatePutListenKey", method="PUT", path="/fapi/v1/listenKey", pool="futures", weight=1
)


def _wallet(name: str, path: str, weight: float, pool: str = "wallet") -> Endpoint:
    return Endpoint(name=name, method="GET", path=f"/sapi/v1/{path}", pool=pool, weight=weight)


DEPOSITS = _wallet("sapiGetCapitalDepositHisrec", "capital/deposit/hisrec", 1)
WITHDRAWALS = _wallet("sapiGetCapitalWithdrawHistory", "capital/withdraw/history", 18_000, "user")
TRANSFERS = _wallet("sapiGetAssetTransfer", "asset/transfer", 1)
CONVERSIONS = _wallet("sapiGetConvertTradeFlow", "convert/tradeFlow", 3_000, "user")
DUST = _wallet("sapiGetAssetDribblet", "asset/dribblet", 1)
DIVIDENDS = _wallet("sapiGetAssetAssetDividend", "asset/assetDividend", 10)
ENDPOINTS = (
    TIME,
    SPOT_MARKETS,
    FUTURES_MARKETS,
    KEY,
    SPOT_ACCOUNT,
    FUNDING,
    MARGIN_ACCOUNT,
    ISOLATED_ACCOUNT,
    FUTURES_ACCOUNT,
    SPOT_TRADES,
    SPOT_OPEN_ORDERS,
    SPOT_ORDER_LISTS,
    FUTURES_TRADES,
    INCOME,
    NEW_LISTEN_KEY,
    KEEP_LISTEN_KEY,
    DEPOSITS,
    WITHDRAWALS,
    TRANSFERS,
    CONVERSIONS,
    DUST,
    DIVIDENDS,
)

# By region: spot REST, futures REST, WebSocket API, spot prices, futures prices, futures private (a key follows).
_HOSTS = {
    "global": (
        "https://api.binance.com",
        "https://fapi.binance.com",
        "wss://ws-api.binance.com:443/ws-api/v3",
        "wss://stream.binance.com:9443/ws",
        "wss://fstream.binance.com/market/ws",
        "wss://fstream.binance.com/private/ws?listenKey=",
    ),
    "testnet": (
        "https://testnet.binance.vision",
        "https://testnet.binancefuture.com",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
        "wss://stream.testnet.binance.vision/ws",
        "wss://fstream.binancefuture.com/ws",
        "wss://fstream.binancefuture.com/ws/",
    ),
    "demo": (
        "https://demo-api.binance.com",
        "https://demo-fapi.binance.com",
        "wss://demo-ws-api.binance.com/ws-api/v3",
        "wss://demo-stream.binance.com/ws",
        "wss://demo-fstream.binance.com/ws",
        "wss://demo-fstream.binance.com/ws/",
    ),
}
REGIONS = tuple(_HOSTS)


def websocket_api(region: str) -> str:
    """Where the private spot stream lives."""
    return _HOSTS[region][2]


def spot_prices(region: str) -> str:
    """Where spot prices are pushed."""
    return _HOSTS[region][3]


def futures_prices(region: str) -> str:
    """Where futures prices are pushed."""
    return _HOSTS[region][4]


def futures_private(region: str, listen_key: str) -> str:
    """Where one futures account's orders are pushed."""
    return _HOSTS[region][5] + listen_key


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: our two products, no private calls of its own, the hosts of the region."""
    config: dict[str, Any] = {
        "options": {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot", "linear"]},
            "recvWindow": 5_000,
        }
    }
    region = account.region if account else "global"
    if region != "global":
        spot, futures = _HOSTS[region][:2]
        config["urls"] = {
            "api": {
                "public": f"{spot}/api/v3",
                "private": f"{spot}/api/v3",
                "fapiPublic": f"{futures}/fapi/v1",
                "fapiPrivate": f"{futures}/fapi/v1",
                "fapiPrivateV3": f"{futures}/fapi/v3",
            }
        }
    return config


_HEADERS = {
    "x-mbx-used-weight-1m": ("spot", "futures"),
    "x-sapi-used-ip-weight-1m": ("wallet",),
    "x-sapi-used-uid-weight-1m": ("user",),
}


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """The weight this address used in the running minute, by Binance's own count."""
    return tuple(
        PoolUse(pool=endpoint.pool, used=float(headers[header]))
        for header, pools in _HEADERS.items()
        if endpoint.pool in pools and headers.get(header, "").isdigit()
    )
