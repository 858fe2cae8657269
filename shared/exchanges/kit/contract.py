"""What an exchange module fills in: one `Exchange` value, made of data and plain functions without I/O.

A module tells *what to ask and how to read the answer*; the gateway asks, the streamer holds the socket,
the worker stores. Conversations of several requests (key check, balances, discovery, tickets) are
generators that yield a `Request`, are sent the `Answer` and return their result; an error of
`shared.domain.errors` is thrown into them where the request failed, so that a module may catch
`PermissionMissing` and go on.

A stretch of history is read slice by slice and page by page:

    slice_ = exchange.history.slice(feed, gap, memory, account, now_ms)
    cursor = slice_.cursor
    while True:
        request = exchange.history.ask(feed, slice_, cursor, account)
        page = exchange.history.read(feed, slice_, cursor, answer, account, markets)
        ...rows, page.proven and page.memory are stored in one transaction...
        if page.next is None: break
        cursor = page.next

Everything in a cursor and in a memory is plain JSON: it is stored and may be resumed by another process.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec import field as member

from shared.domain.balances import Balance
from shared.domain.connections import Account, Credentials, KeyReport
from shared.domain.errors import TradeSyncError
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product, Trade, Unreadable
from shared.domain.windows import Window

T = TypeVar("T")

# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────


class Endpoint(Struct, frozen=True, kw_only=True):
    """One REST call that may be made at all: the gateway calls no path that no endpoint declares.

    `name` is ccxt's implicit method (`privateGetMyTrades`), `path` what stands in the address after the
    host, `pool` the request pool it draws on and `weight` how much (None: what ccxt's own cost of it comes to).
    `signed` says whether it needs a key. `path` may hold `{name}` where a parameter stands inside the path.
    `also` names further pools that each call draws one unit from, as where an exchange counts all calls of an
    address beside the calls of an account. `section` is for a call that ccxt has no method for: the part of its
    interface by whose rules ccxt signs it (its words apart, `contract private`); `name` is then the path there.
    """

    name: str
    method: Literal["GET", "POST", "PUT"]
    path: str
    pool: str
    weight: float | None = None
    signed: bool = True
    also: tuple[str, ...] = ()
    section: str = ""


class Request(Struct, frozen=True):
    """One call to make: an endpoint, its parameters, and its weight where this call differs."""

    endpoint: Endpoint
    params: Mapping[str, Any] = member(default_factory=dict)
    weight: float | None = None


class OwnKey(Struct, frozen=True):
    """Stands among a request's parameters for the API key that signs it: only the gateway holds that."""


class Answer(Struct, frozen=True):
    """What came back, already known not to be an error. Numbers with a fraction are `Decimal`."""

    data: Any
    headers: Mapping[str, str] = member(default_factory=dict)  # names in lower case
    received_ms: int = 0
    weight: float = 0  # what the call took of its pool
    key_begins: str = ""  # the first 8 characters of the API key that asked: lists of keys show no more of it


Steps = Generator[Request, Answer, T]
Lane = Literal["live", "manual", "balances", "backfill"]  # who goes first when requests run short


class Pool(Struct, frozen=True, kw_only=True):
    """A request allowance: `capacity` weight units per `per_ms`, counted per egress address or per account."""

    name: str
    scope: Literal["address", "account"]
    capacity: float
    per_ms: int


class PoolUse(Struct, frozen=True, kw_only=True):
    """What an answer's headers say about a pool: used or remaining weight, its size, and when it starts anew.

    `capacity` is told where sizes differ from account to account: it takes the place of the pool's own.
    """

    pool: str
    used: float | None = None
    remaining: float | None = None
    capacity: float | None = None
    reset_ms: int | None = None  # milliseconds from now


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


class Feed(Struct, frozen=True):
    """One stretch-readable source of trades: a product, or one market of it, or some other part of it."""

    product: Product
    market_id: str = ""
    part: str = ""

    @property
    def key(self) -> str:
        """The text that names it in `sync_coverage`: `spot:BTCUSDT`, `linear`, `option::BTC`."""
        return f"{self.product}:{self.market_id}:{self.part}".rstrip(":")

    @classmethod
    def of(cls, key: str) -> "Feed":
        """The feed that a key names."""
        product, _, rest = key.partition(":")
        market_id, _, part = rest.partition(":")
        return cls(Product(product), market_id, part)


class Due(Struct, frozen=True):
    """A feed that must be read because something filled; which order, where it is known."""

    feed: Feed
    order_id: str | None = None


class Slice(Struct, frozen=True):
    """What is read in one go: the window that is proven when its last page is in, and where to begin."""

    window: Window
    cursor: Any = None


class Page(Struct, frozen=True, kw_only=True):
    """One answer of a history request, read.

    `next` is the cursor of the next page, None when the exchange's own end sign was there. `proven` is
    the part of the slice that this page and the pages before it prove complete (None: nothing yet).
    `memory` replaces what the feed remembers. `is_saturated`: the page is full and there is no way to
    page on inside this window; the reader of history halves the window, and at the smallest records a hole.
    """

    trades: tuple[Trade, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    next: Any = None
    proven: Window | None = None
    memory: Mapping[str, Any] | None = None
    is_saturated: bool = False


class Found(Struct, frozen=True):
    """Feeds that discovery found worth reading; `sweep` are those that probably never traded."""

    feeds: tuple[Feed, ...] = ()
    sweep: tuple[Feed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class History:
    """How an exchange's past is read.

    `feeds` are those known without asking; `discover` asks which markets were traded where the exchange
    demands one per request (None: no need); `feed_of` is the feed that a trade belongs to.
    `reach` is the earliest readable moment (epoch ms). `smallest_ms` is the smallest window worth halving to.
    `sweep_ms` is the longest that a market which probably never traded may go unasked: well within its reach.
    """

    feeds: Callable[[Account, Markets], tuple[Feed, ...]]
    feed_of: Callable[[Product, str], Feed]
    reach: Callable[[Feed, Account, int], int]
    slice: Callable[[Feed, Window, Mapping[str, Any], Account, int], Slice]
    ask: Callable[[Feed, Slice, Any, Account], Request]
    read: Callable[[Feed, Slice, Any, Answer, Account, Markets], Page]
    discover: Callable[[Account, Markets], Steps[Found]] | None = None
    settle_lag_ms: int = 10_000
    recheck_ms: int = 86_400_000
    smallest_ms: int = 1_000
    sweep_ms: int = 7 * 86_400_000


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────


class Live(Struct, frozen=True):
    """From now on this connection's trades are heard. A catch-up from the proven edge is due."""

    connection_id: UUID


class TradesHeard(Struct, frozen=True):
    """Trades of one connection, and what in the same message could not be read."""

    connection_id: UUID
    trades: tuple[Trade, ...]
    unreadable: tuple[Unreadable, ...] = ()


class HistoryDue(Struct, frozen=True):
    """Something filled, but only REST knows what: read this feed now."""

    connection_id: UUID
    product: Product
    market_id: str = ""
    order_id: str | None = None
    reason: str = ""


class TickerHeard(Struct, frozen=True):
    """A price."""

    ticker: Ticker


class Refused(Struct, frozen=True):
    """The exchange refused this connection's sign-in or subscription, or ended it. Others go on.

    A `UserActionNeeded` suspends the connection, anything else is tried again with a back-off.
    """

    connection_id: UUID
    error: TradeSyncError


class Closing(Struct, frozen=True):
    """This socket will soon be closed by the exchange: open its successor first, then let it go."""

    reason: str


class Broken(Struct, frozen=True):
    """This socket is dead or useless: drop it now and open another."""

    reason: str


Event = Live | TradesHeard | HistoryDue | TickerHeard | Refused | Closing | Broken
Frame = str | bytes
Ticket = Mapping[str, Any]  # what had to be fetched first: a token, a listen key, an address


class StreamProtocol(Protocol):
    """One socket's conversation, without the socket. Told the time, handed frames, answers with events.

        protocol.join(account, credentials, ticket, now)      # one or several, before or after open
        protocol.open(now)                                    # the socket is open
        send every frame of protocol.outbox()                 # after each call below and above
        events = protocol.receive(frame, now)
        events = protocol.tick(now)                           # call it at protocol.deadline

    `now` is the exchange's time in epoch ms (our clock plus the measured offset). A lost stream is a new
    protocol: there is no way back from closed. Who says nothing for `patience_ms` is given up.
    """

    @property
    def deadline(self) -> int: ...
    @property
    def patience_ms(self) -> int: ...
    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None: ...
    def leave(self, connection_id: UUID, now: int) -> None: ...
    def open(self, now: int) -> None: ...
    def outbox(self) -> list[Frame]: ...
    def receive(self, frame: Frame, now: int) -> list[Event]: ...
    def tick(self, now: int) -> list[Event]: ...


class TickerProtocol(Protocol):
    """The same for prices: `follow` says which symbols are wanted from now on, before or after `open`."""

    @property
    def deadline(self) -> int: ...
    def follow(self, symbols: frozenset[str], now: int) -> None: ...
    def open(self, now: int) -> None: ...
    def outbox(self) -> list[Frame]: ...
    def receive(self, frame: Frame, now: int) -> list[Event]: ...
    def tick(self, now: int) -> list[Event]: ...


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One kind of private socket. `serves` says which accounts need it.

    `prepare` fetches the ticket first (before every connect); `renew` keeps it alive, every `renew_ms`.
    `url` is the address for a region and ticket, `headers` what the handshake says besides the usual. A socket older
    than `lifetime_ms` gets a successor first. Where the exchange's server does not answer protocol pings
    (`answers_pings`), none are sent, and the conversation alone tells whether it lives.
    """

    name: str
    serves: Callable[[Account], bool]
    url: Callable[[str, Ticket], str]
    protocol: Callable[[Markets], StreamProtocol]
    prepare: Callable[[Account], Steps[Ticket]] | None = None
    renew: Callable[[Account, Ticket], Steps[None]] | None = None
    renew_ms: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answers_pings: bool = True
    accounts_per_socket: int = 1
    lifetime_ms: int | None = None
    connects: Pool | None = None  # how many sockets may be opened; streams of one pool name share it


@dataclass(frozen=True, kw_only=True)
class TickerStream:
    """One kind of public price socket; `products` are those whose symbols it can follow."""

    name: str
    products: tuple[Product, ...]
    url: Callable[[str, Ticket], str]
    protocol: Callable[[Markets], TickerProtocol]
    prepare: Callable[[], Steps[Ticket]] | None = None  # without a key
    headers: Mapping[str, str] = field(default_factory=dict)
    answers_pings: bool = True
    symbols_per_socket: int = 200
    lifetime_ms: int | None = None
    connects: Pool | None = None


# ── Readings ──────────────────────────────────────────────────────────────────────────────────────────


class Heard(Struct, frozen=True, kw_only=True):
    """What one raw message or response holds. `history_due` names what only REST can tell more of."""

    trades: tuple[Trade, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    history_due: tuple[Due, ...] = ()


class Wallets(Struct, frozen=True, kw_only=True):
    """All balances of an account; `missing` says why a wallet could not be read (it keeps its last state)."""

    balances: tuple[Balance, ...]
    missing: Mapping[str, str] = member(default_factory=dict)


class CredentialField(Struct, frozen=True, kw_only=True):
    """One field of a key: its name in our words, its label for people, whether it must be there.

    `example` is a value of the right form that opens nothing, where not any text will do.
    """

    name: str
    label: str
    is_required: bool = True
    is_secret: bool = True
    example: str = ""


# ── The exchange ──────────────────────────────────────────────────────────────────────────────────────


class Movement(Struct, frozen=True, kw_only=True):
    """A change of a spot wallet that is no trade: deposit, withdrawal, transfer, conversion, dust, reward.

    `amount` is positive when it came in. `id` is the exchange's own, unique among the account's movements.
    """

    account_type: str
    asset: str
    id: str
    amount: Decimal
    timestamp_ms: int
    kind: str


def no_spot_wallets(account: Account) -> frozenset[str]:
    """None of its wallets is moved by spot trades and transfers alone."""
    del account
    return frozenset()


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Everything we know of one exchange. A module of this room holds exactly one, named `EXCHANGE`.

    `repair` cleans pasted credentials and raises `BadInput` for a malformed one. `ccxt_config` is what
    ccxt's constructor is given besides the key (options, hostname). `ccxt_credentials` maps our field names
    to ccxt's. `error_of` turns status, headers (lower case), body and endpoint into our error, or None when
    the answer is a good one; it is asked for every answer, and never trusts ccxt's classes.
    `movements` asks for what moved the spot wallets in a window besides trades. The assets are those whose balance is
    not explained: an exchange that is asked coin by coin is asked for these only.
    `read_stream` and `read_rest` read one decoded message or response: product None means that the
    market list decides. `decode` turns a frame's bytes into that message.
    """

    id: str
    title: str
    aliases: tuple[str, ...] = ()
    docs_url: str
    credential_fields: tuple[CredentialField, ...]
    repair: Callable[[Mapping[str, str]], Mapping[str, str]]
    products: tuple[Product, ...]
    regions: tuple[str, ...] = ("global",)
    modes: tuple[str, ...] = ("",)  # the account modes that it tells apart, in its own words; "": not known yet
    not_in_history: tuple[str, ...] = ()  # what its feeds do not hold, in sentences for the user

    ccxt_id: str
    ccxt_config: Callable[[Account | None], Mapping[str, Any]]
    ccxt_credentials: Mapping[str, str] = field(
        default_factory=lambda: {"api_key": "apiKey", "secret": "secret", "passphrase": "password"}
    )
    endpoints: tuple[Endpoint, ...]
    pools: tuple[Pool, ...]
    pool_use: Callable[[Mapping[str, str], Endpoint], tuple[PoolUse, ...]]
    error_of: Callable[[int, Mapping[str, str], Any, Endpoint, int], TradeSyncError | None]
    clock: Endpoint
    read_clock: Callable[[Any], int]
    serialise_calls: bool = False  # one call of a key at a time, over all processes (a nonce that must rise)

    check_key: Callable[[Account], Steps[KeyReport]]
    balances: Callable[[Account], Steps[Wallets]]
    spot_wallets: Callable[[Account], frozenset[str]] = no_spot_wallets
    movements: Callable[[Account, Window, frozenset[str]], Steps[tuple[Movement, ...]]] | None = None
    history: History
    streams: tuple[Stream, ...]
    ticker_streams: tuple[TickerStream, ...]

    decode: Callable[[Frame], Any]
    read_stream: Callable[[Any, Markets, Product | None], Heard]
    read_rest: Callable[[Any, Markets, Product | None], Heard]
    reader: int = 1
