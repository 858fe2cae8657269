"""The contract of a simulated exchange: what a dialect declares, and what the framework does for it.

A dialect is one module (or package) of this directory that defines a class `DIALECT`, derived from
`Dialect`; it is found by being there. It is written from the exchange's public documents and renders the
truth (`truth.py`) into that exchange's wire forms. It never imports `shared`.

**Addresses.** Clients reach `https://HOST/PATH` at `/{dialect.id}/HOST/PATH` and `wss://HOST/PATH` likewise.
`Request.host`, `.path` and `.query` are already the real ones, so signatures are made over them. An address
that an answer must hold (a token's endpoint) starts with `call.request.base`, e.g.
`call.request.base.replace("http", "ws", 1) + "/ws-api.example.com/endpoint"`.

**A REST call** goes through, in this order: the weather (it may answer instead), `admit` (request limits),
for a signed route `authenticate`, a replayed answer if a test ordered one, the route's handler, `dress`
(headers). Each of them may raise `Refusal(response)`. A handler is `def handler(call: Call) -> Response | Any`;
anything that is not a `Response` becomes JSON (Decimals become strings), so most handlers just return data.
A path may hold `{name}`, which lands in `call.names`. `host="*"` answers on every host.

**A socket** that reaches a `SocketRoute` becomes a `Conversation`, made by the route's `open`. The framework
keeps the heartbeats, the longest life, the limit of messages a client may send; the conversation says what the
exchange says. What it hears: `opened`, `received(str | bytes)`, `tick` (about every second), `closed`.
It speaks with `self.socket.event(payload)` for what the weather may lose, double or disorder (trades, prices;
`self.socket.events([framed(…), …])` tells several in one write) and `self.socket.reply(payload)` for
acknowledgements and pongs. A payload is text (`str`), a binary frame (`bytes`: gzip, protobuf) or anything else,
which becomes JSON text.

**Private events.** When something happens to an account, `publish(account, events)` is called once with all of
it (`OrderOpened`, `OrderFilled`, `OrderEnded`, `BalanceMoved`, `Noise`), in order. A conversation that signed in
calls `exchange.listeners.add(account, self, tag)`; `publish` goes through `exchange.listeners.of(account)`,
which yields `(conversation, tag)`. Closed sockets are taken off by the framework.

**Prices.** `prices()` is called once a second; it renders the markets its conversations subscribed to.

**Time** is `exchange.now_ms()`, never the wall clock. **Chance** is `exchange.dice` (seeded).
"""

from collections.abc import Callable, Iterable
from decimal import ROUND_DOWN, Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Union

from msgspec import Struct, field

from simulator.http import Request, Response
from simulator.truth import INVERSE, LINEAR, SPOT, Account, Fee, Fill, Market, Order

if TYPE_CHECKING:
    from simulator.exchange import Exchange
    from simulator.sockets import Socket

EIGHT_PLACES = Decimal("0.00000001")
DAY_MS = 86_400_000


class Refusal(Exception):
    """Ends a call with this answer. A dialect's own errors may derive from it."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Call(Struct, kw_only=True, eq=False):
    """One REST call on its way through a dialect. `params` holds query and body together, as text."""

    exchange: "Exchange"
    request: Request
    route: Union["Route", "SocketRoute"]
    now_ms: int
    params: dict[str, str]
    names: dict[str, str] = field(default_factory=dict)
    signed_by: Account | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    """What `admit` wants `dress` to know (weights used)."""

    @property
    def account(self) -> Account:
        """Whose key signed the call; only for handlers of signed routes."""
        assert self.signed_by is not None
        return self.signed_by


class Route(Struct, kw_only=True, frozen=True):
    """One REST path. `pool` and `weight` are for the dialect's own `admit`; `details` for whatever else it wants."""

    method: str
    host: str
    path: str
    handler: Callable[[Call], Any]
    signed: bool = False
    weight: float = 1.0
    pool: str = ""
    details: dict[str, Any] = field(default_factory=dict)


