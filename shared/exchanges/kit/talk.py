"""The words in which an exchange's module describes its sockets: what is said, and what a message can mean.

`PrivateSocket` and `PriceSocket` lead the conversation; a module only tells what to say and what was meant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct, field

from shared.domain.connections import Account, Credentials
from shared.domain.errors import TradeSyncError
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Broken, Closing, Feed, Frame, Heard, Ticket
from shared.exchanges.kit.wire import decode_json


class Turn(Struct):
    """Whose turn it is to speak, and when: what the frames of a step are made of.

    `greeting` is what the exchange said first, where it speaks first. `step` is the name of the step that waits for
    its answer, empty when none does. `memory` is the module's own, as long as the
    socket lives: sequence numbers, sums.
    """

    account: Account
    credentials: Credentials
    ticket: Ticket
    now: int
    greeting: Any = None
    step: str = ""
    memory: dict[str, Any] = field(default_factory=dict)


class Step(Struct, frozen=True):
    """Something to ask before an account is live: its frames, and how many answers confirm it (0: none comes).

    `serves` says which accounts need it (None: all).
    """

    name: str
    frames: Callable[[Turn], Sequence[Frame]]
    answers: int = 1
    serves: Callable[[Account], bool] | None = None


# ── What a message can mean ───────────────────────────────────────────────────────────────────────────


class Greeted(Struct, frozen=True):
    """The exchange spoke first, as it does; `data` may hold a challenge, `ping_ms` and `pong_ms` its wishes."""

    data: Any = None
    ping_ms: int | None = None
    pong_ms: int | None = None


class Answered(Struct, frozen=True):
    """An answer to a step (or a subscription): good, or refused with an error.

    `to` names the step or the topic that it answers; empty: the one that waits for an answer.
    """

    to: str = ""
    error: TradeSyncError | None = None


class Pong(Struct, frozen=True):
    """The answer to our ping."""


class Say(Struct, frozen=True):
    """The exchange wants this said at once: the answer to its own ping."""

    frames: tuple[Frame, ...]


class Ends(Struct, frozen=True):
    """The socket is useless, or soon will be."""

    event: Broken | Closing


class Told(Struct, frozen=True):
    """There is something in it to read."""


Asked = Literal["subscribe", "unsubscribe"]
Meaning = Greeted | Answered | Pong | Say | Ends | Told | None  # None: nothing that matters


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a socket is kept alive.

    `ping` is said every `ping_ms` and answered within `pong_ms`; anything heard counts as life unless
    `only_pongs`. Where the exchange keeps talking, `silence_ms` without a word is death. `messages` bounds what
    we say: so many frames in so many ms.
    """

    ping: Callable[[int], Frame] | None = None
    ping_ms: int = 20_000
    pong_ms: int = 10_000
    only_pongs: bool = False
    silence_ms: int | None = None
    waits_for_greeting: bool = False
    answer_ms: int = 10_000
    messages: tuple[int, int] = (0, 1_000)

    @property
    def patience_ms(self) -> int:
        """After so long without a sign of life the socket is given up, at the latest."""
        spans = [] if self.ping is None else [self.ping_ms + self.pong_ms]
        return min(spans if self.silence_ms is None else [*spans, self.silence_ms])


@dataclass(frozen=True, kw_only=True)
class PrivateTalk:
    """One kind of private socket, of one account each.

    `steps` are asked one after the other; the account is live after the last. `meaning` sorts a decoded message,
    `read` reads what was `Told`. Trades of products that the user did not ask for are dropped. `feed_of` and
    `looks_ms` say which feed is due after a fill without its fee or without its trade, and how long after it.
    """

    manners: Manners
    steps: tuple[Step, ...]
    meaning: Callable[[Any, Turn], Meaning]
    read: Callable[[Any, Markets, Turn], Heard]
    feed_of: Callable[[Product, str], Feed]
    looks_ms: tuple[int, ...] = (1_000, 4_000, 12_000)
    decode: Callable[[Frame], Any] = decode_json


@dataclass(frozen=True, kw_only=True)
class PriceTalk:
    """One kind of public price socket.

    `topic` is what a market is called when it is asked for. `ask` makes the frames that subscribe to some topics, or
    end that, at most `per_request`, under a number that rises. With `answers` one request waits for the answer to
    the one before: to the whole request, or (`Answered.to`) topic by topic. `is_dated`: the exchange wants to know when
    it is asked, and the number is the second (epoch) of that. `read` gives the prices in what was
    `Told`; `memory` is the module's own, by topic, where a message tells only what changed.
    """

    manners: Manners
    products: tuple[Product, ...]
    topic: Callable[[Market], str]
    ask: Callable[[Asked, Sequence[str], int], Sequence[Frame]]
    meaning: Callable[[Any], Meaning]
    read: Callable[[Any, Markets, dict[str, dict[str, Any]]], Sequence[Ticker]]
    per_request: int = 50
    answers: bool = True
    is_dated: bool = False
    decode: Callable[[Frame], Any] = decode_json
