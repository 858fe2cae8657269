"""Coinbase Advanced Trade: CDP keys, one portfolio each, a socket of orders and fills that only REST tells.

Written from its public documents (https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis, read 2026-11).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

from simulator.coinbase import fills, keys, listings, talk, transactions, wallets
from simulator.coinbase.errors import listed, said, worded
from simulator.coinbase.rows import written
from simulator.dialect import DAY_MS, Call, Dialect, Event, OrderFilled, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response
from simulator.truth import LINEAR, SPOT, Account, Market

API = "api.coinbase.com"
POOLS = {"private": (30, 1_000), "public": (10, 1_000), "v2": (10_000, 3_600_000)}
"""Calls and milliseconds: private ones by user, public ones by address."""
CONNECTS_A_SECOND = 8
REST_LAG_MS = 300
"""How much later than the order's update REST shows a fill."""


class Coinbase(Dialect):
    """See `Dialect`. `details` of an account: `key_type` "ed25519", `futures` (trades US futures too), `vault`.

    Kinds of spot trades that may be wished for: reversal, correction, synthetic; `trade_id` names the one they mend.
    """

    id: ClassVar[str] = "coinbase"
    products: ClassVar[tuple[str, ...]] = (SPOT,)
    self_trades: ClassVar[bool] = True
    spot_fee_in: ClassVar[str] = "quote"
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.004"), Decimal("0.006")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0004")),
    }

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prices = talk.Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.markets()

    def routes(self) -> Iterator[Route]:
        def get(path: str, handler: Any, pool: str, *, signed: bool = False) -> Route:
            return Route(method="GET", host=API, path=path, handler=handler, signed=signed, pool=pool)

        brokerage = "/api/v3/brokerage"
        yield get(f"{brokerage}/time", _time, "public")
        yield get(f"{brokerage}/market/products", listings.products, "public")
        yield get("/v2/currencies", listings.fiat_currencies, "v2")
        yield get("/v2/currencies/crypto", listings.crypto_currencies, "v2")
        yield get("/v2/exchange-rates", listings.exchange_rates, "v2")
        yield get("/v2/accounts", wallets.old_accounts, "v2", signed=True)
        yield get("/v2/accounts/{account}/transactions", transactions.transactions, "v2", signed=True)
        for path, handler in (
            ("key_permissions", keys.key_permissions),
            ("products", listings.products),
            ("transaction_summary", wallets.transaction_summary),
            ("accounts", wallets.accounts),
            ("cfm/balance_summary", wallets.futures_balance),
            ("orders/historical/fills", fills.fills),
            ("orders/historical/batch", fills.orders),
        ):
            yield get(f"{brokerage}/{path}", handler, "private", signed=True)

    def sockets(self) -> Iterator[SocketRoute]:
        for host in talk.CHANNELS:
            yield SocketRoute(host=host, path="/", open=talk.Talk, private=host == talk.USER_HOST)

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return wallets.SPOT_WALLET if product == SPOT else wallets.FUTURES_WALLET

    def reach_ms(self, account: Account, product: str) -> int:
        return 690 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.ecdsa_credentials(dice)

    def prepare(self, account: Account, dice: Random) -> None:
        if account.details.get("key_type") == "ed25519":
            account.api_key, account.secret = keys.ed25519_credentials(dice)
        if account.details.get("futures"):
            account.products = (SPOT, LINEAR)
        if account.details.get("vault"):
            account.holding(wallets.VAULT, "BTC").free += Decimal(2)
            account.deposits.append((account.created_ms, wallets.VAULT, "BTC", Decimal(2)))

    def uid(self, dice: Random) -> str:
        """A portfolio's id: it is all that a key sees."""
        return keys.uuid(dice)

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        return keys.uuid(dice)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return keys.uuid(dice)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return keys.uuid(dice)

    # REST.

    def admit(self, call: Call) -> None:
        route = call.route
        assert isinstance(route, Route)
        owner = self.claimed_by(call) if route.pool != "public" else None
        key = ("user", owner.uid, route.pool) if owner is not None else ("ip", call.request.address, route.pool)
        limit, span_ms = POOLS[route.pool]
        use = self.exchange.windows.take(key, 1, limit=limit, span_ms=span_ms, now_ms=call.now_ms)
        call.notes["use"] = use
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(self._too_many())

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def claimed_by(self, call: Call) -> Account | None:
        return keys.claimed_account(call)

    def dress(self, call: Call, response: Response) -> None:
        use = call.notes.get("use")
        if use is not None:
            response.headers["x-ratelimit-limit"] = str(int(use.limit))
            response.headers["x-ratelimit-remaining"] = str(int(use.left))
            response.headers["x-ratelimit-reset"] = str(max(1, -(-(use.reset_ms - call.now_ms) // 1000)))

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        """There are no bans: who goes on asking is refused on."""
        if name in {"rate_limit", "ban"}:
            return self._too_many()
        if name == "not_found":
            return said(404, "NOT_FOUND", "Not Found")
        if name == "maintenance":
            return worded(503, "Service Unavailable\n")
        if self.exchange.dice.random() < 0.5:
            return said(500, "INTERNAL", "Something went wrong")
        return Response(status=502, body=b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")

    def _too_many(self) -> Response:
        """Two bodies for one thing: the documented one, and that of the gateway behind it."""
        if self.exchange.dice.random() < 0.5:
            return listed(429, "rate_limit_exceeded", "Too many requests")
        return said(429, "RESOURCE_EXHAUSTED", "too many requests")

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        key = ("connects", call.request.address)
        use = self.exchange.windows.take(key, 1, limit=CONNECTS_A_SECOND, span_ms=1_000, now_ms=call.now_ms)
        if use.broken and self.exchange.enforcing:
            raise Refusal(worded(429, "Too Many Requests\n"))

    def publish(self, account: Account, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, OrderFilled):
                fill = event.fill
                fill.visible_ms = max(fill.visible_ms, fill.timestamp_ms + REST_LAG_MS)
        talk.publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()


def _time(call: Call) -> Any:
    now = call.now_ms
    return {"iso": written(now * 1_000_000), "epochSeconds": str(now // 1000), "epochMillis": str(now)}


DIALECT = Coinbase
