"""What Binance's error codes mean for us. Envelope: `{"code": -1121, "msg": "Invalid symbol."}`, REST and sockets."""

import re
from collections.abc import Mapping
from typing import Any

from shared.domain.errors import (
    ClockWrong,
    ContractBroken,
    ExchangeUnavailable,
    KeyRejected,
    MarketGone,
    PermissionMissing,
    TradeSyncError,
)
from shared.exchanges.kit.contract import Endpoint
from shared.exchanges.kit.trouble import is_page, not_served, pause, unavailable

_MINUTE = 60_000
_BUSY = frozenset({-1000, -1001, -1004, -1006, -1007, -1008, -1016})
_NO_ACCOUNT = frozenset({-1002, -1109, -2026, -3003, -3005, -4109, -11001, -11002})


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """What an answer means; None for a good one. A code decides before the status does."""
    code, message = _told(body)
    if status < 400 and code >= 0:
        return unavailable(status, body)
    if status in {418, 429} or code in {-1003, -1015}:
        return _too_many(status, headers, message, now_ms)
    if code < 0 and status != 451:
        error = error_of_code(code, message, is_futures=endpoint.pool == "futures")
        return (unavailable(status, body) or error) if type(error) is ContractBroken else error
    return _error_of_status(status, headers, body, now_ms)


def _error_of_status(status: int, headers: Mapping[str, str], body: Any, now_ms: int) -> TradeSyncError:
    if error := not_served(status, body):
        return error
    if status == 403:
        return pause(
            "Binance's firewall turned the request away.", headers, now_ms, floor_ms=5 * _MINUTE, ban=is_page(body)
        )
    if status == 401:
        return KeyRejected(_why_rejected(""))
    return unavailable(status, body) or ContractBroken(f"Binance refuses the request (HTTP {status}).")


_MEANINGS: Mapping[int, tuple[type[TradeSyncError], str]] = {
    -1021: (ClockWrong, "This machine's clock is too far from Binance's."),
    -1022: (KeyRejected, "Binance does not accept the signature: the secret does not belong to this API key."),
    -1121: (MarketGone, "Binance does not know this market any more."),
    -1125: (ExchangeUnavailable, "The key of the futures stream has expired at Binance."),
    -2014: (KeyRejected, "Binance says that the API key is malformed; enter it again."),
}


def error_of_code(code: int, message: str, *, is_futures: bool = False) -> TradeSyncError:
    """What a negative code means, on REST and sockets alike; limits apart."""
    if code == -2015 and is_futures:
        return PermissionMissing(
            "Binance does not let this key read futures: it may lack “Enable Futures”, be older than the futures"
            " account, be deleted, or be bound to other addresses."
        )
    if code in {-2015, -2008, -2017}:
        return KeyRejected(_why_rejected(message))
    if code in _MEANINGS:
        kind, sentence = _MEANINGS[code]
        return kind(sentence)
    if code in _BUSY:
        return ExchangeUnavailable(f"Binance is busy or failing ({code}).")
    if code in _NO_ACCOUNT:
        return PermissionMissing(f"Binance has no such account for this key ({code}).")
    return ContractBroken(f"Binance refuses the request: {code} {message[:200]}".rstrip())


def error_of_frame(message: Mapping[str, Any], now_ms: int) -> TradeSyncError | None:
    """What an answer of the WebSocket API means, `{"id", "status", "error": {"code", "msg", "data"}}`; None: good."""
    error = message.get("error")
    status = message.get("status")
    if not isinstance(error, Mapping):
        return None if status is None or status == 200 else ExchangeUnavailable("Binance answers with an odd status.")
    code, text = _told(error)
    if status == 418 or status == 429 or code == -1003:  # noqa: PLR1714 — what came may not be hashable
        data = error.get("data")
        until = data.get("retryAfter") if isinstance(data, Mapping) else None
        named = str(until) if isinstance(until, int) else ""
        return _too_many(status if isinstance(status, int) else 429, {}, f"{text} {named}", now_ms)
    if code < 0:
        return error_of_code(code, text)
    return ExchangeUnavailable("Binance refuses without a reason that we know.")


def _too_many(status: int, headers: Mapping[str, str], message: str, now_ms: int) -> TradeSyncError:
    """A pause or a ban: until what the text says, what Retry-After says (often 0), and never less than a floor.

    Minute windows are fixed, so a pause ends with the minute at the earliest; the shortest ban is two minutes.
    """
    until = [int(moment) for moment in re.findall(r"(?<!\d)(\d{13})(?!\d)", message)]
    is_ban = status == 418 or "banned" in message.lower()
    floor = 2 * _MINUTE if is_ban else max(_MINUTE - now_ms % _MINUTE, 2_000)
    sentence = "Binance bans this address for too many requests." if is_ban else "Binance asks for a pause."
    return pause(sentence, headers, now_ms, floor_ms=floor, until_ms=max(until, default=None), ban=is_ban)


def _why_rejected(message: str) -> str:
    found = re.search(r"request ip:\s*([0-9a-fA-F.:]+)", message)
    address = f" than {found[1]}" if found else " than this server's"
    return (
        "Binance does not accept this key: it may be mistyped, deleted or expired, bound to other IP addresses"
        f"{address}, or lack the permission to read."
    )


def _told(body: Any) -> tuple[int, str]:
    if not isinstance(body, Mapping):
        return 0, ""
    code, message = body.get("code"), body.get("msg")
    if isinstance(code, str) and re.fullmatch(r"-?\d{1,9}", code, re.ASCII):
        code = int(code)
    return (
        code if isinstance(code, int) and not isinstance(code, bool) else 0,
        message if isinstance(message, str) else "",
    )
