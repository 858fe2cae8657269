"""REST: which calls are made, how often they may be, and what their errors mean.

A refused call has its own `code` in the envelope, with HTTP 200 or 4xx; the CDN before the exchange answers with
pages. Docs: https://www.kucoin.com/docs-new/rate-limit and /docs-new/error-code, read 2026-11.
"""

import re
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
    MarketGone,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.trouble import (
    COUNTRY_WORDS,
    Refusals,
    Words,
    is_page,
    not_served,
    pause,
    refusal,
    unavailable,
    whole_header,
)

UNIFIED = "unified"
CLASSIC = "classic"

# The documented allowances of an ordinary account; `gw-ratelimit-remaining` corrects them for everybody else.
POOLS = (
    Pool(name="public", scope="address", capacity=2_000, per_ms=30_000),
    Pool(name="spot", scope="account", capacity=4_000, per_ms=30_000),
    Pool(name="futures", scope="account", capacity=2_000, per_ms=30_000),
    Pool(name="management", scope="account", capacity=2_000, per_ms=30_000),
    Pool(name="unified", scope="account", capacity=200, per_ms=3_000),
)


def _get(name: str, path: str, pool: str, weight: float) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=weight, signed=pool != "public")


def _ticket(name: str, path: str, pool: str) -> Endpoint:
    return Endpoint(name=name, method="POST", path=path, pool=pool, weight=10, signed=pool != "public")


CLOCK = _get("publicGetTimestamp", "/api/v1/timestamp", "public", 3)
SPOT_MARKETS = _get("publicGetSymbols", "/api/v2/symbols", "public", 4)
FUTURES_MARKETS = _get("futuresPublicGetContractsActive", "/api/v1/contracts/active", "public", 3)
CURRENCIES = _get("publicGetCurrencies", "/api/v3/currencies", "public", 3)
PUBLIC_TICKET = _ticket("publicPostBulletPublic", "/api/v1/bullet-public", "public")
FUTURES_PUBLIC_TICKET = _ticket("futuresPublicPostBulletPublic", "/api/v1/bullet-public", "public")

KEY = _get("privateGetUserApiKey", "/api/v1/user/api-key", "management", 20)
WALLETS = _get("privateGetAccounts", "/api/v1/accounts", "management", 5)
HAS_HF = _get("privateGetHfAccountsOpened", "/api/v1/hf/accounts/opened", "spot", 2)
FILLS = _get("privateGetHfFills", "/api/v1/hf/fills", "spot", 2)
OLD_FILLS = _get("privateGetFills", "/api/v1/fills", "spot", 10)
LEDGER = _get("privateGetHfAccountsLedgers", "/api/v1/hf/accounts/ledgers", "spot", 2)
ACTIVE_SYMBOLS = _get("privateGetHfOrdersActiveSymbols", "/api/v1/hf/orders/active/symbols", "spot", 2)
TICKET = _ticket("privatePostBulletPrivate", "/api/v1/bullet-private", "spot")

FUTURES_FILLS = _get("futuresPrivateGetFills", "/api/v1/fills", "futures", 5)
FUTURES_WALLET = _get("futuresPrivateGetAccountOverview", "/api/v1/account-overview", "futures", 5)
FUTURES_TICKET = _ticket("futuresPrivatePostBulletPrivate", "/api/v1/bullet-private", "futures")

MODE = _get("utaPrivateGetAccountMode", "/api/ua/v1/account/mode", "unified", 30)
EXECUTIONS = _get("utaPrivateGetAccountModeOrderExecution", "/api/ua/v1/{accountMode}/order/execution", "unified", 4)
UNIFIED_WALLET = _get(
    "utaPrivateGetAccountModeAccountBalance", "/api/ua/v1/{accountMode}/account/balance", "unified", 5
)
FUNDING_WALLET = _get("utaPrivateGetAccountBalance", "/api/ua/v1/account/balance", "unified", 5)
UNIFIED_TICKET = _ticket("privatePostBulletPrivate", "/api/v2/bullet-private", "unified")

ENDPOINTS = (
    *(CLOCK, SPOT_MARKETS, FUTURES_MARKETS, CURRENCIES, PUBLIC_TICKET, FUTURES_PUBLIC_TICKET),
    *(KEY, WALLETS, HAS_HF, FILLS, OLD_FILLS, LEDGER, ACTIVE_SYMBOLS, TICKET),
    *(FUTURES_FILLS, FUTURES_WALLET, FUTURES_TICKET),
    *(MODE, EXECUTIONS, UNIFIED_WALLET, FUNDING_WALLET, UNIFIED_TICKET),
)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told, so that it asks nothing on its own: neither the account's mode nor its fee rates."""
    return {
        "options": {
            "uta": account is not None and account.mode == UNIFIED,
            "hf": True,
            "fetchMarkets": {"types": ["spot", "swap", "future"], "fetchTickersFees": False},
        }
    }


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("data") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise ContractBroken("The exchange does not tell its time.")
    return moment


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """What the gateway's headers tell of the pool that the call drew on."""
    remaining = whole_header(headers, "gw-ratelimit-remaining")
    if remaining is None:
        return ()
    limit = whole_header(headers, "gw-ratelimit-limit")
    return (
        PoolUse(
            pool=endpoint.pool,
            used=None if limit is None else float(max(limit - remaining, 0)),
            remaining=float(remaining),
            reset_ms=whole_header(headers, "gw-ratelimit-reset"),
        ),
    )


