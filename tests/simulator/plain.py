"""Calls without any library: what the wire itself says, status, headers and body."""

import hashlib
import hmac
import http.client
import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.fixtures.simulator import SimulatorProcess


class Said(NamedTuple):
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)

    @property
    def refusal(self) -> tuple[int, int]:
        """HTTP status and Binance's code."""
        return self.status, self.data["code"]


def call(
    simulator: SimulatorProcess,
    exchange: str,
    url: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: str | None = None,
) -> Said:
    """One request to an exchange's own address, through the simulator."""
    parts = urlsplit(simulator.instead_of(exchange, url))
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
    finally:
        connection.close()


def signed_call(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    url: str,
    *,
    method: str = "GET",
    key: str | None = None,
    secret: str | None = None,
    timestamp: int | None = None,
    signature: str | None = None,
    **params: Any,
) -> Said:
    """A call signed as Binance wants it; what is given instead spoils it."""
    params["timestamp"] = int(time.time() * 1000) if timestamp is None else timestamp
    query = urlencode(params)
    made = hmac.new((secret or account["secret"]).encode(), query.encode(), hashlib.sha256).hexdigest()
    query += f"&signature={made if signature is None else signature}"
    headers = {"X-MBX-APIKEY": account["api_key"] if key is None else key}
    return call(simulator, "binance", f"{url}?{query}", method=method, headers=headers)
