"""Rows: one fill, as history and the order channel tell it, becomes a `Trade`.

History calls the fee `fee`; on the order channel that name is the whole order's, and the fill's is `fillFee`. Both
write what is charged as a negative number. A liquidation's trade has a negative id in history and `0` on the channel,
so that the channel only says that there is something to read. Docs, Get transaction details and Order channel, read
2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, TakerOrMaker, Trade
from shared.exchanges.kit.contract import Due, Feed, Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    millis,
    optional_decimal,
    optional_text,
    positive,
    row_of,
    rows_of,
    text,
    word,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import quotient, total
from shared.exchanges.kit.reading import fee_lines, market_of, read_each, side

_CONTRACTS = (Product.LINEAR, Product.INVERSE)
PRODUCTS_OF: Mapping[str, tuple[Product, ...]] = {
    "SPOT": (Product.SPOT,),
    "MARGIN": (Product.MARGIN,),
    "SWAP": _CONTRACTS,
    "FUTURES": _CONTRACTS,
}
_ROLES = {"T": TakerOrMaker.TAKER, "M": TakerOrMaker.MAKER, "": None, None: None}
_CODES = {"AE": "AET", "XBT": "BTC", "BCHSV": "BSV"}  # as the market list renames them


def _kinds(kind: Kind, *sub_types: int) -> dict[str, Kind]:
    return {str(sub_type): kind for sub_type in sub_types}


# `subType` of history (docs, Get transaction details), and `category` of the order channel.
_SUB_TYPES: Mapping[str, Kind] = {
    **_kinds(Kind.TRADE, 1, 2, 3, 4, 5, 6, *range(270, 276)),  # the last are legs of spreads
    **_kinds(Kind.LIQUIDATION, *range(100, 108)),
    **_kinds(Kind.DELIVERY, 112, 113),
    **_kinds(Kind.ADL, *range(125, 129)),
    **_kinds(Kind.BLOCK, *range(204, 210)),
    **_kinds(Kind.CONVERSION, 118, 119, 236, 237, 376, 377),
    **_kinds(Kind.ADJUSTMENT, *range(324, 330)),  # a position that is moved
}
_NO_TRADE = {"212", "213"}  # borrowing and repaying of quick margin
_CATEGORIES: Mapping[str, Kind] = {
    "normal": Kind.TRADE,
    "twap": Kind.TRADE,
    "ddh": Kind.TRADE,
    "full_liquidation": Kind.LIQUIDATION,
    "partial_liquidation": Kind.LIQUIDATION,
    "adl": Kind.ADL,
    "delivery": Kind.DELIVERY,
    "auto_conversion": Kind.CONVERSION,
}


def coin(code: str) -> str:
    """A coin by the name that the market list has for it."""
    return _CODES.get(code, code)


def _trade(
    row: Row, product: Product | None, markets: Markets, *, trade_id: str, kind: Kind, fee: str, provisional: bool
) -> Trade:
    market, own = market_in(row, product, markets)
    order_id, who = optional_text(row, "ordId"), side(row, "side")
    price, quantity = positive(row, "fillPx"), positive(row, "fillSz")
    amount, contracts, cost = _amounts(market, price, quantity)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=own,
        exchange_trade_id=trade_id,
        # The id is unique in its market only, and a trade with oneself gives one id to two orders; a block trade
        # has no order.
        identity=identity(own, market.id, trade_id, order_id or "", who),
        order_id=order_id,
        client_order_id=optional_text(row, "clOrdId"),
        side=who,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=cost,
        fees=_fees(row, fee),
        taker_or_maker=choice({"execType": row.get("execType")}, "execType", _ROLES),
        # Older rows of history have one time only, that of booking.
        timestamp_ms=millis(row, "ts" if "ts" in row and "fillTime" not in row else "fillTime"),
        kind=kind,
        provisional=provisional,
        raw=row,
    )


def market_in(row: Row, product: Product | None, markets: Markets) -> tuple[Market, Product]:
    """The row's market, and the product: a pair has one name on spot and on margin."""
    likely = choice(row, "instType", PRODUCTS_OF) if row.get("instType") else ()
    given = product if not likely else likely[0] if len(likely) == 1 else None
    market = market_of(markets, text(row, "instId"), likely, given)
    return market, Product.MARGIN if given is Product.MARGIN else market.product


