"""Who calls: the signature over path, nonce and body, nonces that only rise, and what a key tells of itself.

From docs.kraken.com (read 2026-11): spot REST authentication, GetApiKeyInfo.
"""

import base64
import hashlib
import hmac
from random import Random
from typing import Any

from simulator.dialect import Call
from simulator.kraken.errors import (
    DENIED,
    INVALID_KEY,
    INVALID_NONCE,
    INVALID_SIGNATURE,
    LOCKOUT,
    REFUSED_KEYS,
    refusal,
)
from simulator.truth import Account

QUERY_FUNDS, QUERY_OPEN, QUERY_CLOSED = "query-funds", "query-open-trades", "query-closed-trades"
QUERY_LEDGERS = "query-ledger-entries"
SOCKETS = "access-websockets"
READ = (QUERY_FUNDS, QUERY_OPEN, QUERY_CLOSED, QUERY_LEDGERS, SOCKETS)
POWERS = {"trade": ("modify-trades", "close-trades"), "withdraw": ("withdraw-funds",), "transfer": ("deposit-funds",)}
PATIENCE = 20
LOCKOUT_MS = 900_000
MOST_NONCE = 2**63 - 1


def credentials(dice: Random) -> tuple[str, str, str]:
    """An API key of 56 characters, and a secret of 64 bytes in base64."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(dice.choices(letters, k=56)), base64.b64encode(dice.randbytes(64)).decode(), ""


def signature(secret: str, path: str, nonce: str, body: bytes) -> str:
    """`API-Sign` of a call."""
    message = path.encode() + hashlib.sha256(nonce.encode() + body).digest()
    return base64.b64encode(hmac.new(base64.b64decode(secret), message, hashlib.sha512).digest()).decode()


def signed_account(call: Call) -> Account:
    """The account that signed a call, its nonce used up; raises the exchange's refusal.

    Too many wrong keys or nonces in a row lock that key out for a while, whatever it says then.
    """
    request, exchange = call.request, call.exchange
    key, signed = request.headers.get("api-key", ""), request.headers.get("api-sign", "")
    if exchange.enforcing and exchange.windows.banned_until(("lockout", key), call.now_ms) is not None:
        raise refusal(LOCKOUT)
    account = exchange.by_key.get(key)
    reason = "revoked" if account is None else account.refusal_of_key(call.now_ms, request.address)
    if account is None or reason is not None:
        error = REFUSED_KEYS[reason or "revoked"]
        if error == INVALID_KEY:
            _offend(call, key)
        raise refusal(error)
    nonce = call.params.get("nonce", "")
    if not hmac.compare_digest(signature(account.secret, request.path, nonce, request.body).encode(), signed.encode()):
        raise refusal(INVALID_SIGNATURE)
    if not _rises(account, nonce):
        _offend(call, key)
        raise refusal(INVALID_NONCE)
    exchange.windows.forgive(("key", key))
    needed = call.route.details.get("needs", ())
    if needed and not set(needed) & set(permissions(account)):
        raise refusal(DENIED)
    return account


def _rises(account: Account, nonce: str) -> bool:
    """Whether a nonce is above every one before it; `details.nonce_window` is how far it may fall back."""
    last = account.details.get("nonce", 0)
    if not nonce.isdecimal() or not last - int(account.details.get("nonce_window", 0)) < int(nonce) <= MOST_NONCE:
        return False
    account.details["nonce"] = max(last, int(nonce))
    return True


def _offend(call: Call, key: str) -> None:
    windows = call.exchange.windows
    if windows.offend(("key", key)) >= PATIENCE:
        windows.forgive(("key", key))
        windows.ban(("lockout", key), call.now_ms + LOCKOUT_MS)
        call.exchange.counters["bans"] += 1


def permissions(account: Account) -> list[str]:
    """In the exchange's words; `details.permissions` says them outright."""
    told: list[str] | None = account.details.get("permissions")
    if told is not None:
        return told
    read = READ if "read" in account.permissions else ()
    return [*read, *(word for power, words in POWERS.items() if power in account.permissions for word in words)]


def key_report(account: Account, now_ms: int) -> dict[str, Any]:
    """The result of GetApiKeyInfo: numbers are text, times are seconds, "0" means none."""
    details = account.details
    created = str(account.created_ms // 1000)
    return {
        "apiKeyName": "reader",
        "apiKey": account.api_key,
        "nonce": str(details.get("nonce", 0)),
        "nonceWindow": str(details.get("nonce_window", 0)),
        "permissions": permissions(account),
        "validUntil": str((account.expires_ms or 0) // 1000),
        "queryFrom": str(int(details.get("query_from_ms", 0)) // 1000),
        "queryTo": str(int(details.get("query_to_ms", 0)) // 1000),
        "createdTime": created,
        "modifiedTime": created,
        "ipAllowlist": account.addresses,
        "lastUsed": str(now_ms // 1000),
    }
