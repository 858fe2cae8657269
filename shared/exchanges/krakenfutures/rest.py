"""REST: hosts, which calls are made, how often they may be, and what ccxt is told.

Docs, Futures REST and Rate Limits, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import ContractBroken, UnreadableRow
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.fields import instant, row_of

_HOSTS = {"global": "futures.kraken.com", "demo": "demo-futures.kraken.com"}  # a key is known to one of them
REGIONS = tuple(_HOSTS)

POOLS = (
    Pool(name="derivatives", scope="account", capacity=500, per_ms=10_000),
    Pool(name="history", scope="account", capacity=100, per_ms=600_000),
    Pool(name="address", scope="address", capacity=100, per_ms=10_000),  # public calls: nobody tells how many
)
CONNECTS = Pool(name="sockets", scope="address", capacity=100, per_ms=60_000)  # so many may be open at once


def _signed(name: str, path: str, pool: str, weight: float, section: str = "") -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=weight, section=section)


EXECUTIONS = _signed("historyGetExecutions", "/api/history/v3/executions", "history", 1)
FILLS = _signed("privateGetFills", "/derivatives/api/v3/fills", "derivatives", 2)
WALLETS = _signed("privateGetAccounts", "/derivatives/api/v3/accounts", "derivatives", 2)
KEY = _signed("api-keys/v3/check", "/api/auth/v1/api-keys/v3/check", "derivatives", 1, section="auth")
# There is no call for the time alone: every answer tells it.
MARKETS = Endpoint(
    name="publicGetInstruments",
    method="GET",
    path="/derivatives/api/v3/instruments",
    pool="address",
    weight=1,
    signed=False,
)
ENDPOINTS = (EXECUTIONS, FILLS, WALLETS, KEY, MARKETS)


def host(region: str) -> str:
    """The one host of a region, for REST and sockets."""
    return _HOSTS.get(region, _HOSTS["global"])


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """The region's host, the third version of history, and the part of the interface that ccxt does not know."""
    there = f"https://{host(account.region if account else 'global')}"
    return {
        "urls": {
            "api": {
                "public": f"{there}/derivatives/api/",
                "private": f"{there}/derivatives/api/",
                "history": f"{there}/api/history/",
                KEY.section: f"{there}/api/auth/",
            }
        },
        "options": {
            "access": {KEY.section: {"GET": {KEY.name: "private"}}},
            "versions": {"history": {"GET": {"executions": "v3"}}, KEY.section: {"GET": {KEY.name: "v1"}}},
        },
    }


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    try:
        return instant(row_of(data, "the answer"), "serverTime")
    except UnreadableRow:
        raise ContractBroken("The exchange does not tell its time.") from None


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """No header tells what is used."""
    del headers, endpoint
    return ()
