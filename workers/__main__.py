"""`python -m workers`: looks that everything is there, then runs the worker processes until it is told to stop.

Exit codes: 0 stopped as told, 1 killed or a setting cannot be read, 2 a setting makes no sense,
3 Postgres or Redis did not answer in time, 4 the database is not at the newest migration.
"""

import importlib
import os
import signal
import sys
from datetime import timedelta
from types import FrameType
from typing import Any

# Read by dramatiq when it is imported: how soon a consumer looks whether Redis is back.
os.environ.setdefault("dramatiq_restart_delay", "1000")

import dramatiq.cli

from shared.domain.errors import BadInput, StoreUnavailable, WireUnavailable
from shared.logs import get_log, set_up
from shared.queue.requests import QUEUES
from shared.queue.wire import open_wire, wait_for_wire, wire_state
from shared.settings import Settings, read_settings
from shared.storage.pool import open_pool
from shared.storage.ready import NotMigrated, wait_for_room, wait_until_migrated
from shared.vault import Vault

PATIENCE = timedelta(seconds=30)
SHUTDOWN_MS = 20_000

log = get_log()


def main() -> int:
    """Run until told to stop; give the exit code."""
    settings = read_settings()
    set_up(settings, process="worker")
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, _leave)  # until dramatiq has handlers of its own
    if (code := _refused(settings)) is not None:
        return code
    run: Any = dramatiq.cli.main  # dramatiq leaves it untyped
    # Imported before the fork, so that the worker processes share it in memory and start at once.
    importlib.import_module("workers.boot")
    code = int(run(_arguments(settings)))
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.SIG_IGN)
    return code


def _leave(_signum: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _refused(settings: Settings) -> int | None:
    """Why it cannot start, as an exit code, after saying so; None when it can."""
    try:
        _check(settings)
    except BadInput as error:
        log.error("process.refused", reason=str(error))  # noqa: TRY400 — the sentence says all
        return 2
    except NotMigrated as error:
        log.error("process.refused", reason=str(error))  # noqa: TRY400 — the sentence says all
        return 4
    except (StoreUnavailable, WireUnavailable) as error:
        log.error("process.refused", reason=str(error))  # noqa: TRY400 — the sentence says all
        return 3
    return None


def _check(settings: Settings) -> None:
    Vault(settings.credentials_key.get_secret_value())
    if unknown := sorted(set(settings.worker_queues) - set(QUEUES)):
        raise BadInput(f"WORKER_QUEUES names {unknown[0]!r}, which is no queue.", hint=f"Queues: {', '.join(QUEUES)}.")
    wire = open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify)
    with wire:
        wait_for_wire(wire, patience=PATIENCE, tell=lambda reason: log.warning("wire.waiting", reason=reason))
        for sentence in wire_state(wire).warnings():
            log.warning("wire.endangered", reason=sentence)
    pool = open_pool(settings.database_url.get_secret_value(), kind="worker", size=1, pooler=settings.database_pooler)
    try:
        wait_until_migrated(pool, patience=PATIENCE, tell=_tell_waiting)
        wait_for_room(
            pool,
            limit=settings.connection_limit,
            each=settings.database_connections,
            own=settings.worker_processes,
            patience=PATIENCE,
            tell=_tell_waiting,
        )
    finally:
        pool.close()


def _tell_waiting(reason: str) -> None:
    log.warning("store.waiting", reason=reason)


def _arguments(settings: Settings) -> Any:
    words = [
        "workers.boot:serve",
        *("--processes", str(settings.worker_processes)),
        *("--threads", str(settings.worker_threads)),
        *("--worker-shutdown-timeout", str(SHUTDOWN_MS)),
        "--skip-logging",
        "--queues",
        *(settings.worker_queues or QUEUES),
    ]
    make_parser: Any = dramatiq.cli.make_argument_parser
    return make_parser().parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
