"""`tradesync trades`: the stored trades, filtered, as a table, CSV or JSON lines."""

import csv
import sys
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any

import click
import msgspec
from rich.table import Table

from cli.office import find_connection, opened, says_errors, screen, user_id, window_of
from shared import exchanges
from shared.domain.trades import Product
from shared.storage import reading
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
@click.option("--limit", type=click.IntRange(1), help="At most so many, the newest; 50 for a table, else all.")
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
        if form == "table":
            _table(reading.list_trades(db, wanted, limit=limit or 50))
            return
        found: Iterable[TradeLine] = reading.each_trade(db, wanted)
        if limit is not None:
            found = reversed(reading.list_trades(db, wanted, limit=limit))
        try:
            _csv(found) if form == "csv" else _json(found)
        except BrokenPipeError:
            sys.stderr.close()  # whoever reads has seen enough


def _table(lines: Iterable[TradeLine]) -> None:
    table = Table(*(name.replace("_", " ") for name in SHORT), box=None)
    for line in lines:
        row = _row(line)
        state = "awaiting fee" if line.provisional else "proven" if line.is_confirmed else "heard"
        table.add_row(*(str(row.get(name) if row.get(name) is not None else "") for name in SHORT[:-1]), state)
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
