"""REST: which calls are made, how often they may be, and what their errors mean.

A refused call is HTTP 200 with a `retCode`; only the limit of an address, a blocked country and a broken server
show in the status. Docs: https://bybit-exchange.github.io/docs/v5/error and /v5/rate-limit, read 2026-11.
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
from shared.exchanges.bybit.hosts import REST, SANDBOXES
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.trouble import (
    Refusals,
    Words,
    is_page,
    not_served,
    pause,
    refusal,
    speaks_of_a_country,
    unavailable,
    whole_header,
)


def _pool(name: str, per_second: float) -> Pool:
    return Pool(name=name, scope="account", capacity=per_second, per_ms=1_000)


# The documented quotas of an ordinary account; for the executions 50 are documented and 10 seen: we begin with 10,
# and go on with what the headers tell.
POOLS = (
    Pool(name="address", scope="address", capacity=600, per_ms=5_000),
    _pool("execution", 10),
    _pool("key", 10),
    _pool("account", 10),
    _pool("wallet", 50),
    _pool("funding", 5),
)


def _signed(name: str, path: str, pool: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool=pool, weight=1, also=("address",))


def _public(name: str, path: str) -> Endpoint:
    return Endpoint(name=name, method="GET", path=path, pool="address", weight=1, signed=False)


EXECUTIONS = _signed("privateGetV5ExecutionList", "/v5/execution/list", "execution")
OLD_EXECUTIONS = _signed("privateGetV5PreUpgradeExecutionList", "/v5/pre-upgrade/execution/list", "execution")
KEY = _signed("privateGetV5UserQueryApi", "/v5/user/query-api", "key")
ACCOUNT = _signed("privateGetV5AccountInfo", "/v5/account/info", "account")
WALLET = _signed("privateGetV5AccountWalletBalance", "/v5/account/wallet-balance", "wallet")
FUNDING = _signed(
    "privateGetV5AssetTransferQueryAccountCoinsBalance", "/v5/asset/transfer/query-account-coins-balance", "funding"
)
CLOCK = _public("publicGetV5MarketTime", "/v5/market/time")
MARKETS = _public("publicGetV5MarketInstrumentsInfo", "/v5/market/instruments-info")
ENDPOINTS = (EXECUTIONS, OLD_EXECUTIONS, KEY, ACCOUNT, WALLET, FUNDING, CLOCK, MARKETS)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: the entity's host, the markets worth loading, and nothing to ask on its own."""
    region = account.region if account else "global"
    config: dict[str, Any] = {
        "hostname": REST.get(region, REST["global"]),
        "options": {
            "fetchMarkets": {"types": ["spot", "linear", "inverse"]},
            "fetchCurrencies": False,
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
        },
    }
    if region in SANDBOXES:
        sandbox = f"https://api-{region}.{{hostname}}"
        # Demo trading has no market data of its own.
        public = sandbox if region == "testnet" else "https://api.{hostname}"
        config["urls"] = {"api": {"public": public, "private": sandbox}}
    return config


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("time") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise ContractBroken("The exchange does not tell its time.")
    return moment


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """What the headers tell of the endpoint's own quota. Nobody tells of the address's.

    Quotas differ from account to account: the size they tell takes the place of an ordinary one's. Where they tell
    none, what is left beyond an ordinary one's does not count.
    """
    remaining, quota = whole_header(headers, "x-bapi-limit-status"), whole_header(headers, "x-bapi-limit")
    if remaining is None or not endpoint.signed:
        return ()
    capacity = float(quota) if quota else None
    ordinary = next(pool.capacity for pool in POOLS if pool.name == endpoint.pool)
    return (
        PoolUse(
            pool=endpoint.pool,
            remaining=min(float(remaining), capacity or ordinary),
            capacity=capacity,
            reset_ms=_reset_in(headers),
        ),
    )


def _reset_in(headers: Mapping[str, str]) -> int | None:
    """Milliseconds until the quota is whole again, told by two of the exchange's own clocks."""
    reset, now = whole_header(headers, "x-bapi-limit-reset-timestamp"), whole_header(headers, "timenow")
    return max(reset - now, 0) if reset is not None and now is not None else None


_PAUSE_OF_ADDRESS_MS = 600_000  # "stop everything for at least 10 minutes" (docs, Rate Limit)
_SHORT_PAUSE_MS = 1_000

