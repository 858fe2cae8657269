"""What stands behind the coverage: which requests proved which window, how many, with how many rows, and when."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from shared.domain.raw import without_secrets
from shared.domain.windows import Window
from shared.storage.values import Db, json_text, millis, moment


class Evidence(Struct, frozen=True, kw_only=True):
    """What a slice took: the last request (method, path, parameters), how many there were, how many rows they gave."""

    sync_type: str
    request: str = ""
    requests: int = 0
    rows: int = 0

    def plus(self, method: str, path: str, params: Mapping[str, Any], rows: int) -> "Evidence":
        """One request more."""
        told = json_text(without_secrets(dict(params)))
        return Evidence(
            sync_type=self.sync_type,
            request=f"{method} {path} {told}",
            requests=self.requests + 1,
            rows=self.rows + rows,
        )


class Proof(Struct, frozen=True, kw_only=True):
    """A window of a feed, and what proved it between two moments."""

    feed: str
    window: Window
    request: str
    requests: int
    rows: int
    sync_type: str
    first_ms: int
    last_ms: int


def record_evidence(db: Db, connection_id: UUID, feed: str, proven: Window, evidence: Evidence) -> None:
    """Put it on record. The edge, proven anew every minute, is one line a day that grows."""
    arguments = {
        "connection_id": connection_id,
        "feed": feed,
        "since": moment(proven.since),
        "until": moment(proven.until),
        "request": evidence.request,
        "requests": evidence.requests,
        "rows": evidence.rows,
        "sync_type": evidence.sync_type,
    }
    grown = db.execute(
        """
        UPDATE evidence SET proven = range_merge(proven, tstzrange(%(since)s, %(until)s)), request = %(request)s,
            requests = requests + %(requests)s, rows = rows + %(rows)s, last_at = now()
        WHERE id = (SELECT id FROM evidence WHERE connection_id = %(connection_id)s AND feed = %(feed)s
                    ORDER BY last_at DESC LIMIT 1)
          AND sync_type = 'catch_up' AND %(sync_type)s = 'catch_up' AND first_at > now() - interval '1 day'
          AND (proven && tstzrange(%(since)s, %(until)s) OR proven -|- tstzrange(%(since)s, %(until)s))
        """,
        arguments,
    )
    if grown.rowcount == 0:
        db.execute(
            """
            INSERT INTO evidence (connection_id, feed, proven, request, requests, rows, sync_type)
            VALUES (%(connection_id)s, %(feed)s, tstzrange(%(since)s, %(until)s), %(request)s, %(requests)s, %(rows)s,
                    %(sync_type)s)
            """,
            arguments,
        )


def proofs(db: Db, connection_id: UUID, *, feed: str | None = None) -> list[Proof]:
    """What is on record of a connection, or of one feed, oldest window first."""
    rows = db.execute(
        """
        SELECT feed, lower(proven), upper(proven), request, requests, rows, sync_type, first_at, last_at FROM evidence
        WHERE connection_id = %(id)s AND (%(feed)s::text IS NULL OR feed = %(feed)s)
        ORDER BY feed, lower(proven), id
        """,
        {"id": connection_id, "feed": feed},
    ).fetchall()
    return [
        Proof(
            feed=row[0],
            window=Window(millis(row[1]), millis(row[2])),
            request=row[3],
            requests=row[4],
            rows=row[5],
            sync_type=row[6],
            first_ms=millis(row[7]),
            last_ms=millis(row[8]),
        )
        for row in rows
    ]


_FOLD = """
    WITH feeds AS (
        SELECT connection_id, feed FROM evidence WHERE last_at < now() - %(keep)s::interval
        GROUP BY connection_id, feed
        HAVING count(*) - (SELECT count(*) FROM unnest(range_agg(proven))) >= %(worth)s LIMIT %(batch)s
    ), old AS (
        DELETE FROM evidence e USING feeds f
        WHERE e.connection_id = f.connection_id AND e.feed = f.feed AND e.last_at < now() - %(keep)s::interval
        RETURNING e.*
    ), stretches AS (
        SELECT connection_id, feed, unnest(range_agg(proven)) AS proven FROM old GROUP BY connection_id, feed
    ), folded AS (
        INSERT INTO evidence (connection_id, feed, proven, request, requests, rows, sync_type, first_at, last_at)
        SELECT s.connection_id, s.feed, s.proven, (array_agg(o.request ORDER BY o.last_at DESC, o.id DESC))[1],
               sum(o.requests), sum(o.rows), (array_agg(o.sync_type ORDER BY o.last_at DESC, o.id DESC))[1],
               min(o.first_at), max(o.last_at)
        FROM stretches s JOIN old o ON o.connection_id = s.connection_id AND o.feed = s.feed AND o.proven <@ s.proven
        GROUP BY s.connection_id, s.feed, s.proven
        RETURNING id
    )
    SELECT (SELECT count(*) FROM old) - (SELECT count(*) FROM folded)
"""


def fold_evidence(db: Db, keep: timedelta, *, batch: int = 200, worth: int = 30) -> int:
    """Make lines older than `keep` one where their windows meet: nothing proven is left without evidence.

    The line tells the last of the requests and how many there were in all. A feed is folded when `worth` lines or
    more go by it, `batch` feeds at a time. Gives how many lines went.
    """
    row = db.execute(_FOLD, {"keep": keep, "worth": worth, "batch": batch}).fetchone()
    return int(row[0]) if row is not None else 0
