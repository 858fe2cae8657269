"""One socket's manners, whoever speaks on it: pings, silence, overdue answers, and not too much at once."""

from shared.exchanges.kit.contract import Broken, Frame
from shared.exchanges.kit.rhythm import NEVER, Heartbeat, Outbox
from shared.exchanges.kit.talk import Greeted, Manners


class Line:
    """From open to over, once each.

    line.open(now); line.say(frame); line.expect(now); line.answered(); line.hang_up(reason)
    """

    __slots__ = ("_answer_due", "_heartbeat", "_manners", "_now", "_out", "_silent_at", "is_open", "is_over")

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._heartbeat = Heartbeat(manners.ping_ms, manners.pong_ms)
        self._out = Outbox(*manners.messages)
        self._answer_due = NEVER
        self._silent_at = NEVER
        self._now = 0
        self.is_open = False  # and greeted, where the exchange speaks first
        self.is_over = False

    @property
    def deadline(self) -> int:
        """When to look again."""
        if self.is_over:
            return NEVER
        # What may go at once is taken after every call; only what must wait for its turn needs another.
        waiting = self._out.deadline if self._out.deadline > self._now else NEVER
        return min(self._heartbeat.deadline, self._answer_due, self._silent_at, waiting)

    def at(self, now: int) -> None:
        """It is this late."""
        self._now = now

    def open(self, now: int) -> None:
        """The socket is open. Where the exchange speaks first, its greeting is due."""
        self._now = now
        if self._manners.silence_ms is not None:
            self._silent_at = now + self._manners.silence_ms
        if self._manners.waits_for_greeting:
            self._answer_due = now + self._manners.answer_ms
        else:
            self._begin(now)

    def greeted(self, greeting: Greeted, now: int) -> None:
        """The exchange spoke: from now on it may be spoken to, as often as it wishes."""
        self._answer_due = NEVER
        ping_ms, pong_ms = greeting.ping_ms, greeting.pong_ms
        if ping_ms is not None or pong_ms is not None:
            self._heartbeat = Heartbeat(ping_ms or self._manners.ping_ms, pong_ms or self._manners.pong_ms)
        self._begin(now)

    def _begin(self, now: int) -> None:
        self.is_open = True
        if self._manners.ping is not None:
            self._heartbeat.start(now)

    def say(self, *frames: Frame) -> None:
        """Send these in their turn."""
        for frame in frames:
            self._out.put(frame)

    def say_first(self, *frames: Frame) -> None:
        """Send these before whatever waits: a heartbeat must not wait behind subscriptions."""
        for frame in reversed(frames):
            self._out.put_first(frame)

    def expect(self, now: int) -> None:
        """An answer is due."""
        self._answer_due = now + self._manners.answer_ms

    def answered(self) -> None:
        """It came."""
        self._answer_due = NEVER

    def heard(self, now: int, *, is_pong: bool = False) -> None:
        """Something was said: a pong, or anything else."""
        self._now = now
        if is_pong or not self._manners.only_pongs:
            self._heartbeat.heard(now)
        if self._manners.silence_ms is not None:
            self._silent_at = now + self._manners.silence_ms

    def tick(self, now: int) -> Broken | None:
        """Ping when it is time; `Broken` when an answer or any word is overdue."""
        self._now = now
        if self.is_over:
            return None
        if now >= self._answer_due:
            return self.hang_up("no answer to a question" if self.is_open else "no greeting came")
        if self._heartbeat.is_dead(now):
            return self.hang_up("no answer to a ping")
        if now >= self._silent_at:
            return self.hang_up("nothing was said for too long")
        if self._manners.ping is not None and self._heartbeat.is_due(now):
            self._out.put_first(self._manners.ping(now))
            self._heartbeat.spoke(now)
        return None

    def hang_up(self, reason: str) -> Broken:
        """It is over."""
        self.is_over = True
        return Broken(reason)

    def outbox(self) -> list[Frame]:
        """What may be sent now."""
        return self._out.take(self._now) if self.is_open and not self.is_over else []
