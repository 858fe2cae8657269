"""Bitget's envelope: code 00000 and the data, or another code, the same keys and no data."""

from typing import Any

from simulator.dialect import Refusal
from simulator.http import Response, answer

MESSAGES: dict[str, tuple[int, str]] = {
    "429": (429, "Too Many Requests"),
    "40001": (400, "ACCESS_KEY cannot be empty"),
    "40003": (400, "Signature cannot be empty"),
    "40005": (400, "Invalid ACCESS_TIMESTAMP"),
    "40006": (401, "Invalid ACCESS_KEY"),
    "40008": (400, "Request timestamp expired"),
    "40009": (401, "sign signature error"),
    "40011": (400, "ACCESS_PASSPHRASE cannot be empty"),
    "40012": (401, "apikey/password is incorrect"),
    "40013": (403, "User status is abnormal"),
    "40014": (403, "Incorrect permissions"),
    "40015": (500, "System is abnormal, please try again later"),
    "40017": (400, "Parameter verification failed"),
    "40018": (403, "Invalid IP"),
    "40019": (400, "Parameter cannot be empty"),
    "40034": (400, "Parameter does not exist"),
    "40037": (401, "Apikey does not exist"),
    "40084": (400, "You are in Classic Account mode, and the Unified Account API is not supported at this time"),
    "40085": (400, "You are in Unified Account mode, and the Classic Account API is not supported at this time"),
    "40099": (400, "exchange environment is incorrect"),
    "40200": (503, "Server upgrade, please try again later"),
    "40404": (404, "Request URL NOT FOUND"),
    "40700": (400, "Cursor parameters are incorrect"),
    "40704": (400, "Can only check the data of the last three months"),
    "40705": (400, "The start and end time cannot exceed 90 days"),
    "40707": (400, "Start time is greater than end time"),
    "40725": (400, "service return an error"),
    "45001": (400, "Unknown error"),
}
PASSING = ("40015", "40725", "45001")
"""What fails around a release and works again a moment later."""
REFUSED_KEYS = {"revoked": "40037", "expired": "40006", "address": "40018", "frozen": "40013"}
"""The code for each reason why a key may not be used at all."""


def good(data: Any, now_ms: int) -> dict[str, Any]:
    """A good answer."""
    return {"code": "00000", "msg": "success", "requestTime": now_ms, "data": data}


def refused(code: str, now_ms: int, message: str | None = None) -> Response:
    """The answer that refuses with one of its codes."""
    status, usual = MESSAGES[code]
    return answer({"code": code, "msg": message or usual, "requestTime": now_ms, "data": None}, status=status)


def refusal(code: str, now_ms: int, message: str | None = None) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(code, now_ms, message))
