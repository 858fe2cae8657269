"""When an exchange answers again, what was put off because it did not is due at once, not after its long pause."""

from shared.domain.errors import ExchangeUnavailable, RateLimited
from shared.storage import connections, due
from shared.storage.connections import Connection
from shared.storage.values import Db

_PASSED = {ExchangeUnavailable.code, RateLimited.code}


def came_back(db: Db, connection: Connection, now_ms: int) -> None:
    """Call it after a success. `connection` as it stood when the job began; without such failures nothing happens."""
    if not connection.failures or connection.error_code not in _PASSED:
        return
    connections.touch_success(db, connection.id)
    for duty in ("catch_up", "backfill", "balances"):
        due.pull_in(db, connection.id, duty, now_ms)
