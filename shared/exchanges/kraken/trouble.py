"""What refusals mean: over REST they come with HTTP 200 in a list of texts, on sockets as one text.

A text is `E` (an error) or `W` (a warning), a category, a colon and the matter. Docs, Spot Error Messages, read
2026-11.
"""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.errors import (
    AddressNotAllowed,
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
from shared.exchanges.kit.trouble import Words, not_served, pause, refusal, unavailable

_SHORT_PAUSE_MS = 1_000
_COUNTER_PAUSE_MS = 15_000  # going on extends the block; in this time a third of the counter comes back
_LOCKOUT_MS = 900_000
_WALL_MS = 60_000  # nothing is written about it: long enough for a challenge to pass, short enough for a mistake

_WORDS: Words = (
    (
        r"invalid key|\bkey\b.*\bexpired\b|\bexpired\b.*\bkey\b",
        KeyRejected,
        "The exchange does not know this API key: it may be mistyped, revoked, expired, or a key of Kraken Futures.",
    ),
    (
        r"invalid signature",
        KeyRejected,
        "The exchange does not accept the signature: the secret does not belong to this API key.",
    ),
    (
        r"invalid nonce",
        ExchangeUnavailable,
        "The exchange says that another program uses this API key too (invalid nonce): it needs one of its own.",
    ),
    (r"otp|two.?factor|2fa", KeyRejected, "This API key asks for a one-time password; make one without."),
    (
        r"\bip\b|ip address|whitelist|allowlist",
        AddressNotAllowed,
        "The API key is bound to other IP addresses; add this server's address at the exchange.",
    ),
    (
        r"restricted|country|region|jurisdiction",
        RegionNotAllowed,
        "The exchange does not serve this account or the country of this server's address.",
    ),
    (
        r"permission denied|invalid permissions",
        PermissionMissing,
        "The API key lacks a permission that reading needs, or is bound to other addresses than this server's.",
    ),
    (
        r"user.{0,2}locked|temporary disabled|unconfirmed|account.*(locked|disabled|frozen)",
        UserActionNeeded,
        "The exchange has locked this account; ask its support.",
    ),
    (r"unknown asset pair|currency pair not supported", MarketGone, "The exchange does not know this market any more."),
    (
        r"invalid session",
        ExchangeUnavailable,
        "The exchange does not know the socket's token; a new one is got.",
    ),
    (
        r"^eservice:|internal error|deadline elapsed|timeout|unavailable|busy|maintenance|feature disabled",
        ExchangeUnavailable,
        "The exchange does not answer properly right now.",
    ),
    (r"invalid arguments|unknown method|bad request", ContractBroken, "The exchange does not accept a parameter"),
)


def refusals_in(body: Any) -> list[str]:
    """The errors that an answer names. Warnings (`W…`) come with a good one."""
    told = body.get("error") if isinstance(body, Mapping) else None
    texts = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    return [text for text in map(str, texts) if text and not text.startswith("W")]


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    if texts := refusals_in(body):
        scope = "account" if endpoint.signed else "address"
        return error_of_text("; ".join(texts), headers, now_ms, path=endpoint.path, scope=scope, status=status)
    if status == 429:
        return pause("This address has asked the exchange too often.", headers, now_ms, floor_ms=_COUNTER_PAUSE_MS)
    if status == 401:
        return KeyRejected()
    if status == 403:
        # The wall before the exchange: whoever goes on knocking is kept out longer.
        sentence = "The exchange turns this server's address away (HTTP 403)."
        return not_served(status, body) or pause(sentence, headers, now_ms, floor_ms=_WALL_MS, ban=True)
    trouble = unavailable(status, body)
    if trouble is None and (status >= 400 or not isinstance(body, Mapping) or "result" not in body):
        return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no result.")
    return trouble


def error_of_text(
    said: str, headers: Mapping[str, str], now_ms: int, *, path: str, scope: str = "account", status: int = 200
) -> TradeSyncError:
    """Our error for what the exchange says; sockets use the same texts."""
    words = said.lower()
    if found := re.search(r"throttled:\s*(\d{9,11})\b", words):
        sentence = "The exchange answers too many requests of this key at once already."
        until_ms = int(found[1]) * 1_000
        return pause(sentence, headers, now_ms, floor_ms=_SHORT_PAUSE_MS, until_ms=until_ms, scope=scope)
    if "temporary lockout" in words:
        sentence = "The exchange has locked this key out for a while: it was refused too often."
        return pause(sentence, headers, now_ms, floor_ms=_LOCKOUT_MS, ban=True, scope=scope)
    if re.search(r"rate limit|too many requests|too frequent|throttled", words):
        whose = "This key" if scope == "account" else "This address"
        return pause(
            f"{whose} has asked the exchange too often.", headers, now_ms, floor_ms=_COUNTER_PAUSE_MS, scope=scope
        )
    return refusal("", said, {}, path=path, words=_WORDS, status=status)
