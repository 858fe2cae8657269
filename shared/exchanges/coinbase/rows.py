"""Rows: fills of Advanced Trade. Only REST tells them; the socket tells orders.

An entry of the exchange's ledger is a row; a reversal or correction is an entry of its own that repeats the `trade_id`
of the trade it is about. So `entry_id` identifies, and `trade_id` is shown. Docs, List Fills, read 2026-11.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    decimal,
    instant,
    optional_text,
    positive,
    row_of,
    rows_of,
    text,
    truth,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as product_of
from shared.exchanges.kit.numbers import quotient
from shared.exchanges.kit.reading import read_each, side

_KINDS = {
    "FILL": Kind.TRADE,
    "REVERSAL": Kind.ADJUSTMENT,
    "CORRECTION": Kind.ADJUSTMENT,
    "SYNTHETIC": Kind.ADJUSTMENT,
}
# A role that is not told costs no trade.
_ROLES = {
    "TAKER": TakerOrMaker.TAKER,
    "MAKER": TakerOrMaker.MAKER,
    "UNKNOWN_LIQUIDITY_INDICATOR": None,
    "": None,
    None: None,
}
# US futures, and the perpetuals that were here until 2026-09: ids that no spot market has.
_CONTRACTS = ("-CDE", "-INTX")
_RENAMED = {"CGLD": "CELO"}


def coin(code: str) -> str:
    """A coin's code as it is known elsewhere."""
    return _RENAMED.get(code, code)


def read_rest(data: Any, markets: Markets, product: Product | None) -> Heard:
    """The fills of a response, of its list, or of one row without it."""
    del product
    if isinstance(data, list):
        rows = data
    else:
        body = row_of(data, "the response")
        if "fills" not in body and ("error" in body or "errors" in body):
            raise UnreadableRow(f"the exchange answered with an error: {body.get('error')} {body.get('message', '')}")
        rows = [body] if "entry_id" in body else rows_of(body.get("fills") or [], "'fills'")
    trades, unreadable = read_fills(rows, markets)
    return Heard(trades=trades, unreadable=unreadable)


def read_fills(rows: Iterable[Any], markets: Markets) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Every fill on a spot market, and what cannot be read. Fills of contracts are left out."""
    return read_each(rows, partial(_fill, markets), "the fill")


def _fill(markets: Markets, row: Row) -> Trade | None:
    market_id = text(row, "product_id")
    if _is_contract(markets, market_id):
        return None
    market = markets.get(Product.SPOT, market_id)
    kind = choice(row, "trade_type", _KINDS)
    price, (amount, cost) = positive(row, "price"), _size(row)
    return Trade(
        symbol=market.symbol,
        market_id=market_id,
        product=Product.SPOT,
        exchange_trade_id=text(row, "trade_id"),
        identity=identity(Product.SPOT, text(row, "entry_id")),
        order_id=text(row, "order_id") if kind is Kind.TRADE else optional_text(row, "order_id"),
        side=side(row, "side"),
        price=price,
        amount=amount,
        cost=cost,
        fees=(_fee(row, market),),
        taker_or_maker=choice(row, "liquidity_indicator", _ROLES),
        timestamp_ms=instant(row, "trade_time"),
        kind=kind,
        raw=row,
    )


def _is_contract(markets: Markets, market_id: str) -> bool:
    known = markets.products_of(market_id)
    return Product.SPOT not in known if known else market_id.endswith(_CONTRACTS)


def _size(row: Row) -> tuple[Decimal, Decimal]:
    """Amount in base and cost in quote: `size` is either of them, as the row says."""
    price, size = positive(row, "price"), positive(row, "size")
    if truth(row, "size_in_quote"):
        return quotient(size, price), size
    return size, product_of(price, size)


def _fee(row: Row, market: Market) -> Fee:
    """The row names no currency: fees are paid in the market's quote."""
    return Fee(decimal(row, "commission"), market.quote)
