"""Keys of the Coinbase Developer Platform: brought into one form when they are entered, and made into tokens.

A secret is an ECDSA key on the curve P-256 in PEM form, or an Ed25519 key: its seed in base64, alone or with the
public key behind it, or in PEM form. Every question takes a token of its own, good for two minutes.
Docs: https://docs.cdp.coinbase.com/get-started/authentication/jwt-authentication, read 2026-11.
"""

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.domain.connections import Credentials
from shared.domain.errors import BadInput, KeyRejected
from shared.exchanges.kit import credentials as pasting
from shared.exchanges.kit.contract import CredentialField
from shared.exchanges.kit.signing import is_private_key, sha256
from shared.exchanges.kit.wire import encode_json

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_TOKEN_LASTS_S = 120
_SEED_BYTES = 32

FIELDS = (
    CredentialField(name="api_key", label="API key: its name (organizations/…/apiKeys/…) or its id", is_secret=False),
    CredentialField(
        name="secret",
        label="API secret: the private key, in PEM form or in base64",
        example="AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB5tVYuj+ZU+UB4sRLoqYunkB+FOuaVvtfg45ELrQSWZA==",
    ),
)


def repair(pasted: Mapping[str, str]) -> Mapping[str, str]:
    """The key as it is stored: an ECDSA secret in PEM form, an Ed25519 one as seed and public key in base64.

    Raises `BadInput` for anything else, as the keys of the former Coinbase Pro are.
    """
    cleaned = pasting.repair(FIELDS, pasted)
    key = _private_key(cleaned["secret"])
    if key is None:
        raise BadInput(
            "The field 'secret' (API secret) is malformed: it is neither an ECDSA key on P-256 nor an Ed25519 key.",
            hint="Keys are made at portal.cdp.coinbase.com; those of Coinbase Pro and Coinbase Exchange do not fit.",
        )
    if isinstance(key, ed25519.Ed25519PrivateKey):
        cleaned["secret"] = _joined(key)
    return cleaned


def token(key: Credentials, now: int, purpose: str) -> str:
    """A JSON web token for one message on a socket. Two of one moment differ by their purpose.

    Raises `KeyRejected` when the secret is no private key.
    """
    private, name = _private_key(key.reveal("secret")), key.reveal("api_key")
    if private is None:
        raise KeyRejected("The private key of this connection cannot be read; enter it again.")
    algorithm = "EdDSA" if isinstance(private, ed25519.Ed25519PrivateKey) else "ES256"
    nonce = sha256(f"{name} {now} {purpose}".encode()).hex()[:32]
    since = now // 1_000
    header = {"alg": algorithm, "typ": "JWT", "kid": name, "nonce": nonce}
    claims = {"sub": name, "iss": "cdp", "nbf": since, "exp": since + _TOKEN_LASTS_S}
    signed = f"{_part(encode_json(header).encode())}.{_part(encode_json(claims).encode())}"
    return f"{signed}.{_part(_signature(private, signed.encode()))}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _signature(key: PrivateKey, signed: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(signed)
    first, second = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return first.to_bytes(32, "big") + second.to_bytes(32, "big")


def _joined(key: ed25519.Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw() + key.public_key().public_bytes_raw()).decode()


def _private_key(secret: str) -> PrivateKey | None:
    """The key of a secret in any of its forms; None where it is something else."""
    if not is_private_key(secret):
        return _from_base64(secret)
    try:
        key = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    return key if isinstance(key, ed25519.Ed25519PrivateKey) else None


def _from_base64(secret: str) -> ed25519.Ed25519PrivateKey | None:
    """Seed, or seed and public key. A secret of the former Coinbase Pro is as long, but its halves do not belong."""
    try:
        raw = base64.b64decode(secret, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(raw) not in {_SEED_BYTES, 2 * _SEED_BYTES}:
        return None
    key = ed25519.Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    return key if raw[_SEED_BYTES:] in {b"", key.public_key().public_bytes_raw()} else None
