"""A connection: one user's key to one account at one exchange; and what is known of both."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from shared.domain.trades import Product


class SyncStatus(StrEnum):
    """The state of a connection, as `sync_status` keeps it."""

    NEW = "new"  # connected, nothing read yet
    BACKFILLING = "backfilling"  # history is being read
    LIVE = "live"  # history proven up to now, stream on
    DEGRADED = "degraded"  # something passes by itself: exchange down, limit, stream lost
    SUSPENDED = "suspended"  # only its owner can mend it; nothing is asked of the exchange
    PARKED = "parked"  # its messages crashed the reader again and again; an operator looks
    CLOSED = "closed"  # the exchange or the account is gone; data stay


class Secret:
    """A text that does not print itself. `reveal()` is the only way in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for signing, and for nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:
        raise TypeError("a secret is not pickled")


class Credentials(Mapping[str, Secret]):
    """The opened fields of one key: `api_key`, `secret`, `passphrase`, as the exchange module names them."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str | Secret]) -> None:
        self._fields = {name: value if isinstance(value, Secret) else Secret(value) for name, value in fields.items()}

    def __getitem__(self, name: str) -> Secret:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._fields)})"

    def reveal(self, name: str) -> str:
        """One field's text; empty when the exchange does not ask for it."""
        return self._fields[name].reveal() if name in self._fields else ""


class Account(Struct, frozen=True, kw_only=True):
    """What an exchange module needs to know of a connection to plan for it. Nothing secret.

    `mode` is the account's mode in the module's own words ("classic", "unified", …), "" until detected.
    `details` holds what the module wants to remember of the account (JSON), e.g. when it was created.
    """

    connection_id: UUID
    exchange: str
    products: tuple[Product, ...]
    region: str = "global"
    mode: str = ""
    uid: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class Verdict(StrEnum):
    """What the exchange says about one power of a key."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class KeyReport(Struct, frozen=True, kw_only=True):
    """What a key may do, read from the exchange. `permissions` are its own words, for showing."""

    can_read: Verdict
    can_trade: Verdict
    can_withdraw: Verdict
    uid: str | None = None
    mode: str = ""
    permissions: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()  # the bound addresses; empty when unbound or not told
    expires_ms: int | None = None
    remarks: tuple[str, ...] = ()  # sentences for the user
    products: tuple[Product, ...] | None = None  # which products this key can see; None: all asked for
    details: Mapping[str, Any] = field(default_factory=dict)  # merged into the account's details
