"""REST: which calls are made, how often they may be, and what their errors mean.

The HTTP status decides: a wrong key is a 401 in plain text, a missing permission a 403 in JSON, a 403 in plain text
means the address. Docs: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/rest-api, read 2026-11.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
)
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.trouble import (
    Refusals,
    is_page,
    pause,
    refusal,
    speaks_of_a_country,
    unavailable,
    whole_header,
)

POOLS = (
    Pool(name="public", scope="address", capacity=10, per_ms=1_000),
    Pool(name="private", scope="account", capacity=30, per_ms=1_000),
    Pool(name="app", scope="account", capacity=10_000, per_ms=3_600_000),  # the older interface, by the hour
)


def _signed(name: str, path: str, pool: str = "private") -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=1)


def _public(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool="public", weight=1, signed=False)


FILLS = _signed("v3PrivateGetBrokerageOrdersHistoricalFills", "/api/v3/brokerage/orders/historical/fills")
ACCOUNTS = _signed("v3PrivateGetBrokerageAccounts", "/api/v3/brokerage/accounts")
KEY = _signed("v3PrivateGetBrokerageKeyPermissions", "/api/v3/brokerage/key_permissions")
TRANSACTIONS = _signed("v2PrivateGetAccountsAccountIdTransactions", "/v2/accounts/{account_id}/transactions", "app")
CLOCK = _public("v3PublicGetBrokerageTime", "/api/v3/brokerage/time")
MARKETS = _public("v3PublicGetBrokerageMarketProducts", "/api/v3/brokerage/market/products")
ENDPOINTS = (FILLS, ACCOUNTS, KEY, TRANSACTIONS, CLOCK, MARKETS)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: markets need none of the three lists of currencies that it would load for them."""
    del account
    return {"has": {"fetchCurrencies": False}}


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = str(data.get("epochMillis")) if isinstance(data, Mapping) else ""
    if not (moment.isascii() and moment.isdigit()):
        raise ContractBroken("The exchange does not tell its time.")
    return int(moment)


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """What the headers say is left of the second; more than the documented size does not count."""
    remaining = whole_header(headers, "x-ratelimit-remaining")
    if remaining is None:
        return ()
    capacity = next(pool.capacity for pool in POOLS if pool.name == endpoint.pool)
    return (PoolUse(pool=endpoint.pool, remaining=min(float(remaining), capacity)),)


_SHORT_PAUSE_MS = 1_000
_TOKEN_LASTS_MS = 120_000
_PERMISSION = "The API key lacks the permission to view its portfolio; allow 'View' at the exchange."
_ADDRESS = "The API key's IP allowlist does not hold this server's address; add it at the exchange."
_REFUSALS: Refusals = {
    "PERMISSION_DENIED": (PermissionMissing, _PERMISSION),
    "INVALID_ARGUMENT": (ContractBroken, "The exchange does not accept a parameter"),
    "NOT_FOUND": (ContractBroken, "The exchange does not know this path"),
}
KEY_REJECTED = (
    "The exchange does not accept this API key: it may be mistyped, revoked or expired, its secret may belong to "
    "another key, or this machine's clock is more than two minutes off."
)


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    if status == 429:
        return pause(
            "The exchange says that it was asked too often.",
            headers,
            now_ms,
            floor_ms=_SHORT_PAUSE_MS,
            scope="account" if endpoint.signed else "address",
        )
    if status == 401:
        return ClockWrong() if _is_our_time_wrong(headers, now_ms) else KeyRejected(KEY_REJECTED)
    if status == 403:
        return _forbidden(body)
    trouble = unavailable(status, body)
    if trouble is None and status >= 400:
        said = body if isinstance(body, Mapping) else {}
        return refusal(str(said.get("error", status)), str(said.get("message", "")), _REFUSALS, path=endpoint.path)
    return trouble


def _is_our_time_wrong(headers: Mapping[str, str], now_ms: int) -> bool:
    """A token of another time is refused as a wrong key is: the date of the answer tells which it was."""
    try:
        theirs = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, TypeError):
        return False
    return abs(theirs * 1_000 - now_ms) > _TOKEN_LASTS_MS / 2


def _forbidden(body: Any) -> TradeSyncError:
    """By its words. JSON is the API's own, plain text tells of the address, and a page or nothing is a network's."""
    said = body.get("message", "") if isinstance(body, Mapping) else body
    if speaks_of_a_country(said):
        return RegionNotAllowed("The exchange does not serve the country of this server's address.")
    if not is_page(body):
        is_address = re.search(r"\bip\b|allowlist|whitelist", str(said).lower())
        return AddressNotAllowed(_ADDRESS) if is_address else PermissionMissing(_PERMISSION)
    page = (body.decode(errors="replace") if isinstance(body, bytes) else str(body)).strip().lower()
    if not page or page.startswith(("<", "error code:")):
        return ExchangeUnavailable("The network before the exchange turns this server away.")
    return AddressNotAllowed(_ADDRESS)
