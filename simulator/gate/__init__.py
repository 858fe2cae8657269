"""Gate's APIv4 as its clients see it: classic and unified accounts, spot and perpetuals settled in USDT or bitcoin.

Written from its public documents (https://www.gate.com/docs/developers/apiv4, read 2026-11).
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.dialect import DAY_MS, EIGHT_PLACES, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.gate import book, history, keys, listings, talk, wallets
from simulator.gate.errors import refused
from simulator.gate.listings import GT
from simulator.gate.prices import frame_of
from simulator.gate.rows import POINTS
from simulator.http import Response
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fee, Market

if TYPE_CHECKING:
    from simulator.limits import Use
    from simulator.sockets import Frame

REST = "/api/v4"
SPAN_MS = 10_000
TRADING, OTHER = 200, 150
"""Calls of one account (without a key: of one address) to one path in ten seconds."""
PING_EVERY_S, PONG_WITHIN_S = 10.0, 20.0
CONNECTIONS = 300
SOCKETS = {
    "/ws/v4/": SPOT,
    "/v4/ws/spot": SPOT,
    "/v4/ws/usdt": LINEAR,
    "/v4/ws/futures/usdt": LINEAR,
    "/v4/ws/btc": INVERSE,
    "/v4/ws": INVERSE,
}
"""What each address speaks of; the old one that names no coin means bitcoin."""
REBATES = {(LINEAR, "ETH_USDT")}
"""Markets that pay their makers."""
REBATE = Decimal("-0.00005")


class Gate(Dialect):
    """See `Dialect`. `details` of an account: `points` (fees are paid in points), `scopes`, `currency_pairs`,
    `main_keys`, `key_mode`, `unified_mode` (see `keys.py`), `entity` (gate, testnet, gateeu).
    """

    id: ClassVar[str] = "gate"
    modes: ClassVar[tuple[str, ...]] = ("classic", keys.UNIFIED)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl")
    self_trades: ClassVar[bool] = True
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        **Dialect.rates,
        INVERSE: (Decimal("0.0002"), Decimal("0.0005")),
    }
    discount_coin: ClassVar[str | None] = GT
    discount_products: ClassVar[tuple[str, ...]] = (SPOT,)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterator[Route]:
        yield _public("/spot/time", listings.time_now)
        yield _public("/spot/currencies", listings.currencies)
        yield _public("/spot/currency_pairs", listings.currency_pairs)
        yield _public("/margin/currency_pairs", _none)
        yield _public("/futures/{settle}/contracts", listings.contracts)
        yield _public("/delivery/{settle}/contracts", _none)
        yield _public("/options/underlyings", _none)
        yield _private("/account/detail", keys.account_detail, "account", OTHER)
        yield _private("/account/main_keys", keys.main_keys, "account", OTHER)
        yield _private("/unified/unified_mode", keys.unified_mode, "unified", OTHER)
        yield _private("/unified/accounts", wallets.unified_accounts, "unified", OTHER)
        yield _private("/margin/accounts", _none, "spot", OTHER)
        yield _private("/margin/funding_accounts", _none, "spot", OTHER)
        yield _private("/margin/cross/accounts", wallets.cross_margin, "spot", OTHER)
        yield _private("/spot/accounts", wallets.spot_accounts, "spot", TRADING)
        yield _private("/spot/account_book", book.account_book, "spot", TRADING)
        yield _private("/spot/my_trades", history.my_trades, "spot", TRADING)
        yield _private("/spot/open_orders", history.open_orders, "spot", TRADING)
        yield _private("/spot/orders/{order_id}", history.one_order, "spot", TRADING)
        yield _private("/futures/{settle}/accounts", wallets.futures_accounts, "futures", TRADING)
        yield _private("/futures/{settle}/my_trades", history.latest_futures, "futures", TRADING)
        yield _private("/futures/{settle}/my_trades_timerange", history.futures_timerange, "futures", TRADING)

    def sockets(self) -> Iterator[SocketRoute]:
        for path, product in SOCKETS.items():
            for ending in {path, path.removesuffix("/"), path.removesuffix("/") + "/"}:
                yield SocketRoute(
                    host="*",
                    path=ending,
                    open=talk.Talk,
                    private=True,
                    ping_every_s=PING_EVERY_S,
                    pong_within_s=PONG_WITHIN_S,
                    details={"product": product},
                )

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return keys.UNIFIED if account.mode == keys.UNIFIED else wallets.WALLETS[product]

    def reach_ms(self, account: Account, product: str) -> int:
        return 690 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        """On perpetuals a number that a float would round."""
        return str(number) if market.product == SPOT else str(36_028_797_000_000_000 + number)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return f"t-sim-{number}" if kind == "trade" and number % 3 else ""

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
        if maker and market.key in REBATES:
            return (Fee((cost * REBATE).quantize(EIGHT_PLACES, ROUND_DOWN), market.settle),)
        usual = super().fees(account, market, side=side, price=price, amount=amount, cost=cost, maker=maker, dice=dice)
        if not account.details.get("points"):
            return usual
        return tuple(Fee(self._in_points(fee), POINTS) for fee in usual)

    def _in_points(self, fee: Fee) -> Decimal:
        """A point is a dollar."""
        return (fee.amount * self.exchange.price_of(fee.currency, "USDT")).quantize(EIGHT_PLACES, ROUND_DOWN)

    # REST.

    def admit(self, call: Call) -> None:
        request = call.request
        account = self.exchange.by_key.get(request.headers.get("key", ""))
        asking = ("uid", account.uid) if account else ("ip", request.address)
        use = self.exchange.windows.take(
            (*asking, call.route.path), 1, limit=call.route.details["limit"], span_ms=SPAN_MS, now_ms=call.now_ms
        )
        call.notes["use"] = use
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(refused("TOO_MANY_REQUESTS"))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def dress(self, call: Call, response: Response) -> None:
        response.headers["X-Gate-Trace-ID"] = f"{self.exchange.dice.getrandbits(128):032x}"
        use: Use | None = call.notes.get("use")
        if use is not None:
            reset_ms = use.reset_ms if use.broken else call.now_ms
            _dress_limit(response, limit=int(use.limit), left=int(use.left), reset_ms=reset_ms)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        if name in {"rate_limit", "ban"}:
            response = refused("TOO_MANY_REQUESTS")
            reset_ms = call.now_ms + int(float(options.get("seconds", 1)) * 1000)
            _dress_limit(response, limit=TRADING, left=0, reset_ms=reset_ms)
            return response
        if name == "not_found":
            return refused("NOT_FOUND")
        if name == "maintenance":
            return Response(status=503, body=b"<html>503 Service Unavailable</html>", content_type="text/html")
        if self.exchange.dice.random() < 0.5:
            return refused(self.exchange.dice.choice(("SERVER_ERROR", "TOO_BUSY")))
        return Response(status=502, body=b"<html>502 Bad Gateway</html>", content_type="text/html")

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        if not self.exchange.enforcing:
            return
        address = call.request.address
        there = sum(one.conversation.call.request.address == address for one in self.exchange.sockets)
        if there >= CONNECTIONS:
            raise Refusal(refused("TOO_MANY_REQUESTS"))

    def publish(self, account: Account, events: list[Event]) -> None:
        talk.publish(self.exchange, account, events)

    def prices(self) -> None:
        """Each topic is rendered once, however many sockets asked for it."""
        frames: dict[tuple[str, str, str], Frame] = {}
        for socket in list(self.exchange.sockets):
            conversation = socket.conversation
            assert isinstance(conversation, talk.Talk)
            for (channel, market_id), market in conversation.topics.items():
                if market.status != "trading":
                    continue
                key = (channel, market.product, market_id)
                if key not in frames:
                    frames[key] = frame_of(self.exchange, channel, market)
                socket.event(frames[key])


def _public(path: str, handler: Any) -> Route:
    return Route(method="GET", host="*", path=REST + path, handler=handler, details={"limit": TRADING})


def _private(path: str, handler: Any, scope: str, limit: int) -> Route:
    details = {"limit": limit, "scope": scope}
    return Route(method="GET", host="*", path=REST + path, handler=handler, signed=True, details=details)


def _none(_: Call) -> list[Any]:
    """There is none of it here."""
    return []


def _dress_limit(response: Response, *, limit: int, left: int, reset_ms: int) -> None:
    """Seconds, rounded up: the window is over then."""
    response.headers["X-Gate-RateLimit-Limit"] = str(limit)
    response.headers["X-Gate-RateLimit-Requests-Remain"] = str(left)
    response.headers["X-Gate-RateLimit-Reset-Timestamp"] = str(-(-reset_ms // 1000))


DIALECT = Gate
