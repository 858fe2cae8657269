"""`python -m streamer`: looks that everything is there, then streams until it is told to stop.

Exit codes: 0 stopped as told, 1 a fault of ours or a setting that cannot be read, 2 a setting that makes no sense,
3 Postgres or Redis did not answer in time, 4 the database is not at the newest migration.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta

from shared import exchanges
from shared.coordination.budgets import Ban, Budgets
from shared.coordination.serial import Turns
from shared.domain.errors import BadInput, StoreUnavailable, WireUnavailable
from shared.gateway import Gateway
from shared.logs import get_log, set_up
from shared.queue.wire import open_async_wire, open_wire, wait_for_wire, wire_state
from shared.settings import Settings, read_settings
from shared.storage import bans
from shared.storage.pool import Pool, borrow, open_pool
from shared.storage.ready import NotMigrated, wait_until_migrated
from shared.vault import Vault
from streamer.process import Streamer

PATIENCE = timedelta(seconds=30)
_WARM_KEYS = 32  # a ticket is asked for once a connect: keeping clients warm would cost 200 KiB each

log = get_log()


def main() -> int:
    """Run until told to stop; give the exit code."""
    settings = read_settings()
    set_up(settings, process="streamer")
    pool = open_pool(
        settings.database_url.get_secret_value(),
        kind="streamer",
        size=settings.database_connections,
        pooler=settings.database_pooler,
    )
    try:
        code = _refused(settings, pool)
        return _stream(settings, pool) if code is None else code
    finally:
        pool.close(timeout=2)


def _refused(settings: Settings, pool: Pool) -> int | None:
    """Why it cannot start, as an exit code, after saying so; None when it can."""
    try:
        Vault(settings.credentials_key.get_secret_value())
        with open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify) as wire:
            wait_for_wire(wire, patience=PATIENCE, tell=lambda reason: log.warning("wire.waiting", reason=reason))
            for sentence in wire_state(wire).warnings():
                log.warning("wire.endangered", reason=sentence)
        wait_until_migrated(pool, patience=PATIENCE, tell=lambda reason: log.warning("store.waiting", reason=reason))
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


def _stream(settings: Settings, pool: Pool) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_run(settings, pool))
        except Exception:  # the root: the platform starts a process anew that ended with 1
            log.exception("process.failed")
            return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop halves the cost of a message; where there is none, asyncio's own loop does."""
    try:
        import uvloop  # noqa: PLC0415 — not there on every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run(settings: Settings, pool: Pool) -> None:
    url, verify_tls = settings.redis_url.get_secret_value(), settings.redis_tls_verify
    wire = open_async_wire(url, verify_tls=verify_tls)
    blocking_wire = open_wire(url, verify_tls=verify_tls)
    budgets = Budgets(
        blocking_wire,
        egress=settings.egress,
        backfill_share=settings.backfill_share,
        is_limited=settings.request_budget,
        remember=lambda ban: _remember(pool, ban),
    )
    _recall(pool, budgets)
    connects = Budgets(blocking_wire, egress=settings.egress) if settings.connect_budget else None
    gateway = Gateway(
        budget=budgets,
        turns=Turns(blocking_wire),
        simulator_url=settings.simulator_url,
        egress=settings.egress,
        clients=_WARM_KEYS,
    )
    streamer = Streamer(
        exchanges=exchanges.load,
        names=exchanges.names(),
        pool=pool,
        wire=wire,
        rest=gateway,
        open_key=Vault(settings.credentials_key.get_secret_value()).open_row,
        connects=connects,
        room=settings.stream_capacity if settings.stream_enabled else 0,
        lease=settings.stream_lease,
        default_symbols=settings.default_symbols,
        simulator_url=settings.simulator_url,
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, streamer.stop)
    # Thousands of sockets are hundreds of thousands of objects: a full collection would stop them all for long.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    log.info("process.started", id=str(streamer.id), exchanges=list(exchanges.names()), room=settings.stream_capacity)
    try:
        await streamer.run()
    finally:
        await wire.aclose()
        blocking_wire.close()
        gateway.close()


def _remember(pool: Pool, ban: Ban) -> None:
    try:
        with borrow(pool, 2) as db:
            bans.record_ban(db, ban.exchange, ban.scope, ban.until_ms, ban.reason)
    except StoreUnavailable:
        log.warning("store.away")


def _recall(pool: Pool, budgets: Budgets) -> None:
    with borrow(pool) as db:
        standing = bans.standing(db)
    budgets.restore(
        Ban(exchange=ban.exchange, scope=ban.scope, until_ms=ban.until_ms, reason=ban.reason, is_ban=True)
        for ban in standing
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # everything is let out; a thread that still waits for a dead server must not keep the process
