"""What is old goes, in small batches, so that no table grows for ever and nobody waits for a long delete."""

from datetime import timedelta

from msgspec import Struct

from shared.storage.evidence import fold_evidence
from shared.storage.values import Db


class Keep(Struct, frozen=True, kw_only=True):
    """How long ended things are kept. Trades, coverage, balances, instruments and the audit log stay for good.

    Evidence is told line by line for so long, then line by stretch.
    """

    sessions: timedelta = timedelta(days=90)
    events: timedelta = timedelta(days=30)
    quarantine: timedelta = timedelta(days=365)
    done_jobs: timedelta = timedelta(hours=1)
    evidence: timedelta = timedelta(days=90)


_PRUNES = {
    "sessions": (
        "trade_sync_sessions",
        "id",
        "status <> 'running' AND started_at < now() - %(sessions)s::interval",
    ),
    "events": ("events", "id", "at < now() - %(events)s::interval"),
    "quarantine": (
        "quarantine",
        "id",
        "resolved_at IS NOT NULL AND last_seen_at < now() - %(quarantine)s::interval",
    ),
    "jobs": (
        "jobs",
        "id",
        """(state = 'done' AND finished_at < now() - %(done_jobs)s::interval)
           OR (state IN ('failed', 'parked') AND finished_at < now() - %(events)s::interval)""",
    ),
    "processes": ("processes", "id", "seen_at < now() - interval '1 hour'"),
    "tokens": ("api_tokens", "id", "expires_at < now() - interval '1 day'"),
    "bans": ("bans", "ctid", "until < now() - interval '1 day'"),
}


def prune(db: Db, keep: Keep, *, batch: int = 5_000, batches: int = 20) -> dict[str, int]:
    """Delete what is older than `keep` says, at most `batches` times `batch` rows a table. Gives how many of each."""
    gone: dict[str, int] = {}
    limits = {
        "sessions": keep.sessions,
        "events": keep.events,
        "quarantine": keep.quarantine,
        "done_jobs": keep.done_jobs,
        "batch": batch,
    }
    for name, (table, key, condition) in _PRUNES.items():
        query = f"""
            DELETE FROM {table} WHERE {key} = ANY (ARRAY(
                SELECT {key} FROM {table} WHERE {condition} LIMIT %(batch)s FOR UPDATE SKIP LOCKED))
        """  # noqa: S608 — table names and conditions are this file's own
        for _ in range(batches):
            count = db.execute(query.encode(), limits).rowcount
            gone[name] = gone.get(name, 0) + count
            if count < batch:
                break
    gone["evidence"] = fold_evidence(db, keep.evidence)
    return gone
