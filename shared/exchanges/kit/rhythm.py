"""Small clocks that socket protocols keep: when to speak next, and when silence means death. Told the time."""

from collections import deque

from shared.exchanges.kit.contract import Frame

NEVER = 2**62


class Heartbeat:
    """Speak every `every_ms`; an answer is due within `patience_ms`, anything heard counts unless told otherwise.

    if heartbeat.is_dead(now): the socket is dead
    if heartbeat.is_due(now): send a ping; heartbeat.spoke(now)
    heartbeat.heard(now)              # the answer (or whatever proves life)
    heartbeat.deadline                # look again then
    """

    __slots__ = ("_every", "_next", "_patience", "_waits_until")

    def __init__(self, every_ms: int, patience_ms: int) -> None:
        self._every, self._patience = every_ms, patience_ms
        self._next = NEVER
        self._waits_until = NEVER

    def start(self, now: int) -> None:
        """The socket is open: the first ping is due one interval from now."""
        self._next = now + self._every

    def is_due(self, now: int) -> bool:
        """Whether it is time to speak."""
        return now >= self._next

    def spoke(self, now: int, *, expects_answer: bool = True) -> None:
        """A ping went out."""
        self._next = now + self._every
        if expects_answer and self._waits_until == NEVER:
            self._waits_until = now + self._patience

    def heard(self, now: int) -> None:
        """Life was proven."""
        self._waits_until = NEVER
        if self._next != NEVER:
            self._next = max(self._next, now)

    def is_dead(self, now: int) -> bool:
        """Whether an answer is overdue."""
        return now >= self._waits_until

    @property
    def deadline(self) -> int:
        """When to look again."""
        return min(self._next, self._waits_until)


class Outbox:
    """Frames waiting to be sent, at most `count` in any `per_ms`: exchanges cut off those who talk too fast.

    `take(now)` hands out what may go now; `deadline` is when more may go.
    """

    __slots__ = ("_count", "_frames", "_per", "_sent")

    def __init__(self, count: int = 0, per_ms: int = 1_000) -> None:
        self._count, self._per = count, per_ms
        self._frames: deque[Frame] = deque()
        self._sent: deque[int] = deque()

    def put(self, frame: Frame) -> None:
        """Add a frame at the end."""
        self._frames.append(frame)

    def put_first(self, frame: Frame) -> None:
        """Add a frame before all others: a heartbeat must not wait behind subscriptions."""
        self._frames.appendleft(frame)

    def take(self, now: int) -> list[Frame]:
        """What may be sent now."""
        if not self._count:
            frames = list(self._frames)
            self._frames.clear()
            return frames
        while self._sent and self._sent[0] <= now - self._per:
            self._sent.popleft()
        frames = []
        while self._frames and len(self._sent) < self._count:
            frames.append(self._frames.popleft())
            self._sent.append(now)
        return frames

    @property
    def deadline(self) -> int:
        """When the next waiting frame may go; `NEVER` when none waits."""
        if not self._frames:
            return NEVER
        return self._sent[0] + self._per if self._count and len(self._sent) >= self._count else 0