_REFUSALS: Refusals = {
    "10000": (ExchangeUnavailable, "The exchange's server timed out."),
    "10001": (ContractBroken, "The exchange does not accept a parameter"),
    "10002": (ClockWrong, "The exchange says this machine's clock is too far from its own; correct the clock."),
    "10003": (
        KeyRejected,
        "The exchange does not know this API key: it may be mistyped, revoked, or belong to another region.",
    ),
    "10004": (KeyRejected, "The exchange does not accept the signature: the secret does not belong to this API key."),
    "10005": (PermissionMissing, "The API key lacks a permission that reading this account needs."),
    "10007": (KeyRejected, "The exchange does not let this user in: the API key may be revoked."),
    "10008": (UserActionNeeded, "The exchange has banned this account; ask its support."),
    "10010": (
        AddressNotAllowed,
        "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
    ),
    "10016": (ExchangeUnavailable, "The exchange's server failed."),
    "10017": (ContractBroken, "The exchange does not know this path"),
    "10024": (RegionNotAllowed, "The exchange's compliance rules refuse this account or this server's country."),
    "10027": (UserActionNeeded, "The exchange has suspended this account; ask its support."),
    "10028": (AccountModeChanged, "The exchange says that only unified accounts may ask this."),
    "10029": (MarketGone, "The exchange does not offer this market to this account."),
    "33004": (KeyRejected, "The API key has expired; make a new one at the exchange."),
}
# What codes that are not listed say (docs, Error Codes: those of single products run into hundreds).
_WORDS: Words = (
    (
        r"unified account|account (type|mode)",
        AccountModeChanged,
        "The exchange says that this account is of another mode.",
    ),
    (
        r"invalid symbol|symbol (is )?(invalid|not exist)|symbol does not exist|not supported symbol",
        MarketGone,
        "The exchange does not offer this market.",
    ),
    (
        r"server (error|timeout|busy)|internal error|try again later|maintenance|unavailable",
        ExchangeUnavailable,
        "The exchange does not answer properly right now.",
    ),
)
_OFTEN = re.compile(r"rate limit|too many|too frequent|frequency protection|ip limit")
_MORE_OF_COUNTRIES = re.compile(r"restricted|\bgeo|compliance|mainland")


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    code = body.get("retCode") if isinstance(body, Mapping) else None
    if isinstance(code, str) and re.fullmatch(r"\d{1,9}", code, re.ASCII):
        code = int(code)
    if isinstance(code, int) and not isinstance(code, bool) and code != 0:
        return error_of_code(code, str(body.get("retMsg", "")), headers, now_ms, status=status)
    if status >= 400:
        return _error_of_status(status, headers, body, endpoint, now_ms)
    trouble = unavailable(status, body)
    if trouble is None and code != 0:
        return ContractBroken(f"The exchange answers {endpoint.path} without saying whether it succeeded.")
    return trouble


def _error_of_status(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError:
    if status == 403:
        return _refused_address(_words(body), headers, now_ms)
    if error := not_served(status, body):
        return error
    if status == 429:
        return pause("The exchange protects itself: too many requests.", headers, now_ms, floor_ms=_SHORT_PAUSE_MS)
    if status == 401:
        return KeyRejected()
    return unavailable(status, body) or ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status}.")


def error_of_code(
    code: int, message: str, headers: Mapping[str, str], now_ms: int, *, status: int = 200
) -> TradeSyncError:
    """Our error for a `retCode`: the sockets use the same codes."""
    reset_ms = whole_header(headers, "x-bapi-limit-reset-timestamp")
    if code == 10006:
        return pause(
            "This account has asked the exchange too often.",
            headers,
            now_ms,
            floor_ms=_SHORT_PAUSE_MS,
            until_ms=reset_ms,
            scope="account",
        )
    is_unknown_limit = str(code) not in _REFUSALS and _OFTEN.search(message.lower()) is not None
    if code in {10018, 10429, 429} or (code not in {10009, 403} and is_unknown_limit):
        floor_ms = _PAUSE_OF_ADDRESS_MS if code == 10018 else _SHORT_PAUSE_MS
        return pause(
            "This address has asked the exchange too often.", headers, now_ms, floor_ms=floor_ms, ban=code == 10018
        )
    if code in {10009, 403}:
        return _refused_address(message, headers, now_ms)
    return refusal(str(code), message, _REFUSALS, path="the question", words=_WORDS, status=status)


def _refused_address(words: str, headers: Mapping[str, str], now_ms: int) -> TradeSyncError:
    """A 403 or 10009 is a blocked country or an address that asked too often: only the words tell which."""
    said = words.lower()
    is_country = speaks_of_a_country(said) or _MORE_OF_COUNTRIES.search(said) is not None
    if is_country and "too frequent" not in said:
        return RegionNotAllowed("The exchange does not serve the country of this server's address.")
    return pause(
        "The exchange has locked this address out for a while: too many requests.",
        headers,
        now_ms,
        floor_ms=_PAUSE_OF_ADDRESS_MS,
        ban=True,
    )


def _words(body: Any) -> str:
    if isinstance(body, bytes):
        return body.decode(errors="replace")
    if is_page(body):
        return str(body)
    return str(body.get("retMsg", "")) if isinstance(body, Mapping) else ""
