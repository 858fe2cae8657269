"""The requests that processes make of workers: typed, small, and answered by an actor of the same name.

A request is JSON whoever writes it: another process through `send`, or a program in any language with two
Redis commands (docs/operations.md). The actor `workers` gives it checks it and parks what it cannot read.
"""

from typing import Any, ClassVar, Literal
from uuid import UUID

from msgspec import Struct

Lane = Literal["live", "manual", "balances", "backfill"]


class SyncHistory(Struct, frozen=True, kw_only=True):
    """Read what is missing of a connection's history.

    Without a window: all gaps, newest first. With `since_ms`/`until_ms`: that stretch again, covered or not.
    `feeds` narrows it to some feeds (their keys). `reason` is for the record.
    """

    NAME: ClassVar[str] = "sync_history"
    QUEUE: ClassVar[str] = "history"

    connection_id: UUID
    lane: Lane = "backfill"
    since_ms: int | None = None
    until_ms: int | None = None
    feeds: tuple[str, ...] = ()
    reason: str = ""


class CatchUp(Struct, frozen=True, kw_only=True):
    """From the proven edge to now, quickly: after a (re)connect, or where a stream only said that something filled."""

    NAME: ClassVar[str] = "catch_up"
    QUEUE: ClassVar[str] = "live"

    connection_id: UUID
    feeds: tuple[str, ...] = ()
    order_id: str | None = None
    reason: str = ""


class SyncBalances(Struct, frozen=True, kw_only=True):
    """Read all balances of a connection."""

    NAME: ClassVar[str] = "sync_balances"
    QUEUE: ClassVar[str] = "balances"

    connection_id: UUID


class CheckKey(Struct, frozen=True, kw_only=True):
    """Ask the exchange again what a key may do, and which mode its account is in."""

    NAME: ClassVar[str] = "check_key"
    QUEUE: ClassVar[str] = "live"

    connection_id: UUID


class WriteTrades(Struct, frozen=True, kw_only=True):
    """A batch of streamed trades, ready to be stored. `rows` is a list of `shared.storage` trade rows."""

    NAME: ClassVar[str] = "write_trades"
    QUEUE: ClassVar[str] = "writes"

    exchange: str
    rows: list[Any]
    holder: str = ""


Request = SyncHistory | CatchUp | SyncBalances | CheckKey | WriteTrades
QUEUES: tuple[str, ...] = ("writes", "live", "balances", "history")