def _amounts(market: Market, price: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal | None, Decimal]:
    """Amount in base, contracts, cost in quote. A contract is so much base coin; an inverse one so much quote coin."""
    if market.type == "spot":
        return quantity, None, exact_product(price, quantity)
    if market.contract_size is None:
        raise UnreadableRow(f"the size of a contract of {market.id!r} is not in the market list")
    size = exact_product(quantity, market.contract_size)
    if market.inverse:
        return quotient(size, price), quantity, size
    return size, quantity, exact_product(price, size)


def _fees(row: Row, name: str) -> tuple[Fee, ...]:
    amount, currency = optional_decimal(row, name), optional_text(row, f"{name}Ccy")
    paid = None if amount is None else total(amount.copy_negate())
    return fee_lines((paid, coin(currency) if currency else None))


def _trade_in_history(row: Row, product: Product | None, markets: Markets) -> Trade | None:
    """The trade of one row of history. Without an id of its own the bill that booked it names it.

    An order, as a quarantined push is one, is read as on its channel; so is a fill that no bill booked.
    """
    if "accFillSz" in row:
        found = _fill_on_channel(row, product, markets)
        return found if isinstance(found, Trade) else None
    if "billId" not in row and "fee" not in row and "count" in row:
        return _fill_alone(row, product, markets)
    sub_type, trade_id = optional_text(row, "subType"), optional_text(row, "tradeId") or "0"
    if sub_type in _NO_TRADE:
        return None
    if trade_id == "0":
        trade_id = f"bill:{text(row, 'billId')}"
    # Older rows have no `subType`; a negative id then says that the exchange itself traded, but not why.
    is_plain = sub_type is None and not trade_id.startswith("-")
    kind = Kind.TRADE if is_plain else choice({"subType": sub_type}, "subType", _SUB_TYPES)
    return _trade(row, product, markets, trade_id=trade_id, kind=kind, fee="fee", provisional=False)


def _fill_on_channel(row: Row, product: Product | None, markets: Markets) -> Trade | Due | None:
    """The latest fill of an order, None where this push tells of none, or what history must be read for."""
    trade_id, filled = optional_text(row, "tradeId"), optional_decimal(row, "fillSz")
    if trade_id == "0" or (trade_id is None and filled):
        if not filled and not optional_decimal(row, "accFillSz"):
            return None
        market, own = market_in(row, product, markets)
        return Due(Feed(own, market.id), text(row, "ordId"))
    if trade_id is None or not filled:
        return None
    kind = choice(row, "category", _CATEGORIES)
    is_short = optional_decimal(row, "fillFee") is None
    return _trade(row, product, markets, trade_id=trade_id, kind=kind, fee="fillFee", provisional=is_short)


def _fill_alone(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A fill of the channel that is kept for accounts of the highest level: it tells no fee, and margin as spot."""
    trade_id = text(row, "tradeId")
    return _trade(row, product, markets, trade_id=trade_id, kind=Kind.TRADE, fee="fillFee", provisional=True)


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The fills of one frame of the private socket. Acknowledgements, pongs and other channels hold none."""
    if not isinstance(message, Mapping) or "data" not in message:
        return Heard()
    channel = word(row_of(message.get("arg"), "'arg'"), "channel")
    if channel not in {"orders", "fills"}:
        return Heard()
    due: list[Due] = []

    def read(row: Row) -> Trade | None:
        if channel == "fills":
            return _fill_alone(row, product, markets)
        found = _fill_on_channel(row, product, markets)
        if isinstance(found, Due):
            due.append(found)
            return None
        return found

    trades, unreadable = read_each(rows_of(message["data"], "'data'"), read, "the order")
    return Heard(trades=trades, unreadable=unreadable, history_due=tuple(due))


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history, oldest first: the whole envelope, its list, or one row."""
    rows = response
    if not isinstance(response, list):
        found = row_of(response, "the response")
        if found.get("code") not in (None, 0, "0"):
            raise UnreadableRow(f"the exchange answered with an error: {found['code']} {found.get('msg', '')}")
        rows = rows_of(found["data"], "'data'") if "data" in found else [found]
    fills = [row for row in rows if not _is_something_else(row)]
    trades, unreadable = read_each(
        fills[::-1], partial(_trade_in_history, product=product, markets=markets), "the fill"
    )
    return Heard(trades=trades, unreadable=unreadable)


def _is_something_else(row: Any) -> bool:
    """Wallets, orders, times: rows without any field of a fill."""
    return isinstance(row, Mapping) and "fillPx" not in row and "billId" not in row and "tradeId" not in row
