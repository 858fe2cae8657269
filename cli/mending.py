"""What the demo does after weather that spoilt keys, as their owners and an operator would: good keys, and `resume`."""

import psycopg

from cli.desk import say
from cli.simulated import Simulator
from shared.storage import connections

SPOILS_KEYS = {"key_revoked", "key_expired"}
SUSPENDED = """
    SELECT id, label, error_message FROM user_exchange_connections
    WHERE removed_at IS NULL AND sync_status = 'suspended' AND exchange_name = ANY (%s) ORDER BY label
"""


def restore_keys(simulator: Simulator) -> None:
    """Every account's key is good again."""
    for account in simulator.accounts():
        simulator.restore_key(account["name"])


def resume_suspended(db: psycopg.Connection, exchanges: list[str]) -> dict[str, str]:
    """Resume what is suspended, as `tradesync resume` does; gives why each was, by the connection's label."""
    reasons = {}
    for connection_id, label, reason in db.execute(SUSPENDED, [exchanges]).fetchall():
        say(f"Resuming {label}, which was suspended: {reason}")
        connections.resume(db, connection_id)
        reasons[label] = reason
    return reasons
