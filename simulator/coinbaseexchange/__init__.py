"""Coinbase Exchange: the institutional side, with keys of one profile each, fills by product and a feed of matches.

Written from its public documents (https://docs.cdp.coinbase.com/exchange, read 2026-11).
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, ClassVar

from simulator.coinbaseexchange import feed, keys, listings, rest
from simulator.coinbaseexchange.errors import refused
from simulator.coinbaseexchange.rows import rate
from simulator.dialect import DAY_MS, EIGHT_PLACES, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response
from simulator.truth import SPOT, Account, Fee, Market

HOSTS = ("api.exchange.coinbase.com", "api-public.sandbox.exchange.coinbase.com")
FEEDS = (
    "ws-feed.exchange.coinbase.com",
    "ws-direct.exchange.coinbase.com",
    "ws-feed-public.sandbox.exchange.coinbase.com",
    "ws-direct.sandbox.exchange.coinbase.com",
)
POOLS = {"public": (15, 1_500), "private": (30, 2_000), "fills": (20, 2_000)}
"""Bursts, and the milliseconds in which they come back: 10, 15 and 10 calls a second."""
CONNECTS, CONNECTS_MS = 20, 2_500
MESSAGES = (1_000, 100.0)


class CoinbaseExchange(Dialect):
    """See `Dialect`. Nobody trades with oneself here: the exchange prevents it."""

    id: ClassVar[str] = "coinbaseexchange"
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "secret", "passphrase")
    products: ClassVar[tuple[str, ...]] = (SPOT,)
    noises: ClassVar[tuple[str, ...]] = ("activate",)

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prices = feed.Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.markets()

    def routes(self) -> Iterator[Route]:
        for host in HOSTS:
            for path, handler, pool in (
                ("/time", rest.clock, "public"),
                ("/currencies", listings.currencies, "public"),
                ("/products", listings.products, "public"),
                ("/products/{product}", listings.product, "public"),
                ("/fills", rest.fills, "fills"),
                ("/accounts", rest.accounts, "private"),
                ("/accounts/{account}", rest.account, "private"),
                ("/accounts/{account}/ledger", rest.ledger, "private"),
            ):
                yield Route(method="GET", host=host, path=path, handler=handler, signed=pool != "public", pool=pool)

    def sockets(self) -> Iterator[SocketRoute]:
        for host in FEEDS:
            yield SocketRoute(host=host, path="/", open=feed.Feed, private=True, messages=MESSAGES)

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return rest.WALLET

    def reach_ms(self, account: Account, product: str) -> int:
        return 690 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def uid(self, dice: Random) -> str:
        """A profile's id: it is all that a key sees."""
        return keys.uuid(dice)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return keys.uuid(dice)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return keys.uuid(dice)

    def fees(
        self,
        account: Account,
        market: Market,
        *,
        side: str,
        price: Decimal,
        amount: Decimal,
        cost: Decimal,
        maker: bool,
        dice: Random,
    ) -> tuple[Fee, ...]:
        return (Fee((cost * rate(market, maker=maker)).quantize(EIGHT_PLACES, ROUND_DOWN), market.quote),)

    # REST.

    def admit(self, call: Call) -> None:
        pool = call.route.pool if isinstance(call.route, Route) else "public"
        owner = self.claimed_by(call) if pool != "public" else None
        key = ("profile", owner.uid, pool) if owner is not None else ("ip", call.request.address, pool)
        limit, span_ms = POOLS[pool]
        use = self.exchange.windows.take(key, 1, limit=limit, span_ms=span_ms, now_ms=call.now_ms)
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(self.trouble("rate_limit", call, {}))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        """There are no bans: who goes on asking is refused on."""
        if name in {"rate_limit", "ban"}:
            is_public = isinstance(call.route, Route) and not call.route.signed
            return refused(429, f"{'Public' if is_public else 'Private'} rate limit exceeded")
        if name == "not_found":
            return refused(404, "NotFound")
        if name == "maintenance":
            return refused(503, "The exchange is under maintenance")
        return refused(500, "Internal server error")

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        key = ("connects", call.request.address)
        use = self.exchange.windows.take(key, 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=call.now_ms)
        if use.broken and self.exchange.enforcing:
            raise Refusal(Response(status=429, body=b"Too Many Requests", content_type="text/plain"))

    def publish(self, account: Account, events: list[Event]) -> None:
        feed.publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()


DIALECT = CoinbaseExchange
