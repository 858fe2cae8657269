"""Bybit's V5 interface as its clients see it: unified accounts, spot and perpetuals; from documents of July 2026."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from simulator.bybit import keys, listings, private, public, rest
from simulator.bybit.errors import locked_out, refused
from simulator.dialect import DAY_MS, EIGHT_PLACES, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response
from simulator.truth import LINEAR, SPOT, Account, Fee, Market

if TYPE_CHECKING:
    from simulator.limits import Use

ADDRESS_LIMIT, ADDRESS_SPAN_MS = 600, 5_000
LOCK_OUT_MS = 600_000
CONNECTS, CONNECTS_MS = 500, 300_000
REBATES = {(SPOT, "ETHUSDC"), (LINEAR, "ETHUSDT")}
"""Markets that pay their makers."""
REBATE = Decimal("-0.00005")
TAX = Decimal("0.18")


class Bybit(Dialect):
    """See `Dialect`. `details` of an account: `tax`, `funding_hidden`, `margin_status`, `entity`, `key_type` "rsa"."""

    id = "bybit"
    modes: ClassVar[tuple[str, ...]] = ("unified",)
    products: ClassVar[tuple[str, ...]] = (SPOT, LINEAR)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl", "settlement")
    noises: ClassVar[tuple[str, ...]] = ("funding",)
    self_trades: ClassVar[bool] = True
    discount_coin: ClassVar[str | None] = "MNT"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._prices = public.Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        return rest.routes()

    def sockets(self) -> Iterator[SocketRoute]:
        """Clients ping; the idle cut is kept by the conversation, which may have been asked for another."""
        yield SocketRoute(host="*", path="/v5/private", open=private.PrivateTalk, private=True)
        for category in private.CATEGORIES:
            yield SocketRoute(host="*", path=f"/v5/public/{category}", open=_public_talk(category))

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return rest.UNIFIED

    def reach_ms(self, account: Account, product: str) -> int:
        return 700 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def prepare(self, account: Account, dice: Random) -> None:
        if account.details.get("key_type") == "rsa":
            keys.make_key_pair(account)
        account.holding(rest.FUNDING, "USDT").free += Decimal(5000)
        account.deposits.append((account.created_ms, rest.FUNDING, "USDT", Decimal(5000)))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """Long numbers on spot, the same ones on several symbols; UUIDs elsewhere."""
        if market.product != SPOT:
            return _uuid(dice)
        return str(2_210_000_000_100_000_000 + int(super().trade_id(account, market, dice)))

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return str(number) if market.product == SPOT else _uuid(dice)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return f"cli-{number}" if kind == "trade" and number % 3 else ""

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
            # A rebate comes in what was given, not in what was received.
            in_quote = market.product == LINEAR or side == "buy"
            earned = ((cost if in_quote else amount) * REBATE).quantize(EIGHT_PLACES, ROUND_DOWN)
            return (Fee(earned, market.quote if in_quote else market.base),)
        paid = super().fees(account, market, side=side, price=price, amount=amount, cost=cost, maker=maker, dice=dice)
        if account.details.get("tax"):
            paid += tuple(Fee((fee.amount * TAX).quantize(EIGHT_PLACES, ROUND_DOWN), fee.currency) for fee in paid)
        return paid

    # REST.

    def admit(self, call: Call) -> None:
        windows, now, address = self.exchange.windows, self.exchange.now_ms(), call.request.address
        if self.exchange.enforcing and windows.banned_until(("ban", address), now) is not None:
            raise Refusal(locked_out())
        use = windows.take(("ip", address), 1, limit=ADDRESS_LIMIT, span_ms=ADDRESS_SPAN_MS, now_ms=now)
        if use.broken and self.exchange.enforcing:
            windows.ban(("ban", address), now + LOCK_OUT_MS)
            self.exchange.counters["bans"] += 1
            raise Refusal(locked_out())
        quota = call.route.details.get("quota")
        if quota is None:
            return
        account = self.exchange.by_key.get(call.request.headers.get("x-bapi-api-key", ""))
        asking = account.uid if account else address
        own = windows.take(("uid", asking, call.request.path), 1, limit=quota, span_ms=1_000, now_ms=now)
        call.notes["use"] = own
        if own.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(refused(10006, now))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def dress(self, call: Call, response: Response) -> None:
        response.headers["Timenow"] = str(self.exchange.now_ms())
        response.headers["Traceid"] = f"{self.exchange.dice.getrandbits(128):032x}"
        use: Use | None = call.notes.get("use")
        if use is not None:
            response.headers["X-Bapi-Limit"] = str(int(use.limit))
            response.headers["X-Bapi-Limit-Status"] = str(int(use.left))
            reset = use.reset_ms if use.broken else self.exchange.now_ms()
            response.headers["X-Bapi-Limit-Reset-Timestamp"] = str(reset)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        now = self.exchange.now_ms()
        if name == "ban":
            return locked_out()
        if name == "rate_limit":
            response = refused(10006, now)
            reset = now + int(float(options.get("seconds", 1)) * 1000)
            response.headers |= {"X-Bapi-Limit": "50", "X-Bapi-Limit-Status": "0"}
            response.headers["X-Bapi-Limit-Reset-Timestamp"] = str(reset)
            return response
        if name == "not_found":
            return Response(status=404, body=b"404 page not found", content_type="text/plain")
        if name == "maintenance":
            return Response(status=503, body=b"<html>503 Service Unavailable</html>", content_type="text/html")
        if self.exchange.dice.random() < 0.5:
            return refused(10016, now)
        return Response(status=502, body=b"<html>502 Bad Gateway</html>", content_type="text/html")

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        request, now = call.request, self.exchange.now_ms()
        use = self.exchange.windows.take(
            ("connects", request.address, request.host), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=now
        )
        if use.broken and self.exchange.enforcing:
            raise Refusal(locked_out())

    def publish(self, account: Account, events: list[Event]) -> None:
        private.publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()


def _public_talk(category: str) -> Any:
    def opened(socket: Any, call: Call) -> public.PublicTalk:
        call.names["category"] = category
        return public.PublicTalk(socket, call)

    return opened


def _uuid(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


DIALECT = Bybit
