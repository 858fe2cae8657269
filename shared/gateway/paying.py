"""Paying for a call before it is made: a short wait is slept, a long one gives the thread back."""

from collections.abc import Callable
from uuid import UUID

from msgspec import Struct

from shared.domain.errors import RateLimited
from shared.exchanges.kit.contract import Endpoint, Exchange, Lane, Pool, Request
from shared.gateway.budget import Budget


class Purse(Struct, frozen=True):
    """Takes from the shared budget; waits up to `patience_ms` for it."""

    budget: Budget
    now_ms: Callable[[], int]
    sleep: Callable[[float], None]
    patience_ms: int

    def pay(
        self, exchange: Exchange, account: UUID | None, request: Request, *, lane: Lane, egress: str, ccxt_ms: float
    ) -> float:
        """The weight taken. `ccxt_ms` is what ccxt would wait, the price where our module names none.

        Raises `RateLimited` when the wait would be long.
        """
        pool = pool_of(exchange, request.endpoint)
        weight = request.weight if request.weight is not None else request.endpoint.weight
        if weight is None:
            weight = ccxt_ms * pool.capacity / pool.per_ms
        due = [(pool, weight), *((pool_named(exchange, name), 1.0) for name in request.endpoint.also)]
        waited = 0
        while due:
            now = self.now_ms()
            wait = self.budget.take(exchange.id, account, *due[0], lane=lane, now_ms=now, egress=egress)
            if wait <= 0:
                del due[0]
                continue
            if waited + wait > self.patience_ms:
                raise RateLimited(
                    f"The request allowance of {exchange.title} is used up for now.",
                    until_ms=now + wait,
                    scope=due[0][0].scope,
                )
            self.sleep(wait / 1000)
            waited += wait
        return weight


def pool_of(exchange: Exchange, endpoint: Endpoint) -> Pool:
    """The pool an endpoint draws on."""
    return pool_named(exchange, endpoint.pool)


def pool_named(exchange: Exchange, name: str) -> Pool:
    """One of an exchange's pools."""
    return next(pool for pool in exchange.pools if pool.name == name)
