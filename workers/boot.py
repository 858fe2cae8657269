"""What happens in each worker process before it takes its first message: tools are composed, actors declared."""

import os
import platform
import signal
import socket
import threading
from importlib.metadata import version
from types import FrameType
from uuid import UUID, uuid4

import dramatiq

from shared.coordination.budgets import Ban, Budgets
from shared.coordination.serial import Turns
from shared.domain.errors import StoreUnavailable
from shared.events.publish import publish
from shared.gateway import Gateway
from shared.logs import get_log, set_up
from shared.queue.broker import QueueBroker, make_broker
from shared.queue.requests import QUEUES, Request
from shared.queue.send import send
from shared.queue.wire import open_wire
from shared.settings import Settings, read_settings
from shared.storage import bans, processes
from shared.storage.pool import Pool, borrow, open_pool
from shared.vault import Vault
from workers.actors import catch_up, check_key, park_message, sync_balances, sync_history, write_trades
from workers.desk import Desk, Rhythm
from workers.keys import opener
from workers.leases import Leases
from workers.shelf import Shelf

ACTORS = (write_trades, catch_up, check_key, sync_balances, sync_history, park_message)
_LOOK_EVERY = 3  # renewals of leases between two looks at bans and proofs of life

log = get_log()


def _nothing() -> None:
    pass


class Ending(dramatiq.Middleware):
    """Tells running jobs to end at their next pause, and gives everything back when they have."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.close = _nothing
        self._parent = os.getppid()

    def look_for_parent(self) -> None:
        """End as if told to when the process that started this one was killed: nobody else would ever end it."""
        if os.getppid() != self._parent:
            self._parent = os.getppid()
            os.kill(os.getpid(), signal.SIGTERM)

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002 — dramatiq's signature
        log.info("process.stopping")
        self.stopping.set()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:  # noqa: ARG002 — dramatiq's signature
        self.close()
        log.info("process.stopped")


def serve() -> None:
    """Compose this process and make its broker the one that dramatiq runs. Called once, after the fork."""
    settings = read_settings()
    set_up(settings, process="worker")
    _heed_once(signal.SIGTERM)
    dramatiq.set_broker(compose(settings))


def _heed_once(sign: signal.Signals) -> None:
    """Platforms say it twice; dramatiq takes the second for an order to drop everything at once."""
    heed = signal.getsignal(sign)

    def told(signum: int, frame: FrameType | None) -> None:
        signal.signal(sign, signal.SIG_IGN)
        if callable(heed):
            heed(signum, frame)

    signal.signal(sign, told)


def compose(settings: Settings) -> QueueBroker:
    """The broker of one worker process with all its actors and their tools."""
    process_id = uuid4()
    queues = settings.worker_queues or QUEUES
    pool = open_pool(
        settings.database_url.get_secret_value(),
        kind="worker",
        size=settings.database_connections,
        pooler=settings.database_pooler,
    )
    wire = open_wire(settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify)
    ending = Ending()
    broker = make_broker(wire, threads=settings.worker_threads, queues=queues, middleware=[ending])
    budgets = Budgets(
        wire,
        egress=settings.egress,
        backfill_share=settings.backfill_share,
        is_limited=settings.request_budget,
        remember=lambda ban: _remember(pool, ban),
    )
    gateway = Gateway(budget=budgets, turns=Turns(wire), simulator_url=settings.simulator_url, egress=settings.egress)
    life = _Life(pool, budgets, process_id, settings)

    def look() -> None:
        ending.look_for_parent()
        life.prove()

    leases = Leases(pool, every_second=look)

    def queue(request: Request) -> None:
        send(wire, request)

    desk = Desk(
        pool=pool,
        gateway=gateway,
        open_key=opener(pool, Vault(settings.credentials_key.get_secret_value())),
        markets=Shelf(pool, gateway.markets).markets,
        send=queue,
        publish=lambda *events: publish(wire, *events),
        holder=f"worker:{process_id}",
        leases=leases,
        rhythm=Rhythm(catch_up=settings.catch_up_every, poll=settings.poll_every, sweep=settings.sweep_every),
        stopping=ending.stopping,
    )
    for actor in ACTORS:
        actor.declare(broker, desk)

    def close() -> None:
        leases.stop()
        life.retire()
        gateway.close()
        pool.close(timeout=2)

    ending.close = close
    life.prove()
    leases.start()
    log.info("process.started", queues=list(queues), threads=settings.worker_threads, python=platform.python_version())
    return broker


class _Life:
    """This process's proof of life in Postgres, and the bans that others recorded there."""

    def __init__(self, pool: Pool, budgets: Budgets, process_id: UUID, settings: Settings) -> None:
        self._pool = pool
        self._budgets = budgets
        self._id = process_id
        self._settings = settings
        self._turns = 0

    def prove(self) -> None:
        """Called every few seconds; looks every third time."""
        self._turns += 1
        if self._turns % _LOOK_EVERY != 1:
            return
        try:
            with borrow(self._pool, timeout_seconds=5) as db:
                if not processes.heartbeat(db, self._id):
                    processes.register(
                        db,
                        self._id,
                        kind="worker",
                        host=socket.gethostname(),
                        pid=os.getpid(),
                        version=version("tradesync"),
                    )
                standing = bans.standing(db)
        except StoreUnavailable:
            log.warning("process.unseen")
            return
        self._budgets.restore(
            Ban(exchange=ban.exchange, scope=ban.scope, until_ms=ban.until_ms, reason=ban.reason, is_ban=True)
            for ban in standing
        )

    def retire(self) -> None:
        """It ends in an orderly way."""
        try:
            with borrow(self._pool, timeout_seconds=2) as db:
                processes.retire(db, self._id)
        except StoreUnavailable:
            log.warning("process.unseen")


def _remember(pool: Pool, ban: Ban) -> None:
    """Keep a ban over a restart of Redis. While Postgres is away, Redis and this process still know it."""
    log.warning("budget.exhausted", exchange=ban.exchange, scope=ban.scope, until=ban.until_ms, reason=ban.reason)
    try:
        with borrow(pool) as db:
            bans.record_ban(db, ban.exchange, ban.scope, ban.until_ms, ban.reason)
    except StoreUnavailable:
        log.warning("budget.ban_not_kept", exchange=ban.exchange)
