"""What refusals mean. Spot says `code` and `msg` with HTTP 4xx, contracts `success`, `code` and `message` with 200.

A missing right is 700007, a revoked key 10072 (spot) or 401 (contracts). The firewall before both answers 403 with a
page, and does so for failures of the servers behind it too. Docs: https://www.mexc.com/api-docs, Error Code, read
2026-11.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import (
    AddressNotAllowed,
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    TradeSyncError,
    UserActionNeeded,
)
from shared.exchanges.kit.contract import Endpoint
from shared.exchanges.kit.trouble import Refusals, Words, not_served, pause, refusal, unavailable

_UNKNOWN_KEY = (KeyRejected, "The exchange does not know this API key: it may be mistyped, revoked or expired.")
_EXPIRED_KEY = (KeyRejected, "The API key has expired; make a new one at the exchange.")
_SIGNATURE = (
    KeyRejected,
    "The exchange does not accept the signature: the secret does not belong to this API key.",
)
_CLOCK = (ClockWrong, "The exchange says this machine's clock is too far from its own; correct the clock.")
_ADDRESS = (AddressNotAllowed, "The API key's IP list does not hold this server's address; add it at the exchange.")
_PERMISSION = (
    PermissionMissing,
    "The API key lacks a permission: it needs to read account and orders, of spot and of futures each.",
)
_MARKET = (MarketGone, "The exchange does not know this market any more.")
_MAINTENANCE = (ExchangeUnavailable, "The exchange is under maintenance.")
_FAILED = (ExchangeUnavailable, "The exchange's server failed.")

_REFUSALS: Refusals = {
    "700001": (KeyRejected, "The exchange says the API key is malformed; enter it again."),
    "700002": _SIGNATURE,
    "700003": _CLOCK,
    "700006": _ADDRESS,
    "700007": _PERMISSION,
    "10072": _UNKNOWN_KEY,
    "10001": _UNKNOWN_KEY,
    "10007": _MARKET,
    "140002": (PermissionMissing, "The exchange does not let a sub-account ask this; use a key of the main account."),
    "11444": (ExchangeUnavailable, "The exchange has switched this off for a while."),
    "60005": (UserActionNeeded, "The exchange has frozen this account; ask its support."),
    "-1121": _MARKET,
    "30020": (MarketGone, "The API key may not use this market."),
    "730000": (ExchangeUnavailable, "The exchange gives no listen key now: there may be too many of them."),
    "730002": (ContractBroken, "The exchange does not know this listen key any more"),
    # Contracts; spot's old forms are the same.
    "401": _UNKNOWN_KEY,
    "402": _EXPIRED_KEY,
    "403": _PERMISSION,
    "406": _ADDRESS,
    "500": _FAILED,
    "501": (ExchangeUnavailable, "The exchange is busy."),
    "503": _MAINTENANCE,
    "504": _FAILED,
    "511": _PERMISSION,
    "513": _CLOCK,
    "602": _SIGNATURE,
    "604": _MAINTENANCE,
    "701": _PERMISSION,
    "702": _PERMISSION,
    "703": _PERMISSION,
    "704": _PERMISSION,
    "801": _MAINTENANCE,
    "1000": (
        PermissionMissing,
        "The exchange says that this key's owner has no futures account, or none that is open.",
    ),
    "1001": _MARKET,
    "1002": (ContractBroken, "The exchange does not allow this question about the contract"),
    "6003": (ContractBroken, "The exchange does not accept the time range"),
}
# What the contracts' socket says, which gives no codes.
_WORDS: Words = (
    ("whitelist|white list|accessing ip", *_ADDRESS),
    ("key expired", *_EXPIRED_KEY),
    ("signature", *_SIGNATURE),
    ("access is required|read access|permission", *_PERMISSION),
    ("login has expired|not logged|api ?key", *_UNKNOWN_KEY),
    ("invalid request|request.?time|timestamp", *_CLOCK),
    ("account does not exist", *_REFUSALS["1000"]),
    ("too frequent", ExchangeUnavailable, "The exchange finds the sign-ins of this account too frequent."),
    ("busy|maintenance|internal", *_FAILED),
)
_GOOD = {"", "0", "200"}
_SHORT_PAUSE_MS = 2_000
_BAN_MS = 120_000  # the shortest ban; it may be three days


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    found = body if isinstance(body, Mapping) else {}
    code = str(found["code"]) if found.get("code") is not None else ""
    if status in {418, 429} or code in {"429", "510"}:
        is_ban = status == 418
        return pause(
            "This address has asked the exchange too often.",
            headers,
            now_ms,
            floor_ms=_BAN_MS if is_ban else _SHORT_PAUSE_MS,
            ban=is_ban,
        )
    if code in _REFUSALS or (code not in _GOOD and status < 500):
        said = str(found.get("msg") or found.get("message") or "")
        return refusal(code, said, _REFUSALS, path=endpoint.path)
    if status == 401:
        return KeyRejected()
    if status == 403:
        return _walled(body)
    trouble = unavailable(status, body)
    if trouble is None and (status >= 400 or found.get("success") is False):
        trouble = ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no reason.")
    return trouble


def _walled(body: Any) -> TradeSyncError:
    return not_served(403, body) or ExchangeUnavailable(
        "The firewall before the exchange does not let this through now."
    )


def error_of_words(said: str) -> TradeSyncError:
    """Our error for a refused sign-in. Words that are not known are tried again: a dead key shows itself over REST."""
    error = refusal("", said, {}, path="the sign-in", words=_WORDS)
    if isinstance(error, ContractBroken):
        return ExchangeUnavailable(f"The exchange refuses the sign-in: {said[:200]}")
    return error
