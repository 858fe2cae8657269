"""Who calls: API keys, timestamps and signatures, on REST and on the WebSocket API."""

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from simulator.binance.errors import Broken, missing
from simulator.truth import Account

if TYPE_CHECKING:
    from simulator.dialect import Call
    from simulator.exchange import Exchange

LARGEST_WINDOW_MS = 60_000
USUAL_WINDOW_MS = 5_000


def check_key(exchange: "Exchange", api_key: str | None, address: str, *, futures: bool) -> Account:
    """The account of a key; raises `Broken` -2014, -2008 or -2015."""
    if not api_key or len(api_key) != 64 or not api_key.isalnum():
        raise Broken(-2014)
    account = exchange.by_key.get(api_key)
    if account is None:
        raise Broken(-2015 if futures else -2008)
    if account.refusal_of_key(exchange.now_ms(), address) is not None or "read" not in account.permissions:
        raise Broken(-2015)
    if futures and "futures" not in account.permissions:
        raise Broken(-2015)
    return account


def check_time(exchange: "Exchange", params: dict[str, str]) -> None:
    """`timestamp` and `recvWindow`; raises `Broken` -1102, -1131 or -1021."""
    text = params.get("timestamp", "")
    if not text.isdecimal():
        raise missing("timestamp")
    window_text = params.get("recvWindow", str(USUAL_WINDOW_MS))
    try:
        window = float(window_text)
    except ValueError:
        raise Broken(-1100, "Illegal characters found in parameter 'recvWindow'.") from None
    if window > LARGEST_WINDOW_MS:
        raise Broken(-1131)
    stamp = int(text) / (1000 if len(text) >= 16 else 1)
    if not exchange.trusts_time(stamp, behind_ms=10**15, ahead_ms=1000):
        raise Broken(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if not exchange.trusts_time(stamp, behind_ms=window, ahead_ms=1000):
        raise Broken(-1021)


def check_signature(account: Account, payload: str, signature: str) -> None:
    """Raises `Broken` -1022 unless `signature` is the account's over exactly `payload`."""
    kind = account.details.get("key_type", "hmac")
    if kind == "hmac":
        wanted = hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, signature.lower()):
            raise Broken(-1022)
        return
    public = account.details["public_key"]
    try:
        raw = base64.b64decode(signature)
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(raw, payload.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            public.verify(raw, payload.encode())
    except (InvalidSignature, ValueError):
        raise Broken(-1022) from None


def signed_account(call: "Call", *, futures: bool) -> Account:
    """The account that signed a REST call; raises `Broken`."""
    request = call.request
    account = check_key(call.exchange, request.headers.get("x-mbx-apikey"), request.address, futures=futures)
    check_time(call.exchange, call.params)
    payload = request.query + request.body.decode("latin-1")
    front, mark, signature = payload.rpartition("signature=")
    if not mark:
        raise missing("signature")
    if not payload.isascii() or "&" in signature or (front and not front.endswith("&") and front != request.query):
        raise Broken(-1022)
    check_signature(account, front.removesuffix("&"), call.params["signature"])
    return account


def make_key_pair(account: Account, kind: str, seed: bytes) -> None:
    """Replaces the secret by a private key: ed25519 (the same for the same seed) or rsa."""
    private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    else:
        private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    account.secret = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account.details["key_type"] = kind
    account.details["public_key"] = private.public_key()
