"""Which schema this code wants and which one is there; the migrations themselves are elsewhere."""

import psycopg

from shared.storage.values import Db

WANTED = "0004"  # the newest step of `migrations/`; a test holds them together


def current_schema(db: Db) -> str | None:
    """The step the database is at, or None when it was never migrated."""
    try:
        row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return None if row is None else str(row[0])


def is_current(db: Db) -> bool:
    """Whether the database is where this code wants it. Readiness asks this."""
    return current_schema(db) == WANTED
