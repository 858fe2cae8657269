"""MEXC's refusals: spot and futures each have an envelope of their own, and the network before both says HTML."""

from typing import Any

from simulator.dialect import Call, Refusal
from simulator.http import Response, answer

SPOT: dict[int, str] = {
    -1121: "Invalid symbol.",
    -1128: "Combination of optional parameters invalid.",
    402: "API Key expired, please apply again",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal error",
    503: "Service not available, please try again",
    10072: "Api key info invalid",
    60005: "Your account is abnormal",
    700001: "API-key format invalid",
    700002: "Signature for this request is not valid.",
    700003: "Timestamp for this request is outside of the recvWindow.",
    700004: "Mandatory parameter was not sent, was empty/null, or malformed",
    700005: "recvWindow must less than 60000",
    700006: "IP non white list",
    700007: "No permission to access the endpoint",
    700008: "Illegal characters found in parameter",
    730000: "Request failed, please contact the customer service",
    730002: "Your input param is invalid",
    730706: "API KEY information does not exist",
    730707: "accessKey cannot be null",
}
FUTURES: dict[int, str] = {
    401: "Not logged in or login has expired",
    402: "API Key expired, please apply again",
    404: "Not Found",
    406: "Accessing IP is not in the whitelist",
    500: "Internal error",
    501: "System busy, please try again later",
    510: "Requests are too frequent, please try again later",
    513: "Invalid request",
    600: "Parameter error",
    602: "Signature verification failed",
    701: "Please enable API Key read access",
    703: "Trading information read access is required",
    801: "System under maintenance",
    1000: "Account does not exist",
    1001: "Contract does not exist",
    6003: "Time range error",
}
SPOT_KEYS = {"revoked": 10072, "expired": 402, "address": 700006, "frozen": 60005}
FUTURES_KEYS = {"revoked": 401, "expired": 402, "address": 406, "frozen": 1000}
"""The code for each reason why a key may not be used at all."""


def refused(code: int, said: str | None = None, status: int = 400) -> Response:
    """A refusal of the spot interface."""
    return answer({"code": code, "msg": SPOT[code] if said is None else said}, status=status)


def refusal(code: int, said: str | None = None) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(code, said))


def missing(name: str) -> Refusal:
    return refusal(700004, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed")


def good(data: Any) -> dict[str, Any]:
    """A good answer of the futures interface."""
    return {"success": True, "code": 0, "data": data}


def futures_refused(code: int, status: int = 200) -> Response:
    """A refusal of the futures interface, which is HTTP 200 all the same."""
    return answer({"success": False, "code": code, "message": FUTURES[code]}, status=status)


def futures_refusal(code: int) -> Refusal:
    """The same, to be raised."""
    return Refusal(futures_refused(code))


def is_futures(call: Call) -> bool:
    """Which of the two systems a call is for."""
    return call.request.path.startswith("/api/v1/")


def page(status: int, title: str) -> Response:
    """What stands before both systems answers with a web page."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status=status, body=body.encode(), content_type="text/html")
