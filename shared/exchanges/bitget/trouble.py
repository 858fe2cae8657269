"""What the codes of a refusal mean: REST and the sockets have lists of their own that do not overlap.

Docs: https://www.bitget.com/docs/uta/error-code (REST) and the sockets' introduction, read 2026-11; ccxt 4.5.90 knows
some more. Around releases the exchange answers with codes of failures that pass.
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
from shared.exchanges.kit.contract import Endpoint
from shared.exchanges.kit.trouble import (
    COUNTRY_WORDS,
    Refusals,
    Words,
    not_served,
    pause,
    refusal,
    unavailable,
)

_GOOD = "00000"
_TOO_MANY = {"429", "1001", "50009", "30006", "30007"}
# An account's quota is whole again after a second, an address's after five minutes, and nothing tells which it was.
_PAUSE_OF_ACCOUNT_MS = 5_000
_PAUSE_OF_ADDRESS_MS = 60_000

_EMPTY = (KeyRejected, "The exchange misses a part of the key: API key, secret or passphrase is empty.")
_UNKNOWN_KEY = (KeyRejected, "The exchange does not know this API key: it may be mistyped, deleted or expired.")
_SIGNATURE = (
    KeyRejected,
    "The exchange does not accept the signature: the secret does not belong to this API key.",
)
_PASSPHRASE = (KeyRejected, "The exchange does not accept the passphrase: enter the one set when the key was made.")
_CLOCK = (ClockWrong, "The exchange says this machine's clock is more than 30 s from its own; correct the clock.")
_ADDRESS = (
    AddressNotAllowed,
    "The API key's IP whitelist does not hold this server's address; add it at the exchange.",
)
_PERMISSION = (PermissionMissing, "The API key lacks a permission that reading this account needs.")
_FAILED = (ExchangeUnavailable, "The exchange's server failed; it is asked again later.")
_MAINTENANCE = (ExchangeUnavailable, "The exchange is being upgraded; it is asked again later.")
_FROZEN = (UserActionNeeded, "The exchange has locked or restricted this account; ask its support.")
_GONE = (MarketGone, "The exchange has taken this market off its list.")

_REFUSALS: Refusals = {
    # REST
    **dict.fromkeys(("40001", "40002", "40003", "40011"), _EMPTY),
    **dict.fromkeys(("40006", "40037", "40041"), _UNKNOWN_KEY),
    **dict.fromkeys(("40009", "40010"), _SIGNATURE),
    "40012": (KeyRejected, "The exchange does not accept this API key with this passphrase; enter both again."),
    **dict.fromkeys(("40004", "40005", "40008"), _CLOCK),
    **dict.fromkeys(("40013", "40022", "40023", "40025", "40026", "40029", "40031"), _FROZEN),
    **dict.fromkeys(("40014", "40301"), _PERMISSION),
    "40016": (UserActionNeeded, "The exchange wants a phone or an authenticator bound to this account first."),
    **dict.fromkeys(("40018", "40038"), _ADDRESS),
    "40036": _PASSPHRASE,
    "40084": (AccountModeChanged, "The exchange says that this is a classic account, not a unified one."),
    "40085": (AccountModeChanged, "The exchange says that this is a unified account, not a classic one."),
    "40099": (KeyRejected, "The key belongs to demo trading, or this connection does; choose the other region."),
    **dict.fromkeys(("40200", "40308"), _MAINTENANCE),
    **dict.fromkeys(("40015", "40604", "40725", "40808", "45001"), _FAILED),
    "40309": _GONE,
    "40704": (ContractBroken, "The exchange calls the window older than its three months"),
    "40705": (ContractBroken, "The exchange calls the window too long"),
    "40707": (ContractBroken, "The exchange calls the window upside down"),
    # Sockets
    "30001": (ContractBroken, "The exchange does not know the channel"),
    "30004": (ExchangeUnavailable, "The exchange forgot that this socket was signed in."),
    "30005": (ExchangeUnavailable, "The exchange refuses the sign-in without saying why; it is tried again."),
    "30011": _UNKNOWN_KEY,
    "30012": _PASSPHRASE,
    **dict.fromkeys(("30013", "30014"), _CLOCK),
    "30015": _SIGNATURE,
    "30016": (ContractBroken, "The exchange does not accept a parameter"),
}
_WORDS: Words = (
    (COUNTRY_WORDS, RegionNotAllowed, "The exchange does not serve this server's country."),
    (r"whitelist|invalid ip|\bip address", *_ADDRESS),
    (r"permission", *_PERMISSION),
)


def error_of(
    status: int, headers: Mapping[str, str], body: Any, endpoint: Endpoint, now_ms: int
) -> TradeSyncError | None:
    """Our error for an answer, None for a good one."""
    code = str(body["code"]) if isinstance(body, Mapping) and body.get("code") is not None else ""
    if status == 429 or code in _TOO_MANY:
        return _too_many(headers, now_ms, of_account=endpoint.signed)
    if code not in {"", _GOOD} and status != 451:
        return error_of_code(code, str(body.get("msg") or ""), now_ms, path=endpoint.path)
    if status == 403:
        return _locked_out(headers, body, now_ms)
    return unavailable(status, body) or _error_without_code(status, body, endpoint, is_good=code == _GOOD)


def _error_without_code(status: int, body: Any, endpoint: Endpoint, *, is_good: bool) -> TradeSyncError | None:
    if status == 401:
        return KeyRejected()
    if status >= 400 or not is_good:
        return ContractBroken(f"The exchange answers {endpoint.path} with HTTP {status} and no code.")
    if endpoint.signed and body.get("data") is None:
        # Reported of keys that ask the interface of the other mode; no good answer is without data.
        return AccountModeChanged(f"The exchange answers {endpoint.path} with nothing, as it does in another mode.")
    return None


def error_of_code(code: str, said: str, now_ms: int, *, path: str) -> TradeSyncError:
    """Our error for a code of REST or of a socket."""
    if code in _TOO_MANY:
        return _too_many({}, now_ms, of_account=False)
    return refusal(code, said, _REFUSALS, path=path, words=_WORDS)


def _too_many(headers: Mapping[str, str], now_ms: int, *, of_account: bool) -> TradeSyncError:
    if of_account:
        return pause(
            "This account has asked the exchange too often.",
            headers,
            now_ms,
            floor_ms=_PAUSE_OF_ACCOUNT_MS,
            scope="account",
        )
    return pause("This address has asked the exchange too often.", headers, now_ms, floor_ms=_PAUSE_OF_ADDRESS_MS)


def _locked_out(headers: Mapping[str, str], body: Any, now_ms: int) -> TradeSyncError:
    """A 403 without a code comes from the network before the exchange: only its words tell why."""
    return not_served(403, body) or pause(
        "The network before the exchange has locked this address out for a while.",
        headers,
        now_ms,
        floor_ms=_PAUSE_OF_ADDRESS_MS,
        ban=True,
    )
