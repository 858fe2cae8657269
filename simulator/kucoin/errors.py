"""KuCoin's envelope: the code of success, and its own refusals."""

from typing import Any

from simulator.dialect import Refusal
from simulator.http import Response, answer

MESSAGES: dict[str, tuple[int, str]] = {
    "400001": (401, "Any of KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE is missing in your header"),
    "400002": (400, "KC-API-TIMESTAMP Invalid"),
    "400003": (401, "KC-API-KEY not exists"),
    "400004": (401, "KC-API-PASSPHRASE error"),
    "400005": (401, "Signature error"),
    "400006": (403, "The requested ip address is not in the api whitelist"),
    "400007": (403, "Access denied, require more permission"),
    "400100": (400, "Parameter Error"),
    "404000": (404, "Url Not Found"),
    "411100": (403, "User is frozen"),
    "112010": (400, "The user is not a unified account user"),
    "429000": (429, "Too Many Requests"),
    "500000": (500, "Internal Server Error"),
}


def good(data: Any) -> dict[str, Any]:
    """A good answer."""
    return {"code": "200000", "data": data}


def refused(code: str, message: str | None = None) -> Response:
    """The answer that refuses with one of its codes."""
    status, usual = MESSAGES[code]
    return answer({"code": code, "msg": message or usual}, status=status)


def refusal(code: str, message: str | None = None) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(code, message))
