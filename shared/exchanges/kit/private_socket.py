"""Leads the conversation of one account's private socket: greeting, step by step until live, then what happens.

    NEW → (greeting) → step, step, … → LIVE → over; there is no way back.

What is said and what was meant comes from the exchange's `PrivateTalk`.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.errors import TradeSyncError, UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product, Trade, Unreadable
from shared.exchanges.kit.completion import Completion
from shared.exchanges.kit.contract import Due, Event, Frame, HistoryDue, Live, Refused, Ticket, TradesHeard
from shared.exchanges.kit.line import Line
from shared.exchanges.kit.rhythm import NEVER
from shared.exchanges.kit.talk import Answered, Ends, Greeted, Pong, PrivateTalk, Say, Step, Told, Turn


class PrivateSocket:
    """Use it as `StreamProtocol` shows. One account; a second one raises `ValueError`."""

    __slots__ = (
        "_answers",
        "_completion",
        "_is_live",
        "_line",
        "_markets",
        "_refusal",
        "_step",
        "_steps",
        "_talk",
        "_turn",
    )

    def __init__(self, talk: PrivateTalk, markets: Markets) -> None:
        self._talk, self._markets = talk, markets
        self._line = Line(talk.manners)
        self._completion = Completion(talk.looks_ms)
        self._turn: Turn | None = None
        self._steps: list[Step] = []
        self._step: Step | None = None
        self._answers = 0
        self._is_live = False
        self._refusal: TradeSyncError | None = None

    @property
    def deadline(self) -> int:
        """When `tick` wants to be called."""
        if self._line.is_over:
            return NEVER
        if self._refusal is not None or self._has_said_all:
            return 0
        return min(self._line.deadline, self._completion.deadline)

    @property
    def patience_ms(self) -> int:
        """After so long without a sign of life the socket is given up."""
        return self._talk.manners.patience_ms

    def join(self, account: Account, credentials: Credentials, ticket: Ticket, now: int) -> None:
        """The one account of this socket. Raises `ValueError` for a second one."""
        if self._turn is not None:
            raise ValueError("this socket carries one account only")
        self._turn = Turn(account, credentials, ticket, now)
        self._steps = [step for step in self._talk.steps if step.serves is None or step.serves(account)]
        self._line.at(now)
        if self._line.is_open:
            self._go_on(now)

    def leave(self, connection_id: UUID, now: int) -> None:
        """The account is not wanted any more: nothing more is heard."""
        self._line.at(now)
        if self._turn is not None and self._turn.account.connection_id == connection_id:
            self._line.hang_up("its account left")

    def open(self, now: int) -> None:
        """The socket is open."""
        self._line.open(now)
        if self._line.is_open and self._turn is not None:
            self._go_on(now)

    def outbox(self) -> list[Frame]:
        """What is to be sent now."""
        return self._line.outbox()

    def receive(self, frame: Frame, now: int) -> list[Event]:
        """What a frame means."""
        turn = self._turn
        if self._line.is_over or turn is None:
            return []
        turn.now = now
        try:
            message = self._talk.decode(frame)
            meaning = self._talk.meaning(message, turn)
        except UnreadableRow as error:
            self._line.heard(now)
            return [_unreadable(turn, error.sentence, frame)]
        self._line.heard(now, is_pong=isinstance(meaning, Pong))
        if isinstance(meaning, Told):
            return self._told(message, turn)
        if isinstance(meaning, Answered):
            return self._answered(meaning, turn)
        if isinstance(meaning, Greeted) and not self._line.is_open:
            turn.greeting = meaning.data
            self._line.greeted(meaning, now)
            self._go_on(now)
        elif isinstance(meaning, Say):
            self._line.say_first(*meaning.frames)
        elif isinstance(meaning, Ends):
            return [meaning.event]
        return []

    def tick(self, now: int) -> list[Event]:
        """What the time means."""
        turn = self._turn
        if self._line.is_over:
            return []
        if self._refusal is not None and turn is not None:
            return self._refused(self._refusal, turn)
        broken = self._line.tick(now)
        if broken is not None:
            return [broken]
        if turn is None:
            return []
        if self._has_said_all:
            return self._live(turn)
        return [_due(turn, due) for due in self._completion.due(now)]

    @property
    def _has_said_all(self) -> bool:
        """No answer is waited for, nothing is left to say, and nobody was told yet that the account is live."""
        return self._line.is_open and self._turn is not None and self._step is None and not self._is_live

    def _go_on(self, now: int) -> None:
        """Say the next step; those that nobody answers are said in one go."""
        assert self._turn is not None
        self._turn.now = now
        self._step, self._turn.step = None, ""
        while self._steps and self._step is None:
            step = self._steps.pop(0)
            try:
                self._line.say(*step.frames(self._turn))
            except TradeSyncError as error:
                self._refusal = error
                return
            if step.answers:
                self._step, self._turn.step, self._answers = step, step.name, step.answers
                self._line.expect(now)

    def _answered(self, answer: Answered, turn: Turn) -> list[Event]:
        is_awaited = self._step is not None and answer.to in {"", self._step.name}
        if answer.error is not None:
            # A sign-in that is taken back later names what it takes back; a failure without a name is the answer due.
            return self._refused(answer.error, turn) if is_awaited or answer.to else []
        if not is_awaited:
            return []
        self._answers -= 1
        if self._answers > 0:
            return []
        self._line.answered()
        self._go_on(turn.now)
        return self._live(turn) if self._has_said_all and self._refusal is None else []

    def _live(self, turn: Turn) -> list[Event]:
        self._is_live = True
        return [Live(turn.account.connection_id)]

    def _refused(self, error: TradeSyncError, turn: Turn) -> list[Event]:
        self._line.hang_up(error.sentence)
        self._refusal = None
        return [Refused(turn.account.connection_id, error)]

    def _told(self, message: Any, turn: Turn) -> list[Event]:
        try:
            heard = self._talk.read(message, self._markets, turn)
        except UnreadableRow as error:
            return [_unreadable(turn, error.sentence, message)]
        trades = tuple(_wanted(heard.trades, turn.account))
        for trade in trades:
            if trade.provisional:
                self._completion.want(self._talk.feed_of(trade.product, trade.market_id), turn.now)
        for due in heard.history_due:
            if _is_wanted(due.feed.product, turn.account):
                self._completion.want(due.feed, turn.now, due.order_id)
        if not trades and not heard.unreadable:
            return []
        return [TradesHeard(turn.account.connection_id, trades, heard.unreadable)]


def _wanted(trades: Iterable[Trade], account: Account) -> Iterable[Trade]:
    """One socket may carry all products; those that the user did not ask for are not ours to keep."""
    return (trade for trade in trades if _is_wanted(trade.product, account))


def _is_wanted(product: Product, account: Account) -> bool:
    return product in account.products or (product is Product.MARGIN and Product.SPOT in account.products)


def _due(turn: Turn, due: Due) -> HistoryDue:
    feed = due.feed
    return HistoryDue(turn.account.connection_id, feed.product, feed.market_id, due.order_id, "a fill is incomplete")


def _unreadable(turn: Turn, reason: str, raw: Any) -> TradesHeard:
    """What it held is lost to the stream: it is kept as it came, and whoever hears this reads history."""
    kept = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    return TradesHeard(turn.account.connection_id, (), (Unreadable(reason=reason, raw=kept),))
