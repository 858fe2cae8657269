"""How credentials are sealed: AES-256-GCM under a key of the user's own, bound to the row they belong to.

The envelope is `b"TS" + header length (2 bytes) + header (JSON) + nonce (12) + ciphertext and tag`. The header
tells the format, the key version and the parameters of the derivation, so that they can change and old seals
still open. What is authenticated besides the ciphertext is the header itself with the connection, the user and
the exchange: a ciphertext in another row does not open, nor does one under an altered header.

    CREDENTIALS_KEY (a version) ──PBKDF2-HMAC-SHA256, 600,000 rounds──▶ root key, once per process
    root key ──PBKDF2-HMAC-SHA256 with the user's own salt──▶ the user's key, kept while it is in use
"""

import hmac
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from msgspec import Struct

from shared.domain.connections import Credentials, Secret
from shared.domain.errors import Transient
from shared.vault.keys import parse_keys

_MAGIC = b"TS"
_FORMAT = 1
_ROOT_ROUNDS = 600_000
# The root key is uniformly random already, so these rounds only separate users; strength comes from the root.
_USER_ROUNDS = 1_000
_MOST_ROUNDS = 10_000_000
_NONCE = 12
_TAG = 16
_KEPT_USERS = 2_048


class CannotOpen(Transient):
    """These credentials do not open: they belong to another row, were altered, or were sealed with another key.

    The operator mends that, not the user whose key it is: it is tried again meanwhile.
    """

    code = "cannot_open"


class KeyVersionMissing(CannotOpen):
    """A version of CREDENTIALS_KEY is missing in this process."""

    code = "key_version_missing"

    def __init__(self, version: str, held: Iterable[str]) -> None:
        super().__init__(
            f"The credentials are sealed with version {version} of CREDENTIALS_KEY, and a process holds only "
            f"{', '.join(held)}. The operator must restart it with {version} added; until then it is tried again."
        )


class Sealed(Struct, frozen=True):
    """A sealed envelope, and the key version that its header names."""

    blob: bytes
    key_version: str

    def __repr__(self) -> str:
        return f"Sealed({self.key_version})"


class SealedRow(Protocol):
    """Sealed credentials and the row that they are bound to."""

    @property
    def blob(self) -> bytes: ...
    @property
    def user_id(self) -> UUID: ...
    @property
    def user_salt(self) -> bytes: ...
    @property
    def connection_id(self) -> UUID: ...
    @property
    def exchange(self) -> str: ...


