"""`tradesync replay`: reads kept raw messages again with today's readers, shows what changes, stores it on request."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.markup import escape

from cli.office import actor, find_connection, now_ms, opened, says_errors, screen, window_of
from shared.domain.markets import Markets
from shared.domain.trades import Product, Source, Trade
from shared.exchanges import load
from shared.exchanges.kit.again import read_again, trade_again
from shared.exchanges.kit.contract import Exchange
from shared.exchanges.kit.wire import decode_json
from shared.storage import audit, instruments, quarantine
from shared.storage.connections import Connection
from shared.storage.replay import StoredRow, differences, put_right, stored_rows
from shared.storage.trades import record_trades, trade_row
from shared.storage.values import Db

_SHOWN = 50


@click.command()
@click.argument("connection")
@click.option("--since", help="From this moment on: 2026-11-20, 7d (ago). [default: the first trade]")
@click.option("--until", help="Up to this moment. [default: now]")
@click.option("--quarantine", "is_quarantine", is_flag=True, help="What could not be read, instead of what was stored.")
@click.option(
    "--apply", "is_applied", is_flag=True, help="Store what is read now. Without it only the differences are shown."
)
@says_errors
def replay(connection: str, since: str | None, until: str | None, is_quarantine: bool, is_applied: bool) -> None:
    """Read CONNECTION's kept raw messages again and show what today's readers read differently.

    Needs no exchange: the raw messages and the markets that were ever seen are in the database.
    """
    since_ms, until_ms = window_of(since, until)
    with opened() as (_, db):
        found = find_connection(db, connection)
        exchange = load(found.exchange)
        markets = instruments.load_markets(db, exchange.id)
        if is_quarantine:
            counts = _quarantined(db, screen(), found, exchange, markets, is_applied=is_applied)
        else:
            window = (since_ms or 0, now_ms() if until_ms is None else until_ms)
            counts = _stored(db, screen(), found, exchange, markets, window, is_applied=is_applied)
        if is_applied and counts["applied"]:
            audit.record_deed(
                db, actor(), "trades.replayed", user_id=found.user_id, connection_id=found.id, details=dict(counts)
            )
    click.echo(", ".join(f"{name} {count}" for name, count in counts.items()) or "Nothing is kept of this stretch.")
    if counts["different"] and not is_applied:
        click.echo("Nothing was changed. With --apply it is.")


def _stored(
    db: Db,
    page: Console,
    found: Connection,
    exchange: Exchange,
    markets: Markets,
    window: tuple[int, int],
    *,
    is_applied: bool,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for batch in stored_rows(db, found.id, *window):
        for row in batch:
            counts["read"] += 1
            trade = None if row.raw is None else _again(exchange, markets, row)
            if trade is None:
                counts["unreadable" if row.raw is not None else "without a raw message"] += 1
                _show(page, counts, f"{row.values['identity']}: today's readers find no trade in it")
                continue
            changed = differences(row, trade)
            if not changed:
                continue
            counts["different"] += 1
            _show(page, counts, f"{row.values['identity']}: {_told(changed)}")
            if is_applied:
                counts["applied" if put_right(db, row, trade, found.id, exchange.reader) else "in the way"] += 1
    return counts


def _quarantined(
    db: Db, page: Console, found: Connection, exchange: Exchange, markets: Markets, *, is_applied: bool
) -> Counter[str]:
    """What could not be read, read again: what holds trades now is stored and dealt with."""
    counts: Counter[str] = Counter()
    for item in quarantine.listed(db, connection_id=found.id, limit=100_000):
        if item.reason.startswith("contradicted"):
            continue  # two stories of one trade: a person decides
        counts["read"] += 1
        source = Source.REST if item.source == "rest" else Source.STREAM
        heard = read_again(exchange, decode_json(item.raw), markets, source=source)
        if heard is None:
            counts["still unreadable"] += 1
            continue
        counts["different"] += 1
        _show(page, counts, f"{item.reason}: now {len(heard.trades)} trades")
        if is_applied:
            _store(db, found.id, exchange, heard.trades, item, source)
            counts["applied"] += 1
    return counts


def _store(
    db: Db, connection_id: UUID, exchange: Exchange, trades: Iterable[Trade], item: quarantine.Kept, source: Source
) -> None:
    rows = [trade_row(trade, connection_id, reader=exchange.reader) for trade in trades]
    with db.transaction():
        if rows:
            record_trades(db, rows, source, with_lines=False)
        quarantine.resolve(db, item.id)


def _again(exchange: Exchange, markets: Markets, row: StoredRow) -> Trade | None:
    return trade_again(
        exchange,
        decode_json(row.raw or ""),
        markets,
        source=Source(row.source),
        product=Product(row.values["product"]),
        exchange_trade_id=row.values["exchange_trade_id"],
    )


def _show(page: Console, counts: Counter[str], line: str) -> None:
    if counts["different"] + counts["unreadable"] <= _SHOWN:
        page.print(escape(line))


def _told(changed: dict[str, tuple[Any, Any]]) -> str:
    return ", ".join(f"{name} {before} → {after}" for name, (before, after) in changed.items())
