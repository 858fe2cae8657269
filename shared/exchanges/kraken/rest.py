"""REST: which calls are made, how often they may be, and what ccxt is told.

Each signed call raises the counter of its key, which falls by itself, by a third a second for the lowest tier; no
header tells of it. Docs, Spot REST Rate Limits, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse

# 15 may stand on the counter, and 0.33 leave it each second: 15 calls in any 46 s never fill it.
POOLS = (
    Pool(name="counter", scope="account", capacity=15, per_ms=46_000),
    Pool(name="address", scope="address", capacity=10, per_ms=10_000),
)
# Of the about 150 that an address may open in ten minutes.
CONNECTS = Pool(name="sockets", scope="address", capacity=140, per_ms=600_000)


def _signed(name: str, weight: float = 1) -> Endpoint:
    return Endpoint(name=f"privatePost{name}", method="POST", path=f"/0/private/{name}", pool="counter", weight=weight)


def _public(name: str) -> Endpoint:
    return Endpoint(
        name=f"publicGet{name}", method="GET", path=f"/0/public/{name}", pool="address", weight=1, signed=False
    )


TRADES = _signed("TradesHistory", 2)
BALANCES = _signed("BalanceEx")
LEDGERS = _signed("Ledgers", 2)
KEY = _signed("GetApiKeyInfo")
TOKEN = _signed("GetWebSocketsToken")
CLOCK = _public("Time")
ENDPOINTS = (TRADES, BALANCES, LEDGERS, KEY, TOKEN, CLOCK, _public("AssetPairs"))


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """There is one host. The list of pairs is enough: that of assets would only name them once more."""
    del account
    return {"has": {"fetchCurrencies": False}}


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. It tells whole seconds: the middle of one is the best guess.

    Raises `ContractBroken` when it is not told.
    """
    result = data.get("result") if isinstance(data, Mapping) else None
    seconds = result.get("unixtime") if isinstance(result, Mapping) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise ContractBroken("The exchange does not tell its time.")
    return seconds * 1_000 + 500


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """No header tells what is used."""
    del headers, endpoint
    return ()
