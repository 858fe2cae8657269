"""Login passwords: argon2id, 64 MiB, three passes. Slow on purpose (some 100 ms): call it in a thread."""

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from shared.domain.connections import Secret
from shared.domain.errors import BadInput

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)
_SHORTEST, _LONGEST = 8, 1_000


def hash_password(password: str | Secret) -> str:
    """The hash to store. Raises `BadInput` for a password that is too short or too long."""
    text = password.reveal() if isinstance(password, Secret) else password
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise BadInput(f"A password has {_SHORTEST} to {_LONGEST} characters.")
    return _HASHER.hash(text)


def is_password(password: str | Secret, stored_hash: str) -> bool:
    """Whether this is the password that was hashed; False too for a hash that is none."""
    text = password.reveal() if isinstance(password, Secret) else password
    try:
        return _HASHER.verify(stored_hash, text[: _LONGEST + 1])
    except (Argon2Error, InvalidHashError):
        return False


def spend_the_same_time() -> None:
    """Work as long as for a real password, when there is no such user: the answer's time tells nothing."""
    is_password("nobody's password", _NOBODY)


_NOBODY = _HASHER.hash("nobody")
