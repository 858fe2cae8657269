"""Bybit's envelope: success and refusals alike are HTTP 200 with a `retCode`, but for what an address did."""

from typing import Any

from simulator.dialect import Refusal
from simulator.http import Response, answer

MESSAGES: dict[int, str] = {
    10001: "Request parameter error.",
    10002: "invalid request, please check your server timestamp or recv_window param.",
    10003: "API key is invalid.",
    10004: "error sign! please check your signature generation algorithm.",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits. Exceeded the API Rate Limit.",
    10008: "User had been banned.",
    10009: "IP had been banned.",
    10010: "Unmatched IP, please check your API key's bound IP addresses.",
    10016: "Server error.",
    10028: "The API can only be accessed by unified account users.",
    33004: "your api key has expired",
}
REFUSED_KEYS = {"revoked": 10003, "expired": 33004, "address": 10010, "frozen": 10008}
"""The code for each reason why a key may not be used at all."""


def good(result: Any, now_ms: int) -> dict[str, Any]:
    """A good answer."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now_ms}


def refused(code: int, now_ms: int, message: str | None = None) -> Response:
    """The answer that refuses with one of its codes."""
    said = MESSAGES[code] if message is None else message
    return answer({"retCode": code, "retMsg": said, "result": {}, "retExtInfo": {}, "time": now_ms})


def refusal(code: int, now_ms: int, message: str | None = None) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(code, now_ms, message))


def locked_out() -> Response:
    """What an address is told that asked too often: no JSON at all."""
    body = b"403, access too frequent. Please try again in 10 minutes."
    return Response(status=403, body=body, content_type="text/plain")
