"""OKX's envelope: a `code` in every answer, "0" for success; each refusal has an HTTP status of its own."""

from typing import Any

from simulator.dialect import Refusal
from simulator.http import Response, answer

REFUSALS: dict[int, tuple[int, str]] = {
    50001: (503, "Service temporarily unavailable. Please try again later."),
    50004: (400, "API endpoint request timeout (does not mean that the request was successful or failed)."),
    50011: (429, "Too Many Requests"),
    50013: (429, "Systems are busy. Please try again later."),
    50014: (400, "Parameter {} cannot be empty."),
    50026: (500, "System error. Try again later."),
    50100: (400, "API frozen, please contact customer service."),
    50101: (401, "APIKey does not match current environment."),
    50102: (401, "Timestamp request expired."),
    50103: (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    50104: (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    50105: (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    50106: (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    50107: (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    50110: (401, "Your IP {} is not included in your API key's IP whitelist."),
    50111: (401, "Invalid OK-ACCESS-KEY."),
    50112: (401, "Invalid OK-ACCESS-TIMESTAMP."),
    50113: (401, "Invalid Sign."),
    50119: (200, "API key doesn't exist"),
    50120: (200, "This API key doesn't have permission to use this function"),
    51000: (400, "Parameter {} error"),
    51001: (200, "Instrument ID doesn't exist."),
}
"""HTTP status and words of each code."""


def good(data: list[Any]) -> dict[str, Any]:
    """A good answer."""
    return {"code": "0", "data": data, "msg": ""}


def refused(code: int, about: str = "", *, status: int | None = None) -> Response:
    """The answer that refuses with one of its codes; who is turned away at the door is told no `data`."""
    usual, said = REFUSALS[code]
    told = {"msg": said.format(about), "code": str(code)}
    return answer(told if 50100 <= code < 50120 else told | {"data": []}, usual if status is None else status)


def refusal(code: int, about: str = "") -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(code, about))
