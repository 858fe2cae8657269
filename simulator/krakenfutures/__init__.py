"""Kraken Futures as its clients see it: contracts in dollars and inverse ones, with keys of its own; documents of 2026.

`details` of an account: `demo` (its key is known on the demo host only), `own_uids` (history names trades by other
ids than fills do).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, ClassVar
from uuid import UUID

from simulator.dialect import DAY_MS, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response
from simulator.krakenfutures import keys, listings, rest, sockets
from simulator.krakenfutures.errors import LIMIT, page, refused
from simulator.truth import INVERSE, LINEAR, Account, Market

LIMIT_10S = 500
CURSOR_WEIGHT = 25
"""What GET fills costs with `lastFillTime`."""
TOKENS, TOKENS_PER_S = 100, 100 / 600
CONNECTIONS = 100
MESSAGES = (100, 1.0)
SILENT_CUT_S = 60.0


class KrakenFutures(Dialect):
    """See `Dialect`."""

    id = "krakenfutures"
    products: ClassVar[tuple[str, ...]] = (LINEAR, INVERSE)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl")
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        LINEAR: (Decimal("0.0002"), Decimal("0.0005")),
        INVERSE: (Decimal("-0.0001"), Decimal("0.0005")),
    }

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prices = sockets.Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        return rest.routes()

    def sockets(self) -> Iterator[SocketRoute]:
        for host in (keys.LIVE, keys.DEMO):
            yield SocketRoute(
                host=host,
                path="/ws/v1",
                open=sockets.Talk,
                private=True,
                silent_cut_s=SILENT_CUT_S,
                frames_count=True,
                messages=MESSAGES,
            )

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return rest.FLEX if product == LINEAR else rest.MARGIN

    def reach_ms(self, account: Account, product: str) -> int:
        return 700 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def uid(self, dice: Random) -> str:
        return _uuid(dice)

    def prepare(self, account: Account, dice: Random) -> None:
        for wallet, coin, amount in ((rest.CASH, "USD", "750"), (rest.CASH, "BTC", "0.5"), (rest.FLEX, "BTC", "0.25")):
            account.holding(wallet, coin).free += Decimal(amount)
            account.deposits.append((account.created_ms, wallet, coin, Decimal(amount)))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        return _uuid(dice)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return _uuid(dice)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return f"cli-{number}" if kind == "trade" and number % 3 else ""

    # REST.

    def admit(self, call: Call) -> None:
        assert isinstance(call.route, Route)
        windows, now, route = self.exchange.windows, self.exchange.now_ms(), call.route
        asking = call.request.headers.get("apikey", "") or call.request.address
        weight = CURSOR_WEIGHT if "lastFillTime" in call.params else route.weight
        if route.pool == rest.HISTORY:
            key = (rest.HISTORY, asking)
            use = windows.drip(key, weight, limit=TOKENS, per_s=TOKENS_PER_S, now_ms=now, most=TOKENS)
        else:
            use = windows.take((rest.DERIVATIVES, asking), weight, limit=LIMIT_10S, span_ms=10_000, now_ms=now)
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(refused(LIMIT, now, 429 if route.pool == rest.HISTORY else 200))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        now, dice = self.exchange.now_ms(), self.exchange.dice
        if name in {"rate_limit", "ban"}:
            return refused(LIMIT, now, dice.choice((200, 429)))
        if name == "not_found":
            return refused("notFound", now, 404)
        if name == "maintenance":
            return refused("Unavailable", now, 503)
        return dice.choice((refused("Server Error", now, 500), page(502, "502 Bad gateway")))

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        """So many sockets of one address at a time."""
        address = call.request.address
        opened = sum(one.conversation.call.request.address == address for one in self.exchange.sockets)
        if opened >= CONNECTIONS and self.exchange.enforcing:
            raise Refusal(page(429, "Too many connections"))

    def publish(self, account: Account, events: list[Event]) -> None:
        sockets.publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()


def _uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


DIALECT = KrakenFutures
