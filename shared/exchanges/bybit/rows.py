"""Rows: one execution, as history and the private socket tell it, becomes a `Trade`.

Both name the fields alike. The product (`category`) stands in each row of the socket, but only once on a result of
history. `execId` is the same on both; docs, Get Trade History and Execution stream, read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit.contract import Heard
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
    truth,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.reading import fee_lines, market_of, read_each
from shared.exchanges.kit.wire import decode_json

CATEGORIES = {"spot": Product.SPOT, "linear": Product.LINEAR, "inverse": Product.INVERSE, "option": Product.OPTION}
_SIDES = {"Buy": Side.BUY, "Sell": Side.SELL}
_KINDS = {
    "Trade": Kind.TRADE,
    "AdlTrade": Kind.ADL,
    "BustTrade": Kind.LIQUIDATION,
    "Delivery": Kind.DELIVERY,
    "Settle": Kind.SETTLEMENT,
    "BlockTrade": Kind.BLOCK,
    "MovePosition": Kind.ADJUSTMENT,
    "FutureSpread": Kind.TRADE,
    "CorporateAction": Kind.ADJUSTMENT,
}
_FUNDING = "Funding"


def trade_from_execution(row: Row, product: Product | None, markets: Markets, *, is_final: bool) -> Trade | None:
    """The trade of one execution, None for a funding payment.

    The row's own category decides, then `product` (what stood around the row), then its shape and the market list.
    `is_final` is for history: what it does not tell, nobody will.
    """
    # The fast topic leaves these two out, and holds nothing but trades.
    is_fast = not is_final and "execType" not in row and "execFee" not in row
    if row.get("execType") == _FUNDING:
        return None
    market = _market(row, product, markets)
    side = choice(row, "side", _SIDES)
    order_id = optional_text(row, "orderId")
    price = positive(row, "execPrice")
    quantity = positive(row, "execQty")
    amount, contracts, cost = _amounts(row, market, price, quantity)
    fees = _fees(row, market, side)
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=text(row, "execId"),
        identity=identity(market.product, market.id, text(row, "execId"), order_id or "", side),
        order_id=order_id,
        client_order_id=optional_text(row, "orderLinkId"),
        side=side,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=cost,
        fees=fees,
        taker_or_maker=_taker_or_maker(row),
        timestamp_ms=millis(row, "execTime"),
        kind=Kind.TRADE if is_fast else _kind(row, market),
        provisional=not is_final and optional_text(row, "execFee") is None,
        raw=row,
    )


def _market(row: Row, product: Product | None, markets: Markets) -> Market:
    if row.get("category"):  # the exchange's own word outweighs what stood around the row
        product = choice(row, "category", CATEGORIES)
    # Rows of contracts name who created the order, those of spot do not (docs, Get Trade History: createType).
    likely = (Product.LINEAR, Product.INVERSE) if "createType" in row else (Product.SPOT, Product.LINEAR)
    return market_of(markets, text(row, "symbol"), likely, product)


def _kind(row: Row, market: Market) -> Kind:
    if market.type == "spot" and row.get("execType") == "":
        return Kind.TRADE  # classic spot rows leave it empty, and spot knew nothing else then
    return choice(row, "execType", _KINDS)


def _amounts(row: Row, market: Market, price: Decimal, quantity: Decimal) -> tuple[Decimal, Decimal | None, Decimal]:
    """Amount in base, contracts, cost in quote. Inverse contracts count in USD, and `execValue` is then in base."""
    if market.inverse:
        size = market.contract_size or Decimal(1)
        return positive(row, "execValue"), quantity, exact_product(quantity, size)
    value = optional_decimal(row, "execValue")
    return quantity, None, exact_product(price, quantity) if value is None else value


def _taker_or_maker(row: Row) -> TakerOrMaker | None:
    if row.get("isMaker") is None:
        return None
    return TakerOrMaker.MAKER if truth(row, "isMaker") else TakerOrMaker.TAKER


def _fees(row: Row, market: Market, side: Side) -> tuple[Fee, ...]:
    amount = optional_decimal(row, "execFee")
    if market.type == "spot" and row.get("execType") == "FutureSpread":
        leg = optional_decimal(row, "execFeeV2")  # the spot leg of a spread has its fee here
        amount = amount if leg is None else leg
    currency = optional_text(row, "feeCurrency") or _usual_currency(row, market, side, amount)
    return fee_lines((amount, currency), *_extra_fees(row))


def _usual_currency(row: Row, market: Market, side: Side, amount: Decimal | None) -> str | None:
    """The fee's currency where the row leaves it out (docs, Spot Fee Currency Instruction)."""
    if market.type != "spot":
        return market.settle
    rate = optional_decimal(row, "feeRate")
    is_rebate = row.get("isMaker") is True and (rate if rate is not None else amount or Decimal(0)) < 0
    gets_base = side is Side.BUY
    return market.base if gets_base is not is_rebate else market.quote


