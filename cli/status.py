"""`tradesync status`: processes, connections, what is proven and what is not."""

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.office import find_connection, now_ms, opened, says_errors, screen, shown, user_id
from shared.domain.errors import WireUnavailable
from shared.queue.depth import depths
from shared.queue.wire import open_wire
from shared.storage import figures, processes
from shared.storage import status as states
from shared.storage.status import ConnectionStatus


@click.command()
@click.argument("connection", required=False)
@click.option("--user", "email", help="Only this user's connections.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@says_errors
def status(connection: str | None, email: str | None, as_json: bool) -> None:
    """Show how everything is; with CONNECTION, feed by feed."""
    with opened() as (settings, db):
        now = now_ms()
        chosen = find_connection(db, connection).id if connection else None
        found = states.connection_statuses(db, now, user_id=user_id(db, email), connection_id=chosen)
        alive = processes.living(db)
        delays = figures.recent_delays(db)
        counts = figures.counts(db)
        feeds = states.feed_statuses(db, chosen, now) if chosen else []
        sessions = states.latest_sessions(db, connection_id=chosen, limit=10) if chosen else []
    try:
        with open_wire(
            settings.redis_url.get_secret_value(), verify_tls=settings.redis_tls_verify, connections=1
        ) as wire:
            waiting = {name: depth.all for name, depth in depths(wire).items()}
    except WireUnavailable:
        waiting = None
    if as_json:
        known = {
            "processes": alive,
            "queues": waiting,
            "delays": delays,
            "connections": [{**msgspec.structs.asdict(each), "progress": each.progress} for each in found],
            "feeds": feeds,
            "sessions": sessions,
        }
        click.echo(msgspec.json.encode(known, enc_hook=_windows))
        return
    page = screen()
    kinds = ", ".join(f"{sum(p.kind == kind for p in alive)} {kind}" for kind in sorted({p.kind for p in alive}))
    page.print(f"Processes   {kinds or 'none lives'}")
    queued = ", ".join(f"{name} {depth}" for name, depth in waiting.items()) if waiting else "Redis does not answer"
    page.print(f"Queues      {queued}")
    if counts.overdue_seconds > 60:
        page.print(f"Overdue     the oldest promise is {counts.overdue_seconds:.0f} s late")
    if delays.count and delays.p50_ms is not None and delays.p99_ms is not None:
        page.print(
            f"Delay       exchange to row: half within {delays.p50_ms:.0f} ms, 99 % within {delays.p99_ms:.0f} ms"
        )
    _print_connections(page, found)
    if feeds:
        table = Table("Feed", "Readable from", "Proven up to", "Gaps", "Holes", "State", box=None)
        for feed in feeds:
            state = feed.closed_reason or "closed" if feed.is_closed else "rarely asked" if feed.is_sweep else ""
            table.add_row(
                *(escape(feed.key), shown(feed.reach_ms), shown(feed.proven_until_ms)),
                *(str(len(feed.gaps)), str(len(feed.saturated.windows)), state),
            )
        page.print(table)
    if sessions:
        table = Table("Session began", "Type", "Status", "New", "Confirmed", "Pages", "Remark", box=None)
        for line in sessions:
            table.add_row(
                *(shown(line.started_ms), line.sync_type, line.status, str(line.trades_synced)),
                *(str(line.trades_updated), str(line.pages), escape(line.error_message or "")),
            )
        page.print(table)


def _print_connections(page: Console, found: list[ConnectionStatus]) -> None:
    if not found:
        page.print("No connection. `tradesync connect EMAIL EXCHANGE` makes one.")
        return
    columns = ("Connection", "Exchange", "Label", "State", "Stream", "Proven up to", "History", "Trades", "Balances")
    table = Table(*columns, box=None)
    for each in found:
        left = f", about {each.left_ms // 1000} s left" if each.left_ms else ""
        table.add_row(
            *(str(each.id)[:8], each.exchange, escape(each.label), each.sync_status, each.stream_state),
            *(shown(each.proven_until_ms), f"{each.progress:.1%}{left}", f"{each.trades:,}", _explained(each)),
        )
        for remark in (each.error_message, each.stream_reason):
            if remark:
                table.add_row("", "", f"[yellow]{escape(remark)}[/yellow]")
    page.print(table)


def _explained(each: ConnectionStatus) -> str:
    if each.unexplained:
        return f"{each.unexplained} changes unexplained"
    return "" if each.explained_until_ms is None else "explained"


def _windows(value: object) -> object:
    windows = getattr(value, "windows", None)
    if windows is None:
        return str(value)
    return [{"since": window.since, "until": window.until} for window in windows]
