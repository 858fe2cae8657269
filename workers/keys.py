"""Opens credentials just before use. The vault keeps derived user keys, so an opening costs microseconds."""

from collections.abc import Callable
from uuid import UUID

from shared.domain.connections import Credentials
from shared.storage import connections
from shared.storage.pool import Pool, borrow
from shared.vault import Vault


def opener(pool: Pool, vault: Vault) -> Callable[[UUID], Credentials]:
    """A function that opens a connection's credentials. Raises `BadInput` for a removed one, `CannotOpen`."""

    def open_key(connection_id: UUID) -> Credentials:
        with borrow(pool) as db:
            sealed = connections.sealed_key(db, connection_id)
        return vault.open_row(sealed)

    return open_key
