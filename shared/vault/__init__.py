"""Seals and opens users' credentials: bound to their row, versioned, rotatable. See `sealing` for the format."""

from shared.vault.keys import WeakKey, new_key, parse_keys
from shared.vault.sealing import CannotOpen, KeyVersionMissing, Sealed, Vault, key_version_of

__all__ = ["CannotOpen", "KeyVersionMissing", "Sealed", "Vault", "WeakKey", "key_version_of", "new_key", "parse_keys"]
