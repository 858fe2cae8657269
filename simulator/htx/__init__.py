"""HTX, formerly Huobi: spot and contracts are two systems of one key; documents read 2026-11.

Contracts in USDT are spoken of by the V5 interface of 2026; accounts that have not moved speak the one before.
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from simulator.dialect import DAY_MS, EIGHT_PLACES, Call, Dialect, Event, Refusal, Route, SocketRoute
from simulator.http import Response
from simulator.htx import account_history, keys, linear, listings, spot
from simulator.htx.errors import (
    CONTRACT_HOSTS,
    blocked,
    contract_refused,
    is_contract,
    spot_refused,
    too_often,
)
from simulator.htx.notification import LEGACY_PATH, V5_PATH, NotificationTalk
from simulator.htx.private import PATH, SpotTalk
from simulator.htx.public import ContractPrices, SpotPrices, tell_prices
from simulator.truth import LINEAR, SPOT, Account, Fee, Market

if TYPE_CHECKING:
    from simulator.limits import Use

SPOT_HOSTS = ("api.huobi.pro", "api-aws.huobi.pro")
USUAL, SELDOM, OFTEN, QUICK = (10, 1_000), (5, 2_000), (20, 2_000), (100, 2_000)
"""Quotas of spot: so many requests in so many milliseconds, of one key on one endpoint."""
READS, CALLS, MARKET_CALLS = (72, 3_000), (144, 3_000), (240, 3_000)
"""Quotas of contracts: of an account on the old interface and on V5, and of an address."""
CONNECTS, CONNECTS_MS = 100, 1_000
OFFENCES, BLOCK_MS = 30, 60_000
REBATES = {(SPOT, "ethusdc"), (LINEAR, "ETH-USDT")}
"""Markets that pay their makers."""
REBATE = Decimal("-0.0001")
POINTS_RATE = Decimal("0.0015")


class Htx(Dialect):
    """See `Dialect`.

    `details` of an account: `legacy` (contracts on the old interface), `contract_optional`, `symbol_required`,
    `slow_deduction`, `points` (fees are paid in points), `sub_account`.
    """

    id: ClassVar[str] = "htx"
    modes: ClassVar[tuple[str, ...]] = ("v5",)
    kinds: ClassVar[tuple[str, ...]] = ("liquidation", "adl", "delivery")
    self_trades: ClassVar[bool] = True
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.002"), Decimal("0.002")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0006")),
    }
    discount_coin: ClassVar[str | None] = "HT"
    discount_products: ClassVar[tuple[str, ...]] = (SPOT,)

    # What there is.

    def markets(self) -> Iterable[Market]:
        return listings.listed()

    def routes(self) -> Iterator[Route]:
        for path, handler in (
            ("/v1/common/timestamp", spot.time),
            ("/v1/common/symbols", listings.symbols),
            ("/v2/reference/currencies", listings.currencies),
            ("/market/tickers", spot.tickers),
        ):
            yield from _routes(SPOT_HOSTS, "GET", path, handler, USUAL, signed=False)
        for path, handler, quota in (
            ("/v1/order/matchresults", spot.match_results, OFTEN),
            ("/v1/order/history", spot.order_history, OFTEN),
            ("/v1/order/orders/{id}/matchresults", spot.order_match_results, USUAL),
            ("/v1/account/accounts", spot.accounts, QUICK),
            ("/v1/account/accounts/{id}/balance", spot.balance, QUICK),
            ("/v1/account/history", account_history.account_history, SELDOM),
            ("/v1/query/deposit-withdraw", account_history.deposits_and_withdrawals, OFTEN),
            ("/v1/margin/accounts/balance", spot.margin_balances, QUICK),
            ("/v1/cross-margin/accounts/balance", spot.cross_margin_balance, QUICK),
            ("/v2/user/uid", keys.uid, USUAL),
            ("/v2/user/api-key", keys.api_key, USUAL),
        ):
            yield from _routes(SPOT_HOSTS, "GET", path, handler, quota)
        for path, handler in (
            ("/api/v1/timestamp", linear.time),
            ("/linear-swap-api/v1/swap_contract_info", listings.linear_contracts),
            ("/swap-api/v1/swap_contract_info", listings.inverse_swaps),
            ("/api/v1/contract_contract_info", listings.inverse_futures),
        ):
            yield from _routes(CONTRACT_HOSTS, "GET", path, handler, MARKET_CALLS, signed=False)
        for path, handler in (
            ("/v5/trade/order/details", linear.details),
            ("/v5/trade/order/history", linear.orders),
            ("/v5/trade/position/opens", linear.positions),
            ("/v5/account/bills", linear.bills),
            ("/v5/account/balance", linear.balance),
        ):
            yield from _routes(CONTRACT_HOSTS, "GET", path, handler, CALLS)
        for path, handler in (
            ("/linear-swap-api/v3/swap_cross_matchresults", linear.legacy_matches),
            ("/linear-swap-api/v3/swap_matchresults", linear.legacy_isolated_matches),
            ("/linear-swap-api/v1/swap_cross_account_info", linear.legacy_balance),
            ("/swap-api/v1/swap_account_info", linear.no_balances),
            ("/api/v1/contract_account_info", linear.no_balances),
        ):
            yield from _routes(CONTRACT_HOSTS, "POST", path, handler, READS)

    def sockets(self) -> Iterator[SocketRoute]:
        """The server pings; the conversations keep count of it."""
        for host in SPOT_HOSTS:
            yield SocketRoute(host=host, path="/ws", open=SpotPrices)
            yield SocketRoute(host=host, path=PATH, open=SpotTalk, private=True, messages=(50, 1.0))
        for host in CONTRACT_HOSTS:
            yield SocketRoute(host=host, path="/linear-swap-ws", open=ContractPrices, messages=(40, 1.0))
            for path in (V5_PATH, LEGACY_PATH):
                yield SocketRoute(host=host, path=path, open=NotificationTalk, private=True, messages=(50, 1.0))

    # Who and what is made.

    def reach_ms(self, account: Account, product: str) -> int:
        if product == SPOT:
            return spot.REACH_MS
        return 89 * DAY_MS if account.details.get("legacy") else linear.KEPT_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        return keys.credentials(dice)

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """A counter of each market: the same ids come again on others."""
        first = 101_500_000_000 if market.product == SPOT else 152_000_000
        return str(first + int(super().trade_id(account, market, dice)))

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        """Contracts: more than a float holds."""
        return str((900_000_000_000_000 if market.product == SPOT else 1_519_705_000_000_000_000) + number)

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
        """Rebates of some markets come in what was given; points pay fees of spot, one for a dollar."""
        if maker and market.key in REBATES:
            in_quote = market.product == LINEAR or side == "buy"
            earned = ((cost if in_quote else amount) * REBATE).quantize(EIGHT_PLACES, ROUND_DOWN)
            return (Fee(earned, market.quote if in_quote else market.base),)
        if market.product == SPOT and account.details.get("points"):
            dollars = cost * self.exchange.price_of(market.quote, "USDT")
            return (Fee((dollars * POINTS_RATE).quantize(EIGHT_PLACES, ROUND_DOWN), spot.POINTS),)
        return super().fees(account, market, side=side, price=price, amount=amount, cost=cost, maker=maker, dice=dice)

    # REST.

    def admit(self, call: Call) -> None:
        exchange, now, address = self.exchange, self.exchange.now_ms(), call.request.address
        windows = exchange.windows
        if exchange.enforcing and windows.banned_until(("ban", address), now) is not None:
            raise Refusal(blocked())
        quota = call.route.details.get("quota")
        if quota is None:
            return
        account = exchange.by_key.get(call.params.get("AccessKeyId", ""))
        asking = account.uid if account else address
        # Spot counts each endpoint, the contract system all of them together.
        pool = "contract" if is_contract(call) else call.route.path
        use = windows.take((asking, pool), 1, limit=quota[0], span_ms=quota[1], now_ms=now)
        call.notes["use"], call.notes["span_ms"] = use, quota[1]
        if not use.broken or not exchange.enforcing:
            return
        exchange.counters["rate_limited"] += 1
        if windows.offend(("offences", address)) >= OFFENCES:
            windows.forgive(("offences", address))
            windows.ban(("ban", address), now + BLOCK_MS)
            exchange.counters["bans"] += 1
        raise Refusal(too_often(call))

    def authenticate(self, call: Call) -> Account:
        return keys.signed_account(call)

    def dress(self, call: Call, response: Response) -> None:
        use: Use | None = call.notes.get("use")
        if use is None:
            return
        left, headers = str(int(use.left)), response.headers
        if not is_contract(call):
            headers["X-HB-RateLimit-Requests-Remain"] = left
            headers["X-HB-RateLimit-Requests-Expire"] = str(use.reset_ms)
            return
        headers["ratelimit-limit"] = str(int(use.limit))
        headers["ratelimit-interval"] = str(call.notes["span_ms"])
        headers["ratelimit-remaining"] = left
        headers["ratelimit-reset"] = str(use.reset_ms)
        if use.broken:
            headers["recovery-time"] = str(use.reset_ms)

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        if name == "rate_limit":
            response, reset = too_often(call), call.now_ms + int(float(options.get("seconds", 1)) * 1000)
            named = "recovery-time" if is_contract(call) else "X-HB-RateLimit-Requests-Expire"
            response.headers |= {named: str(reset)}
            return response
        if name == "ban":
            return blocked()
        if name == "not_found":
            return Response(status=404, body=b"<html>404 Not Found</html>", content_type="text/html")
        if name == "server_errors" and self.exchange.dice.random() < 0.5:
            return Response(status=502, body=b"<html>502 Bad Gateway</html>", content_type="text/html")
        if name == "maintenance":
            code, number, text = "system-maintenance", 1004, "System is in maintenance!"
        else:
            code, number, text = "gateway-internal-error", 1000, "Failed to load data. Try again later."
        return contract_refused(call, number, text) if is_contract(call) else spot_refused(code, text)

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        use = self.exchange.windows.take(
            ("connects", call.request.address), 1, limit=CONNECTS, span_ms=CONNECTS_MS, now_ms=self.exchange.now_ms()
        )
        if use.broken and self.exchange.enforcing:
            raise Refusal(Response(status=429, body=b"too many connections", content_type="text/plain"))

    def publish(self, account: Account, events: list[Event]) -> None:
        for talk, tag in list(self.exchange.listeners.of(account)):
            if isinstance(talk, SpotTalk | NotificationTalk):
                talk.tell(account, tag, events)

    def prices(self) -> None:
        tell_prices(self.exchange)


def _routes(
    hosts: tuple[str, ...], method: str, path: str, handler: Any, quota: tuple[int, int], *, signed: bool = True
) -> Iterator[Route]:
    for host in hosts:
        details = {"quota": quota}
        yield Route(method=method, host=host, path=path, handler=handler, signed=signed, details=details)


DIALECT = Htx
