"""`tradesync coverage`: what of a connection's history is proven, by what, and what is not."""

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from cli.office import find_connection, now_ms, opened, says_errors, screen, shown
from shared.domain.errors import BadInput
from shared.domain.windows import Window
from shared.storage.proven import FeedRecord, feed_records

_MOST_LINES = 20


@click.command()
@click.argument("connection")
@click.option("--feed", help="Only this feed, with all its windows and what proved them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with all evidence.")
@says_errors
def coverage(connection: str, feed: str | None, as_json: bool) -> None:
    """Show what is proven of CONNECTION's history, feed by feed.

    Proven: read over REST to its end. Streamed: heard live, to be proven soon. Saturated: the exchange gives no way to
    read all of it. Unknown: neither. What lies beyond the exchange's reach cannot be read any more.
    """
    with opened() as (_, db):
        found = find_connection(db, connection)
        now = now_ms()
        records = feed_records(db, found.id, now, feed=feed)
    if feed is not None and not records:
        raise BadInput(f"There is no feed {feed!r}.", hint="Without --feed all are listed.")
    if as_json:
        told = {"connection": str(found.id), "exchange": found.exchange, "at_ms": now, "feeds": records}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
        return
    page = screen()
    table = Table("Feed", "State", "Since", "Proven up to", "Streamed", "Saturated", "Unknown", "Trades", box=None)
    for record in records:
        table.add_row(
            *(escape(record.feed), record.state, shown(record.wanted_since_ms)),
            *(shown(record.proven[-1].until) if record.proven else "nothing", _length(record.streamed)),
            *(_length(record.saturated), _length(record.unknown)),
            f"{record.trades:,}" + (f" ({record.unconfirmed} unconfirmed)" if record.unconfirmed else ""),
        )
    page.print(table if records else "Its history has not been looked at yet.")
    if feed is not None:
        for record in records:
            page.print(_windows(record))
            page.print(_evidence(record))


def _windows(record: FeedRecord) -> Table:
    kinds = ("proven", "streamed", "saturated", "unknown")
    lines = [(window, kind) for kind in kinds for window in getattr(record, kind)]
    table = Table("From", "To", "Is", box=None)
    for window, kind in sorted(lines, key=lambda line: line[0].since):
        table.add_row(shown(window.since), shown(window.until), kind)
    return table


def _evidence(record: FeedRecord) -> Table:
    table = Table("Proven from", "To", "At", "Requests", "Rows", "Last request", box=None)
    for proof in record.evidence[-_MOST_LINES:]:
        table.add_row(
            *(shown(proof.window.since), shown(proof.window.until), shown(proof.last_ms)),
            *(str(proof.requests), str(proof.rows), escape(proof.request)),
        )
    return table


def _length(windows: tuple[Window, ...]) -> str:
    seconds = sum(window.until - window.since for window in windows) // 1000
    if not windows:
        return ""
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7_200 else f"{seconds // 3600} h"
