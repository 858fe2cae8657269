"""Opens credentials just before use. The vault keeps derived user keys, so an opening costs microseconds."""

from collections.abc import Callable
from uuid import UUID

from shared.domain.connections import Credentials
from shared.domain.errors import Transient
from shared.storage import connections
from shared.storage.pool import Pool, borrow
from shared.vault import CannotOpen, Vault


class CannotUnlock(Transient):
    """This connection's credentials do not open with the CREDENTIALS_KEY of this server."""

    code = "cannot_unlock"


def opener(pool: Pool, vault: Vault) -> Callable[[UUID], Credentials]:
    """A function that opens a connection's credentials.

    It raises `BadInput` for a removed connection, `CannotUnlock` where the server's key is not the one that
    sealed them: the operator mends that, not the user, and the connection is tried again.
    """

    def open_key(connection_id: UUID) -> Credentials:
        with borrow(pool) as db:
            sealed = connections.sealed_key(db, connection_id)
        try:
            return vault.open(
                sealed.blob,
                user_id=sealed.user_id,
                user_salt=sealed.user_salt,
                connection_id=sealed.connection_id,
                exchange=sealed.exchange,
            )
        except CannotOpen as error:
            raise CannotUnlock(hint=error.sentence) from error

    return open_key
