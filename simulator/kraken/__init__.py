"""Kraken's spot exchange as its clients see it: one REST host, sockets of version 2; from documents of 2026.

`details` of an account: `tier` (starter, intermediate, pro), `permissions` (the exchange's own words),
`nonce_window`, `query_from_ms` and `query_to_ms` (what of the past its key may see).
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from functools import partial
from random import Random
from typing import Any, ClassVar

from simulator.dialect import DAY_MS, Call, Dialect, Event, OrderFilled, Refusal, Route, SocketRoute
from simulator.exchange import Exchange
from simulator.http import Response
from simulator.kraken import keys, listings, rest
from simulator.kraken.errors import LOCKOUT, RATE_LIMIT, page, refused
from simulator.kraken.history import hide
from simulator.kraken.private import PrivateTalk, publish
from simulator.kraken.public import Prices, PublicTalk
from simulator.kraken.rows import fee_places
from simulator.kraken.tokens import Tokens
from simulator.truth import SPOT, Account, Fee, Market

TIERS = {"starter": (15, 0.33), "intermediate": (20, 0.5), "pro": (20, 1.0)}
"""How high a key's counter may stand, and what it loses a second."""
DEBT = 5
"""How far above that refused calls push it on."""
PUBLIC_BURST, PUBLIC_PER_S = 15, 1.0
CONNECTS, CONNECTS_MS, BAN_MS = 150, 600_000, 600_000
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Kraken(Dialect):
    """See `Dialect`."""

    id = "kraken"
    products: ClassVar[tuple[str, ...]] = (SPOT,)
    noises: ClassVar[tuple[str, ...]] = ("amended", "restated", "iceberg_refill", "status")
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {SPOT: (Decimal("0.0025"), Decimal("0.004"))}
    spot_fee_in: ClassVar[str] = "quote"

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._tokens = Tokens()
        self._prices = Prices(exchange)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        return rest.routes(self._tokens)

    def sockets(self) -> Iterator[SocketRoute]:
        """The beta hosts are other doors to the same."""
        for beta in ("", "beta-"):
            private = partial(PrivateTalk, tokens=self._tokens)
            yield SocketRoute(host=f"{beta}ws-auth.kraken.com", path="/v2", open=private, private=True)
            yield SocketRoute(host=f"{beta}ws.kraken.com", path="/v2", open=PublicTalk)

    # Who and what is made.

    def reach_ms(self, account: Account, product: str) -> int:
        return 700 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def uid(self, dice: Random) -> str:
        return "AA" + "".join(dice.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=14))

    def prepare(self, account: Account, dice: Random) -> None:
        for coin, amount in (("USD", Decimal(500)), ("BTC", Decimal("0.25"))):
            account.holding(rest.EARN, coin).free += amount
            account.deposits.append((account.created_ms, rest.EARN, coin, amount))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        return _txid("T", dice)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return _txid("O", dice)

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
        """Always of the quote coin."""
        rate = self.rates[SPOT][0 if maker else 1]
        if maker and market.id == listings.STABLE:
            rate = Decimal(0)
        return (Fee((cost * rate).quantize(fee_places(market), ROUND_DOWN), market.quote),)

    # REST.

    def admit(self, call: Call) -> None:
        assert isinstance(call.route, Route)
        windows, now = self.exchange.windows, self.exchange.now_ms()
        if call.route.pool == "public":
            bucket, limit, per_s = ("public", call.request.address), PUBLIC_BURST, PUBLIC_PER_S
            error = "EGeneral:Too many requests"
        else:
            key = call.request.headers.get("api-key", "")
            account = self.exchange.by_key.get(key)
            limit, per_s = TIERS[account.details.get("tier", "starter") if account else "starter"]
            bucket, error = ("counter", key), RATE_LIMIT
        use = windows.drip(bucket, call.route.weight, limit=limit, per_s=per_s, now_ms=now, most=limit + DEBT)
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(refused(error))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        dice = self.exchange.dice
        if name == "ban":
            return refused(LOCKOUT)
        if name == "rate_limit":
            until = self.exchange.now_ms() // 1000 + int(float(options.get("seconds", 1))) + 1
            return refused(dice.choice((RATE_LIMIT, f"EService: Throttled: {until}")))
        if name == "not_found":
            return refused("EGeneral:Unknown method")
        if name == "maintenance":
            return refused("EService:Unavailable")
        return dice.choice(
            (
                refused("EService:Busy"),
                refused("EGeneral:Internal error"),
                page(520, "520: Web server is returning an unknown error"),
                page(502, "502 Bad gateway"),
            )
        )

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        windows, address, now = self.exchange.windows, call.request.address, self.exchange.now_ms()
        if not self.exchange.enforcing:
            return
        use = windows.take(("connects", address), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=now)
        if use.broken and windows.banned_until(("connects", address), now) is None:
            windows.ban(("connects", address), now + BAN_MS)
            self.exchange.counters["bans"] += 1
        if windows.banned_until(("connects", address), now) is not None:
            raise Refusal(page(429, "Error 1015: you are being rate limited"))

    def publish(self, account: Account, events: list[Event]) -> None:
        hide(account, [event.fill for event in events if isinstance(event, OrderFilled)])
        publish(self.exchange, account, events)

    def prices(self) -> None:
        self._prices.tell()

    def notice(self, name: str, account: Account | None) -> None:
        if name in {"token_dies", "key_revoked", "key_expired"}:
            self._tokens.kill(account)
        super().notice(name, account)


def _txid(first: str, dice: Random) -> str:
    letters = "".join(dice.choices(LETTERS, k=16))
    return f"{first}{letters[:5]}-{letters[5:10]}-{letters[10:]}"


DIALECT = Kraken
