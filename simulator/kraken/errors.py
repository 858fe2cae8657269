"""Kraken's envelope: success and refusals alike are HTTP 200 with `error` and `result`; broken servers show pages."""

from typing import Any

import msgspec

from simulator.dialect import Refusal
from simulator.http import Response

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Decimals become JSON numbers with all their digits, as this exchange writes them on sockets and in balances."""

INVALID_KEY = "EAPI:Invalid key"
INVALID_SIGNATURE = "EAPI:Invalid signature"
INVALID_NONCE = "EAPI:Invalid nonce"
RATE_LIMIT = "EAPI:Rate limit exceeded"
LOCKOUT = "EGeneral:Temporary lockout"
DENIED = "EGeneral:Permission denied"
INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
REFUSED_KEYS = {"revoked": INVALID_KEY, "expired": INVALID_KEY, "address": DENIED, "frozen": "ETrade:User Locked"}
"""The error for each reason why a key may not be used at all."""


def good(result: Any) -> Response:
    """A good answer."""
    return Response(body=encode({"error": [], "result": result}))


def refused(error: str) -> Response:
    """The answer that refuses; its HTTP status says nothing."""
    return Response(body=encode({"error": [error]}))


def refusal(error: str) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(error))


def page(status: int, title: str) -> Response:
    """What the proxy before the exchange shows instead of JSON."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>cloudflare</body></html>"
    return Response(status=status, body=body.encode(), content_type="text/html")
