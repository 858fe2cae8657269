"""Conversations that go on where a key may not ask: what it may not see is left out, and hurts nobody."""

from collections.abc import Callable, Mapping
from typing import Any

from shared.domain.errors import UserActionNeeded
from shared.exchanges.kit.contract import Answer, Endpoint, Request, Steps


def if_allowed(endpoint: Endpoint, params: Mapping[str, Any]) -> Steps[Answer | None]:
    """The answer; None where the key may not ask."""
    try:
        return (yield Request(endpoint, params))
    except UserActionNeeded:
        return None


def all_pages(
    endpoint: Endpoint, params: Mapping[str, Any], rows_in: Callable[[Any], list[Any]], cursor: str, size: int
) -> Steps[list[Any]]:
    """The rows of all pages. `cursor` names their number, where `params` begin with 1, or the offset of their rows.

    A page that is not full is the last one. Nothing where the key may not ask.
    """
    found: list[Any] = []
    at = int(params[cursor])
    while True:
        answer = yield from if_allowed(endpoint, {**params, cursor: at})
        rows = [] if answer is None else rows_in(answer.data)
        found += rows
        if len(rows) < size:
            return found
        at += 1 if params[cursor] else size
