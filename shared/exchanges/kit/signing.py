"""Signatures as exchanges ask for them on their sockets; REST calls are signed by the gateway's transport."""

import base64
import hashlib
import hmac
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.domain.errors import KeyRejected

Algorithm = Literal["sha256", "sha384", "sha512"]


def hmac_hex(secret: str, text: str, algorithm: Algorithm = "sha256") -> str:
    """HMAC of the text in lower-case hex."""
    return hmac.new(secret.encode(), text.encode(), algorithm).hexdigest()


def hmac_base64(secret: str | bytes, text: str | bytes, algorithm: Algorithm = "sha256") -> str:
    """HMAC of the text, or of a digest, in base64. Pass bytes where the exchange hands the secret out in base64."""
    key = secret if isinstance(secret, bytes) else secret.encode()
    message = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(hmac.new(key, message, algorithm).digest()).decode()


def sha256(data: bytes) -> bytes:
    """The plain digest, where a signature is made over one."""
    return hashlib.sha256(data).digest()


def is_private_key(secret: str) -> bool:
    """Whether the secret is a private key in PEM form and not a shared secret."""
    return "PRIVATE KEY" in secret


def signature(secret: str, text: str) -> str:
    """HMAC-SHA256 in hex for a shared secret; RSA-SHA256 or Ed25519 in base64 for a private key in PEM form.

    Raises `KeyRejected` when the private key cannot be read.
    """
    if not is_private_key(secret):
        return hmac_hex(secret, text)
    try:
        key = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRejected("The private key of this connection cannot be read; enter it again.") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return base64.b64encode(key.sign(text.encode())).decode()
    if isinstance(key, rsa.RSAPrivateKey):
        return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    raise KeyRejected("The private key of this connection is neither RSA nor Ed25519.")
