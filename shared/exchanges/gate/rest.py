"""REST: which calls are made, how often they may be, and what their refusals mean.

A refused call has a status of 4xx and a `label`. Docs: https://www.gate.com/docs/developers/apiv4/#error-handling and
#frequency-limit-rule, read 2026-11. Each endpoint has an allowance of its own: private ones for each user, public ones
for each address.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.exchanges.gate.hosts import FUTURES_SOCKETS, REST
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


def _endpoint(name: str, path: str, *, signed: bool = True) -> Endpoint:
    return Endpoint(name=name, method="GET", path=f"/api/v4/{path}", pool=path, weight=1, signed=signed)


FILLS = _endpoint("privateSpotGetMyTrades", "spot/my_trades")
OPEN_ORDERS = _endpoint("privateSpotGetOpenOrders", "spot/open_orders")
FUTURES_FILLS = _endpoint("privateFuturesGetSettleMyTradesTimerange", "futures/{settle}/my_trades_timerange")
DETAIL = _endpoint("privateAccountGetDetail", "account/detail")
KEYS = _endpoint("privateAccountGetMainKeys", "account/main_keys")
MODE = _endpoint("privateUnifiedGetUnifiedMode", "unified/unified_mode")
SPOT_WALLET = _endpoint("privateSpotGetAccounts", "spot/accounts")
ACCOUNT_BOOK = _endpoint("privateSpotGetAccountBook", "spot/account_book")
FUTURES_WALLET = _endpoint("privateFuturesGetSettleAccounts", "futures/{settle}/accounts")
UNIFIED_WALLET = _endpoint("privateUnifiedGetAccounts", "unified/accounts")
MARGIN_WALLETS = _endpoint("privateMarginGetAccounts", "margin/accounts")
CROSS_WALLET = _endpoint("privateMarginGetCrossAccounts", "margin/cross/accounts")
LENDING_WALLET = _endpoint("privateMarginGetFundingAccounts", "margin/funding_accounts")
CLOCK = _endpoint("publicSpotGetTime", "spot/time", signed=False)
ENDPOINTS = (
    FILLS,
    OPEN_ORDERS,
    FUTURES_FILLS,
    DETAIL,
    KEYS,
    MODE,
    SPOT_WALLET,
    ACCOUNT_BOOK,
    FUTURES_WALLET,
    UNIFIED_WALLET,
    MARGIN_WALLETS,
    CROSS_WALLET,
    LENDING_WALLET,
    CLOCK,
    # What ccxt asks to make its market table.
    _endpoint("publicSpotGetCurrencyPairs", "spot/currency_pairs", signed=False),
    _endpoint("publicMarginGetCurrencyPairs", "margin/currency_pairs", signed=False),
    _endpoint("publicFuturesGetSettleContracts", "futures/{settle}/contracts", signed=False),
)


def _pool(endpoint: Endpoint) -> Pool:
    is_wide = not endpoint.signed or endpoint.pool.startswith(("spot/", "futures/"))
    return Pool(
        name=endpoint.pool,
        scope="account" if endpoint.signed else "address",
        capacity=200 if is_wide else 150,
        per_ms=10_000,
    )


POOLS = tuple(_pool(endpoint) for endpoint in ENDPOINTS)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: the entity's host, the markets worth loading, and nothing to ask on its own."""
    region = account.region if account else "global"
    host = REST.get(region, REST["global"])
    return {
        "urls": {
            "api": {
                "public": dict.fromkeys(("spot", "margin", "futures"), host),
                "private": dict.fromkeys(("spot", "margin", "futures", "account", "unified"), host),
            }
        },
        "has": {"fetchCurrencies": False},
        "options": {
            "unifiedAccount": False,  # not known: it would ask
            "fetchMarkets": {"types": ["spot", "swap"] if region in FUTURES_SOCKETS else ["spot"]},
            "swap": {"fetchMarkets": {"settlementCurrencies": ["usdt"]}},
        },
    }


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("server_time") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise ContractBroken("The exchange does not tell its time.")
    return moment


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """What the headers tell of the endpoint's allowance."""
    remaining = whole_header(headers, "x-gate-ratelimit-requests-remain")
    capacity = whole_header(headers, "x-gate-ratelimit-limit")
    if remaining is None or not capacity:
        return ()
    return (PoolUse(pool=endpoint.pool, remaining=min(remaining, capacity), capacity=capacity),)


