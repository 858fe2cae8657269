"""Living processes: each proves its life by its row and leaves its figures there, for status and metrics."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.storage.values import Db, jsonb, millis

ALIVE_FOR = timedelta(seconds=30)


class Process(Struct, frozen=True, kw_only=True):
    """A process: web, worker, scheduler or streamer."""

    id: UUID
    kind: str
    host: str
    pid: int
    version: str
    started_ms: int
    seen_ms: int
    figures: Mapping[str, Any]


def register(db: Db, process_id: UUID, *, kind: str, host: str, pid: int, version: str) -> None:
    """A process has started; again after its row was pruned does no harm."""
    db.execute(
        """
        INSERT INTO processes (id, kind, host, pid, version) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (id) DO UPDATE SET seen_at = now()
        """,
        (process_id, kind, host, pid, version),
    )


def heartbeat(db: Db, process_id: UUID, figures: Mapping[str, Any] | None = None) -> bool:
    """It lives, and these are its figures now (None: as before). False when it is not registered (any more)."""
    found = db.execute(
        "UPDATE processes SET seen_at = now(), figures = coalesce(%s, figures) WHERE id = %s",
        (None if figures is None else jsonb(figures), process_id),
    )
    return found.rowcount == 1


def retire(db: Db, process_id: UUID) -> None:
    """It ended in an orderly way."""
    db.execute("DELETE FROM processes WHERE id = %s", (process_id,))


def living(db: Db, kind: str | None = None, *, within: timedelta = ALIVE_FOR) -> list[Process]:
    """The processes that were seen lately, of one kind where given, oldest first."""
    rows = db.execute(
        """
        SELECT id, kind, host, pid, version, started_at, seen_at, figures FROM processes
        WHERE (%(kind)s::text IS NULL OR kind = %(kind)s) AND seen_at > now() - %(within)s::interval
        ORDER BY kind, started_at
        """,
        {"kind": kind, "within": within},
    ).fetchall()
    return [
        Process(
            id=row[0],
            kind=row[1],
            host=row[2],
            pid=row[3],
            version=row[4],
            started_ms=millis(row[5]),
            seen_ms=millis(row[6]),
            figures=row[7],
        )
        for row in rows
    ]
