"""REST: where it is, which calls are made, and how often they may be.

Spot counts each endpoint by itself, contracts count all calls of an account. Docs, Rate Limit, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.trouble import whole_header

V5, LEGACY = "v5", "legacy"
"""What an account's contracts are spoken to by: the interface of 2026, or the one before."""

_SPOT_HOSTS = {"global": "api.huobi.pro", "aws": "api-aws.huobi.pro"}
REGIONS = tuple(_SPOT_HOSTS)
SPOT_SOCKETS = "api.huobi.pro"
CONTRACTS = "api.hbdm.vn"

CONTRACT_POOLS = frozenset({"contracts", "old_contracts", "contract_address"})
POOLS = (
    Pool(name="address", scope="address", capacity=10, per_ms=1_000),
    Pool(name="contract_address", scope="address", capacity=240, per_ms=3_000),
    Pool(name="matches", scope="account", capacity=20, per_ms=2_000),
    Pool(name="orders", scope="account", capacity=20, per_ms=2_000),
    Pool(name="uid", scope="account", capacity=10, per_ms=1_000),
    Pool(name="key", scope="account", capacity=10, per_ms=1_000),
    Pool(name="accounts", scope="account", capacity=100, per_ms=2_000),
    Pool(name="wallets", scope="account", capacity=100, per_ms=2_000),
    Pool(name="account_history", scope="account", capacity=5, per_ms=2_000),
    Pool(name="contracts", scope="account", capacity=144, per_ms=3_000),
    Pool(name="old_contracts", scope="account", capacity=72, per_ms=3_000),
)


def _endpoint(name: str, path: str, pool: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=1, signed="address" not in pool)


CLOCK = _endpoint("spotPublicGetV1CommonTimestamp", "/v1/common/timestamp", "address")
_SYMBOLS = _endpoint("spotPublicGetV1CommonSymbols", "/v1/common/symbols", "address")
_CONTRACTS = _endpoint(
    "contractPublicGetLinearSwapApiV1SwapContractInfo", "/linear-swap-api/v1/swap_contract_info", "contract_address"
)
MATCHES = _endpoint("spotPrivateGetV1OrderMatchresults", "/v1/order/matchresults", "matches")
ORDERS = _endpoint("spotPrivateGetV1OrderHistory", "/v1/order/history", "orders")
UID = _endpoint("spotPrivateGetV2UserUid", "/v2/user/uid", "uid")
KEY = _endpoint("spotPrivateGetV2UserApiKey", "/v2/user/api-key", "key")
ACCOUNTS = _endpoint("spotPrivateGetV1AccountAccounts", "/v1/account/accounts", "accounts")
WALLET = _endpoint(
    "spotPrivateGetV1AccountAccountsAccountIdBalance", "/v1/account/accounts/{account}/balance", "wallets"
)
ACCOUNT_HISTORY = _endpoint("spotPrivateGetV1AccountHistory", "/v1/account/history", "account_history")
DETAILS = _endpoint("contractPrivateGetV5TradeOrderDetails", "/v5/trade/order/details", "contracts")
BILLS = _endpoint("contractPrivateGetV5AccountBills", "/v5/account/bills", "contracts")
POSITIONS = _endpoint("contractPrivateGetV5TradePositionOpens", "/v5/trade/position/opens", "contracts")
CONTRACT_WALLET = _endpoint("contractPrivateGetV5AccountBalance", "/v5/account/balance", "contracts")


def _old(path: str) -> Endpoint:
    """A call of the interface before V5, which ccxt 4.5.90 has forgotten."""
    pool = "old_contracts"
    return Endpoint(name=path, method="POST", path=f"/{path}", pool=pool, weight=1, section="contract private")


OLD_CROSS = _old("linear-swap-api/v3/swap_cross_matchresults")
OLD_ISOLATED = _old("linear-swap-api/v3/swap_matchresults")
OLD_WALLET = _old("linear-swap-api/v1/swap_cross_account_info")
ENDPOINTS = (
    *(CLOCK, _SYMBOLS, _CONTRACTS, MATCHES, ORDERS, UID, KEY, ACCOUNTS, WALLET, ACCOUNT_HISTORY),
    *(DETAILS, BILLS, POSITIONS, CONTRACT_WALLET, OLD_CROSS, OLD_ISOLATED, OLD_WALLET),
)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: the region's host, and the markets worth loading."""
    region = account.region if account else "global"
    return {
        "has": {"fetchCurrencies": False},
        "urls": {"hostnames": {"spot": _SPOT_HOSTS.get(region, SPOT_SOCKETS), "contract": CONTRACTS}},
        "options": {"fetchMarkets": {"types": {"spot": True, "linear": True, "inverse": False}}},
    }


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("data") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise ContractBroken("The exchange does not tell its time.")
    return moment


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """What is left of the endpoint's quota. When it starts anew is told by the exchange's clock only."""
    is_contract = endpoint.pool in CONTRACT_POOLS
    remaining = whole_header(headers, "ratelimit-remaining" if is_contract else "x-hb-ratelimit-requests-remain")
    if remaining is None:
        return ()
    limit = whole_header(headers, "ratelimit-limit") if is_contract else None
    return (PoolUse(pool=endpoint.pool, remaining=float(remaining), capacity=float(limit) if limit else None),)
