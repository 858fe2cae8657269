"""How histories are paged through: which window is next, and how a cursor goes on or proves to be stuck."""

from typing import Any

from shared.domain.errors import ContractBroken, PageStuck
from shared.domain.windows import Window

DAY_MS = 86_400_000


def next_window(gap: Window, longest_ms: int, reach_ms: int, *, headroom_ms: int = DAY_MS) -> Window:
    """The part of a gap that is read next, at most `longest_ms` long.

    The newest part, unless what is oldest is about to fall out of reach: then that first. What is beyond `reach_ms`
    (epoch ms) already is left out.
    """
    since = min(max(gap.since, reach_ms), gap.until - 1)
    if gap.until - since <= longest_ms:
        return Window(since, gap.until)
    if since - reach_ms < headroom_ms:
        return Window(since, since + longest_ms)
    return Window(gap.until - longest_ms, gap.until)


def after_token(following: Any, before: Any) -> str | None:
    """The next opaque cursor; None where it is empty, which is the end. Raises `PageStuck` when it stands still."""
    if following is None or following == "":
        return None
    if isinstance(following, bool) or not isinstance(following, str | int):
        raise ContractBroken("The exchange gives a page whose cursor is neither a text nor a number.")
    if str(following) == before:
        raise PageStuck
    return str(following)


def older_id(following: Any, before: Any) -> str:
    """The id that leads to strictly older rows. Raises `ContractBroken` for none, `PageStuck` when it is not older."""
    if isinstance(following, bool) or not str(following).isdigit():
        raise ContractBroken("The exchange gives a page without an id to go on from.")
    if before is not None and int(following) >= int(before):
        raise PageStuck
    return str(following)
