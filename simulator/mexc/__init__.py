"""MEXC: two systems under one name. Spot signs queries and pushes protobuf, futures sign headers and push JSON.

Written from its public documents (https://www.mexc.com/api-docs, read 2026-11).
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.dialect import DAY_MS, EIGHT_PLACES, Call, Conversation, Dialect, Event, Refusal, Route, SocketRoute
from simulator.http import Response
from simulator.mexc import capital, edge, futures, keys, listenkeys, listings, spot, stream
from simulator.mexc.errors import futures_refused, is_futures, page, refused
from simulator.mexc.rows import CATEGORIES
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fee, Market

if TYPE_CHECKING:
    from simulator.exchange import Exchange
    from simulator.sockets import Socket

API, CONTRACT = "api.mexc.com", "contract.mexc.com"
SPOT_SOCKETS = "wbs-api.mexc.com"
ADDRESS_WEIGHT, ACCOUNT_WEIGHT, SPAN_MS = 300, 500, 10_000
FUTURES_CALLS, FUTURES_SPAN_MS = 20, 2_000
PATIENCE = 5
"""So many calls after a 429 are refused the same way before the address is banned."""
SHORTEST_BAN_MS, LONGEST_BAN_MS = 120_000, 3 * DAY_MS
SILENT_CUT_S = 60.0
LIFE_S = 86_400.0
WALL_CHANCE = 0.3
"""How often an error is the web page of the wall before the exchange."""
MX_SHARE = Decimal("0.8")
"""What is left of a fee that is paid in MX."""


class Mexc(Dialect):
    """See `Dialect`. `details` of an account: `scopes` (a key's rights word by word), `symbols` (its allow-list)."""

    id: ClassVar[str] = "mexc"
    kinds: ClassVar[tuple[str, ...]] = tuple(kind for kind in CATEGORIES if kind != "trade")
    self_trades: ClassVar[bool] = True
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal(0), Decimal("0.0005")),
        LINEAR: (Decimal("0.0001"), Decimal("0.0004")),
        INVERSE: (Decimal("0.0001"), Decimal("0.0004")),
    }
    discount_coin: ClassVar[str | None] = "MX"
    discount_products: ClassVar[tuple[str, ...]] = (SPOT,)

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        self.listen_keys = listenkeys.ListenKeys()

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterator[Route]:
        yield from self._spot_routes()
        for host in (API, CONTRACT):
            yield from _futures_routes(host)

    def _spot_routes(self) -> Iterator[Route]:
        def way(path: str, handler: Any, weight: float, scope: str | None = None, method: str = "GET") -> Route:
            return Route(
                method=method,
                host=API,
                path=f"/api/v3/{path}",
                handler=handler,
                signed=scope is not None,
                weight=weight,
                details={"scope": scope or ""},
            )

        yield way("ping", lambda _: {}, 1)
        yield way("time", spot.server_time, 1)
        yield way("exchangeInfo", listings.exchange_info, 25)
        yield way("apiKeyInfo", keys.key_report, 1, "")
        yield way("selfSymbols", listings.own_symbols, 1, "SPOT_ACCOUNT_READ")
        yield way("account", spot.account, 10, "SPOT_ACCOUNT_READ")
        yield way("myTrades", spot.trades, 10, "SPOT_ACCOUNT_READ")
        yield way("allOrders", spot.all_orders, 10, "SPOT_DEAL_READ")
        yield way("openOrders", spot.open_orders, 3, "SPOT_DEAL_READ")
        yield way("capital/config/getall", listings.coins, 10, "SPOT_WITHDRAW_READ")
        yield way("capital/deposit/hisrec", capital.deposits, 1, "SPOT_WITHDRAW_READ")
        yield way("capital/withdraw/history", capital.withdrawals, 1, "SPOT_WITHDRAW_READ")
        yield way("capital/transfer", capital.transfers, 1, "SPOT_TRANSFER_READ")
        for method, handler in (
            ("POST", listenkeys.create),
            ("PUT", listenkeys.prolong),
            ("DELETE", listenkeys.delete),
            ("GET", listenkeys.listed),
        ):
            yield way("userDataStream", partial(handler, keys=self.listen_keys), 1, "SPOT_ACCOUNT_READ", method)

    def sockets(self) -> Iterator[SocketRoute]:
        """Spot counts any text, futures only pings, which its conversation sees to."""
        yield SocketRoute(
            host=SPOT_SOCKETS,
            path="/ws",
            open=self._stream,
            private=True,
            silent_cut_s=SILENT_CUT_S,
            answers_pings=False,
            longest_life_s=LIFE_S,
            messages=(100, 1.0),
        )
        yield SocketRoute(host=CONTRACT, path="/edge", open=edge.Edge, private=True)

    def _stream(self, socket: "Socket", call: Call) -> Conversation:
        return stream.Stream(socket, call, self.listen_keys)

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        return spot.WALLET if product == SPOT else futures.WALLET

    def reach_ms(self, account: Account, product: str) -> int:
        return 29 * DAY_MS if product == SPOT else 89 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """Spot: eighteen digits and one of two suffixes. Futures: nine digits. Both repeat on other markets."""
        number = int(super().trade_id(account, market, dice))
        if market.product == SPOT:
            return f"{683_606_826_000_000_000 + number}X{dice.randint(1, 2)}"
        return str(299_000_000 + number)

    def own_trade_ids(self, trade_id: str) -> tuple[str, str]:
        """Spot: one number with both suffixes."""
        number, mark, _ = trade_id.partition("X")
        return (f"{number}X1", f"{number}X2") if mark else (trade_id, trade_id)

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return (
            f"C02__{683_606_000_000_000_000_000 + number}" if market.product == SPOT else str(276_461 * 10**12 + number)
        )

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
        """In the quote coin on both sides, in MX where an account wishes it, with the eighteen places of real rows."""
        rate = listings.SPECIAL_RATES.get(market.key, self.rates[market.product])[0 if maker else 1]
        if market.product != SPOT:
            return (Fee((cost * rate).quantize(EIGHT_PLACES, ROUND_DOWN), market.settle),)
        if account.details.get("discount"):
            paid = cost * rate * MX_SHARE * self.exchange.price_of(market.quote, "MX")
            return (Fee(paid.quantize(Decimal("1e-18"), ROUND_DOWN), "MX"),)
        return (Fee((cost * rate).quantize(Decimal("1e-18"), ROUND_DOWN), market.quote),)

    # REST.

    def admit(self, call: Call) -> None:
        windows, now, address = self.exchange.windows, call.now_ms, call.request.address
        until = windows.banned_until(("ban", address), now)
        if until is not None and self.exchange.enforcing:
            raise Refusal(_banned(until - now))
        if is_futures(call):
            self._admit_futures(call)
            return
        weight = call.route.weight if isinstance(call.route, Route) else 1
        uses = [windows.take(("ip", address), weight, limit=ADDRESS_WEIGHT, span_ms=SPAN_MS, now_ms=now)]
        owner = self.exchange.by_key.get(call.request.headers.get("x-mexc-apikey", ""))
        if owner is not None:
            uses.append(windows.take(("uid", owner.uid), weight, limit=ACCOUNT_WEIGHT, span_ms=SPAN_MS, now_ms=now))
        broken = [use for use in uses if use.broken]
        if not broken or not self.exchange.enforcing:
            windows.forgive(("patience", address))
            return
        self.exchange.counters["rate_limited"] += 1
        if windows.offend(("patience", address)) > PATIENCE:
            windows.forgive(("patience", address))
            span_ms = min(SHORTEST_BAN_MS << (windows.offend(("bans", address)) - 1), LONGEST_BAN_MS)
            windows.ban(("ban", address), now + span_ms)
            self.exchange.counters["bans"] += 1
            raise Refusal(_banned(span_ms))
        raise Refusal(_too_many(max(use.reset_ms for use in broken) - now))

    def _admit_futures(self, call: Call) -> None:
        """Every path counts alone, by account where there is one."""
        owner = self.exchange.by_key.get(call.request.headers.get("apikey", ""))
        asking = owner.uid if owner else call.request.address
        key = ("futures", asking, call.route.path)
        use = self.exchange.windows.take(key, 1, limit=FUTURES_CALLS, span_ms=FUTURES_SPAN_MS, now_ms=call.now_ms)
        if use.broken and self.exchange.enforcing:
            self.exchange.counters["rate_limited"] += 1
            raise Refusal(futures_refused(510))

    def authenticate(self, call: Call) -> Account:
        return keys.futures_account(call) if is_futures(call) else keys.spot_account(call)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        span_ms = int(float(options.get("seconds", 1)) * 1000)
        if name == "ban":
            return _banned(span_ms)
        if name == "server_errors" and self.exchange.dice.random() < WALL_CHANCE:
            return page(403, "Access Denied")
        if is_futures(call):
            codes = {"not_found": (404, 404), "rate_limit": (510, 200), "maintenance": (801, 200)}
            return futures_refused(*codes.get(name, (self.exchange.dice.choice((500, 501)), 200)))
        if name == "rate_limit":
            return _too_many(span_ms)
        code = {"not_found": 404, "maintenance": 503}.get(name, 500)
        return refused(code, status=code)

    # Sockets.

    def publish(self, account: Account, events: list[Event]) -> None:
        stream.publish(self.exchange, account, events)
        edge.publish(self.exchange, account, events)

    def prices(self) -> None:
        stream.tell_prices(self.exchange)
        edge.tell_prices(self.exchange)

    def notice(self, name: str, account: Account | None) -> None:
        """A listen key ends with the key that made it, or by itself; its sockets stay open and hear nothing more."""
        if name in {"token_dies", "key_revoked", "key_expired"}:
            self.listen_keys.kill(account)
        super().notice(name, account)


