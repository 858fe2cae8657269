"""Login passwords: argon2id, never kept and never compared as text. 18 to 100 ms of CPU each: call it in a thread."""

import argon2

from shared.domain.errors import BadInput

SHORTEST = 10
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """Hash a new password. Raises `BadInput` for one that is too short or endless."""
    if not SHORTEST <= len(password) <= 1024:
        raise BadInput(f"A password has at least {SHORTEST} characters.")
    return _hasher.hash(password)


def is_password(hashed: str, password: str) -> bool:
    """Whether this is the password. Takes as long for a wrong one."""
    try:
        return _hasher.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