def _extra_fees(row: Row) -> list[tuple[Decimal | None, str | None]]:
    """Taxes and levies beside the fee: a list, the same as a text, or nothing."""
    extra = row.get("extraFees")
    if isinstance(extra, str) and extra:
        extra = decode_json(extra)
    if not extra:
        return []
    lines = [row_of(line, "a line of 'extraFees'") for line in rows_of(extra, "'extraFees'")]
    return [(optional_decimal(line, "fee"), optional_text(line, "feeCoin")) for line in lines]


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one frame of the private socket. Acknowledgements, pongs and other topics hold none."""
    frame = row_of(message, "the message")
    if "topic" not in frame and "execId" in frame:  # a row that was kept alone
        frame = {"topic": "execution", "data": [frame]}
    topic, _, category = str(frame.get("topic", "")).partition(".")
    if topic != "execution":
        return Heard()
    if category.startswith("fast"):
        category = category.removeprefix("fast").removeprefix(".")
    own = product or (choice({"topic": category}, "topic", CATEGORIES) if category else None)
    rows = rows_of(frame.get("data"), "'data'")
    trades, unreadable = read_rows(rows, own, markets, is_final=False)
    return Heard(trades=trades, unreadable=unreadable)


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: the whole envelope, its result, its list, or one row."""
    if isinstance(response, list):
        rows, own = response, product
    else:
        found = row_of(response, "the response")
        if found.get("retCode") not in (None, 0, "0"):
            raise UnreadableRow(f"the exchange answered with an error: {found['retCode']} {found.get('retMsg', '')}")
        result = row_of(found.get("result", found), "'result'")
        if "list" not in result:
            rows, own = ([result] if "execId" in result else []), product
        else:
            rows = rows_of(result["list"], "'list'")
            own = product or category_of(result)
    executions = [row for row in rows if not _is_something_else(row)]
    trades, unreadable = read_rows(executions, own, markets, is_final=True)
    return Heard(trades=trades, unreadable=unreadable)


def _is_something_else(row: Any) -> bool:
    """Wallets, orders, positions: rows without any field of an execution."""
    return isinstance(row, Mapping) and not any(str(name).startswith("exec") for name in row)


def category_of(result: Row) -> Product | None:
    """The product that stands once on a result of history, None where it does not."""
    return choice(result, "category", CATEGORIES) if result.get("category") else None


def read_rows(
    rows: list[Any], product: Product | None, markets: Markets, *, is_final: bool
) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Each row by itself, oldest first: rows of one instant come in no fixed order, the open rest tells it."""
    trades, unreadable = read_each(
        (_placed(row, product) for row in rows),
        partial(trade_from_execution, product=product, markets=markets, is_final=is_final),
        "the execution",
    )
    return tuple(sorted(trades, key=_moment)), unreadable


def _placed(row: Any, product: Product | None) -> Any:
    """The row with its product in it, so that what is kept of it can be read again by itself."""
    if product is None or not isinstance(row, Mapping) or row.get("category"):
        return row
    return {**row, "category": product.value}


def _moment(trade: Trade) -> tuple[int, Decimal]:
    try:
        rest = optional_decimal(trade.raw, "leavesQty")
    except UnreadableRow:
        rest = None
    return trade.timestamp_ms, -rest if rest is not None else Decimal(0)
