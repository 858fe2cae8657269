"""Who calls: a key, a signature under its secret, a passphrase; the same over REST and in a subscription.

From https://docs.cdp.coinbase.com/exchange/rest-api/authentication, read 2026-11. No call tells what a key may do.
"""

import base64
import binascii
import hashlib
import hmac
import re
from random import Random
from uuid import UUID

from simulator.coinbaseexchange.errors import refusal
from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.truth import Account

CLOCK_MS = 30_000
VERIFIED = "GET/users/self/verify"
"""What a subscription signs."""
SECONDS = re.compile(r"\d+(\.\d+)?")


class Refused(Exception):
    """A key or signature is no good; the status is REST's, the words are those of both ways."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.words = words


def credentials(dice: Random) -> tuple[str, str, str]:
    """Key, secret (64 bytes in base64) and passphrase."""
    letters = "0123456789abcdefghijklmnopqrstuvwxyz"
    secret = base64.b64encode(dice.randbytes(64)).decode()
    return f"{dice.getrandbits(128):032x}", secret, "".join(dice.choices(letters, k=11))


def uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def holder(
    exchange: Exchange, address: str, *, key: str, signature: str, timestamp: str, passphrase: str, signed: str
) -> Account:
    """Whose key made the signature over `timestamp` and `signed`; raises `Refused`."""
    account = exchange.by_key.get(key)
    reason = account.refusal_of_key(exchange.now_ms(), address) if account is not None else "revoked"
    if account is None or reason in {"revoked", "expired"}:
        raise Refused(401, "Invalid API Key")
    if SECONDS.fullmatch(timestamp) is None:
        raise Refused(400, "invalid timestamp")
    if not exchange.trusts_time(float(timestamp) * 1000, behind_ms=CLOCK_MS, ahead_ms=CLOCK_MS):
        raise Refused(400, "request timestamp expired")
    if not hmac.compare_digest(passphrase, account.passphrase):
        raise Refused(401, "Invalid Passphrase")
    digest = hmac.new(base64.b64decode(account.secret), f"{timestamp}{signed}".encode(), hashlib.sha256).digest()
    try:
        is_signed = hmac.compare_digest(base64.b64decode(signature, validate=True), digest)
    except (ValueError, binascii.Error):
        is_signed = False
    if not is_signed:
        raise Refused(401, "invalid signature")
    if reason == "address":
        raise Refused(401, "IP does not match IP whitelist")
    if reason == "frozen" or "read" not in account.permissions:
        raise Refused(403, "Forbidden")
    return account


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises the exchange's refusal."""
    request = call.request
    given = {name: request.headers.get(f"cb-access-{name}", "") for name in ("key", "sign", "timestamp", "passphrase")}
    for name, value in given.items():
        if not value:
            raise refusal(401, f"CB-ACCESS-{name.upper()} header is required")
    query = f"?{request.query}" if request.query else ""
    try:
        return holder(
            call.exchange,
            request.address,
            key=given["key"],
            signature=given["sign"],
            timestamp=given["timestamp"],
            passphrase=given["passphrase"],
            signed=f"{request.method}{request.path}{query}{request.body.decode('utf-8', 'replace')}",
        )
    except Refused as wrong:
        raise refusal(wrong.status, wrong.words) from None
