"""REST: which calls are made, and how often they may be.

Classic accounts are asked under /api/v2, unified ones under /api/v3; each key belongs to one of the two worlds at a
time. Docs: https://www.bitget.com/docs/uta/guide (limits) and each call's own page, read 2026-11. No header tells
what is left of an allowance.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse

CLASSIC = "classic"
UNIFIED = "unified"
REGIONS = ("global", "demo")

_ADDRESS = Pool(name="address", scope="address", capacity=6_000, per_ms=60_000)
CONNECTS = Pool(name="connects", scope="address", capacity=300, per_ms=300_000)
# Every call has a quota of its own: so many a second for each account.
_QUOTAS = {
    "spot-fills": 10,
    "contract-fills": 10,
    "unified-fills": 20,
    "key": 1,
    "unified-key": 5,
    "settings": 20,
    "spot-wallet": 10,
    "bills": 10,
    "contract-wallet": 10,
    "margin-wallet": 10,
    "isolated-wallet": 10,
    "funding-wallet": 10,
    "unified-wallet": 20,
    "unified-funding": 20,
}
POOLS = (
    _ADDRESS,
    CONNECTS,
    *(Pool(name=name, scope="account", capacity=count, per_ms=1_000) for name, count in _QUOTAS.items()),
)


def _signed(name: str, path: str, pool: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=1, also=("address",))


def _public(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool="address", weight=1, signed=False)


SPOT_FILLS = _signed("privateSpotGetV2SpotTradeFills", "/api/v2/spot/trade/fills", "spot-fills")
CONTRACT_FILLS = _signed("privateMixGetV2MixOrderFills", "/api/v2/mix/order/fills", "contract-fills")
UNIFIED_FILLS = _signed("privateUtaGetV3TradeFills", "/api/v3/trade/fills", "unified-fills")

KEY = _signed("privateSpotGetV2SpotAccountInfo", "/api/v2/spot/account/info", "key")
UNIFIED_KEY = _signed("privateUtaGetV3AccountInfo", "/api/v3/account/info", "unified-key")
SETTINGS = _signed("privateUtaGetV3AccountSettings", "/api/v3/account/settings", "settings")

SPOT_WALLET = _signed("privateSpotGetV2SpotAccountAssets", "/api/v2/spot/account/assets", "spot-wallet")
BILLS = _signed("privateSpotGetV2SpotAccountBills", "/api/v2/spot/account/bills", "bills")
CONTRACT_WALLET = _signed("privateMixGetV2MixAccountAccounts", "/api/v2/mix/account/accounts", "contract-wallet")
MARGIN_WALLET = _signed(
    "privateMarginGetV2MarginCrossedAccountAssets", "/api/v2/margin/crossed/account/assets", "margin-wallet"
)
ISOLATED_WALLET = _signed(
    "privateMarginGetV2MarginIsolatedAccountAssets", "/api/v2/margin/isolated/account/assets", "isolated-wallet"
)
FUNDING_WALLET = _signed("privateSpotGetV2AccountFundingAssets", "/api/v2/account/funding-assets", "funding-wallet")
UNIFIED_WALLET = _signed("privateUtaGetV3AccountAssets", "/api/v3/account/assets", "unified-wallet")
UNIFIED_FUNDING = _signed("privateUtaGetV3AccountFundingAssets", "/api/v3/account/funding-assets", "unified-funding")

CLOCK = _public("publicCommonGetV2PublicTime", "/api/v2/public/time")

ENDPOINTS = (
    *(SPOT_FILLS, CONTRACT_FILLS, UNIFIED_FILLS, KEY, UNIFIED_KEY, SETTINGS),
    *(
        SPOT_WALLET,
        BILLS,
        CONTRACT_WALLET,
        MARGIN_WALLET,
        ISOLATED_WALLET,
        FUNDING_WALLET,
        UNIFIED_WALLET,
        UNIFIED_FUNDING,
    ),
    CLOCK,
    # What the list of markets is made of.
    _public("publicSpotGetV2SpotPublicSymbols", "/api/v2/spot/public/symbols"),
    _public("publicMarginGetV2MarginCurrencies", "/api/v2/margin/currencies"),
    _public("publicMixGetV2MixMarketContracts", "/api/v2/mix/market/contracts"),
)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told, so that it asks nothing on its own.

    Left alone it would ask for the account's mode, once, and take every failure for "classic". The classic list of
    markets serves both worlds. Demo trading has a header of its own on the same host.
    """
    is_demo = account is not None and account.region == "demo"
    return {
        "has": {"fetchCurrencies": False},
        "options": {"uta": False, "sandboxMode": is_demo, "fetchMarkets": {"types": ["spot", "swap"]}},
    }


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    told = data.get("data") if isinstance(data, Mapping) else None
    moment = str(told.get("serverTime")) if isinstance(told, Mapping) else ""
    if not (moment.isascii() and moment.isdigit() and len(moment) < 20):
        raise ContractBroken("The exchange does not tell its time.")
    return int(moment)


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """Nothing: no header counts."""
    del headers, endpoint
    return ()
