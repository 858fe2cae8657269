"""Users, and the tokens that let them in. Of a token only its sha256 is kept; of a password only its argon2id hash."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct

from shared.domain.errors import BadInput
from shared.storage.values import Db, millis, optional_millis


class User(Struct, frozen=True, kw_only=True):
    """Someone who may come in. `role` is user or operator; `key_salt` goes into this user's credential key."""

    id: UUID
    email: str
    role: str
    key_salt: bytes
    is_active: bool
    created_ms: int


class Token(Struct, frozen=True, kw_only=True):
    """A browser session or API token as lists show it."""

    id: UUID
    kind: str
    label: str
    created_ms: int
    last_used_ms: int | None
    expires_ms: int | None


_SELECT = "SELECT u.id, u.email, u.role, u.key_salt, u.is_active, u.created_at FROM users u "


def add_user(db: Db, email: str, password_hash: str, *, role: str = "user") -> User:
    """Sign a user up, with a salt of their own. Raises `BadInput` for an address that is taken or is none."""
    email = email.strip()
    if not 3 <= len(email) <= 254 or "@" not in email[1:-1] or any(char.isspace() or char == "\x00" for char in email):
        raise BadInput("That is not an e-mail address.")
    if role not in {"user", "operator"}:
        raise BadInput("A role is user or operator.")
    try:
        row = db.execute(
            """
            INSERT INTO users (email, password_hash, role, key_salt) VALUES (%s, %s, %s, %s)
            RETURNING id, email, role, key_salt, is_active, created_at
            """,
            (email, password_hash, role, secrets.token_bytes(16)),
        ).fetchone()
    except psycopg.errors.UniqueViolation as error:
        raise BadInput("This e-mail address is signed up already.") from error
    assert row is not None
    return _user(row)


def find_user(db: Db, email: str) -> User | None:
    """The user with this address, whatever its case, active or not."""
    row = db.execute(_SELECT + "WHERE lower(email) = lower(%s)", (email.strip(),)).fetchone()
    return _user(row) if row else None


def get_user(db: Db, user_id: UUID) -> User:
    """The user. Raises `BadInput` when there is none such."""
    row = db.execute(_SELECT + "WHERE id = %s", (user_id,)).fetchone()
    if row is None:
        raise BadInput("There is no such user.")
    return _user(row)


def list_users(db: Db) -> list[User]:
    """All users, oldest first."""
    return [_user(row) for row in db.execute(_SELECT + "ORDER BY created_at, id")]


def password_hash(db: Db, user_id: UUID) -> str:
    """The stored hash, for the check at login. Raises `BadInput` when there is no such user."""
    row = db.execute("SELECT password_hash FROM users WHERE id = %s", (user_id,)).fetchone()
    if row is None:
        raise BadInput("There is no such user.")
    return str(row[0])


def set_password(db: Db, user_id: UUID, password_hash: str) -> None:
    """A new password ends all browser sessions of the user."""
    with db.transaction():
        db.execute("UPDATE users SET password_hash = %s WHERE id = %s", (password_hash, user_id))
        db.execute("DELETE FROM api_tokens WHERE user_id = %s AND kind = 'session'", (user_id,))


def set_active(db: Db, user_id: UUID, *, is_active: bool) -> None:
    """Let a user in or keep them out; kept out, all their tokens end."""
    with db.transaction():
        db.execute("UPDATE users SET is_active = %s WHERE id = %s", (is_active, user_id))
        if not is_active:
            db.execute("DELETE FROM api_tokens WHERE user_id = %s", (user_id,))


def remove_user(db: Db, user_id: UUID) -> bool:
    """Remove a user with everything that is theirs, trades included."""
    return db.execute("DELETE FROM users WHERE id = %s", (user_id,)).rowcount == 1


def add_token(db: Db, user_id: UUID, kind: str, *, label: str = "", lasts: timedelta | None = None) -> str:
    """A new secret text that lets the user in: kind session or token. Shown once, kept as its hash."""
    text = f"ts_{secrets.token_urlsafe(32)}"
    db.execute(
        """
        INSERT INTO api_tokens (user_id, token_hash, kind, label, expires_at)
        VALUES (%s, %s, %s, %s, now() + %s::interval)
        """,
        (user_id, _hash(text), kind, label, lasts),
    )
    return text


def find_user_by_token(db: Db, text: str, *, kind: str | None = None) -> User | None:
    """The active user whom this token lets in, or None: unknown, expired, ended, or of another kind."""
    row = db.execute(
        """
        SELECT u.id, u.email, u.role, u.key_salt, u.is_active, u.created_at, t.id,
               t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute'
        FROM api_tokens t JOIN users u ON u.id = t.user_id
        WHERE t.token_hash = %(hash)s AND u.is_active AND (t.expires_at IS NULL OR t.expires_at > now())
          AND (%(kind)s::text IS NULL OR t.kind = %(kind)s)
        """,
        {"hash": _hash(text), "kind": kind},
    ).fetchone()
    if row is None:
        return None
    if row[7]:
        db.execute("UPDATE api_tokens SET last_used_at = now() WHERE id = %s", (row[6],))
    return _user(row)


def end_token(db: Db, text: str) -> bool:
    """Log out: this token lets nobody in any more."""
    return db.execute("DELETE FROM api_tokens WHERE token_hash = %s", (_hash(text),)).rowcount == 1


def list_tokens(db: Db, user_id: UUID) -> list[Token]:
    """A user's living tokens, newest first."""
    rows = db.execute(
        """
        SELECT id, kind, label, created_at, last_used_at, expires_at FROM api_tokens
        WHERE user_id = %s AND (expires_at IS NULL OR expires_at > now()) ORDER BY created_at DESC
        """,
        (user_id,),
    ).fetchall()
    return [
        Token(
            id=row[0],
            kind=row[1],
            label=row[2],
            created_ms=millis(row[3]),
            last_used_ms=optional_millis(row[4]),
            expires_ms=optional_millis(row[5]),
        )
        for row in rows
    ]


def revoke_token(db: Db, user_id: UUID, token_id: UUID) -> bool:
    """End one of a user's own tokens."""
    return db.execute("DELETE FROM api_tokens WHERE id = %s AND user_id = %s", (token_id, user_id)).rowcount == 1


def _hash(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _user(row: tuple[Any, ...]) -> User:
    return User(id=row[0], email=row[1], role=row[2], key_salt=row[3], is_active=row[4], created_ms=millis(row[5]))
