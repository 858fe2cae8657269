"""Pasted keys: cleaned where the meaning is plain, refused with a reason where it is not."""

import re
from collections.abc import Iterable, Mapping

from shared.domain.errors import BadInput
from shared.exchanges.kit.contract import CredentialField

# What comes along when a key is copied from a page: zero-width characters, the byte order mark, no-break spaces.
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00a0]")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


def repair(fields: Iterable[CredentialField], pasted: Mapping[str, str]) -> dict[str, str]:
    """The fields of a key without what pasting adds: spaces, line breaks, quotes; PEM keys get their lines back.

    Raises `BadInput` that names a required field that is missing, an unknown one, or one with spaces inside.
    """
    fields = tuple(fields)
    unknown = set(pasted) - {field.name for field in fields}
    if unknown:
        raise BadInput(
            f"The field {min(unknown)!r} is unknown.", hint=f"Known are: {', '.join(f.name for f in fields)}."
        )
    cleaned = {}
    for field in fields:
        value = _clean(pasted.get(field.name, ""))
        if not value and field.is_required:
            raise BadInput(f"The field {field.name!r} ({field.label}) is missing.")
        if not value:
            continue
        if "PRIVATE KEY" in value:
            value = _pem(field, value)
        elif field.name in {"api_key", "secret"} and not re.fullmatch(r"[\x21-\x7e]+", value):
            raise BadInput(
                f"The field {field.name!r} ({field.label}) is malformed: it holds spaces or unusual characters."
            )
        cleaned[field.name] = value
    return cleaned


def _clean(value: str) -> str:
    value = _INVISIBLE.sub("", value).strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        value = value[1:-1].strip()
    return value


def _pem(field: CredentialField, value: str) -> str:
    """A private key as it was made: copies often arrive with `\\n` spelled out or their lines run together."""
    found = _PEM.search(value.replace("\\r", "").replace("\\n", "\n"))
    if found is None:
        raise BadInput(
            f"The field {field.name!r} ({field.label}) is malformed: the private key's BEGIN or END line is missing."
        )
    kind, inside = found[1], re.sub(r"\s+", "", found[2])
    lines = "\n".join(inside[start : start + 64] for start in range(0, len(inside), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"
