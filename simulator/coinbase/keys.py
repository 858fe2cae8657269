"""Who calls: CDP keys of both kinds, the tokens made with them, and what a key may do.

From https://docs.cdp.coinbase.com/get-started/authentication/cdp-api-keys and the exchange's own Python client 1.8.4,
read 2026-11: ES256 keys have a name and a SEC1 PEM, Ed25519 keys a UUID and base64 of seed and public key.
"""

import base64
import binascii
from collections.abc import Iterable
from functools import lru_cache
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from simulator.coinbase.errors import said, unauthorized, worded
from simulator.dialect import Call, Refusal
from simulator.exchange import Exchange
from simulator.truth import Account

LONGEST_LIFE_S = 120
CLOCK_S = 120
ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ISSUERS = {"cdp", "coinbase-cloud"}
POWERS = {"can_view": {"read"}, "can_trade": {"trade", "futures", "margin"}, "can_transfer": {"transfer", "withdraw"}}


class Token(msgspec.Struct):
    """A token taken apart: nothing in it is believed before `holder` has checked it."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def ecdsa_credentials(dice: Random) -> tuple[str, str, str]:
    """Name and SEC1 PEM of an ES256 key."""
    private = ec.derive_private_key(dice.randint(1, ORDER_OF_P256 - 1), ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return f"organizations/{uuid(dice)}/apiKeys/{uuid(dice)}", pem.decode(), ""


def ed25519_credentials(dice: Random) -> tuple[str, str]:
    """UUID and secret of an Ed25519 key: 64 bytes, the seed and the public key, in base64."""
    seed = dice.randbytes(32)
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return uuid(dice), base64.b64encode(seed + public.public_bytes_raw()).decode()


@lru_cache(maxsize=4096)
def _public_key(secret: str) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    if not secret.startswith("-----BEGIN"):
        return ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(secret)[32:])
    private = serialization.load_pem_private_key(secret.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private.public_key()


def opened(token: str) -> Token | None:
    """The parts of a token, None for what is none."""
    parts = token.split(".")
    try:
        header, claims = (msgspec.json.decode(_bytes(part), type=dict[str, Any]) for part in parts[:2])
        return Token(header, claims, ".".join(parts[:2]).encode(), _bytes(parts[2]))
    except (ValueError, IndexError, binascii.Error, msgspec.MsgspecError):
        return None


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def is_signed(account: Account, token: Token) -> bool:
    """Whether the account's key made the token, and by its own algorithm."""
    public, signature = _public_key(account.secret), token.signature
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, token.signed)
            return token.header.get("alg") == "EdDSA"
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public.verify(encode_dss_signature(r, s), token.signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return token.header.get("alg") == "ES256"


def holder(exchange: Exchange, text: str, addresses: Iterable[str] | None) -> Account | None:
    """Whose good and living token it is. `addresses`: what it must be for; None: for no address, as on sockets."""
    token = opened(text)
    account = exchange.by_key.get(str(token.header.get("kid"))) if token is not None else None
    if token is None or account is None or token.claims.get("sub") != account.api_key:
        return None
    begins, ends = token.claims.get("nbf"), token.claims.get("exp")
    if not isinstance(begins, int) or not isinstance(ends, int) or ends - begins > LONGEST_LIFE_S:
        return None
    if token.claims.get("iss") not in ISSUERS or not token.header.get("nonce"):
        return None
    has_begun = exchange.trusts_time(begins * 1000, behind_ms=LONGEST_LIFE_S * 1000, ahead_ms=CLOCK_S * 1000)
    lives = exchange.trusts_time(ends * 1000, behind_ms=-1, ahead_ms=(LONGEST_LIFE_S + CLOCK_S) * 1000)
    if not has_begun or not lives:
        return None
    claimed = [*([token.claims["uri"]] if "uri" in token.claims else []), *token.claims.get("uris", [])]
    if (bool(claimed) if addresses is None else not set(claimed) & set(addresses)) or not is_signed(account, token):
        return None
    return account


def signed_account(call: Call) -> Account:
    """The account that signed a REST call; raises 401 for a bad token, 403 for a good one that may not."""
    request = call.request
    text = request.headers.get("authorization", "").removeprefix("Bearer ")
    here = f"{request.base}/{request.host}{request.path}"
    addresses = [
        f"{request.method} {request.host}{request.path}",
        # Clients that sign the address they call, when that leads here instead of to the exchange.
        f"{request.method} {here}",
        f"{request.method} {here.partition('://')[2]}",
    ]
    account = holder(call.exchange, text, addresses)
    reason = account.refusal_of_key(call.now_ms, request.address) if account is not None else "revoked"
    if account is None or reason in {"revoked", "expired"}:
        raise Refusal(unauthorized())
    if reason == "address":
        raise Refusal(worded(403, "Forbidden\n"))
    if reason == "frozen" or "read" not in account.permissions:
        raise Refusal(said(403, "PERMISSION_DENIED", "Missing required scopes"))
    return account


def claimed_account(call: Call) -> Account | None:
    """Whose token a call seems to carry, unchecked: limits are counted before signatures are."""
    token = opened(call.request.headers.get("authorization", "").removeprefix("Bearer "))
    return None if token is None else call.exchange.by_key.get(str(token.header.get("kid")))


def key_permissions(call: Call) -> dict[str, Any]:
    """GET /api/v3/brokerage/key_permissions."""
    can = {word: bool(call.account.permissions & meant) for word, meant in POWERS.items()}
    return {**can, "portfolio_uuid": call.account.uid, "portfolio_type": "DEFAULT"}
