"""What the exchange's refusals mean. Nearly all come with HTTP 200: the body decides, in four envelopes.

Spot names its codes in words, with underscores or hyphens; one of them stands for everything that can be wrong with
a key, and only the sentence beside it tells which. Docs, Error Code and FAQ, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

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
from shared.exchanges.htx.rest import CONTRACT_POOLS
from shared.exchanges.kit.contract import Endpoint
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

OTHER_MODE = "4007"

_SHORT_PAUSE_MS = 1_000
_PAUSE_OF_ADDRESS_MS = 60_000  # "for minutes"; who comes back too early waits again
_TOO_MANY = {"429", "1032", "rate-too-many-requests", "base-request-exceed-frequency-limit", "too-many-request"}
_AUTH = {"api-signature-not-valid", "api-signature-check-failed", "403", "401"}

_BAD_SIGNATURE = "The exchange does not accept the signature: the secret does not belong to this API key."
_UNKNOWN_KEY = (KeyRejected, "The exchange does not know this API key: it may be mistyped or deleted.")
_ADDRESS = (
    AddressNotAllowed,
    "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
)
_EXPIRED = (KeyRejected, "The API key has expired; make a new one at the exchange, bound to an address.")
_CLOCK = (ClockWrong, "The exchange says this machine's clock is too far from its own; correct the clock.")
_LOCKED = (UserActionNeeded, "The exchange has locked this account; ask its support.")
_COUNTRY = (RegionNotAllowed, "The exchange does not serve this server's country.")
_REFUSALS: Refusals = {
    "1003": (KeyRejected, _BAD_SIGNATURE),
    "login-required": (KeyRejected, "The exchange misses the signature: the API key or its secret is empty."),
    "1002": (PermissionMissing, "The API key may not ask this."),
    "gateway-internal-error": (ExchangeUnavailable, "The exchange's gateway failed."),
    "system-maintenance": (ExchangeUnavailable, "The exchange is in maintenance."),
    "1000": (ExchangeUnavailable, "The exchange's contract system failed."),
    "1004": (ExchangeUnavailable, "The exchange's contract system is in maintenance."),
    "500": (ExchangeUnavailable, "The exchange's server failed."),
    # Time went on while the question travelled: the next one begins later.
    "invalid-start-date": (ExchangeUnavailable, "The window begins before what the exchange keeps; it is asked anew."),
    "require-symbol": (MarketGone, "The exchange wants a market named by this account."),
    "invalid-symbol": (MarketGone, "The exchange does not offer this market."),
    "base-symbol-error": (MarketGone, "The exchange does not offer this market."),
    "1013": (MarketGone, "The exchange does not offer this contract."),
    # Contracts name each part of a signature that is wrong.
    "12001": _CLOCK,
    "12004": _EXPIRED,
    "12005": _ADDRESS,
    "12007": _UNKNOWN_KEY,
    "12008": (KeyRejected, _BAD_SIGNATURE),
    "12009": _LOCKED,
    "timeout": (ExchangeUnavailable, "The exchange's server did not answer in time."),
    OTHER_MODE: (AccountModeChanged, "The exchange says that this account's contracts are on the other interface."),
}
_WORDS: Words = (
    ("invalid symbol|symbol.*not exist", MarketGone, "The exchange does not offer this market."),
    (COUNTRY_WORDS, *_COUNTRY),
    ("in maintenance|under maintenance", ExchangeUnavailable, "The exchange is in maintenance."),
)
_AUTH_WORDS: Words = (
    ("incorrect access key", *_UNKNOWN_KEY),
    ("no permission", PermissionMissing, "The API key lacks the permission to read."),
    (r"\bip\b", *_ADDRESS),
    ("expired", *_EXPIRED),
    ("submission time|timestamp", *_CLOCK),
    ("verification failure|invalid signature", KeyRejected, _BAD_SIGNATURE),
    ("locked|frozen", *_LOCKED),
    (COUNTRY_WORDS, *_COUNTRY),
    # Not every text is known: a key that is really dead keeps being refused, and is looked at again.
    ("", ExchangeUnavailable, "The exchange does not let this key in just now, for a reason that is not known here."),
)


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    code, said = _told(body)
    is_limit = code == "invalid-parameter" and "request limit" in said.lower()
    if status == 429 or code in _TOO_MANY or is_limit:
        return _too_many(headers, endpoint, now_ms)
    if code in _AUTH:
        return refusal(code, said, {}, path=endpoint.path, words=_AUTH_WORDS)
    if code and code != "200" and status != 451:
        return refusal(code, said, _REFUSALS, path=endpoint.path, words=_WORDS)
    if status == 403 and is_page(body):
        return _refused_address(body, headers, now_ms)
    trouble = unavailable(status, body)
    if status == 401:
        trouble = ExchangeUnavailable("The exchange does not let this key in just now, and does not say why.")
    if trouble is None and (status >= 400 or not _is_good(body)):
        return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no word of success.")
    return trouble


def _told(body: Any) -> tuple[str, str]:
    """Code and words of any of the envelopes; an empty code where there is none."""
    if not isinstance(body, Mapping):
        return "", ""
    for name in ("err-code", "err_code", "code"):
        if body.get(name) is not None:
            code = str(body[name]).replace("_", "-")
            said = next((str(body[one]) for one in ("err-msg", "err_msg", "message", "msg") if body.get(one)), "")
            return code, said
    return ("unknown", "") if body.get("status") == "error" else ("", "")


def _is_good(body: Any) -> bool:
    return isinstance(body, Mapping) and (body.get("status") == "ok" or str(body.get("code")) == "200")


def _too_many(headers: Mapping[str, str], endpoint: Endpoint, now_ms: int) -> TradeSyncError:
    """Both systems name the moment when one may come back; written so short that it is no moment, it is a span."""
    name = "recovery-time" if endpoint.pool in CONTRACT_POOLS else "x-hb-ratelimit-requests-expire"
    told = whole_header(headers, name) or 0
    return pause(
        "This account has asked the exchange too often."
        if endpoint.signed
        else "This address has asked the exchange too often.",
        headers,
        now_ms,
        floor_ms=_SHORT_PAUSE_MS,
        until_ms=told if told > 10**11 else now_ms + told,
        scope="account" if endpoint.signed else "address",
    )


def _refused_address(body: Any, headers: Mapping[str, str], now_ms: int) -> TradeSyncError:
    return not_served(403, body) or pause(
        "The exchange has locked this address out for a while: too many requests.",
        headers,
        now_ms,
        floor_ms=_PAUSE_OF_ADDRESS_MS,
        ban=True,
    )
