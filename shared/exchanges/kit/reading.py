"""Reading trades out of raw rows: one bad row never costs a good one, and no market or fee is guessed."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Product, Side, Trade, Unreadable
from shared.exchanges.kit.fields import Row, choice, optional_text, row_of

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


def read_each(
    rows: Iterable[Any], read: Callable[[Row], Trade | None], what: str = "the row"
) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Each row read by itself: the trades, and what could not be read with its reason. None: no trade in it."""
    trades: list[Trade] = []
    unreadable: list[Unreadable] = []
    for raw in rows:
        try:
            trade = read(row_of(raw, what))
        except UnreadableRow as error:
            unreadable.append(Unreadable(reason=error.sentence, raw=raw))
        else:
            if trade is not None:
                trades.append(trade)
    return tuple(trades), tuple(unreadable)


def side(row: Row, name: str) -> Side:
    """The user's side from a field that says buy or sell in any case."""
    return choice({name: (optional_text(row, name) or "").upper()}, name, _SIDES)


def market_of(markets: Markets, market_id: str, likely: Iterable[Product], product: Product | None = None) -> Market:
    """The market of a raw id.

    A `product` given decides; otherwise the market list does where it knows the id for one product only,
    and `likely` (what the message's own shape says, best first) where it knows several.
    Raises `UnreadableRow` when the list does not know the id.
    """
    if product is not None:
        return markets.get(product, market_id)
    known = markets.products_of(market_id)
    for candidate in (*likely, *known):
        if candidate in known or (candidate is Product.MARGIN and Product.SPOT in known):
            return markets.get(candidate, market_id)
    raise UnreadableRow(f"the market {market_id!r} is not in the market list")


def fee_lines(*lines: tuple[Decimal | None, str | None]) -> tuple[Fee, ...]:
    """Fee lines of (amount, currency), paid positive. A line without an amount is none.

    A fee of zero in no currency is none either; any other fee without a currency raises `UnreadableRow`.
    """
    fees = []
    for amount, currency in lines:
        if amount is None or (amount == 0 and not currency):
            continue
        if not currency:
            raise UnreadableRow(f"a fee of {amount} has no currency")
        fees.append(Fee(amount, currency))
    return tuple(fees)
