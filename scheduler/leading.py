"""Who leads: of all schedulers the one that holds an advisory lock in Postgres. The others stand by.

The lock belongs to an open transaction on a connection of its own: it ends with the process, the machine or
the connection, and it also holds behind a transaction pooler. Two leaders for a moment do no harm, because
what is due is taken with `SKIP LOCKED`.
"""

from collections.abc import Callable
from typing import Any

import psycopg

from shared.logs import get_log

LOCK = 0x7472_6164_6573  # "trades"
# The server gives the lock of a vanished machine to another within this time.
# And that of a leader which hangs, though its machine still answers for it: it asks every second while it leads.
_HANGS_AFTER = "10s"
_OPTIONS = "-c tcp_keepalives_idle=3 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=2 -c statement_timeout=5s"

log = get_log()


class Leader:
    """Asked every second whether this process leads; it takes the lead when it is free."""

    def __init__(self, url: str, *, pooler: bool = False, connect: Callable[..., Any] = psycopg.connect) -> None:
        self._url = url
        self._pooler = pooler
        self._connect = connect
        self._connection: Any = None
        self.leads = False

    def look(self) -> bool:
        """Whether this process leads now."""
        try:
            leads = self._still_leads() if self.leads else self._try_to_lead()
        except psycopg.Error as error:
            log.warning("leader.unsure", reason=type(error).__name__)
            self._drop()
            leads = False
        if leads != self.leads:
            log.info("leader.taken" if leads else "leader.lost")
        self.leads = leads
        return leads

    def resign(self) -> None:
        """Let another one lead."""
        self._drop()
        self.leads = False

    def _still_leads(self) -> bool:
        self._connection.execute("SELECT 1")
        return True

    def _try_to_lead(self) -> bool:
        if self._connection is None:
            options: dict[str, Any] = {} if self._pooler else {"options": _OPTIONS}
            self._connection = self._connect(
                self._url,
                application_name="tradesync:scheduler",
                connect_timeout=5,
                tcp_user_timeout=5_000,
                prepare_threshold=None,
                **options,
            )
        row = self._connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,)).fetchone()
        if row[0]:
            # For this transaction, so that it also counts behind a pooler.
            self._connection.execute(
                "SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (_HANGS_AFTER,)
            )
            return True
        self._connection.rollback()
        return False

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
