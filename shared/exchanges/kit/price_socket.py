"""Leads the conversation of one public price socket: what is followed moves towards what is wanted.

An exchange that refuses a request for several topics may mean one of them only: the request is halved until the one
at fault stands alone, and that one is not asked for again on this socket.
"""

from collections import deque

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Event, Frame, TickerHeard
from shared.exchanges.kit.line import Line
from shared.exchanges.kit.talk import Answered, Ends, Greeted, Pong, PriceTalk, Say, Told


class PriceSocket:
    """Use it as `TickerProtocol` shows."""

    __slots__ = (
        "_asked",
        "_asked_off",
        "_followed",
        "_halves",
        "_line",
        "_markets",
        "_memory",
        "_number",
        "_refused",
        "_symbols",
        "_talk",
        "_wanted",
    )

    def __init__(self, talk: PriceTalk, markets: Markets) -> None:
        self._talk, self._markets = talk, markets
        self._line = Line(talk.manners)
        self._symbols: frozenset[str] = frozenset()
        self._wanted: frozenset[str] = frozenset()  # their topics
        self._followed: set[str] = set()
        self._refused: set[str] = set()
        self._asked: list[str] = []  # topics of the request that waits for its answer
        self._asked_off = False  # whether that was an unsubscription
        self._halves: deque[list[str]] = deque()
        self._memory: dict[str, dict[str, object]] = {}
        self._number = 0

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        return self._line.deadline

    def follow(self, symbols: frozenset[str], now: int) -> None:
        """From now on these. Symbols of other products, and unknown ones, are not followed here."""
        self._line.at(now)
        found = (self._markets.find_symbol(symbol) for symbol in symbols)
        markets = [market for market in found if market and market.product in self._talk.products]
        self._symbols = frozenset(market.symbol for market in markets)
        self._wanted = frozenset(self._talk.topic(market) for market in markets)
        self._go_on(now)

    def open(self, now: int) -> None:
        """The socket is open."""
        self._line.open(now)
        self._go_on(now)

    def outbox(self) -> list[Frame]:
        """What is to be sent now."""
        return self._line.outbox()

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """What a frame means. A price that cannot be read is left out: the next one comes soon."""
        if self._line.is_over:
            return []
        try:
            message = self._talk.decode(frame)
            meaning = self._talk.meaning(message)
            self._line.heard(now, is_pong=isinstance(meaning, Pong))
            if isinstance(meaning, Told):
                tickers = self._talk.read(message, self._markets, self._memory)
                return [TickerHeard(ticker) for ticker in tickers if ticker.symbol in self._symbols]
        except UnreadableRow:
            self._line.heard(now)
            return []
        if isinstance(meaning, Answered):
            self._answered(meaning, now)
        elif isinstance(meaning, Greeted) and not self._line.is_open:
            self._line.greeted(meaning, now)
            self._go_on(now)
        elif isinstance(meaning, Say):
            self._line.say_first(*meaning.frames)
        elif isinstance(meaning, Ends):
            return [meaning.event]
        return []

    def tick(self, now: int) -> list[Event]:
        """What the time means."""
        broken = self._line.tick(now)
        return [] if broken is None else [broken]

    def _go_on(self, now: int) -> None:
        """Ask for the next step from what is followed to what is wanted, unless an answer is still due."""
        while self._line.is_open and not self._asked:
            if surplus := sorted(self._followed - self._wanted):
                self._ask(surplus[: self._talk.per_request], now, off=True)
            elif self._halves:
                half = [topic for topic in self._halves.popleft() if topic in self._wanted]
                if half:
                    self._ask(half, now)
            elif missing := sorted(self._wanted - self._followed - self._refused):
                self._ask(missing[: self._talk.per_request], now)
            else:
                return

    def _ask(self, topics: list[str], now: int, *, off: bool = False) -> None:
        self._number += 1
        number = now // 1_000 if self._talk.is_dated else self._number
        self._line.say(*self._talk.ask("unsubscribe" if off else "subscribe", topics, number))
        self._asked, self._asked_off = topics, off
        if self._talk.answers:
            self._line.expect(now)
        else:
            self._settle(topics)

    def _answered(self, answer: Answered, now: int) -> None:
        if not self._asked or (answer.to and answer.to not in self._asked):
            return
        topics = [answer.to] if answer.to else list(self._asked)
        if answer.error is None or self._asked_off:
            self._settle(topics)
        elif len(topics) == 1:
            self._refused.update(topics)
            self._asked = [topic for topic in self._asked if topic not in topics]
        else:
            middle = len(topics) // 2
            self._halves += [topics[:middle], topics[middle:]]
            self._asked = []
        if not self._asked:
            self._line.answered()
            self._go_on(now)

    def _settle(self, topics: list[str]) -> None:
        """These are followed from now on, or no more."""
        self._asked = [topic for topic in self._asked if topic not in topics]
        if self._asked_off:
            self._followed.difference_update(topics)
            for topic in topics:
                self._memory.pop(topic, None)
        else:
            self._followed.update(topics)
