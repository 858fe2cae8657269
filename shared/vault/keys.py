"""CREDENTIALS_KEY: 32 random bytes in base64, or versions of it (`v2:…,v1:…`, newest first)."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping

from shared.domain.errors import BadInput

_HINT = "Make a good one with `tradesync keys new` and put it into CREDENTIALS_KEY."
_VERSION = re.compile(r"v[1-9][0-9]{0,3}")


class WeakKey(BadInput):
    """CREDENTIALS_KEY is missing, malformed or weak."""

    code = "weak_key"


def new_key() -> str:
    """32 fresh random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def parse_keys(text: str) -> Mapping[str, bytes]:
    """The keys by version, newest first; one without a version is `v1`. Raises `WeakKey`, which shows nothing."""
    parts = [part.strip() for part in text.strip().split(",") if part.strip()]
    if not parts:
        raise WeakKey("CREDENTIALS_KEY is not set.", hint=_HINT)
    keys: dict[str, bytes] = {}
    for part in parts:
        version, colon, encoded = part.rpartition(":")
        if not colon:
            if len(parts) > 1:
                raise WeakKey("Several keys in CREDENTIALS_KEY need a version each: v2:…,v1:….", hint=_HINT)
            version = "v1"
        if not _VERSION.fullmatch(version):
            raise WeakKey("A version in CREDENTIALS_KEY is v1, v2 and so on: v2:…,v1:….", hint=_HINT)
        if version in keys:
            raise WeakKey(f"CREDENTIALS_KEY names the version {version} twice.")
        keys[version] = _decoded(encoded)
    if len(set(keys.values())) < len(keys):
        raise WeakKey("Two versions in CREDENTIALS_KEY are the same key.", hint=_HINT)
    return keys


def _decoded(encoded: str) -> bytes:
    padded = encoded.replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WeakKey("CREDENTIALS_KEY is not base64.", hint=_HINT) from None
    if len(key) != 32:
        raise WeakKey(f"CREDENTIALS_KEY holds {len(key)} bytes; it must hold 32 random ones.", hint=_HINT)
    if not _looks_random(key):
        raise WeakKey("CREDENTIALS_KEY is not random.", hint=_HINT)
    return key


def _looks_random(key: bytes) -> bool:
    """32 random bytes hold at least 16 different ones and are no readable text; one key in 10^13 is refused wrongly."""
    return len(set(key)) >= 16 and not all(32 <= byte < 127 for byte in key)
