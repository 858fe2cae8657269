"""The events: small, typed, and hints only. Whoever must be sure reads Postgres, on a hint and now and then.

channel             who listens
trades:<user>       that user's live page
user:<user>         the same: balances, streams, progress of that user's connections
tickers             every live page
connections         streamers: something about a connection, or about who streams it, changed
"""

from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from shared.domain.tickers import Ticker

TICKERS = "tickers"
CONNECTIONS = "connections"


def trades_of(user_id: UUID) -> str:
    """The channel of one user's trades."""
    return f"trades:{user_id}"


def about(user_id: UUID) -> str:
    """The channel of what else happens to one user's connections."""
    return f"user:{user_id}"


class TradesRecorded(Struct, frozen=True, kw_only=True, tag="trades"):
    """Trades of one user are committed. `lines` is a JSON list as `shared.storage.trades` writes it, newest last."""

    user_id: UUID
    lines: msgspec.Raw = msgspec.Raw(b"[]")

    @property
    def channel(self) -> str:
        return trades_of(self.user_id)


class TickersChanged(Struct, frozen=True, kw_only=True, tag="tickers"):
    """The latest prices at one exchange, of those symbols that moved."""

    exchange: str
    tickers: tuple[Ticker, ...]
    at_ms: int

    @property
    def channel(self) -> str:
        return TICKERS


class ConnectionChanged(Struct, frozen=True, kw_only=True, tag="connection"):
    """A connection was added, removed, suspended, resumed or otherwise changed: streamers look at once."""

    connection_id: UUID
    change: Literal["added", "removed", "changed", "suspended", "resumed"] = "changed"

    @property
    def channel(self) -> str:
        return CONNECTIONS


class LeasesFreed(Struct, frozen=True, kw_only=True, tag="leases"):
    """A streamer gave connections back: the others take them at once."""

    holder: UUID

    @property
    def channel(self) -> str:
        return CONNECTIONS


class StreamChanged(Struct, frozen=True, kw_only=True, tag="stream"):
    """A connection's stream is in another state now: off, connecting, live, lost, refused."""

    user_id: UUID
    connection_id: UUID
    state: str
    at_ms: int

    @property
    def channel(self) -> str:
        return about(self.user_id)


class BalancesChanged(Struct, frozen=True, kw_only=True, tag="balances"):
    """Balances of a connection changed."""

    user_id: UUID
    connection_id: UUID

    @property
    def channel(self) -> str:
        return about(self.user_id)


class HistoryMoved(Struct, frozen=True, kw_only=True, tag="history"):
    """A connection's coverage, status or error changed."""

    user_id: UUID
    connection_id: UUID

    @property
    def channel(self) -> str:
        return about(self.user_id)


class Missed(Struct, frozen=True, tag="missed"):
    """Never sent: a subscription gives it when it begins to hear, at first and after each break. Look in Postgres."""


Sent = (
    TradesRecorded | TickersChanged | ConnectionChanged | LeasesFreed | StreamChanged | BalancesChanged | HistoryMoved
)
Event = Sent | Missed
