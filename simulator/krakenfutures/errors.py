"""Kraken Futures' envelope: `result` is success or error, times stand in ISO, numbers keep their digits."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from simulator.dialect import Refusal
from simulator.http import Response

encode = msgspec.json.Encoder(decimal_format="number").encode

AUTHENTICATION = "authenticationError"
LIMIT = "apiLimitExceeded"
NO_RIGHT = "insufficientPermissions"


def iso(timestamp_ms: int) -> str:
    """2016-02-25T09:45:53.818Z."""
    second, milli = divmod(timestamp_ms, 1000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{milli:03d}Z"


def good(result: dict[str, Any], now_ms: int) -> Response:
    """A good answer."""
    return Response(body=encode({"result": "success", **result, "serverTime": iso(now_ms)}))


def refused(error: str, now_ms: int, status: int = 200) -> Response:
    """The answer that refuses."""
    return Response(status=status, body=encode({"result": "error", "error": error, "serverTime": iso(now_ms)}))


def refusal(error: str, now_ms: int, status: int = 200) -> Refusal:
    """The same, to be raised."""
    return Refusal(refused(error, now_ms, status))


def page(status: int, title: str) -> Response:
    """What the proxy before the exchange shows instead of JSON."""
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>cloudflare</body></html>"
    return Response(status=status, body=body.encode(), content_type="text/html")
