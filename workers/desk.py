"""What a job has at hand: the tools of one worker process, composed once at its root and handed in."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar
from uuid import UUID

from shared.domain.connections import Account, Credentials
from shared.domain.markets import Markets
from shared.events.kinds import Sent
from shared.exchanges.kit.contract import Answer, Lane, Request, Steps
from shared.queue.requests import Request as QueueRequest
from shared.storage.pool import Pool
from workers.company import Company

if TYPE_CHECKING:
    from workers.leases import Leases

T = TypeVar("T")


class Measured(Protocol):
    """A clock's offset."""

    @property
    def ms(self) -> int:
        """What to add to our time to get the exchange's."""


class Ways(Protocol):
    """What a job asks of the gateway."""

    def call(
        self, account: Account, credentials: Credentials, request: Request, *, lane: Lane, proxy: str | None = None
    ) -> Answer:
        """One call for an account."""

    def run(
        self, account: Account, credentials: Credentials, steps: Steps[T], *, lane: Lane, proxy: str | None = None
    ) -> T:
        """A conversation of several calls."""

    def clock_offset_ms(self, exchange_id: str, region: str = "global") -> int:
        """What to add to our time to get the exchange's."""

    def measure_clock(self, exchange_id: str, region: str = "global") -> "Measured":
        """The same, measured now."""


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often things come, and how long a job may work before it queues its own continuation."""

    catch_up: timedelta = timedelta(minutes=5)
    poll: timedelta = timedelta(seconds=15)
    sweep: timedelta = timedelta(days=7)
    turn: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The tools of one worker process. Everything in it may be used from any thread.

    `open_key` opens a connection's credentials just before use; `markets` gives an exchange's market list
    (`is_fresh`: a new listing was heard of); `send` queues a request; `publish` tells whoever listens;
    `holder` names this process in leases; `company` are the jobs that run here; `stopping` is set when the
    process is asked to end.
    """

    pool: Pool
    gateway: Ways
    open_key: Callable[[UUID], Credentials]
    markets: Callable[[str, str, bool], Markets]
    send: Callable[[QueueRequest], None]
    publish: Callable[..., object]
    holder: str
    leases: "Leases"
    rhythm: Rhythm = field(default_factory=Rhythm)
    company: Company = field(default_factory=Company)
    stopping: threading.Event = field(default_factory=threading.Event)
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    clock: Callable[[], float] = time.monotonic

    def tell(self, *events: Sent) -> None:
        """Publish events; losing one costs time only."""
        self.publish(*events)
