"""Keys: two kinds in several forms become one form each, tokens can be verified, and ccxt signs with both."""

import base64
import json
from typing import Any

import ccxt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.domain.connections import Credentials
from shared.domain.errors import BadInput, KeyRejected
from shared.exchanges import load
from shared.exchanges.coinbase.keys import token

COINBASE = load("coinbase")
NOW = 1_795_190_400_000
NAME = "organizations/6f7a/apiKeys/1c2d"
ELLIPTIC = ec.derive_private_key(7_777_777, ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SEED, PUBLIC = EDWARDS.private_bytes_raw(), EDWARDS.public_key().public_bytes_raw()
WHOLE = base64.b64encode(SEED + PUBLIC).decode()


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return str(key.private_bytes(Encoding.PEM, form, NoEncryption()).decode())


SEC1 = pem(ELLIPTIC, PrivateFormat.TraditionalOpenSSL)


def repaired(secret: str) -> str:
    return COINBASE.repair({"api_key": NAME, "secret": secret})["secret"]


@pytest.mark.parametrize("secret", [SEC1, SEC1.replace("\n", "\\n"), SEC1.replace("\n", " "), f'"{SEC1}"'])
def test_an_elliptic_key_gets_its_lines_back(secret):
    assert repaired(secret) == SEC1


@pytest.mark.parametrize(
    "secret",
    [WHOLE, base64.b64encode(SEED).decode(), pem(EDWARDS), pem(EDWARDS).replace("\n", "\\n"), f" {WHOLE}\n"],
)
def test_an_edwards_key_becomes_seed_and_public_key_whatever_form_it_came_in(secret):
    assert repaired(secret) == WHOLE
    assert len(WHOLE) == 88  # by which ccxt knows it


@pytest.mark.parametrize(
    "secret",
    [
        base64.b64encode(bytes(64)).decode(),  # as long as a secret of Coinbase Pro
        base64.b64encode(bytes(48)).decode(),
        "plain",
        "d2hhdA",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
        "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
    ],
)
def test_any_other_secret_is_refused_and_not_shown(secret):
    with pytest.raises(BadInput, match="secret") as refused:
        repaired(secret)
    assert secret not in str(refused.value)


def parts(written: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in written.split("."))
    return json.loads(header), json.loads(claims), signature


@pytest.mark.parametrize("secret", [SEC1, pem(ELLIPTIC)])
def test_a_token_of_an_elliptic_key_can_be_verified(secret):
    written = token(Credentials({"api_key": NAME, "secret": secret}), NOW, "user")
    header, claims, signature = parts(written)
    assert (header["alg"], header["kid"]) == ("ES256", NAME)
    assert claims == {"sub": NAME, "iss": "cdp", "nbf": NOW // 1000, "exp": NOW // 1000 + 120}
    first, second = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = written.rpartition(".")[0].encode()
    ELLIPTIC.public_key().verify(encode_dss_signature(first, second), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("secret", [WHOLE, pem(EDWARDS)])
def test_a_token_of_an_edwards_key_can_be_verified(secret):
    written = token(Credentials({"api_key": "5a6b", "secret": secret}), NOW, "user")
    header, claims, signature = parts(written)
    assert (header["alg"], header["kid"], claims["sub"]) == ("EdDSA", "5a6b", "5a6b")
    EDWARDS.public_key().verify(signature, written.rpartition(".")[0].encode())


def test_no_two_messages_share_a_token():
    key = Credentials({"api_key": NAME, "secret": WHOLE})
    assert len({token(key, now, purpose) for now in (NOW, NOW + 1) for purpose in ("user", "heartbeats")}) == 4


def test_a_secret_that_is_no_key_is_rejected():
    with pytest.raises(KeyRejected):
        token(Credentials({"api_key": NAME, "secret": "plain"}), NOW, "user")


@pytest.mark.parametrize("name", [NAME, "d2efa49a-369c-43d7-a60e-ae26e28853c2"])
@pytest.mark.parametrize(("secret", "algorithm"), [(SEC1, "ES256"), (pem(ELLIPTIC), "ES256"), (pem(EDWARDS), "EdDSA")])
def test_ccxt_signs_with_what_is_stored(name, secret, algorithm):
    stored = COINBASE.repair({"api_key": name, "secret": secret})
    client = ccxt.coinbase({"apiKey": stored["api_key"], "secret": stored["secret"]})
    signed = client.sign("brokerage/accounts", ["v3", "private"], "GET", {"limit": 250})
    header, claims, _ = parts(signed["headers"]["Authorization"].removeprefix("Bearer "))
    assert header["alg"] == algorithm
    address = "GET api.coinbase.com/api/v3/brokerage/accounts"
    assert address in (claims.get("uri"), *claims.get("uris", ()))
