"""Sealed keys that wait for a newer key version, and their exchange against new seals, one by one."""

from uuid import UUID

from shared.storage.connections import SealedKey
from shared.storage.values import Db


def sealed_otherwise(db: Db, key_version: str, *, after: UUID | None = None, limit: int = 200) -> list[SealedKey]:
    """Living connections whose credentials are not sealed with this version, by id; `after` goes on from one."""
    rows = db.execute(
        """
        SELECT c.credentials_encrypted, c.key_version, c.id, c.user_id, u.key_salt, c.exchange_name
        FROM user_exchange_connections c JOIN users u ON u.id = c.user_id
        WHERE c.removed_at IS NULL AND c.key_version <> %(version)s
          AND (%(after)s::uuid IS NULL OR c.id > %(after)s)
        ORDER BY c.id LIMIT %(limit)s
        """,
        {"version": key_version, "after": after, "limit": limit},
    ).fetchall()
    return [
        SealedKey(
            blob=row[0],
            key_version=row[1],
            connection_id=row[2],
            user_id=row[3],
            user_salt=row[4],
            exchange=row[5],
        )
        for row in rows
    ]


def reseal(db: Db, old: SealedKey, *, credentials: bytes, key_version: str, key_fingerprint: bytes) -> bool:
    """Put a new seal in the place of the old one. False when somebody changed the row meanwhile: it is left alone."""
    found = db.execute(
        """
        UPDATE user_exchange_connections
        SET credentials_encrypted = %s, key_version = %s, key_fingerprint = %s
        WHERE id = %s AND credentials_encrypted = %s AND removed_at IS NULL
        """,
        (credentials, key_version, key_fingerprint, old.connection_id, old.blob),
    )
    return found.rowcount == 1


def count_by_version(db: Db) -> dict[str, int]:
    """How many living connections each key version seals."""
    rows = db.execute(
        """
        SELECT key_version, count(*) FROM user_exchange_connections WHERE removed_at IS NULL
        GROUP BY key_version ORDER BY key_version
        """
    ).fetchall()
    return dict(rows)