class Vault:
    """Seals with the newest key version, opens with any that is configured. Thread-safe.

    Root keys are derived when first needed (some 70 ms) and kept for good; user keys are kept for the users
    seen last. Nothing in it prints.
    """

    def __init__(self, credentials_key: str | Secret) -> None:
        """Take CREDENTIALS_KEY. Raises `WeakKey`."""
        text = credentials_key.reveal() if isinstance(credentials_key, Secret) else credentials_key
        self._keys = parse_keys(text)
        self._roots: dict[tuple[str, int], bytes] = {}
        self._users: OrderedDict[tuple[str, int, int, bytes], AESGCM] = OrderedDict()
        self._lock = threading.Lock()
        self.newest = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._keys)})"

    def __reduce__(self) -> Any:
        raise TypeError("a vault is not pickled")

    @property
    def versions(self) -> tuple[str, ...]:
        """The configured key versions, newest first."""
        return tuple(self._keys)

    def seal(
        self,
        fields: Mapping[str, str | Secret],
        *,
        user_id: UUID,
        user_salt: bytes,
        connection_id: UUID,
        exchange: str,
    ) -> Sealed:
        """Seal the fields of a key for one connection of one user, under the newest key version."""
        header = _header(self.newest)
        plain = json.dumps(
            {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields.items()}
        ).encode()
        nonce = os.urandom(_NONCE)
        cipher = self._cipher(self.newest, _ROOT_ROUNDS, _USER_ROUNDS, user_salt)
        body = cipher.encrypt(nonce, plain, _bound_to(header, connection_id, user_id, exchange))
        return Sealed(_MAGIC + len(header).to_bytes(2, "big") + header + nonce + body, self.newest)

    def open(self, blob: bytes, *, user_id: UUID, user_salt: bytes, connection_id: UUID, exchange: str) -> Credentials:
        """Open what was sealed for this very connection.

        Raises `CannotOpen`, which tells nothing of the content; `KeyVersionMissing` when it was sealed with another.
        """
        header, parameters, nonce, body = _taken_apart(blob)
        version = parameters["key"]
        if version not in self._keys:
            raise KeyVersionMissing(version, self._keys)
        cipher = self._cipher(version, parameters["root"], parameters["user"], user_salt)
        try:
            plain = cipher.decrypt(nonce, body, _bound_to(header, connection_id, user_id, exchange))
        except InvalidTag:
            raise CannotOpen(hint="Is CREDENTIALS_KEY the one it was when the account was connected?") from None
        return Credentials(json.loads(plain))

    def open_row(self, row: SealedRow) -> Credentials:
        """The same for a row as it is stored."""
        return self.open(
            row.blob,
            user_id=row.user_id,
            user_salt=row.user_salt,
            connection_id=row.connection_id,
            exchange=row.exchange,
        )

    def fingerprint(self, exchange: str, api_key: str | Secret) -> bytes:
        """A keyed hash that tells one API key from another and not what it is; under the newest version."""
        return self._fingerprint(self.newest, exchange, api_key)

    def fingerprints(self, exchange: str, api_key: str | Secret) -> tuple[bytes, ...]:
        """The same under every version, newest first: what rows may hold while a rotation is under way."""
        return tuple(self._fingerprint(version, exchange, api_key) for version in self._keys)

    def _fingerprint(self, version: str, exchange: str, api_key: str | Secret) -> bytes:
        text = api_key.reveal() if isinstance(api_key, Secret) else api_key
        root = self._root(version, _ROOT_ROUNDS)
        return hmac.digest(root, _joined(b"fingerprint", exchange.encode(), text.encode()), "sha256")

    def _root(self, version: str, rounds: int) -> bytes:
        with self._lock:
            root = self._roots.get((version, rounds))
            if root is None:
                root = _derived(self._keys[version], b"tradesync root key", rounds)
                self._roots[version, rounds] = root
            return root

    def _cipher(self, version: str, root_rounds: int, user_rounds: int, salt: bytes) -> AESGCM:
        if len(salt) < 16:
            raise CannotOpen("This user's salt is too short.")
        root = self._root(version, root_rounds)
        key = (version, root_rounds, user_rounds, salt)
        with self._lock:
            cipher = self._users.get(key)
            if cipher is not None:
                self._users.move_to_end(key)
                return cipher
        cipher = AESGCM(_derived(root, b"tradesync user key" + salt, user_rounds))
        with self._lock:
            self._users[key] = cipher
            while len(self._users) > _KEPT_USERS:
                self._users.popitem(last=False)
        return cipher


def key_version_of(blob: bytes) -> str:
    """The key version an envelope names, without opening it. Raises `CannotOpen` when it is no envelope."""
    return str(_taken_apart(blob)[1]["key"])


@lru_cache(maxsize=16)
def _header(version: str) -> bytes:
    parameters = {"v": _FORMAT, "alg": "A256GCM", "kdf": "PBKDF2-SHA256", "root": _ROOT_ROUNDS, "user": _USER_ROUNDS}
    return json.dumps({**parameters, "key": version}, sort_keys=True, separators=(",", ":")).encode()


def _taken_apart(blob: bytes) -> tuple[bytes, dict[str, Any], bytes, bytes]:
    length = int.from_bytes(blob[2:4], "big")
    header, rest = blob[4 : 4 + length], blob[4 + length :]
    if not blob.startswith(_MAGIC) or len(header) != length or len(rest) < _NONCE + _TAG:
        raise CannotOpen("These are no sealed credentials.")
    try:
        parameters = json.loads(header)
    except ValueError:
        raise CannotOpen("These are no sealed credentials.") from None
    if (
        not isinstance(parameters, dict)
        or (parameters.get("v"), parameters.get("alg"), parameters.get("kdf")) != (_FORMAT, "A256GCM", "PBKDF2-SHA256")
        or not isinstance(parameters.get("key"), str)
        # An altered header must not make us work for hours before the tag refuses it.
        or not all(
            type(parameters.get(name)) is int and 1 <= parameters[name] <= _MOST_ROUNDS for name in ("root", "user")
        )
    ):
        raise CannotOpen("These credentials are sealed in a way that this version does not know.")
    return header, parameters, rest[:_NONCE], rest[_NONCE:]


def _bound_to(header: bytes, connection_id: UUID, user_id: UUID, exchange: str) -> bytes:
    return _joined(header, connection_id.bytes, user_id.bytes, exchange.encode())


def _joined(*parts: bytes) -> bytes:
    """Parts with their lengths before them: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _derived(secret: bytes, salt: bytes, rounds: int) -> bytes:
    return PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=rounds).derive(secret)
