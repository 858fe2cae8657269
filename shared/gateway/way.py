"""One client's way out: to the exchange or the simulator, through its egress, judged by the exchange's module."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import requests
from msgspec import Struct

from shared.domain.errors import ContractBroken, ExchangeUnavailable, RateLimited, TradeSyncError, WireUnavailable
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Answer, Endpoint, Exchange, Request
from shared.exchanges.kit.trouble import unavailable
from shared.gateway.client import Call
from shared.gateway.paths import Paths
from shared.gateway.paying import Purse, pool_named
from shared.gateway.transport import send


class Road(Struct, frozen=True):
    """What all ways of a gateway share."""

    session: requests.Session
    purse: Purse
    simulator_url: str
    egress: str
    now_ms: Callable[[], int]


class Way:
    """The door of one client: nothing undeclared passes, and every answer is judged."""

    def __init__(self, road: Road, exchange: Exchange, offset_ms: Callable[[], int], proxy: str | None = None) -> None:
        self._road, self._exchange, self._offset_ms, self._proxy = road, exchange, offset_ms, proxy
        self._paths = Paths(exchange.id, exchange.endpoints)
        # A proxy is an address of its own: what is asked through it is counted for it.
        self.egress = road.egress if proxy is None else hashlib.sha256(proxy.encode()).hexdigest()[:16]

    def now_ms(self) -> int:
        """The exchange's time, as far as we know it."""
        return self._road.now_ms() + self._offset_ms()

    def pay(self, call: Call, ccxt_ms: float) -> float:
        """Take what the call costs; returns it."""
        return self._road.purse.pay(
            self._exchange, call.account, call.request, lane=call.lane, egress=self.egress, ccxt_ms=ccxt_ms
        )

    def go(self, call: Call, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        """Send what was signed. Raises what the module makes of the answer."""
        endpoint = call.request.endpoint
        self._paths.check(endpoint, method, url)
        return self._ask(endpoint, call.account, method, url, headers=headers, body=body, weight=call.weight)[0]

    def go_public(self, method: str, url: str, headers: Mapping[str, str], body: str | None, ccxt_ms: float) -> bytes:
        """Send what ccxt asks for by itself: only declared paths that need no key."""
        endpoint = self._paths.find(method, url)
        weight = self.pay(Call(request=Request(endpoint), lane="live"), ccxt_ms)
        return self._ask(endpoint, None, method, url, headers=headers, body=body, weight=weight)[1]

    def _ask(
        self,
        endpoint: Endpoint,
        account: UUID | None,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: str | None,
        weight: float,
    ) -> tuple[Answer, bytes]:
        exchange, road = self._exchange, self._road
        address = through(road.simulator_url, exchange.id, url)
        raw = send(road.session, exchange.title, method, address, headers=headers, body=body, proxy=self._proxy)
        now, offset = road.now_ms(), self._offset_ms()
        data = raw.body()
        for use in exchange.pool_use(raw.headers, endpoint):
            pool = pool_named(exchange, use.pool)
            with suppress(WireUnavailable):  # the answer is here; the count mends itself with the next one
                road.purse.budget.correct(exchange.id, account, pool, use, now, egress=self.egress)
        error = exchange.error_of(raw.status, raw.headers, data, endpoint, now + offset)
        error = error or _unexplained(exchange, raw.status, data)
        if isinstance(error, RateLimited):
            error.until_ms -= offset  # the module speaks of the exchange's time, everyone here of ours
            whom = account if error.scope == "account" else None
            with suppress(WireUnavailable):
                road.purse.budget.ban(
                    exchange.id, whom, error.until_ms, error.sentence, ban=error.ban, egress=self.egress
                )
        if error is not None:
            raise error
        return Answer(data, raw.headers, now, weight), raw.content


def _unexplained(exchange: Exchange, status: int, data: Any) -> TradeSyncError | None:
    """What is wrong although the module finds nothing wrong."""
    if 300 <= status < 400:
        return ExchangeUnavailable(f"{exchange.title} sends us elsewhere (HTTP {status}).")
    if 400 <= status < 500:
        return ContractBroken(f"{exchange.title} refuses the request with HTTP {status} and no reason.")
    return unavailable(status, data)
