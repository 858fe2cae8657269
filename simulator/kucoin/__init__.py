"""KuCoin: two account models, classic and unified, with REST on two hosts and sockets that need tokens.

Written from its public documents (https://www.kucoin.com/docs-new, read 2026-11). Classic accounts hear of their
fills without fees and may read a week of them; unified ones hear everything.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.dialect import EIGHT_PLACES, Call, Conversation, Dialect, Event, Refusal, Route, SocketRoute
from simulator.http import Response
from simulator.kucoin import rest
from simulator.kucoin.classic import Classic
from simulator.kucoin.errors import good, refused
from simulator.kucoin.keys import UNIFIED, account_mode, api_key, signed_account
from simulator.kucoin.listings import contracts, currencies, instruments, listed, symbols, tickers, unified_currencies
from simulator.kucoin.rows import TAX
from simulator.kucoin.talk import Talk
from simulator.kucoin.tokens import FUTURES_SOCKETS, SPOT_SOCKETS, UNIFIED_SOCKETS, Tokens, bullet, unified_bullet
from simulator.kucoin.unified import Prices, Unified
from simulator.truth import LINEAR, SPOT, Account, Fee, Market

if TYPE_CHECKING:
    from simulator.sockets import Socket

API, FUTURES_API = "api.kucoin.com", "api-futures.kucoin.com"
# Units and milliseconds of each pool; all but the public one are counted by account.
POOLS = {
    "spot": (4000.0, 30_000),
    "futures": (2000.0, 30_000),
    "management": (2000.0, 30_000),
    "unified": (200.0, 3_000),
    "public": (2000.0, 30_000),
}
OFFENCES = 20
BLOCK_MS = 10_000
SILENT_CUT_S = 28.0
LIFE_S = 86_400.0


class KuCoin(Dialect):
    """Accounts of either model; see the module."""

    id: ClassVar[str] = "kucoin"
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "secret", "passphrase")
    modes: ClassVar[tuple[str, ...]] = ("classic", UNIFIED)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl", "settlement")
    noises: ClassVar[tuple[str, ...]] = ("update",)
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.001"), Decimal("0.001")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0006")),
        "inverse": (Decimal("-0.0001"), Decimal("0.0006")),
    }
    discount_coin: ClassVar[str | None] = "KCS"
    discount_products: ClassVar[tuple[str, ...]] = (SPOT,)
    spot_fee_in: ClassVar[str] = "quote"

    def __init__(self, exchange: Any) -> None:
        super().__init__(exchange)
        self.tokens = Tokens()
        self._is_forced = False

    def markets(self) -> Iterable[Market]:
        return listed()

    def routes(self) -> Iterable[Route]:
        def get(path: str, handler: Any, pool: str, weight: float, host: str = API) -> Route:
            signed = pool != "public"
            return Route(method="GET", host=host, path=path, handler=handler, signed=signed, pool=pool, weight=weight)

        yield get("/api/v1/timestamp", lambda call: good(call.now_ms), "public", 3)
        yield get("/api/v2/symbols", symbols, "public", 4)
        yield get("/api/v1/market/allTickers", tickers, "public", 15)
        yield get("/api/v3/currencies", currencies, "public", 3)
        yield get("/api/ua/v1/market/instrument", instruments, "public", 4)
        yield get("/api/ua/v1/asset/currencies", unified_currencies, "public", 3)
        yield get("/api/v1/timestamp", lambda call: good(call.now_ms), "public", 2, FUTURES_API)
        yield get("/api/v1/contracts/active", contracts, "public", 3, FUTURES_API)

        yield get("/api/v1/user/api-key", api_key, "management", 20)
        yield get("/api/v1/accounts", rest.accounts, "management", 5)
        yield get("/api/v3/margin/symbols", lambda call: good({"timestamp": call.now_ms, "items": []}), "spot", 3)
        yield get("/api/v1/isolated/symbols", lambda _: good([]), "spot", 3)
        yield get("/api/v3/margin/accounts", rest.margin_accounts, "spot", 15)
        yield get("/api/v3/isolated/accounts", rest.isolated_accounts, "spot", 15)
        yield get("/api/v1/hf/accounts/opened", rest.hf_opened, "spot", 2)
        yield get("/api/v1/hf/fills", rest.hf_fills, "spot", 2)
        yield get("/api/v1/hf/accounts/ledgers", rest.ledgers, "spot", 2)
        yield get("/api/v1/hf/orders/active/symbols", rest.active_symbols, "spot", 2)
        yield get("/api/v3/hf/margin/fills", rest.margin_fills, "spot", 5)
        yield get("/api/v1/fills", rest.old_fills, "spot", 10)
        yield get("/api/v1/limit/fills", rest.latest_old_fills, "spot", 20)

        yield get("/api/v1/fills", rest.futures_fills, "futures", 5, FUTURES_API)
        yield get("/api/v1/recentFills", rest.latest_futures_fills, "futures", 3, FUTURES_API)
        yield get("/api/v1/account-overview", rest.overview, "futures", 5, FUTURES_API)

        yield get("/api/ua/v1/account/mode", account_mode, "unified", 1)
        yield get("/api/ua/v1/account/balance", rest.other_balance, "unified", 4)
        yield get("/api/ua/v1/{mode}/account/balance", rest.unified_balance, "unified", 4)
        yield get("/api/ua/v1/{mode}/order/execution", rest.executions, "unified", 4)

        for host, pool in ((API, "management"), (FUTURES_API, "futures")):
            handler = partial(bullet, tokens=self.tokens)
            for path, signed in (("/api/v1/bullet-public", False), ("/api/v1/bullet-private", True)):
                where = pool if signed else "public"
                yield Route(method="POST", host=host, path=path, handler=handler, signed=signed, pool=where, weight=10)
        yield Route(
            method="POST",
            host=API,
            path="/api/v2/bullet-private",
            handler=partial(unified_bullet, tokens=self.tokens),
            signed=True,
            pool="management",
            weight=10,
        )

    def sockets(self) -> Iterable[SocketRoute]:
        def way(host: str, opens: Any, *, private: bool) -> SocketRoute:
            return SocketRoute(
                host=host,
                path="/",
                open=opens,
                private=private,
                silent_cut_s=SILENT_CUT_S,
                longest_life_s=LIFE_S,
                messages=(100, 10.0),
            )

        yield way(SPOT_SOCKETS, self._classic, private=True)
        yield way(FUTURES_SOCKETS, self._classic, private=True)
        yield way(UNIFIED_SOCKETS, self._unified, private=True)
        yield way("x-push-spot.kucoin.com", Prices, private=False)
        yield way("x-push-futures.kucoin.com", Prices, private=False)

    def _classic(self, socket: "Socket", call: Call) -> Conversation:
        token = self.tokens.take(call.params.get("token", ""), call.request.host, call.now_ms, once=True)
        return Classic(socket, call, token)

    def _unified(self, socket: "Socket", call: Call) -> Conversation:
        token = self.tokens.take(call.params.get("token", ""), call.request.host, call.now_ms, once=False)
        return Unified(socket, call, token)

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        if account.mode == UNIFIED:
            return UNIFIED
        return "trade_hf" if product == SPOT else "contract"

    def reach_ms(self, account: Account, product: str) -> int:
        return rest.FUTURES_KEPT_MS if product != SPOT and account.mode != UNIFIED else rest.WEEK_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        letters = "0123456789abcdef"
        secret = "-".join("".join(dice.choices(letters, k=count)) for count in (8, 4, 4, 4, 12))
        return "".join(dice.choices(letters, k=24)), secret, "".join(dice.choices(letters, k=12))

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        del account, market, dice
        self._is_forced = kind != "trade"
        return f"sim-{number}"

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        """Spot: 24 hexadecimal digits. Elsewhere a long number; a unified account's forced fills have no order."""
        del dice
        forced, self._is_forced = self._is_forced, False
        if account.mode == UNIFIED:
            return "" if forced else str(428_507_000_000_000_000 + number)
        return f"{number:024x}" if market.product == SPOT else str(236_317_000_000_000_000 + number)

    def fees(self, account: Account, market: Market, **facts: Any) -> tuple[Fee, ...]:
        """Accounts with `details["taxed"]` pay a tax on top, in the coin of the fee."""
        usual = super().fees(account, market, **facts)
        if not account.details.get("taxed") or market.product != SPOT:
            return usual
        return (*usual, Fee((usual[0].amount * TAX).quantize(EIGHT_PLACES), usual[0].currency))

    # REST.

    def admit(self, call: Call) -> None:
        route, address = call.route, call.request.address
        assert isinstance(route, Route)
        banned = call.exchange.windows.banned_until(("ip", address), call.now_ms)
        if banned is not None and call.exchange.enforcing:
            raise Refusal(_blocked())
        pool = route.pool or "public"
        limit, span_ms = POOLS[pool]
        owner = call.exchange.by_key.get(call.request.headers.get("kc-api-key", ""))
        key = ("ip", address, pool) if pool == "public" or owner is None else ("uid", owner.uid, pool)
        use = call.exchange.windows.take(key, route.weight, limit=limit, span_ms=span_ms, now_ms=call.now_ms)
        call.notes["use"] = use
        if use.broken and call.exchange.enforcing:
            if call.exchange.windows.offend(("ip", address)) >= OFFENCES:
                call.exchange.windows.forgive(("ip", address))
                call.exchange.windows.ban(("ip", address), call.now_ms + BLOCK_MS)
            raise Refusal(refused("429000"))

    def authenticate(self, call: Call) -> Account:
        return signed_account(call)

    def dress(self, call: Call, response: Response) -> None:
        use = call.notes.get("use")
        if use is not None:
            response.headers["gw-ratelimit-limit"] = str(int(use.limit))
            response.headers["gw-ratelimit-remaining"] = str(int(use.left))
            response.headers["gw-ratelimit-reset"] = str(max(0, use.reset_ms - call.now_ms))

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        del call
        if name == "ban":
            return _blocked()
        if name == "rate_limit":
            response = refused("429000")
            response.headers["gw-ratelimit-limit"] = "4000"
            response.headers["gw-ratelimit-remaining"] = "0"
            response.headers["gw-ratelimit-reset"] = str(int(float(options.get("seconds", 1)) * 1000))
            return response
        if name == "not_found":
            return refused("404000")
        if name == "maintenance":
            return Response(status=503, body=b'{"code":"500000","msg":"The system is being upgraded"}')
        return refused("500000")

    # Sockets.

    def publish(self, account: Account, events: list[Event]) -> None:
        kind = Unified if account.mode == UNIFIED else Classic
        for event in events:
            for conversation, tag in list(self.exchange.listeners.of(account)):
                if isinstance(conversation, kind):
                    conversation.tell(tag, event)

    def prices(self) -> None:
        for socket in list(self.exchange.sockets):
            if isinstance(socket.conversation, Talk):
                socket.conversation.tell_prices()

    def notice(self, name: str, account: Account | None) -> None:
        if name == "token_dies":
            self.tokens.kill(account)
        super().notice(name, account)


def _blocked() -> Response:
    """What the network before the exchange says to an address that asks too much."""
    return Response(status=403, body=b"error code: 1015", content_type="text/plain")


DIALECT = KuCoin
