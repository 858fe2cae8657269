"""`tradesync sync`: have history read now, a range of it again if asked, and wait for it if asked."""

import time
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.office import actor, chosen, now_ms, opened, says_errors, window_of
from shared import exchanges
from shared.domain.errors import BadInput
from shared.domain.windows import Coverage, Window
from shared.queue.requests import SyncHistory
from shared.queue.send import send_all
from shared.queue.wire import open_wire
from shared.storage import audit, connections, feeds, jobs
from shared.storage.connections import Connection
from shared.storage.values import Db

LOOK_SECONDS = 0.3
HISTORY = SyncHistory.NAME


@click.command()
@click.argument("names", nargs=-1, metavar="[CONNECTION]…")
@click.option("--user", "email", help="All connections of this user.")
@click.option("--exchange", help="All connections at this exchange.")
@click.option("--since", help="Read this stretch again, covered or not: 2026-11-01, 7d (ago).")
@click.option("--until", help="Where the stretch ends; now without it.")
@click.option("--wait/--no-wait", default=False, help="Stay until it is read, with a progress bar.")
@click.option("--timeout", type=click.IntRange(1), default=3_600, show_default=True, help="Seconds to wait at most.")
@says_errors
def sync(
    names: tuple[str, ...],
    email: str | None,
    exchange: str | None,
    since: str | None,
    until: str | None,
    wait: bool,
    timeout: int,
) -> None:
    """Have the history of CONNECTIONs read now. Without any: of all.

    With --since the stretch is read again even where it is proven: doubts are cheap, nothing is doubled.
    """
    since_ms, until_ms = window_of(since, until)
    if since_ms is None and until_ms is not None:
        raise BadInput("--until needs --since.")
    if since_ms is not None and until_ms is None:
        until_ms = now_ms()
    if since_ms is not None and since_ms >= now_ms():
        raise BadInput("The stretch begins in the future.")
    with opened() as (settings, db):
        wanted = chosen(db, names, user=email, exchange=exchanges.load(exchange).id if exchange else None)
        if resting := [one for one in wanted if one.is_resting]:
            for one in resting:
                click.echo(
                    f"{one.exchange} {one.label or one.id} rests: {one.error_message or one.sync_status}", err=True
                )
            wanted = [one for one in wanted if not one.is_resting]
        if not wanted:
            raise BadInput("None of these can be read now.", hint="`tradesync resume CONNECTION` tries one again.")
        asked = [
            SyncHistory(connection_id=one.id, lane="manual", since_ms=since_ms, until_ms=until_ms, reason="asked for")
            for one in wanted
        ]
        before = {one.id: _latest(db, one.id) for one in wanted}
        url, verify = settings.redis_url.get_secret_value(), settings.redis_tls_verify
        with open_wire(url, verify_tls=verify, connections=1) as wire:
            send_all(wire, asked)
        for one in wanted:
            audit.record_deed(db, actor(), "sync.asked", user_id=one.user_id, connection_id=one.id)
        if not wait:
            click.echo(f"Asked for {len(wanted)}. `tradesync status` shows how far it is.")
            return
        window = Window(since_ms, until_ms) if since_ms is not None and until_ms is not None else None
        _wait(db, wanted, before, window, timeout)


def _wait(
    db: Db, wanted: list[Connection], before: dict[UUID, UUID | None], window: Window | None, timeout: int
) -> None:
    end = time.monotonic() + timeout
    failures: dict[UUID, str] = {}
    pending = {one.id: one for one in wanted}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {
            one.id: bar.add_task(f"{one.exchange} {one.label or str(one.id)[:8]}", total=100, completed=0)
            for one in wanted
        }
        while pending:
            for connection_id in list(pending):
                bar.update(tasks[connection_id], completed=int(100 * _share(db, connection_id, window)))
                ended = _ended(db, connection_id, before[connection_id])
                if ended is None:
                    continue
                del pending[connection_id]
                bar.update(tasks[connection_id], completed=100 if not ended else None)
                if ended:
                    failures[connection_id] = ended
            if time.monotonic() > end:
                raise BadInput(f"{len(pending)} are not read after {timeout} s; reading goes on without us.")
            if pending:
                time.sleep(LOOK_SECONDS)
    for connection_id, sentence in failures.items():
        click.echo(f"{connection_id}: {sentence}", err=True)
    if failures:
        raise SystemExit(1)
    click.echo("All of it is read.")


def _latest(db: Db, connection_id: UUID) -> UUID | None:
    found = [job.id for job in jobs.listed(db, connection_id=connection_id, limit=20) if job.request == HISTORY]
    return found[0] if found else None


def _ended(db: Db, connection_id: UUID, before: UUID | None) -> str | None:
    """Why reading ended: "" when all is well; None while it goes on."""
    ours = [job for job in jobs.listed(db, connection_id=connection_id, limit=20) if job.request == HISTORY]
    if any(job.state in ("queued", "running") for job in ours):
        return None
    latest = ours[0] if ours else None
    if latest is None or (latest.id == before and latest.state != "parked"):
        resting = connections.get_connection(db, connection_id)
        return resting.error_message or "it rests" if resting.is_resting else None
    return (latest.error_message or latest.state) if latest.state in ("failed", "parked") else ""


def _share(db: Db, connection_id: UUID, window: Window | None) -> float:
    """How much of what is wanted is read, 0 to 1."""
    wanted = done = 0
    for record in feeds.feeds_of(db, connection_id):
        if record.wanted_since_ms is None or record.is_sweep:
            continue
        until = window.until if window else now_ms()
        since = max(record.wanted_since_ms, window.since) if window else record.wanted_since_ms
        if since >= until:
            continue
        whole = Window(since, until)
        read = record.covered
        for again in record.recheck:
            read = read.remove(again)
        wanted += until - since
        done += until - since - _length(Coverage(read.gaps(whole)))
    return done / wanted if wanted else 0.0


def _length(coverage: Coverage) -> int:
    return sum(window.until - window.since for window in coverage)
