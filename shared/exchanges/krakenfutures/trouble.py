"""What refusals mean. Calls for contracts answer HTTP 200 with an error word, history and keys with a status.

Docs, Futures REST Error Codes, read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import (
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    TradeSyncError,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Endpoint
from shared.exchanges.kit.trouble import Refusals, Words, is_page, not_served, pause, refusal, unavailable

_PAUSE_MS = 10_000
_HISTORY_PAUSE_MS = 60_000  # in which ten of its hundred tokens come back
_WALL_MS = 60_000  # nothing is written about it: long enough for a challenge to pass, short enough for a mistake

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


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    said = refusal_in(body)
    if said == "apiLimitExceeded" or status == 429:
        # A limit of the key has its word: a page comes from the wall before the exchange, which knows addresses only.
        scope = "account" if endpoint.signed and not (is_page(body) and body) else "address"
        whose = "This key" if scope == "account" else "This address"
        floor_ms = _HISTORY_PAUSE_MS if endpoint.pool == "history" else _PAUSE_MS
        return pause(f"{whose} has asked the exchange too often.", headers, now_ms, floor_ms=floor_ms, scope=scope)
    error = refusal(said, said, _REFUSALS, path=endpoint.path, words=_WORDS, status=status) if said else None
    if error is not None and not (type(error) is ContractBroken and status in {401, 403, 451}):
        return error
    if status in {401, 403}:
        return _refused(status, headers, body, now_ms)
    trouble = unavailable(status, body)
    if trouble is None and (status >= 400 or not isinstance(body, Mapping)):
        return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no data.")
    return trouble


def _refused(status: int, headers: Mapping[str, str], body: Any, now_ms: int) -> TradeSyncError:
    """A 403 as a page comes from the wall before the exchange, and whoever goes on knocking there is kept out longer;
    as data it is about the key.
    """
    if status == 403 and is_page(body):
        sentence = "The exchange turns this server's address away (HTTP 403)."
        return not_served(status, body) or pause(sentence, headers, now_ms, floor_ms=_WALL_MS, ban=True)
    kind, sentence = _REJECTED if status == 401 else _MISSING
    return kind(sentence)


def refusal_in(body: Any) -> str:
    """The error's word: `error`, or the first of `errors`."""
    if not isinstance(body, Mapping):
        return ""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    told = body.get("error") or (first.get("message") or first.get("code") if isinstance(first, Mapping) else first)
    return str(told or ("unknownError" if body.get("result") == "error" else ""))


def error_of_words(said: str) -> TradeSyncError:
    """Our error for what a socket refuses with. It does not say why: what the key lacks is told over REST."""
    return ExchangeUnavailable(f"The exchange refuses the subscription: {said[:200]}")
