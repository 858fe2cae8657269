"""Raw messages are kept for good, without what might open something."""

import re
from collections.abc import Mapping
from typing import Any

# What exchanges call keys, signatures and tokens in messages, in lower case and without separators.
_SECRETS = frozenset(
    {
        *("apikey", "key", "apisecret", "secret", "secretkey", "passphrase", "password", "sign", "signature"),
        *("token", "listenkey", "jwt", "authorization", "signedchallenge", "originalchallenge", "accesskey"),
    }
)
_GONE = "(removed)"
# `"name": "value` and `name=value`: what is no whole JSON may hold them too, to its very end.
_NAMED = re.compile(r'("([\w-]{3,})"\s*:\s*")(?:[^"\\]|\\.)+|(\b([\w-]{3,})=)[^\s&",;]+')


def without_secrets(raw: Any) -> Any:
    """The same JSON value with secrets replaced; the very same object where it holds none."""
    if isinstance(raw, Mapping):
        changed = {}
        for name, value in raw.items():
            kept = _GONE if _is_secret(name) and isinstance(value, str) else without_secrets(value)
            if kept is not value:
                changed[name] = kept
        return {**raw, **changed} if changed else raw
    if isinstance(raw, list | tuple):
        kept_list = [without_secrets(value) for value in raw]
        return raw if all(kept is value for kept, value in zip(kept_list, raw, strict=True)) else kept_list
    return raw


def text_without_secrets(text: str) -> str:
    """The same for a message that is a text, whether it is whole JSON or not."""
    return _NAMED.sub(_removed, text)


def _removed(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}{_GONE}" if _is_secret(found[2] or found[4]) else found[0]


def _is_secret(name: Any) -> bool:
    if not isinstance(name, str) or len(name) < 3:  # one or two letters are an abbreviated field
        return False
    return name.replace("_", "").replace("-", "").lower() in _SECRETS
