"""`tradesync read`: what would be stored of one raw message, without any server, setting or network.

Bytes come in as the exchange sends them; out goes one JSON object a line, decimals as plain strings.
"""

import sys
from codecs import BOM_UTF8
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

import click

from shared.domain.errors import BadInput, TradeSyncError
from shared.domain.markets import Market, Markets
from shared.domain.trades import UNTOLD_MS, Product, Trade
from shared.exchanges import load
from shared.exchanges.kit.contract import Due, Exchange, Heard
from shared.exchanges.kit.numbers import plain
from shared.exchanges.kit.wire import decode_json, encode_json


@click.command()
@click.argument("exchange")
@click.option(
    "--from",
    "source",
    type=click.Choice(["stream", "rest"]),
    required=True,
    help="Whether standard input holds a socket message or a REST response.",
)
@click.option("--product", "named", help="The product it is of. Without it the market list decides.")
@click.option(
    "--markets",
    "markets_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A JSON list of {id, symbol, type (spot, swap, future, option), base, quote, settle, contract_size, linear,"
    " inverse}.",
)
def read(exchange: str, source: str, named: str | None, markets_file: Path | None) -> None:
    """Read one raw message or response of EXCHANGE on standard input and print what would be stored.

    A message without a trade prints nothing; one that only says that something filled prints {"history_due": …}.
    Exit code 1: something could not be read, and standard error says why.
    """
    try:
        found = load(exchange)
        product = _product(found, named)
        markets = Markets([]) if markets_file is None else _markets(markets_file)
    except TradeSyncError as error:
        raise click.UsageError(str(error)) from None
    message = sys.stdin.buffer.read() if sys.stdin else b""  # a caller may have closed it
    message = message.removeprefix(BOM_UTF8)  # editors and shells put it there, no exchange does
    if not message.strip():
        _fail("Standard input is empty; one raw message or response is expected there.")
    try:
        if source == "stream":
            heard = found.read_stream(found.decode(message), markets, product)
        else:
            heard = found.read_rest(decode_json(message), markets, product)
    except TradeSyncError as error:
        _fail(f"It cannot be read: {error}{_hint(markets_file)}")
    except Exception as error:  # noqa: BLE001 — the end of a command: a reader's own fault is said in one line too
        _fail(f"It cannot be read: the reader of {found.title} fails ({type(error).__name__}).")
    strange = next((trade.product for trade in heard.trades if product and not _is_of(trade.product, product)), None)
    if strange is not None:
        _fail(f"It cannot be read as {named}: it holds a trade of {strange}.")
    _print(heard)
    if heard.unreadable:
        _fail("\n".join(f"It cannot be read: {row.reason}{_hint(markets_file)}" for row in heard.unreadable))


def _is_of(found: Product, asked: Product) -> bool:
    """Whether a trade is of the product that was named. Margin trades happen on spot markets: messages may not tell."""
    spot = {Product.SPOT, Product.MARGIN}
    return found is asked or {found, asked} <= spot


def _print(heard: Heard) -> None:
    for trade in heard.trades:
        _say(line_of(trade))
    for due in heard.history_due:
        _say({"history_due": due_of(due)})


def _say(line: dict[str, Any]) -> None:
    # Bytes: symbols may hold any letters, whatever the terminal's encoding is.
    click.echo(encode_json(line).encode())


def line_of(trade: Trade) -> dict[str, Any]:
    """A trade as it is printed: decimals as plain texts, null where there is nothing."""
    return {
        "symbol": trade.symbol,
        "market_id": trade.market_id,
        "product": trade.product.value,
        "exchange_trade_id": trade.exchange_trade_id,
        "identity": trade.identity,
        "order_id": trade.order_id,
        "side": trade.side.value,
        "price": plain(trade.price),
        "amount": plain(trade.amount),
        "contracts": None if trade.contracts is None else plain(trade.contracts),
        "cost": plain(trade.cost),
        "fee": None if trade.fee is None else plain(trade.fee),
        "fee_currency": trade.fee_currency,
        "fees": [{"amount": plain(fee.amount), "currency": fee.currency} for fee in trade.fees],
        "taker_or_maker": trade.taker_or_maker and trade.taker_or_maker.value,
        "timestamp_ms": None if trade.timestamp_ms == UNTOLD_MS else trade.timestamp_ms,
        "kind": trade.kind.value,
        "provisional": trade.provisional,
    }


def due_of(due: Due) -> dict[str, Any]:
    """The feed that must be read over REST to learn what filled."""
    feed = due.feed
    told = {"product": feed.product.value, "market_id": feed.market_id or None, "feed": feed.key}
    return told if due.order_id is None else {**told, "order_id": due.order_id}


def _product(exchange: Exchange, named: str | None) -> Product | None:
    if named is None:
        return None
    known = {product.value: product for product in exchange.products}
    if named not in known:
        raise BadInput(f"{exchange.title} has no product {named!r}.", hint=f"It has: {', '.join(known)}.")
    return known[named]


def _markets(file: Path) -> Markets:
    """The market list of a file. Raises `BadInput` that names what is wrong with it."""
    try:
        rows = decode_json(file.read_bytes().removeprefix(BOM_UTF8))
    except OSError as error:
        raise BadInput(f"The market list {str(file)!r} cannot be opened: {error.strerror}.") from None
    except TradeSyncError as error:
        raise BadInput(f"The market list {str(file)!r} cannot be read: {error}.") from None
    if not isinstance(rows, list):
        raise BadInput(f"The market list {str(file)!r} is not a JSON list.")
    return Markets(_market(row, place, file) for place, row in enumerate(rows, 1))


def _market(row: Any, place: int, file: Path) -> Market:
    def bad(what: str) -> BadInput:
        return BadInput(f"Market {place} of {str(file)!r} {what}.")

    if not isinstance(row, dict):
        raise bad("is not an object")
    for name in ("id", "symbol", "type", "base", "quote"):
        if not isinstance(row.get(name), str) or not row[name]:
            raise bad(f"has no text {name!r}")
    if row["type"] not in {"spot", "swap", "future", "option"}:
        raise bad(f"has the type {row['type']!r}, which is none of spot, swap, future, option")
    for name in ("linear", "inverse"):
        if row.get(name) is not None and not isinstance(row[name], bool):
            raise bad(f"has {name!r} that is neither true, false nor null")
    settle = row.get("settle")
    if settle is not None and not isinstance(settle, str):
        raise bad("has a 'settle' that is no text")
    return Market(
        id=row["id"],
        symbol=row["symbol"],
        type=row["type"],
        base=row["base"],
        quote=row["quote"],
        settle=settle,
        contract_size=_size(row.get("contract_size"), bad("has a 'contract_size' that is no number above zero")),
        linear=row.get("linear"),
        inverse=row.get("inverse"),
    )


def _size(written: Any, refusal: BadInput) -> Decimal | None:
    if written is None:
        return None
    if isinstance(written, bool) or not isinstance(written, str | int | Decimal):
        raise refusal
    try:
        size = Decimal(written)
    except InvalidOperation:
        raise refusal from None
    if not size.is_finite() or size <= 0:
        raise refusal
    return size


def _hint(markets_file: Path | None) -> str:
    return "" if markets_file else " (No market list was given; a symbol is looked up in the one that --markets names.)"


def _fail(sentence: str) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(1)