_REFUSALS: Refusals = {
    "INVALID_KEY": (
        KeyRejected,
        "The exchange does not know this API key: it may be mistyped, deleted, of another region, or minutes old.",
    ),
    "INVALID_CREDENTIALS": (KeyRejected, "The exchange does not accept this API key; enter it again."),
    "AUTHENTICATION_FAILED": (KeyRejected, "The exchange does not accept this API key; enter it again."),
    "INVALID_SIGNATURE": (
        KeyRejected,
        "The exchange does not accept the signature: the secret does not belong to this API key.",
    ),
    "REQUEST_EXPIRED": (
        ClockWrong,
        "The exchange says this machine's clock is more than a minute from its own; correct the clock.",
    ),
    "IP_FORBIDDEN": (
        AddressNotAllowed,
        "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
    ),
    "FORBIDDEN": (
        PermissionMissing,
        "The API key lacks a permission; let it read spot, futures, unified and account at the exchange.",
    ),
    "READ_ONLY": (PermissionMissing, "The exchange takes a request for more than this read-only API key may do."),
    "ACCOUNT_LOCKED": (UserActionNeeded, "The exchange has locked this account; ask its support."),
    "SUB_ACCOUNT_LOCKED": (UserActionNeeded, "The exchange has locked this sub-account; unlock it there."),
    # Who never moved a coin there has no such account yet: what can be read is found out anew.
    "USER_NOT_FOUND": (AccountModeChanged, "The exchange says that this account has not been opened yet."),
    "INTERNAL": (ExchangeUnavailable, "The exchange's server failed."),
    "SERVER_ERROR": (ExchangeUnavailable, "The exchange's server failed."),
    "TOO_BUSY": (ExchangeUnavailable, "The exchange is too busy to answer."),
}
_SHORT_PAUSE_MS = 1_000


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    label, said = label_of(body)
    if status == 429 or label in {"TOO_MANY_REQUESTS", "TOO_FAST"}:
        reset_s = whole_header(headers, "x-gate-ratelimit-reset-timestamp")
        return pause(
            "The exchange was asked too often.",
            headers,
            now_ms,
            floor_ms=_SHORT_PAUSE_MS,
            until_ms=reset_s and reset_s * 1_000,
            scope="account" if endpoint.signed else "address",
        )
    if label in _REFUSALS:
        return error_of_label(label, said, endpoint.path)
    trouble = unavailable(status, body)
    if trouble is not None or (status < 400 and not label):
        return trouble
    if label:
        return error_of_label(label, said, endpoint.path)
    return _error_of_status(status, body, endpoint)


def label_of(body: Any) -> tuple[str, str]:
    """An answer's label and what it says; both empty when it is a good one."""
    if not isinstance(body, Mapping) or not isinstance(body.get("label"), str):
        return "", ""
    return body["label"], str(body.get("message") or body.get("detail") or "").strip()


def error_of_label(label: str, said: str, path: str) -> TradeSyncError:
    """Our error for a label: the sockets use the same ones."""
    if label == "FORBIDDEN" and speaks_of_a_country(said):
        return RegionNotAllowed()
    return refusal(label, said, _REFUSALS, path=path)


def _error_of_status(status: int, body: Any, endpoint: Endpoint) -> TradeSyncError:
    """A refusal without a label does not come from the exchange's API, but from what stands before it."""
    if status == 401:
        return KeyRejected()
    if is_page(body) and speaks_of_a_country(body):
        return RegionNotAllowed("The exchange does not serve the country of this server's address.")
    if status == 403:
        return ExchangeUnavailable("The exchange's firewall does not let this server's address in (HTTP 403).")
    return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no reason.")