_GOOD = "200000"
_SHORT_PAUSE_MS = 1_000
_PAUSE_OF_CDN_MS = 30_000  # the CDN names no time, and blocks those who come again too early for longer

_REFUSALS: Refusals = {
    "400001": (KeyRejected, "The exchange misses a part of the key: API key, secret or passphrase is empty."),
    "400002": (ClockWrong, "The exchange says this machine's clock is more than 5 s from its own; correct the clock."),
    "400003": (KeyRejected, "The exchange does not know this API key: it may be mistyped, deleted or expired."),
    "400004": (KeyRejected, "The exchange does not accept the passphrase: enter the one set when the key was made."),
    "400005": (KeyRejected, "The exchange does not accept the signature: the secret does not belong to this API key."),
    "400006": (
        AddressNotAllowed,
        "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
    ),
    "400007": (PermissionMissing, "The API key lacks a permission that reading this account needs."),
    "400302": (RegionNotAllowed, "The exchange does not serve the country of this server's address."),
    "400303": (UserActionNeeded, "The exchange wants the account's owner to verify their identity first."),
    "411100": (UserActionNeeded, "The exchange has frozen this account; ask its support."),
    "112010": (AccountModeChanged, "The exchange says that this is no unified account."),
    "900001": (MarketGone, "The exchange does not know this market any more."),
    "500000": (ExchangeUnavailable, "The exchange's server failed."),
}
_TOO_MANY = {"429000", "429"}
# 400100 is every wrong parameter; only its words tell a closed market and a wrong account mode apart (ccxt 4.5.90).
_WORDS: Words = (
    (
        "unified account|classic account|uta user|account mode",
        AccountModeChanged,
        "The exchange says that this account is of another mode.",
    ),
    (
        "unsupported trading pair|symbol (does )?not exist|invalid symbol",
        MarketGone,
        "The exchange does not offer this market.",
    ),
    (
        COUNTRY_WORDS + r"|unavailable in the u\.?s",
        RegionNotAllowed,
        "The exchange does not serve the country of this server's address.",
    ),
    (
        r"\b(user|account)\b.*\b(frozen|locked|banned)\b",
        UserActionNeeded,
        "The exchange has locked this account; ask its support.",
    ),
    (
        r"internal (server )?error|system (error|busy)|service (is )?(not available|unavailable)|maintenance",
        ExchangeUnavailable,
        "The exchange does not answer properly right now.",
    ),
)
_OFTEN = re.compile(r"too many requests|too frequent|rate limit")


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    code = str(body["code"]) if isinstance(body, Mapping) and body.get("code") is not None else ""
    said = str(body.get("msg") or "") if code else ""
    is_refused = len(code) > 3 and code != _GOOD  # codes of three digits only repeat the HTTP status
    is_cdn_ban = _is_cdn_ban(body)
    if not is_cdn_ban and (status == 429 or code in _TOO_MANY or (is_refused and _OFTEN.search(said.lower()))):
        return _too_many(headers, endpoint, now_ms)
    if is_refused:
        return refusal(code, said, _REFUSALS, path=endpoint.path, words=_WORDS, status=status)
    if error := not_served(status, body):
        return error
    if status == 403 or is_cdn_ban:
        return pause(
            "The network before the exchange has locked this address out for a while.",
            headers,
            now_ms,
            floor_ms=_PAUSE_OF_CDN_MS,
            ban=True,
        )
    if status == 401:
        return KeyRejected()
    trouble = unavailable(status, body)
    if trouble is None and (status >= 400 or code != _GOOD):
        trouble = ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status}{_said(body)}.")
    return trouble


def _too_many(headers: Mapping[str, str], endpoint: Endpoint, now_ms: int) -> TradeSyncError:
    """The pool is empty until `gw-ratelimit-reset`; the exchange never sends `Retry-After`."""
    reset_ms = whole_header(headers, "gw-ratelimit-reset")
    return pause(
        "This account has asked the exchange too often."
        if endpoint.signed
        else "This address has asked the exchange too often.",
        headers,
        now_ms,
        floor_ms=_SHORT_PAUSE_MS,
        until_ms=None if reset_ms is None else now_ms + reset_ms,
        scope="account" if endpoint.signed else "address",
    )


def _is_cdn_ban(body: Any) -> bool:
    """Cloudflare's "error code: 1015" in a page, whatever the status."""
    if not is_page(body):
        return False
    page = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    return re.search(r"\berror( code:)?(\s|<[^<>]*>)*1015\b", page.lower()) is not None


def _said(body: Any) -> str:
    if not isinstance(body, Mapping):
        return ""
    message = body.get("msg") or body.get("message")
    return f" ({str(message)[:200]})" if message else ""
