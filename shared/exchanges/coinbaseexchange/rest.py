"""REST: which calls are made, how often they may be, and what their errors mean.

A refusal is one `message`, and its words tell more than its status. No endpoint tells what a key may do.
Docs: https://docs.cdp.coinbase.com/exchange/rest-api, read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.connections import Account
from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
)
from shared.exchanges.kit.contract import Endpoint, Pool, PoolUse
from shared.exchanges.kit.trouble import COUNTRY_WORDS, Words, is_page, not_served, pause, refusal, unavailable

SANDBOX = "sandbox"
REGIONS = ("global", SANDBOX)

POOLS = (
    Pool(name="public", scope="address", capacity=10, per_ms=1_000),
    Pool(name="private", scope="account", capacity=15, per_ms=1_000),
    Pool(name="fills", scope="account", capacity=10, per_ms=1_000),
)

FILLS = Endpoint(name="privateGetFills", method="GET", path="/fills", pool="fills", weight=1, also=("private",))
ACCOUNTS = Endpoint(name="privateGetAccounts", method="GET", path="/accounts", pool="private", weight=1)
LEDGER = Endpoint(
    name="privateGetAccountsIdLedger", method="GET", path="/accounts/{id}/ledger", pool="private", weight=1
)
CLOCK = Endpoint(name="publicGetTime", method="GET", path="/time", pool="public", weight=1, signed=False)
MARKETS = Endpoint(name="publicGetProducts", method="GET", path="/products", pool="public", weight=1, signed=False)
ENDPOINTS = (FILLS, ACCOUNTS, LEDGER, CLOCK, MARKETS)


def ccxt_config(account: Account | None) -> Mapping[str, Any]:
    """What ccxt is told: the host, and that markets need no list of currencies."""
    config: dict[str, Any] = {"has": {"fetchCurrencies": False}}
    if account is not None and account.region == SANDBOX:
        host = "https://api-public.sandbox.exchange.coinbase.com"
        config["urls"] = {"api": {"public": host, "private": host}}
    return config


def read_clock(data: Any) -> int:
    """The exchange's time in epoch ms. Raises `ContractBroken` when it is not told."""
    moment = data.get("epoch") if isinstance(data, Mapping) else None
    if isinstance(moment, bool) or not isinstance(moment, int | Decimal):
        raise ContractBroken("The exchange does not tell its time.")
    return int(moment * 1_000)


def pool_use(headers: Mapping[str, str], endpoint: Endpoint) -> tuple[PoolUse, ...]:
    """No header tells what is left."""
    del headers, endpoint
    return ()


_SHORT_PAUSE_MS = 1_000
_COUNTRY = "The exchange does not serve the country of this server's address."
_WORDS: Words = (
    (COUNTRY_WORDS, RegionNotAllowed, _COUNTRY),
    (
        r"\bip\b|whitelist|allowlist",
        AddressNotAllowed,
        "The API key's IP allowlist does not hold this server's address; add it at the exchange.",
    ),
    (
        "timestamp",
        ClockWrong,
        "The exchange says this machine's clock is more than 30 s from its own; correct the clock.",
    ),
    (
        "signature",
        KeyRejected,
        "The exchange does not accept the signature: the secret does not belong to this API key.",
    ),
    (
        "passphrase",
        KeyRejected,
        "The exchange does not accept the passphrase: enter the one that was shown with the key.",
    ),
    (
        "api ?key|authentication|unauthorized",
        KeyRejected,
        "The exchange does not know this API key: it may be mistyped or revoked.",
    ),
    (
        "product not found|trading pair not available|not a valid product",
        MarketGone,
        "The exchange does not offer this market.",
    ),
    ("maintenance|cancel only", ExchangeUnavailable, "The exchange is under maintenance."),
)

_BY_STATUS: Mapping[int, tuple[type[TradeSyncError], str]] = {
    401: (KeyRejected, "The exchange does not accept this API key: it may be mistyped or revoked."),
    403: (PermissionMissing, "The API key lacks the permission to view its profile; allow 'View' at the exchange."),
    404: (MarketGone, "The exchange does not know this market any more."),
}


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
    trouble = unavailable(status, body)
    if trouble is None and status >= 400:
        return _refused(status, body, endpoint)
    return trouble


def _refused(status: int, body: Any, endpoint: Endpoint) -> TradeSyncError:
    """By the words where they are known, else by the status."""
    if status == 403 and is_page(body):
        return _turned_away(body)
    error = error_of_words(str(body.get("message", "")) if isinstance(body, Mapping) else "", endpoint.path)
    if not isinstance(error, ContractBroken):
        return error
    if status == 404 and endpoint is not FILLS:
        return error
    kind, sentence = _BY_STATUS.get(status, (None, ""))
    return error if kind is None else kind(sentence)


def error_of_words(said: str, path: str) -> TradeSyncError:
    """Our error for a `message` or `reason`: the sockets use the same words."""
    return refusal("", said, {}, words=_WORDS, path=path)


def _turned_away(body: Any) -> TradeSyncError:
    return not_served(403, body) or ExchangeUnavailable("The network before the exchange turns this server away.")
