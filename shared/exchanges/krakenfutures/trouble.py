"""What refusals mean. Calls for contracts answer HTTP 200 with an error word, history and keys with a status.

Docs, Futures REST Error Codes, read 2026-11.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.errors import (
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    RegionNotAllowed,
    TradeSyncError,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Endpoint
from shared.exchanges.kit.trouble import Refusals, Words, is_page, pause, refusal, unavailable

_PAUSE_MS = 10_000
_HISTORY_PAUSE_MS = 60_000  # in which ten of its hundred tokens come back

_REJECTED = (
    KeyRejected,
    "The exchange does not accept this API key: mistyped, revoked, bound to other addresses, or a key of spot or demo.",
)
_DOWN = (ExchangeUnavailable, "The exchange does not answer properly right now.")
_MISSING = (PermissionMissing, "The API key lacks a permission that reading this account needs.")
_REFUSALS: Refusals = {
    "authenticationError": _REJECTED,
    "nonceBelowThreshold": _DOWN,
    "nonceDuplicate": _DOWN,
    "Server Error": _DOWN,
    "Unavailable": _DOWN,
    "unknownError": _DOWN,
    "accountInactive": (UserActionNeeded, "The account at the exchange is not active; log in there."),
    "invalidAccount": (UserActionNeeded, "The exchange knows no such account; open a futures wallet there."),
    "marketUnavailable": (MarketGone, "The exchange does not offer this market any more."),
    "notFound": (ContractBroken, "The exchange does not know what was asked for"),
    "invalidArgument": (ContractBroken, "The exchange does not accept a parameter"),
    "requiredArgumentMissing": (ContractBroken, "The exchange misses a parameter"),
}
_WORDS: Words = (
    (r"\bip\b|permission|not allowed|forbidden", *_MISSING),
    (r"auth|api.?key|signature", *_REJECTED),
    (r"unavailable|maintenance|internal|server error|timeout", *_DOWN),
)
_COUNTRY = r"restricted|country|region|jurisdiction"


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    said = _said(body)
    if said == "apiLimitExceeded" or status == 429:
        scope = "account" if endpoint.signed else "address"
        floor_ms = _HISTORY_PAUSE_MS if endpoint.pool == "history" else _PAUSE_MS
        return pause("This key has asked the exchange too often.", headers, now_ms, floor_ms=floor_ms, scope=scope)
    if said and not (status >= 500 and said not in _REFUSALS):
        return refusal(said, said, _REFUSALS, path=endpoint.path, words=_WORDS)
    if status == 401:
        return _REJECTED[0](_REJECTED[1])
    if status == 403:
        return _turned_away(body)
    trouble = unavailable(status, body)
    if trouble is None and (status >= 400 or not isinstance(body, Mapping)):
        return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no data.")
    return trouble


def _said(body: Any) -> str:
    """The error's word: `error`, or the first of `errors`."""
    if not isinstance(body, Mapping):
        return ""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    told = body.get("error") or (first.get("message") or first.get("code") if isinstance(first, Mapping) else first)
    return str(told or ("unknownError" if body.get("result") == "error" else ""))


def _turned_away(body: Any) -> TradeSyncError:
    """A 403 as a page comes from the wall before the exchange; as data it is about the key."""
    if not is_page(body):
        return _MISSING[0](_MISSING[1])
    if re.search(_COUNTRY, str(body).lower()):
        return RegionNotAllowed("The exchange does not serve the country of this server's address.")
    return ExchangeUnavailable("The exchange turns this server's address away (HTTP 403).")


def error_of_words(said: str) -> TradeSyncError:
    """Our error for what a socket refuses with. It does not say why: what the key lacks is told over REST."""
    return ExchangeUnavailable(f"The exchange refuses the subscription: {said[:200]}")