def _futures_routes(host: str) -> Iterator[Route]:
    yield Route(method="GET", host=host, path="/api/v1/contract/ping", handler=futures.ping)
    yield Route(method="GET", host=host, path="/api/v1/contract/detail", handler=listings.contract_detail)
    for path, handler, scope in (
        ("account/assets", futures.assets, "CONTRACT_ACCOUNT_READ"),
        ("account/asset/{currency}", futures.asset, "CONTRACT_ACCOUNT_READ"),
        ("order/list/order_deals", futures.deals, "CONTRACT_DEAL_READ"),
        ("order/list/order_deals/v3", futures.new_deals, "CONTRACT_DEAL_READ"),
        ("order/list/history_orders", futures.orders, "CONTRACT_DEAL_READ"),
        ("order/deal_details/{order_id}", futures.deals_of_order, "CONTRACT_DEAL_READ"),
        ("position/open_positions", futures.positions, "CONTRACT_DEAL_READ"),
        ("position/list/history_positions", futures.old_positions, "CONTRACT_DEAL_READ"),
    ):
        yield Route(
            method="GET",
            host=host,
            path=f"/api/v1/private/{path}",
            handler=handler,
            signed=True,
            details={"scope": scope},
        )


def _too_many(left_ms: int) -> Response:
    response = refused(429, status=429)
    response.headers["Retry-After"] = str(max(0, -(-left_ms // 1000)))
    return response


def _banned(left_ms: int) -> Response:
    """What stands before the exchange says to an address that went on asking: no JSON."""
    headers = {"Retry-After": str(max(1, -(-left_ms // 1000)))}
    return Response(status=418, body=b"IP banned", headers=headers, content_type="text/plain")


DIALECT = Mexc
