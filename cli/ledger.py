"""`tradesync ledger`: whether trades, fees and transfers explain every change of a connection's spot balances."""

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from cli.office import find_connection, opened, says_errors, screen, shown
from shared.exchanges.kit.numbers import plain
from shared.storage import ledger as store


@click.command()
@click.argument("connection")
@click.option("--all", "include_closed", is_flag=True, help="Also what has been explained since.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@says_errors
def ledger(connection: str, include_closed: bool, as_json: bool) -> None:
    """Show the changes of CONNECTION's spot balances that nothing explains: asset, between when and when, how much.

    Each is read again by itself, soon and again, and closes when it is explained.
    """
    with opened() as (_, db):
        found = find_connection(db, connection)
        gaps = store.gaps(db, found.id, include_closed=include_closed)
        explained_ms = store.explained_until(db, found.id)
    if as_json:
        told = {"connection": str(found.id), "explained_until_ms": explained_ms, "gaps": gaps}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
        return
    page = screen()
    if explained_ms is None:
        page.print("No wallet of this account is moved by spot trades alone, or none has been read yet.")
        return
    left = sum(gap.closed_ms is None for gap in gaps)
    page.print(f"Held against the trades up to {shown(explained_ms)}. Unexplained changes: {left}.")
    if gaps:
        table = Table("Wallet", "Asset", "Amount", "Between", "And", "Read again", "Explained", box=None)
        for gap in gaps:
            table.add_row(
                *(escape(gap.account_type), escape(gap.asset), f"{'+' if gap.amount > 0 else ''}{plain(gap.amount)}"),
                *(shown(gap.window.since), shown(gap.window.until), f"{gap.rereads} times"),
                escape(gap.explanation or "not yet"),
            )
        page.print(table)
