"""Binance as its clients see it: spot, USDⓈ-M futures, wallet; written from the public documents of July 2026."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from random import Random
from typing import Any, ClassVar

from simulator.binance import futures, listings, spot, userstream
from simulator.binance.keys import make_key_pair, signed_account
from simulator.binance.streams import MarketStream, Prices
from simulator.dialect import DAY_MS, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response, answer
from simulator.limits import Use
from simulator.truth import LINEAR, SPOT, Account, Fee, Market

MINUTE_MS = 60_000
IP_LIMITS = {"api": 6000, "fapi": 2400}
WALLET_IP_LIMIT, WALLET_UID_LIMIT = 12_000, 180_000
PATIENCE = 5
"""So many calls after a 429 are refused the same way before the address is banned."""
FIRST_BAN_MS, LONGEST_BAN_MS = 120_000, 3 * DAY_MS
CONNECTS, CONNECTS_MS = 300, 5 * MINUTE_MS

FREE_FOR_MAKERS = ((SPOT, "BTCUSDC"), (LINEAR, "BNBUSDT"))
"""Markets where makers pay nothing, so that fills without a fee happen on spot and on futures."""

API_SOCKETS = ("ws-api.binance.com", "ws-api.testnet.binance.vision", "demo-ws-api.binance.com")
SPOT_STREAMS = (
    "stream.binance.com", "data-stream.binance.vision", "stream.testnet.binance.vision", "demo-stream.binance.com",
)  # fmt: skip
FUTURES_STREAMS = ("fstream.binance.com", "demo-fstream.binance.com")
FUTURES_TEST_STREAMS = "fstream.binancefuture.com"


class Binance(Dialect):
    """See `Dialect`."""

    id = "binance"
    products: ClassVar[tuple[str, ...]] = (SPOT, LINEAR)
    default_permissions: ClassVar[frozenset[str]] = frozenset({"read", "futures"})
    noises: ClassVar[tuple[str, ...]] = ("prevention", "list_status", "external_lock")
    self_trades: ClassVar[bool] = True
    discount_coin: ClassVar[str | None] = "BNB"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prices = Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        yield from spot.routes()
        yield from futures.routes()

    def sockets(self) -> Iterator[SocketRoute]:
        """The addresses, with the heartbeats and limits of each."""
        for host in API_SOCKETS:
            yield SocketRoute(
                host=host, path="/ws-api/v3", open=userstream.WebSocketApi, private=True,
                ping_every_s=20, pong_within_s=60, longest_life_s=86_400,
            )  # fmt: skip
        for host in SPOT_STREAMS:
            for path in ("/ws", "/ws/{streams}", "/stream"):
                yield _market_socket(host, path, product=SPOT, ping=20, pong=60, messages=(5, 1.0))
        for host in FUTURES_STREAMS:
            for category in ("public", "market"):
                for path in ("/ws", "/ws/{streams}", "/stream"):
                    yield _market_socket(
                        host, f"/{category}{path}", product=LINEAR, category=category, ping=180, pong=600,
                        messages=(10, 1.0),
                    )  # fmt: skip
            for path in ("/private/ws", "/private/ws/{key}", "/private/stream"):
                yield _private_socket(host, path)
        # The test network was not split.
        yield _private_socket(FUTURES_TEST_STREAMS, "/ws/{key}")
        yield _market_socket(FUTURES_TEST_STREAMS, "/ws", product=LINEAR, ping=180, pong=600, messages=(10, 1.0))
        yield _market_socket(FUTURES_TEST_STREAMS, "/stream", product=LINEAR, ping=180, pong=600, messages=(10, 1.0))

    def wallet(self, account: Account, product: str) -> str:
        return "spot" if product == SPOT else "futures"

    def reach_ms(self, account: Account, product: str) -> int:
        return 180 * DAY_MS if product == SPOT else 89 * DAY_MS

    def prepare(self, account: Account, dice: Random) -> None:
        seed = dice.randbytes(32)
        kind = account.details.get("key_type", "hmac")
        if kind != "hmac":
            make_key_pair(account, kind, seed)
        held = account.holding("funding", "USDT")
        held.free += Decimal(5000)
        account.deposits.append((account.created_ms, "funding", "USDT", Decimal(5000)))

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
        if maker and market.key in FREE_FOR_MAKERS:
            return ()
        return super().fees(account, market, side=side, price=price, amount=amount, cost=cost, maker=maker, dice=dice)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        """Forced orders are known by their client's id."""
        forced = {
            "liquidation": f"autoclose-{number}",
            "adl": "adl_autoclose",
            "settlement": f"settlement_autoclose-{number}",
            "delivery": f"delivery_autoclose-{number}",
        }
        return forced.get(kind, f"web_{number:x}")

    # REST.

    def admit(self, call: Call) -> None:
        route, address = call.route, call.request.address
        assert isinstance(route, Route)
        weigh = route.details.get("weigh")
        weight = float(weigh(call)) if weigh else route.weight
        if route.pool == "sapi-uid":
            key = call.request.headers.get("x-mbx-apikey", "")
            use = self._count(("uid", key, route.path), weight, WALLET_UID_LIMIT)
        elif route.pool == "sapi-ip":
            use = self._count(("ip", address, route.path), weight, WALLET_IP_LIMIT)
        else:
            use = self._count(("ip", address, route.pool), weight, IP_LIMITS[route.pool])
        call.notes["use"] = use
        if self.exchange.enforcing:
            self._refuse_or_not(address, route.pool, use)

    def _count(self, key: tuple[str, ...], weight: float, limit: float) -> Use:
        return self.exchange.windows.take(
            key, weight, limit=limit, span_ms=MINUTE_MS, now_ms=self.exchange.now_ms(), aligned=True
        )

    def admit_request(self, address: str, weight: float) -> Use:
        """Counts a request on the WebSocket API: it shares the pool of /api."""
        return self._count(("ip", address, "api"), weight, IP_LIMITS["api"])

    def _refuse_or_not(self, address: str, pool: str, use: Use) -> None:
        windows, now = self.exchange.windows, self.exchange.now_ms()
        family = "sapi" if pool.startswith("sapi") else pool
        banned = windows.banned_until(("ban", address, family), now)
        if banned is not None:
            raise Refusal(self._banned(banned, now))
        if not use.broken:
            windows.forgive(("patience", address, family))
            return
        if windows.offend(("patience", address, family)) > PATIENCE:
            windows.forgive(("patience", address, family))
            times = windows.offend(("bans", address))
            until = now + min(FIRST_BAN_MS * 2 ** (times - 1), LONGEST_BAN_MS)
            windows.ban(("ban", address, family), until)
            self.exchange.counters["bans"] += 1
            raise Refusal(self._banned(until, now))
        self.exchange.counters["rate_limited"] += 1
        raise Refusal(self._too_many((use.reset_ms - now) / 1000))

    def _too_many(self, seconds: float) -> Response:
        # Some see the header as documented, some see a 0 that means nothing: both happen here.
        after = "0" if self.exchange.dice.random() < 0.5 else str(max(1, round(seconds)))
        return answer(
            {"code": -1003, "msg": "Too many requests; current limit of IP is exceeded."},
            status=429,
            headers={"Retry-After": after},
        )

    def _banned(self, until_ms: int, now_ms: int) -> Response:
        message = f"Way too many requests; IP banned until {until_ms}. Please use WebSocket Streams to avoid bans."
        after = "0" if self.exchange.dice.random() < 0.5 else str(max(1, (until_ms - now_ms) // 1000))
        return answer({"code": -1003, "msg": message}, status=418, headers={"Retry-After": after})

    def authenticate(self, call: Call) -> Account:
        return signed_account(call, futures=bool(call.route.details.get("futures")))

    def dress(self, call: Call, response: Response) -> None:
        use: Use | None = call.notes.get("use")
        route = call.route
        if use is None or not isinstance(route, Route):
            return
        names = {"sapi-uid": "X-SAPI-USED-UID-WEIGHT-1M", "sapi-ip": "X-SAPI-USED-IP-WEIGHT-1M"}
        response.headers[names.get(route.pool, "X-MBX-USED-WEIGHT-1M")] = str(int(use.used))
        if route.pool == "api":
            response.headers["X-MBX-USED-WEIGHT"] = str(int(use.used))

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        seconds = float(options.get("seconds", 5))
        now = self.exchange.now_ms()
        if name == "rate_limit":
            return self._too_many(seconds)
        if name == "ban":
            return self._banned(now + int(seconds * 1000), now)
        if name == "maintenance":
            return answer({"code": -1000, "msg": "System maintenance."}, status=503)
        if name == "not_found":
            return spot.not_here(call)
        return answer({"code": -1000, "msg": "An unknown error occurred while processing the request."}, status=500)

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        now, address = self.exchange.now_ms(), call.request.address
        use = self.exchange.windows.take(
            ("ip", address, "connects", call.request.host), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=now
        )
        if isinstance(call.route, SocketRoute) and call.route.path == "/ws-api/v3":
            self.admit_request(address, 2)
        if use.broken and self.exchange.enforcing:
            raise Refusal(self._too_many((use.reset_ms - now) / 1000))

    def publish(self, account: Account, events: list[Event]) -> None:
        userstream.publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()

    def notice(self, name: str, account: Account | None) -> None:
        super().notice(name, account)
        if name in {"token_dies", "key_revoked"}:
            for one in [account] if account else self.exchange.accounts.values():
                one.details.pop("listen_key", None)


def _market_socket(
    host: str, path: str, *, product: str, ping: float, pong: float, messages: tuple[int, float], category: str = ""
) -> SocketRoute:
    return SocketRoute(
        host=host, path=path, open=MarketStream, ping_every_s=ping, pong_within_s=pong, longest_life_s=86_400,
        messages=messages, details={"product": product, "category": category},
    )  # fmt: skip


def _private_socket(host: str, path: str) -> SocketRoute:
    return SocketRoute(
        host=host, path=path, open=userstream.FuturesStream, private=True, ping_every_s=180, pong_within_s=600,
        longest_life_s=86_400, messages=(10, 1.0),
    )  # fmt: skip


DIALECT = Binance
