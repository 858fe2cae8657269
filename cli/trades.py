"""`tradesync trades`: the stored trades, filtered, as a table, CSV or JSON lines."""

import csv
import os
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC
from decimal import Decimal
from typing import Any

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from cli.office import find_connection, opened, says_errors, screen, user_id, window_of
from shared import exchanges
from shared.domain.errors import BadInput
from shared.domain.trades import Product
from shared.storage import instruments, reading
from shared.storage.reading import TradeFilter
from shared.storage.trades import TradeLine

COLUMNS = (
    *("time", "exchange", "symbol", "product", "side", "price", "amount", "cost", "fee", "fee_currency", "fees"),
    *("taker_or_maker", "kind", "exchange_trade_id", "order_id", "client_order_id", "contracts", "market_id"),
    *("connection_id", "identity", "provisional", "is_confirmed", "source", "id"),
)
SHORT = ("time", "exchange", "symbol", "side", "price", "amount", "cost", "fee", "fee_currency", "kind", "state")
RISKY = ("=", "+", "-", "@", "\t", "\r")


@click.command()
@click.option("--user", "email", help="Only this user's.")
@click.option("--connection", help="Only this connection's.")
@click.option("--exchange", help="Only at this exchange.")
@click.option("--symbol", help="Only this market: BTC/USDT, BTC/USDT:USDT.")
@click.option("--product", type=click.Choice([product.value for product in Product]), help="Only this product.")
@click.option("--side", type=click.Choice(["buy", "sell"]), help="Only this side.")
@click.option("--since", help="From this moment on: 2026-11-01, 7d (ago).")
@click.option("--until", help="Before this moment.")
@click.option(
    "--limit", type=click.IntRange(1, 1_000_000_000), help="At most so many, the newest; 50 for a table, else all."
)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@says_errors
def trades(
    email: str | None,
    connection: str | None,
    exchange: str | None,
    symbol: str | None,
    product: str | None,
    side: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
    form: str,
) -> None:
    """Show stored trades. A table shows the newest first; CSV and JSON lines are oldest first."""
    since_ms, until_ms = window_of(since, until)
    with opened() as (_, db):
        wanted = TradeFilter(
            user_id=user_id(db, email),
            connection_id=find_connection(db, connection).id if connection else None,
            exchange=exchanges.load(exchange).id if exchange else None,
            symbol=symbol,
            product=product,
            side=side,
            since_ms=since_ms,
            until_ms=until_ms,
        )
        if symbol and not instruments.knows_symbol(db, symbol):
            raise BadInput(f"No market is called {symbol!r}.", hint="Write it as BTC/USDT, or BTC/USDT:USDT.")
        if form == "table":
            _table(reading.list_trades(db, wanted, limit=limit or 50))
            return
        write = _csv if form == "csv" else _json
        try:
            if limit is not None:
                write(reversed(reading.list_trades(db, wanted, limit=limit)))
            else:
                with closing(reading.each_trade(db, wanted)) as found:
                    write(found)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads has seen enough; nothing is left to be said at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _table(lines: Iterable[TradeLine]) -> None:
    table = Table(*(name.replace("_", " ") for name in SHORT), box=None)
    for line in lines:
        row = _row(line)
        state = "awaiting fee" if line.provisional else "proven" if line.is_confirmed else "heard"
        table.add_row(*(escape(str(row.get(name) if row.get(name) is not None else "")) for name in SHORT[:-1]), state)
    screen().print(table)


def _csv(lines: Iterable[TradeLine]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in lines:
        row = _row(line)
        writer.writerow([_harmless(row[name]) for name in COLUMNS])


def _json(lines: Iterable[TradeLine]) -> None:
    for line in lines:
        click.echo(msgspec.json.encode(_row(line, fees_as_text=False)))


def _row(line: TradeLine, *, fees_as_text: bool = True) -> dict[str, Any]:
    fees: Any = [{"amount": _plain(Decimal(fee["amount"])), "currency": fee["currency"]} for fee in line.fees]
    if fees_as_text:
        fees = " + ".join(f"{fee['amount']} {fee['currency']}" for fee in fees)
    return {
        **{name: getattr(line, name) for name in COLUMNS if hasattr(line, name)},
        "time": line.exchange_timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "exchange": line.platform,
        "connection_id": str(line.connection_id),
        **{name: _plain(getattr(line, name)) for name in ("price", "amount", "cost", "fee", "contracts")},
        "fees": fees,
    }


def _plain(number: Decimal | None) -> str | None:
    if number is None:
        return None
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula. Negative numbers stay numbers."""
    if not isinstance(value, str) or not value.startswith(RISKY):
        return value
    return value if _is_number(value) else f"'{value}"


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()
