"""`tradesync doctor`: looks at settings, servers, versions, clocks and limits, and says what to do."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import click
import psycopg
from msgspec import Struct

from cli.office import now_ms
from migrations.run import pending
from shared import exchanges
from shared.domain.errors import TradeSyncError
from shared.gateway import Gateway
from shared.queue.wire import open_wire, wire_state
from shared.settings import Settings, read_settings
from shared.storage import bans, connections, figures, processes
from shared.storage.pool import connect, translated
from shared.vault import Vault

LIBRARIES = ("ccxt", "dramatiq", "redis", "psycopg", "websockets", "cryptography", "apscheduler")
OLDEST_POSTGRES = 150_000
FAR_MS = 1_000


class Finding(Struct, frozen=True):
    """One thing looked at: what it is, how it is, and whether somebody must do something."""

    what: str
    how: str
    is_good: bool = True


@click.command()
@click.option("--offline", is_flag=True, help="Ask no exchange.")
def doctor(offline: bool) -> None:
    """Look at everything this system needs. Exit code 1 when something must be done."""
    settings = read_settings()
    troubles = 0
    checks: list[Callable[[Settings], Iterator[Finding]]] = [_versions, _key, _postgres, _redis]
    if not offline:
        checks.append(_clocks)
    for check in checks:
        try:
            for finding in check(settings):
                troubles += not finding.is_good
                click.echo(f"{'ok ' if finding.is_good else 'BAD'}  {finding.what:22} {finding.how}")
        except TradeSyncError as error:
            troubles += 1
            click.echo(f"BAD  {check.__name__.strip('_'):22} {error}")
    if troubles:
        click.echo(f"{troubles} to do; docs/operations.md has a heading for each.")
        raise SystemExit(1)


def _versions(_: Settings) -> Iterator[Finding]:
    yield Finding("tradesync", f"{version('tradesync')} on Python {sys.version.split()[0]}")
    yield Finding("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES))


def _key(settings: Settings) -> Iterator[Finding]:
    vault = Vault(settings.credentials_key.get_secret_value())
    yield Finding("CREDENTIALS_KEY", f"versions {', '.join(vault.versions)}; {vault.newest} seals")
    if settings.simulator_url:
        yield Finding("SIMULATOR_URL", "all exchange traffic goes to a simulator")


def _postgres(settings: Settings) -> Iterator[Finding]:
    url = settings.database_url.get_secret_value()
    with translated(), connect(url, kind="doctor") as db:
        number = db.info.server_version
        how = f"version {number // 10_000}.{number % 10_000}"
        yield Finding("Postgres", how, is_good=number >= OLDEST_POSTGRES)
        open_now, most = _connections_of(db)
        yield Finding("Postgres connections", f"{open_now} of {most} in use", is_good=open_now < most * 0.9)
        waiting = pending(url)
        if waiting:
            yield Finding("migrations", f"{len(waiting)} to run: tradesync migrate", is_good=False)
            return
        yield Finding("migrations", "the schema is current")
        kinds = [process.kind for process in processes.living(db)]
        for kind in ("web", "worker", "scheduler", "streamer"):
            yield Finding(kind, f"{kinds.count(kind)} living", is_good=kind in kinds)
        counts = figures.counts(db)
        yield Finding(
            "promises", f"the oldest is {counts.overdue_seconds:.0f} s late", is_good=counts.overdue_seconds < 60
        )
        for ban in bans.standing(db):
            seconds = (ban.until_ms - now_ms()) // 1000
            yield Finding(f"pause of {ban.exchange}", f"{seconds} s more: {ban.reason}", is_good=False)
        resting = [one for one in connections.list_connections(db) if one.is_resting and one.is_active]
        for one in resting:
            yield Finding(f"{one.exchange} {one.label or str(one.id)[:8]}", str(one.error_message), is_good=False)
        lost = sum(counts.quarantined.values())
        yield Finding("quarantine", f"{lost} messages unresolved", is_good=not lost)


def _connections_of(db: psycopg.Connection[tuple[int, int]]) -> tuple[int, int]:
    row = db.execute(
        "SELECT (SELECT count(*) FROM pg_stat_activity), current_setting('max_connections')::int"
    ).fetchone()
    assert row is not None
    return row


def _redis(settings: Settings) -> Iterator[Finding]:
    url = settings.redis_url.get_secret_value()
    with open_wire(url, verify_tls=settings.redis_tls_verify, connections=1) as wire:
        state = wire_state(wire)
    yield Finding("Redis", f"version {state.version}, {state.used_bytes / 1e6:.1f} MB used")
    for warning in state.warnings():
        yield Finding("Redis", warning, is_good=False)


def _clocks(settings: Settings) -> Iterator[Finding]:
    gateway = Gateway(simulator_url=settings.simulator_url)
    for exchange in exchanges.everything():
        if settings.exchanges and exchange.id not in settings.exchanges:
            continue
        try:
            offset = gateway.clock_offset_ms(exchange.id)
        except TradeSyncError as error:
            yield Finding(exchange.title, str(error), is_good=False)
            continue
        pools = ", ".join(f"{pool.name} {pool.capacity:g} per {pool.per_ms / 1000:g} s" for pool in exchange.pools)
        yield Finding(exchange.title, f"clock {offset:+d} ms; limits: {pools}", is_good=abs(offset) <= FAR_MS)
