"""Bitget as its clients see it: classic accounts (v2) and unified ones (v3), REST and sockets of both.

Written from its public documents (https://www.bitget.com/docs, read 2026-11). An account is of one mode at a time and
may change it under a live connection: the other interface then refuses by REST and is silent on its sockets.
"""

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import Any, ClassVar

from simulator.bitget import keys, listings, private, public, rest, wallets
from simulator.bitget.errors import PASSING, refused
from simulator.bitget.keys import CLASSIC, UNIFIED
from simulator.bitget.rows import DISCOUNT_COIN, HEDGE, ONE_WAY
from simulator.dialect import EIGHT_PLACES, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.http import Response
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fee, Market

ADDRESS_LIMIT, ADDRESS_SPAN_MS = 6_000, 60_000
RECOVERY_MS = 300_000
CONNECTS, CONNECTS_MS = 300, 300_000
MOST_CONNECTIONS = 100
DAY_S = 86_400.0
FIRST_ID = 1_300_000_000_000_000_000
REBATE = Decimal("-0.00005")
REBATES = {(LINEAR, "ETHUSDT"): {CLASSIC, UNIFIED}, (SPOT, "ETHUSDC"): {UNIFIED}}
"""Markets that pay their makers. None on the spot side of classic accounts, whose sockets leave the sign open."""
FREE = {(LINEAR, "SOLUSDT"), (SPOT, "SOLUSDT")}
"""Markets that cost their makers nothing: no line of a fee at all."""


class Bitget(Dialect):
    """See `Dialect`. `details` of an account:

    `pos_mode` (hedge_mode, one_way_mode), `words` (rights in words), `null_data` (the other interface answers without
    data instead of refusing), `demo` (a key of the demo trading), `account_mode` (hybrid, upgrading, switching).
    """

    id: ClassVar[str] = "bitget"
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "secret", "passphrase")
    modes: ClassVar[tuple[str, ...]] = (CLASSIC, UNIFIED)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl")
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.001"), Decimal("0.001")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0006")),
        INVERSE: (Decimal("0.0002"), Decimal("0.0006")),
    }
    discount_coin: ClassVar[str | None] = DISCOUNT_COIN
    discount_products: ClassVar[tuple[str, ...]] = (SPOT,)

    def __init__(self, exchange: Any) -> None:
        super().__init__(exchange)
        self._last_ids: dict[str, int] = {}

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterable[Route]:
        return rest.routes()

    def sockets(self) -> Iterable[SocketRoute]:
        """Clients ping in text; the conversation keeps that rule, since nothing else that they say counts."""
        for version in ("v2", "v3"):
            for side, opens in (("public", public.PublicTalk), ("private", private.PrivateTalk)):
                yield SocketRoute(
                    host="*",
                    path=f"/{version}/ws/{side}",
                    open=opens,
                    private=side == "private",
                    longest_life_s=DAY_S,
                    messages=(10, 1.0),
                )

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return UNIFIED if account.mode == UNIFIED else product

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def prepare(self, account: Account, dice: Random) -> None:
        account.details.setdefault("pos_mode", dice.choice((HEDGE, ONE_WAY)))
        account.holding(wallets.FUNDING, "USDT").free += Decimal(5000)
        account.deposits.append((account.created_ms, wallets.FUNDING, "USDT", Decimal(5000)))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """Long numbers that rise within a product; those of spot and contracts are sometimes the same."""
        del account
        product = market.product
        if product not in self._last_ids:
            known = [one.last_id for one in self.exchange.markets.values() if one.product == product]
            self._last_ids[product] = max(known)
        self._last_ids[product] += dice.randint(1, 3)
        market.last_id = self._last_ids[product]
        return str(FIRST_ID + market.last_id)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return str(FIRST_ID + number)

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        return f"cli-{number}" if kind == "trade" else ""

    def fees(self, account: Account, market: Market, **facts: Any) -> tuple[Fee, ...]:
        """Now and then the discount coin pays half of a unified account's fee, and the usual coin the other half."""
        maker, amount, cost = facts["maker"], facts["amount"], facts["cost"]
        rate = self.rates[market.product][0 if maker else 1]
        if maker and account.mode in REBATES.get(market.key, ()):
            return (_rounded(cost * REBATE, market.quote),)
        if maker and market.key in FREE:
            return ()
        if market.product == INVERSE:
            return (_rounded(amount * rate, market.settle),)
        paid = super().fees(account, market, **facts)
        is_deducted = paid[0].currency == DISCOUNT_COIN != market.base
        if account.mode != UNIFIED or not is_deducted or facts["dice"].random() >= 0.3:
            return paid
        usual, coin = (amount, market.base) if facts["side"] == "buy" else (cost, market.quote)
        return (_rounded(paid[0].amount / 2, DISCOUNT_COIN), _rounded(usual * rate / 2, coin))

    # REST.

    def admit(self, call: Call) -> None:
        windows, now, address = self.exchange.windows, call.now_ms, call.request.address
        self._count_address(address, now)
        quota = call.route.details["quota"]
        account = self.exchange.by_key.get(call.request.headers.get("access-key", ""))
        asking = account.uid if account else address
        own = windows.take(("uid", asking, call.request.path), 1, limit=quota, span_ms=1_000, now_ms=now)
        if own.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(refused("429", now))

    def _count_address(self, address: str, now_ms: int) -> None:
        """Calls and handshakes of an address together; who asks too often waits until it has recovered."""
        windows = self.exchange.windows
        is_out = windows.banned_until(("ip", address), now_ms) is not None
        use = windows.take(("ip", address), 1, limit=ADDRESS_LIMIT, span_ms=ADDRESS_SPAN_MS, now_ms=now_ms)
        if not self.exchange.enforcing:
            return
        if use.broken and not is_out:
            windows.ban(("ip", address), now_ms + RECOVERY_MS)
            self.exchange.counters["bans"] += 1
        if use.broken or is_out:
            raise Refusal(refused("429", now_ms))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        del call, options
        now = self.exchange.now_ms()
        if name == "ban":
            return Response(status=403, body=b"<html><title>403 Forbidden</title></html>", content_type="text/html")
        if name == "server_errors" and self.exchange.dice.random() < 0.5:
            return Response(status=502, body=b"<html><title>502 Bad Gateway</title></html>", content_type="text/html")
        code = {"rate_limit": "429", "not_found": "40404", "maintenance": "40200"}.get(name)
        return refused(code or self.exchange.dice.choice(PASSING), now)

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        exchange, address, now = self.exchange, call.request.address, call.now_ms
        self._count_address(address, now)
        use = exchange.windows.take(("connects", address), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=now)
        if not exchange.enforcing:
            return
        here = sum(one.conversation.call.request.address == address for one in exchange.sockets)
        if use.broken or here >= MOST_CONNECTIONS:
            raise Refusal(refused("429", now))

    def publish(self, account: Account, events: list[Event]) -> None:
        private.publish(self.exchange, account, events)

    def prices(self) -> None:
        public.tell(self.exchange)


def _rounded(amount: Decimal, coin: str) -> Fee:
    return Fee(amount.quantize(EIGHT_PLACES, ROUND_DOWN), coin)


DIALECT = Bitget
