"""One simulated exchange at run time: its truth, its clock, its sockets, its rules, and who listens."""

import base64
import re
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from simulator.clock import Clock
from simulator.dialect import Call, Conversation, Dialect, Event, OrderFilled, Refusal, Route, SocketRoute
from simulator.http import Request, Response, answer
from simulator.limits import Windows
from simulator.markets import DOLLARS
from simulator.sockets import Socket
from simulator.trading import ANY, Trader, Wish, make_history
from simulator.truth import SPOT, Account, Market
from simulator.weather import Weather

STARTING_DOLLARS = Decimal(250_000)
KEYS_ON_RECORD = 1_000


class Replay(Struct):
    """A raw REST answer that a test wants said. `account` is a uid or None."""

    method: str
    path: str
    response: Response
    times: int
    account: str | None = None


class Listeners:
    """Which conversations hear an account, each with the tag its dialect gave it."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[Conversation, Any]]] = {}

    def add(self, account: Account, conversation: Conversation, tag: Any = None) -> None:
        self._of.setdefault(account.uid, []).append((conversation, tag))
        conversation.accounts.add(account.uid)

    def remove(self, account: Account, conversation: Conversation, tag: Any = None) -> None:
        """Takes one subscription off; without a `tag` all of this conversation."""
        rows = self._of.get(account.uid, [])
        kept = [row for row in rows if row[0] is not conversation or (tag is not None and row[1] != tag)]
        self._of[account.uid] = kept
        if not any(row[0] is conversation for row in kept):
            conversation.accounts.discard(account.uid)

    def drop(self, conversation: Conversation) -> None:
        """Forgets a conversation that is over."""
        for uid in conversation.accounts:
            self._of[uid] = [row for row in self._of.get(uid, []) if row[0] is not conversation]
        conversation.accounts = set()

    def of(self, account: Account) -> list[tuple[Conversation, Any]]:
        return self._of.get(account.uid, [])


class Exchange:
    """What a dialect works on. Everything here is of one exchange alone."""

    def __init__(self, dialect: type[Dialect], clock: Clock, seed: int) -> None:
        self.id = dialect.id
        self.seed = seed
        self.runs = 1
        self.clock = clock
        self.skew_ms = 0
        self.dice = Random(f"{seed}:{self.id}:wire")  # noqa: S311 — repeatable on purpose
        self.counters: Counter[str] = Counter()
        self.windows = Windows()
        self.enforcing = True
        self.rules: dict[str, float] = {}
        """Spans that replace those of every socket route: ping_every_s, pong_within_s, silent_cut_s, longest_life_s."""
        self.accounts: dict[str, Account] = {}
        self.by_key: dict[str, Account] = {}
        self.by_uid: dict[str, Account] = {}
        self.listeners = Listeners()
        self.sockets: set[Socket] = set()
        self.replays: list[Replay] = []
        self.last_order = 4_000_000_000
        self.last_fill = 0
        self.dialect = dialect(self)
        self.weather = Weather(self, Random(f"{seed}:{self.id}:weather"))  # noqa: S311 — repeatable on purpose
        self.markets: dict[tuple[str, str], Market] = {}
        self._open: dict[str, list[Market]] = {}
        for market in self.dialect.markets():
            self.list_market(market)
        self._routes: dict[tuple[str, str, str], Route] = {}
        self._patterns: list[tuple[str, str, re.Pattern[str], Route | SocketRoute]] = []
        self._socket_routes: dict[tuple[str, str], SocketRoute] = {}
        self._learn_routes()
        self.trader = Trader(self, Random(f"{seed}:{self.id}:trading"), live=True)  # noqa: S311 — repeatable on purpose

    # Time.

    def now_ms(self) -> int:
        """This exchange's clock, which the weather may have set wrong."""
        return self.clock.now_ms() + self.skew_ms

    def real_s(self) -> float:
        """Real seconds that only rise: for heartbeats and the length of weather."""
        return time.monotonic()

    def trusts_time(self, timestamp_ms: float, *, behind_ms: float, ahead_ms: float) -> bool:
        """Whether a client's timestamp is within `[now - behind, now + ahead]`.

        Where simulated time runs at its own speed, a client with an honest clock is believed too.
        """
        clocks = [self.now_ms()]
        if self.clock.speed != 1.0:
            clocks.append(self.clock.real_ms() + self.skew_ms)
        return any(now - behind_ms <= timestamp_ms <= now + ahead_ms for now in clocks)

    # Markets.

    def list_market(self, market: Market) -> None:
        """A market opens (or is replaced)."""
        market.price = market.shown = market.start_price
        market.open_24h = market.high_24h = market.low_24h = market.start_price
        market.volume_24h = Decimal(1000)
        market.turnover_24h = Decimal(1000) * market.start_price
        if market.last_id == 0:
            market.last_id = 880_000
        self.markets[market.key] = market
        self._open.clear()

    def market(self, product: str, market_id: str) -> Market | None:
        """The market by the exchange's name, None where it is not listed (any more)."""
        market = self.markets.get((product, market_id))
        return None if market is None or market.status == "delisted" else market

    def open_markets(self, product: str) -> list[Market]:
        """What can be traded now."""
        found = self._open.get(product)
        if found is None:
            found = [one for one in self.markets.values() if one.product == product and one.status == "trading"]
            self._open[product] = found
        return found

    def set_status(self, market: Market, status: str) -> None:
        """trading, halted or delisted."""
        market.status = status
        self._open.clear()

    def names(self) -> dict[str, str]:
        """What clients call the coins that have another name here."""
        called = {market.base: market.symbol.partition("/")[0] for market in self.markets.values()}
        return {coin: name for coin, name in called.items() if coin != name}

    def traded(self, market: Market, price: Decimal, amount: Decimal, cost: Decimal) -> None:
        """A trade moves the market's last price and its day."""
        market.price = market.shown = price
        if price > market.high_24h:
            market.high_24h = price
        elif price < market.low_24h:
            market.low_24h = price
        market.volume_24h += amount
        market.turnover_24h += cost

    def price_of(self, coin: str, quote: str) -> Decimal:
        """What one `coin` costs in `quote`, roughly."""
        return DOLLARS.get(coin, Decimal(1)) / DOLLARS.get(quote, Decimal(1))

    # Accounts.

    def make_account(
        self,
        *,
        name: str | None = None,
        mode: str | None = None,
        products: tuple[str, ...] | None = None,
        permissions: frozenset[str] | None = None,
        history: int = 0,
        expires_ms: int | None = None,
        addresses: list[str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> Account:
        """A new account with first deposits and, if wished, a past. The same seed and place give the same one."""
        place = len(self.accounts) + 1
        dice = Random(f"{self.seed}:{self.id}:account:{place}")  # noqa: S311 — repeatable on purpose
        api_key, secret, passphrase = self.dialect.credentials(dice)
        now = self.now_ms()
        account = Account(
            exchange=self.id,
            name=name or f"{self.id}-{place}",
            uid=self.dialect.uid(dice),
            api_key=api_key,
            secret=secret,
            passphrase=passphrase,
            mode=mode or self.dialect.modes[0],
            permissions=set(self.dialect.default_permissions if permissions is None else permissions),
            products=tuple(products or self.dialect.products),
            addresses=list(addresses or []),
            expires_ms=expires_ms,
            details={"discount": dice.random() < 0.5, **(details or {})},
        )
        account.created_ms = now - 700 * 86_400_000
        self.dialect.prepare(account, dice)
        self.accounts[account.name] = account
        self.by_key[account.api_key] = self.by_uid[account.uid] = account
        self._first_deposits(account)
        if history:
            make_history(self, account, history, dice, now)
        self.counters["accounts_made"] += 1
        return account

    def _first_deposits(self, account: Account) -> None:
        for product in account.products:
            wallet = self.dialect.wallet(account, product)
            coins: dict[str, None] = {}
            for market in self.open_markets(product):
                coins.update(dict.fromkeys((market.base, market.quote) if product == SPOT else (market.settle,)))
            if self.dialect.discount_coin and product in self.dialect.discount_products:
                coins[self.dialect.discount_coin] = None
            for coin in coins:
                amount = (STARTING_DOLLARS / DOLLARS.get(coin, Decimal(1))).quantize(Decimal("0.0001"))
                held = account.holding(wallet, coin)
                if not held.total:
                    held.free += amount
                    account.deposits.append((account.created_ms, wallet, coin, amount))

    def spoil_key(self, account: Account, how: str) -> None:
        """key_revoked, key_expired, or restored."""
        if how == "restored":
            account.revoked = False
            account.expires_ms = None
            return
        if how == "key_revoked":
            account.revoked = True
        else:
            account.expires_ms = self.now_ms() - 1
        self.dialect.notice(how, account)

    def replace_key(self, account: Account) -> None:
        """The account makes itself a new key, and deletes the old one."""
        self.spoil_key(account, "key_revoked")
        del self.by_key[account.api_key]
        account.keys_made += 1
        dice = Random(f"{self.seed}:{self.id}:{account.name}:key:{account.keys_made}")  # noqa: S311 — repeatable on purpose
        account.api_key, account.secret, account.passphrase = self.dialect.credentials(dice)
        self.by_key[account.api_key] = account
        self.spoil_key(account, "restored")

    def uid_of_key(self, call: Call) -> str | None:
        """Whose key a call seems to carry, before anything is checked: for weather over one account."""
        account = self.dialect.claimed_by(call)
        return None if account is None else account.uid

    # What happens.

    def trade(self, account: Account, *, at_ms: int | None = None, **wish: Any) -> list[Event]:
        """Makes one order's worth of trades now, or at a moment of the past, and tells everyone."""
        events = self.trader.trade(account, at_ms or self.now_ms(), Wish(**wish) if wish else ANY)
        self.dialect.publish(account, events)
        self.counters["trades_made"] += sum(isinstance(event, OrderFilled) for event in events)
        return events

    def tick(self) -> None:
        """About once a second."""
        now_s, now_ms = self.real_s(), self.now_ms()
        self.weather.tick(now_s)
        for socket in list(self.sockets):
            socket.tick(now_s, now_ms)
        self._wander()
        self.dialect.prices()

    def _wander(self) -> None:
        """Prices move a little by themselves; kept out of the trading dice, so that trades stay repeatable."""
        for market in self.markets.values():
            if market.status == "trading":
                market.shown = max(market.tick, market.price + market.tick * self.dice.randint(-3, 3))

    # REST.

    def _learn_routes(self) -> None:
        for route in self.dialect.routes():
            if "{" in route.path:
                self._patterns.append((route.method, route.host, _pattern(route.path), route))
            else:
                self._routes[route.host, route.method, route.path] = route
        for way in self.dialect.sockets():
            if "{" in way.path:
                self._patterns.append(("SOCKET", way.host, _pattern(way.path), way))
            else:
                self._socket_routes[way.host, way.path] = way

    def _find(self, request: Request) -> tuple[Route | None, dict[str, str]]:
        for host in (request.host, "*"):
            route = self._routes.get((host, request.method, request.path))
            if route is not None:
                return route, {}
        for method, host, pattern, found in self._patterns:
            if method == request.method and host in {request.host, "*"} and isinstance(found, Route):
                match = pattern.fullmatch(request.path)
                if match:
                    return found, match.groupdict()
        return None, {}

    def find_socket(self, request: Request) -> tuple[SocketRoute | None, dict[str, str]]:
        """The websocket address that a request asks for."""
        for host in (request.host, "*"):
            way = self._socket_routes.get((host, request.path))
            if way is not None:
                return way, {}
        for method, host, pattern, found in self._patterns:
            if method == "SOCKET" and host in {request.host, "*"} and isinstance(found, SocketRoute):
                match = pattern.fullmatch(request.path)
                if match:
                    return found, match.groupdict()
        return None, {}

    def admit_socket(self, call: Call) -> None:
        """Lets a new socket in, or raises `Refusal`."""
        if self.weather.refuses_sockets(call):
            raise Refusal(Response(status=503, body=b"try later", content_type="text/plain"))
        self.dialect.admit_socket(call)

    def rest(self, request: Request) -> Response:
        """One REST call, from the weather to the headers."""
        self.counters["requests"] += 1
        route, names = self._find(request)
        known = route or Route(method=request.method, host="*", path=request.path, handler=_nothing)
        call = Call(
            exchange=self, request=request, route=known, now_ms=self.now_ms(), params=request.arguments(), names=names
        )
        try:
            response = self._answer(call, known, unknown=route is None)
        except Refusal as refusal:
            response = refusal.response
        self.dialect.dress(call, response)
        if not self.weather.calm:
            self.weather.bend(call, response)
        self.counters[f"status_{response.status}"] += 1
        return response

    def _answer(self, call: Call, route: Route, *, unknown: bool) -> Response:
        if not self.weather.calm:
            instead = self.weather.answer(call)
            if instead is not None:
                return instead
        if unknown:
            self.counters["requests_unknown"] += 1
            return self.dialect.trouble("not_found", call, {})
        self.dialect.admit(call)
        if route.signed:
            call.signed_by = self.dialect.authenticate(call)
        replayed = self._replayed(call)
        if replayed is not None:
            return replayed
        self.counters[f"route {route.method} {route.path}"] += 1
        result = route.handler(call)
        return result if isinstance(result, Response) else answer(result)

    def _replayed(self, call: Call) -> Response | None:
        for replay in self.replays:
            fits = replay.method == call.request.method and replay.path == call.request.path
            if fits and (replay.account is None or (call.signed_by and call.signed_by.uid == replay.account)):
                replay.times -= 1
                if replay.times <= 0:
                    self.replays.remove(replay)
                return replace(replay.response, headers=dict(replay.response.headers))
        return None

    def replay_on_sockets(self, account: Account, message: dict[str, Any]) -> int:
        """Says a raw message on every socket that hears `account`; to how many it went."""
        raw: Any = message["text"] if "text" in message else base64.b64decode(message.get("base64", ""))
        if "json" in message:
            raw = message["json"]
        heard = self.listeners.of(account)
        wanted = message.get("tag")
        sent = 0
        for conversation, tag in heard:
            if wanted is not None and wanted not in str(tag):
                continue
            conversation.socket.reply(conversation.enveloped(tag, raw) if message.get("envelope") else raw)
            sent += 1
        return sent

    def closed(self, socket: Socket) -> None:
        """A socket is gone."""
        self.sockets.discard(socket)
        self.listeners.drop(socket.conversation)
        socket.conversation.closed()

    def heard_accounts(self) -> Iterator[Account]:
        """Accounts that somebody listens to now."""
        for uid, account in self.by_uid.items():
            if self.listeners._of.get(uid):  # noqa: SLF001 — the same subject
                yield account


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    pieces = [re.escape(part) if place % 2 == 0 else f"(?P<{part}>[^/]+)" for place, part in enumerate(parts)]
    return re.compile("".join(pieces))


def _nothing(call: Call) -> Response:
    return call.exchange.dialect.trouble("not_found", call, {})
