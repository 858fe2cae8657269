"""OKX's V5 interface as its clients see it: spot, margin and perpetuals of three entities; documents of 2026."""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, ClassVar

from simulator.dialect import EIGHT_PLACES, Call, Dialect, Event, OrderFilled, Refusal, Route, SocketRoute
from simulator.http import Response
from simulator.okx import keys, listings, private, public, rest, rows, shelves
from simulator.okx.errors import refused
from simulator.okx.talk import SILENCE_S
from simulator.okx.wallets import FUNDING, TRADING
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fee, Market

CONNECTS, CONNECTS_MS = 3, 1_000
ORDERS_BEGIN = 45_000_000_000_000_000
MARGIN_DIGIT = "7"
MARGIN_SHARE = 0.2
REBATED = {(SPOT, "ETH-USDC"), (LINEAR, "ETH-USDT-SWAP")}
"""Markets that pay their makers."""
REBATE = Decimal("-0.00005")
UPGRADE_EVERY_S = 86_400.0


class Okx(Dialect):
    """See `Dialect`. A mode is an account's level; one of level spot trades neither on margin nor contracts.

    A spot order whose id ends with 7 is one on margin.

    `details` of an account: `entity` (global, eea, us), `demo`, `fee_type` 1 (always in quote), `main_uid` of a
    sub-account, `margin` False (never borrows), `repeats` (fills are told again).
    """

    id = "okx"
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "secret", "passphrase")
    modes: ClassVar[tuple[str, ...]] = ("futures", "multi", "portfolio", "spot")
    products: ClassVar[tuple[str, ...]] = (SPOT, LINEAR, INVERSE)
    kinds: ClassVar[tuple[str, ...]] = rows.FORCED
    noises: ClassVar[tuple[str, ...]] = ("amend",)
    self_trades: ClassVar[bool] = True
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.0008"), Decimal("0.001")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0005")),
        INVERSE: (Decimal("0.0002"), Decimal("0.0005")),
    }

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        return rest.routes()

    def sockets(self) -> Iterator[SocketRoute]:
        for host in keys.SOCKET_HOSTS:
            for end, opens in (
                ("public", public.PublicTalk),
                ("private", private.PrivateTalk),
                ("business", private.PrivateTalk),
            ):
                yield SocketRoute(
                    host=host,
                    path=f"/ws/v5/{end}",
                    open=opens,
                    private=end != "public",
                    silent_cut_s=SILENCE_S,
                    longest_life_s=UPGRADE_EVERY_S,
                )

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return TRADING

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def prepare(self, account: Account, dice: Random) -> None:
        if account.mode == "spot":
            account.products = (SPOT,)
        account.holding(FUNDING, "USDT").free += Decimal(5000)
        account.deposits.append((account.created_ms, FUNDING, "USDT", Decimal(5000)))

    def uid(self, dice: Random) -> str:
        return str(dice.randint(400_000_000_000_000_000, 699_999_999_999_999_999))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """A counter of each market; negative where the exchange itself made the order that is being filled."""
        number = super().trade_id(account, market, dice)
        latest = next(reversed(account.orders.values()), None)
        is_forced = latest is not None and latest.status == "open" and latest.kind in rows.FORCED
        return f"-{number}" if is_forced else number

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        """18 digits; the last one says whether the order is one on margin."""
        borrows = account.mode != "spot" and account.details.get("margin", True)
        is_on_margin = market.product == SPOT and borrows and dice.random() < MARGIN_SHARE
        return f"{ORDERS_BEGIN + number}{MARGIN_DIGIT if is_on_margin else number % 7}"

    def is_on_margin(self, account: Account, order_id: str) -> bool:
        return order_id.endswith(MARGIN_DIGIT)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return f"c{number}" if kind == "trade" and number % 3 else ""

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
        rate = REBATE if maker and market.key in REBATED else self.rates[market.product][0 if maker else 1]
        if market.product != SPOT:
            return (Fee((cost * rate).quantize(EIGHT_PLACES, ROUND_DOWN), market.settle),)
        # Paid in what is received; a rebate comes in what was given.
        in_base = (side == "buy") is (rate > 0) and account.details.get("fee_type", 0) != 1
        paid = (amount if in_base else cost) * rate
        return (Fee(paid.quantize(EIGHT_PLACES, ROUND_DOWN), market.base if in_base else market.quote),)

    # REST.

    def admit(self, call: Call) -> None:
        quota, span_ms = call.route.details["quota"]
        account = self.exchange.by_key.get(call.request.headers.get("ok-access-key", ""))
        asking = account.uid if account else call.request.address
        use = self.exchange.windows.take(
            ("calls", asking, call.request.path), 1, limit=quota, span_ms=span_ms, now_ms=call.now_ms
        )
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(self._too_many())

    def _too_many(self) -> Response:
        """No headers say when; now and then the status does not even say that it is one."""
        return refused(50011, status=200 if self.exchange.dice.random() < 0.2 else 429)

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        if name == "rate_limit":
            return self._too_many()
        if name == "ban":
            # Nothing is written of bans; who goes on asking may meet the door in front of the exchange.
            return Response(status=429, body=b"<html>429 Too Many Requests</html>", content_type="text/html")
        if name == "maintenance":
            return refused(50001)
        if name == "not_found":
            return Response(status=404, body=b'{"msg":"Not Found","code":"404","data":{}}')
        kind = self.exchange.dice.choice((50004, 50013, 50026, 0))
        if kind:
            return refused(kind)
        return Response(status=502, body=b"<html>502 Bad Gateway</html>", content_type="text/html")

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        use = self.exchange.windows.take(
            ("connects", call.request.address), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=call.now_ms
        )
        if use.broken and self.exchange.enforcing:
            raise Refusal(refused(50011))

    def publish(self, account: Account, events: list[Event]) -> None:
        shelves.put_away(account, (event.fill for event in events if isinstance(event, OrderFilled)))
        private.publish(self.exchange, account, events)

    def prices(self) -> None:
        public.tell(self.exchange)

    def notice(self, name: str, account: Account | None) -> None:
        """Also to who signed in and has subscribed nothing yet."""
        for socket in list(self.exchange.sockets):
            socket.conversation.notice(name, account)


DIALECT = Okx
