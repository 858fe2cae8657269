"""What every exchange's answers have in common when something is wrong, before its own codes are looked at."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.errors import ContractBroken, ExchangeUnavailable, RateLimited, RegionNotAllowed, TradeSyncError

Refusals = Mapping[str, tuple[type[TradeSyncError], str]]
"""An exchange's codes: our error, and the sentence that the user reads."""

Words = Sequence[tuple[str, type[TradeSyncError], str]]
"""Patterns of what an exchange says (lower case), asked in this order, where its codes do not tell enough."""


# Of a page only what a reader sees: `region` is also a word of HTML. 1009 is how Cloudflare says it in one line.
_UNSEEN = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.DOTALL)
COUNTRY_WORDS = r"\b(countr(y|ies)|regions?|jurisdictions?|territor(y|ies))\b|restricted location"
_COUNTRY = re.compile(rf"{COUNTRY_WORDS}|error code: 1009")
_MOST_READ = 20_000


def speaks_of_a_country(said: Any) -> bool:
    """Whether a text or a page gives the place where this server stands as its reason."""
    written = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return _COUNTRY.search(_UNSEEN.sub(" ", written[:_MOST_READ].lower())) is not None


def is_page(body: Any) -> bool:
    """Whether a text came where JSON was due: a proxy's, firewall's or maintenance page, or half an answer."""
    return isinstance(body, str | bytes)


def not_served(status: int, body: Any) -> TradeSyncError | None:
    """`RegionNotAllowed` where the wall before an exchange turns a country away: by HTTP 451 (made for what the
    law forbids, RFC 7725), or by the words of a page with 403, which alone tell it from a lock for too many requests.
    Else None.
    """
    if status == 451 or (status == 403 and is_page(body) and speaks_of_a_country(body)):
        return RegionNotAllowed("The exchange does not serve the country of this server's address.")
    return None


def unavailable(status: int, body: Any) -> TradeSyncError | None:
    """`ExchangeUnavailable` for a server's own failure (5xx, 408, 425) and for a good status without JSON, and what
    `not_served` says; else None.

    Ask it after the exchange's own codes: some give a code with a 5xx.
    """
    if error := not_served(status, body):
        return error
    if status >= 500 or status in {408, 425}:
        return ExchangeUnavailable(f"The exchange answers with HTTP {status}.")
    if status < 400 and is_page(body):
        return ExchangeUnavailable("The exchange answers with a page where data is due.")
    return None


def refusal(
    code: str, said: str, refusals: Refusals, *, path: str, words: Words = (), status: int = 0
) -> TradeSyncError:
    """Our error for an exchange's code, else for its words, else for a `status` of a server's own failure, else
    `ContractBroken` with both of them.
    """
    kind, sentence = refusals.get(code, (None, ""))
    if kind is None:
        found = (one for one in words if re.search(one[0], said.lower()))
        unknown = f"The exchange refuses {path} with code {code}" if code else f"The exchange refuses {path}"
        _, kind, sentence = next(found, ("", ContractBroken, unknown))
        if kind is ContractBroken and status >= 500:
            return ExchangeUnavailable(f"The exchange answers with HTTP {status}.")
    if issubclass(kind, ContractBroken):
        return kind(f"{sentence}: {said[:200]}" if said else f"{sentence}.")
    return kind(sentence)


def whole_header(headers: Mapping[str, str], name: str) -> int | None:
    """A header that is a whole number, None where it is absent or something else."""
    written = headers.get(name, "").strip()
    return int(written) if written.isascii() and written.isdigit() and len(written) < 20 else None


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """The `Retry-After` header in milliseconds, None where it is absent or not a count of seconds."""
    written = headers.get("retry-after", "")
    found = re.fullmatch(r"\s*(\d{1,7})(?:\.\d+)?\s*", written)
    return int(found[1]) * 1000 if found else None


def pause(
    sentence: str,
    headers: Mapping[str, str],
    now_ms: int,
    *,
    floor_ms: int,
    until_ms: int | None = None,
    ban: bool = False,
    scope: str = "address",
) -> RateLimited:
    """`RateLimited` until the latest of what the exchange names and a floor: some always say zero."""
    named = now_ms + (retry_after_ms(headers) or 0)
    return RateLimited(sentence, until_ms=max(named, until_ms or 0, now_ms + floor_ms), ban=ban, scope=scope)