class SocketRoute(Struct, kw_only=True, frozen=True):
    """One websocket address, and the rules the framework keeps on it. Spans are seconds; None: no such rule.

    `ping_every_s`, `pong_within_s`: the server sends protocol pings and drops who does not answer.
    `silent_cut_s`: the client must say something (any text; with `frames_count` also protocol pings) that often.
    `longest_life_s`: the socket is closed then (this span follows the simulated clock's speed).
    `messages`: at most so many inbound frames in so many seconds, pings and pongs included, else it is cut.
    `answers_pings`: whether a client's protocol pings get their pongs.
    """

    host: str
    path: str
    open: Callable[["Socket", Call], "Conversation"]
    private: bool = False
    ping_every_s: float | None = None
    pong_within_s: float | None = None
    silent_cut_s: float | None = None
    frames_count: bool = False
    answers_pings: bool = True
    longest_life_s: float | None = None
    messages: tuple[int, float] | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Conversation:
    """One socket's talk; a dialect derives its own and overrides what it needs."""

    def __init__(self, socket: "Socket", call: Call) -> None:
        self.socket = socket
        self.exchange = call.exchange
        self.call = call
        self.accounts: set[str] = set()
        """uids of the accounts that are heard here, kept by `Listeners`."""

    def opened(self) -> None:
        """The handshake is done: greet, if the exchange does."""

    def received(self, message: str | bytes) -> None:
        """A whole message of the client."""

    def tick(self, now_ms: int) -> None:
        """About once a second."""

    def closed(self) -> None:
        """The socket is gone; the framework has already taken it off the listeners."""

    def too_many_messages(self) -> None:
        """The client broke `SocketRoute.messages`; close as the exchange does."""
        self.socket.close(1008, "Too many requests")

    def fell_silent(self) -> None:
        """The client broke `silent_cut_s`; close as the exchange does."""
        self.socket.close(1000, "")

    def end_of_life(self) -> None:
        """`longest_life_s` is over."""
        self.socket.close(1001, "")

    def notice(self, name: str, account: Account | None) -> None:
        """Weather that a client may be told of before it happens; see `Dialect.notice`."""

    def enveloped(self, tag: Any, message: Any) -> Any:
        """A replayed raw event in this socket's envelope (`POST /replay` with `"envelope": true`)."""
        return message


# ── What happens to an account ────────────────────────────────────────────────────────────────────────


class OrderOpened(Struct, frozen=True, gc=False):
    """An order was accepted."""

    order: Order
    timestamp_ms: int


class OrderFilled(Struct, frozen=True, gc=False):
    """An order was executed, in part or to its end (`fill.filled == fill.order.size`)."""

    fill: Fill


class OrderEnded(Struct, frozen=True, gc=False):
    """An order left the book: `order.status` is filled, canceled or expired."""

    order: Order
    timestamp_ms: int


class BalanceMoved(Struct, frozen=True, gc=False):
    """A wallet changed: asset → (free, locked, change). `cause`: trade, order or deposit."""

    wallet: str
    assets: dict[str, tuple[Decimal, Decimal, Decimal]]
    timestamp_ms: int
    cause: str


class Noise(Struct, frozen=True, gc=False):
    """Time for something that is no trade: `name` is one of the dialect's own `noises`."""

    name: str
    market: Market
    timestamp_ms: int


Event = OrderOpened | OrderFilled | OrderEnded | BalanceMoved | Noise


# ── A dialect ─────────────────────────────────────────────────────────────────────────────────────────


