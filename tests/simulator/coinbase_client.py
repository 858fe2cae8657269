"""Signed calls to the simulated Coinbase without any library but the cipher's: tokens may be spoilt in every part."""

import base64
import json
import secrets
import time
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import Said, call

HOST = "api.coinbase.com"


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def token(account: dict[str, Any], uri: str | None = None, **spoilt: Any) -> str:
    """A token as the exchange's own client makes it. `spoilt`: other parts, `age_s`, `life_s`, `flip`."""
    now = int(time.time()) - spoilt.get("age_s", 0)
    key, secret = account["api_key"], account["secret"]
    is_ecdsa = secret.startswith("-----BEGIN")
    nonce = spoilt.get("nonce", secrets.token_hex())
    header = {"alg": "ES256" if is_ecdsa else "EdDSA", "kid": spoilt.get("kid", key), "nonce": nonce, "typ": "JWT"}
    claims = {"sub": spoilt.get("sub", key), "iss": spoilt.get("iss", "cdp"), "nbf": now}
    claims["exp"] = now + spoilt.get("life_s", 120)
    if uri is not None:
        claims["uri"] = uri
    payload = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(claims).encode())}"
    if is_ecdsa:
        private = serialization.load_pem_private_key(secret.encode(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(private.sign(payload.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    else:
        seed = base64.b64decode(secret)[:32]
        signature = ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(payload.encode())
    if spoilt.get("flip"):
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return f"{payload}.{_part(signature)}"


def ask(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str,
    *,
    spoilt: dict[str, Any] | None = None,
    **params: Any,
) -> Said:
    """A signed GET; lists become repeated parameters."""
    headers = {"Authorization": f"Bearer {token(account, **{'uri': f'GET {HOST}{path}'} | (spoilt or {}))}"}
    query = urlencode(params, doseq=True)
    return call(simulator, "coinbase", f"https://{HOST}{path}{'?' if query else ''}{query}", headers=headers)