class Dialect:
    """One exchange as its clients see it. Class attributes are facts, methods what may differ."""

    id: ClassVar[str]
    credential_fields: ClassVar[tuple[str, ...]] = ("api_key", "secret")
    modes: ClassVar[tuple[str, ...]] = ("",)
    """Account modes it speaks; the first is what an account gets when nothing is said."""
    products: ClassVar[tuple[str, ...]] = (SPOT, LINEAR)
    default_permissions: ClassVar[frozenset[str]] = frozenset({"read"})
    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds of derivative fills beside "trade" that happen here: liquidation, adl, settlement …"""
    noises: ClassVar[tuple[str, ...]] = ()
    self_trades: ClassVar[bool] = False
    """Whether a trade with oneself shows as one trade id on two orders."""
    rates: ClassVar[dict[str, tuple[Decimal, Decimal]]] = {
        SPOT: (Decimal("0.001"), Decimal("0.001")),
        LINEAR: (Decimal("0.0002"), Decimal("0.0005")),
    }
    """Maker and taker fee rate by product; a negative maker rate is a rebate."""
    discount_coin: ClassVar[str | None] = None
    """A third coin that fees may be paid in."""
    discount_products: ClassVar[tuple[str, ...]] = (SPOT, LINEAR, INVERSE)
    """Whose wallets hold some of that coin from the start."""
    spot_fee_in: ClassVar[str] = "received"
    """received (base on a buy, quote on a sell) or quote."""

    def __init__(self, exchange: "Exchange") -> None:
        self.exchange = exchange

    # What there is.

    def markets(self) -> Iterable[Market]:
        """All markets at the start; see `markets.py` for ready-made tables."""
        raise NotImplementedError

    def routes(self) -> Iterable[Route]:
        raise NotImplementedError

    def sockets(self) -> Iterable[SocketRoute]:
        raise NotImplementedError

    # Who and what is made.

    def wallet(self, account: Account, product: str) -> str:
        """Which wallet trades of a product move."""
        return product

    def reach_ms(self, account: Account, product: str) -> int:
        """How far back history is made when an account is made with some."""
        return 89 * DAY_MS

    def credentials(self, dice: Random) -> tuple[str, str, str]:
        """API key, secret and passphrase of a new account."""
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        return "".join(dice.choices(letters, k=64)), "".join(dice.choices(letters, k=64)), ""

    def prepare(self, account: Account, dice: Random) -> None:
        """Whatever else a new account needs: other wallets' deposits, another kind of key."""

    def uid(self, dice: Random) -> str:
        return str(dice.randint(10_000_000, 999_999_999))

    def trade_id(self, account: Account, market: Market, dice: Random) -> str:
        """The next trade's id: here a counter of each market, so that ids repeat across symbols."""
        market.last_id += dice.randint(1, 9)
        return str(market.last_id)

    def own_trade_ids(self, trade_id: str) -> tuple[str, str]:
        """What a trade with oneself is called on the maker's side and on the taker's: the same, on most exchanges."""
        return trade_id, trade_id

    def order_id(self, account: Account, market: Market, number: int, dice: Random) -> str:
        return str(number)

    def is_on_margin(self, account: Account, order_id: str) -> bool:
        """Whether an order on a spot market is made with borrowed coins, where that is told apart by order."""
        return False

    def client_id(self, account: Account, market: Market, kind: str, number: int, dice: Random) -> str:
        """The client's own order id; derivatives' forced orders often carry a telling one."""
        return f"sim-{number}"

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
        """What a fill costs. `amount` is base coin, `cost` quote coin (inverse: base coin)."""
        rate = self.rates[market.product][0 if maker else 1]
        if market.product != SPOT:
            return (Fee((cost * rate).quantize(EIGHT_PLACES, ROUND_DOWN), market.settle),)
        if self.discount_coin and rate > 0 and account.details.get("discount", False):
            coin_price = self.exchange.price_of(self.discount_coin, market.quote)
            if coin_price:
                paid = cost * rate * Decimal("0.75") / coin_price
                return (Fee(paid.quantize(EIGHT_PLACES, ROUND_DOWN), self.discount_coin),)
        in_base = side == "buy" and self.spot_fee_in == "received"
        if rate < 0 and self.spot_fee_in == "received":
            in_base = not in_base
        paid = (amount if in_base else cost) * rate
        return (Fee(paid.quantize(EIGHT_PLACES, ROUND_DOWN), market.base if in_base else market.quote),)

    # REST.

    def admit(self, call: Call) -> None:
        """Counts the call against the exchange's limits; raises `Refusal` where one is broken.

        `exchange.windows` counts; `exchange.enforcing` is False after `POST /limits {"off": true}`: then count
        for the headers, but never refuse.
        """

    def authenticate(self, call: Call) -> Account:
        """Checks key, time, signature, address, permission; raises `Refusal` with the exchange's own error."""
        raise NotImplementedError

    def claimed_by(self, call: Call) -> Account | None:
        """Whose key a call seems to carry, unchecked; for keys that do not stand in a header or parameter alone."""
        for text in (*call.request.headers.values(), *call.params.values()):
            account = self.exchange.by_key.get(text)
            if account is not None:
                return account
        return None

    def dress(self, call: Call, response: Response) -> None:
        """Adds the exchange's headers, also to refusals."""

    def trouble(self, name: str, call: Call, options: dict[str, Any]) -> Response:
        """The exchange's own words for: not_found, rate_limit, ban, server_errors, maintenance, not_supported.

        `options["seconds"]` is how long a rate limit or ban lasts.
        """
        status = {"not_found": 404, "rate_limit": 429, "ban": 418, "maintenance": 503}.get(name, 500)
        return Response(status=status, body=b'{"error":"%s"}' % name.encode())

    # Sockets.

    def admit_socket(self, call: Call) -> None:
        """Counts a connection attempt; raises `Refusal`."""

    def publish(self, account: Account, events: list[Event]) -> None:
        """Tells everyone who listens to the account what happened."""
        raise NotImplementedError

    def prices(self) -> None:
        """Once a second: tells subscribers of tickers the news."""

    def notice(self, name: str, account: Account | None) -> None:
        """Weather that clients may be told of, before the framework acts.

        `maintenance` (sockets close next), `key_revoked`, `key_expired` (`account`), `token_dies` (`account` or
        None for all: forget listen keys and tokens, tell whom the exchange would tell, close what it would close).
        The default hands it to every conversation.
        """
        for socket in list(self.exchange.sockets):
            if account is None or account.uid in socket.conversation.accounts:
                socket.conversation.notice(name, account)
