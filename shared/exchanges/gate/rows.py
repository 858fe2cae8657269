"""Rows: one fill, as history and the private sockets tell it, becomes a `Trade`.

The shape tells the product: rows of spot name a `currency_pair`, those of contracts a `contract`; both may have the
same id. A fill's id is the whole market's: both sides of a trade with oneself have it, their orders differ.
Docs: https://www.gate.com/docs/developers/apiv4 (my_trades) and /ws (usertrades), read 2026-11.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade, Unreadable
from shared.exchanges.gate.coins import coin
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    decimal,
    millis,
    optional_decimal,
    optional_text,
    positive,
    row_of,
    rows_of,
    text,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import quotient
from shared.exchanges.kit.reading import fee_lines, read_each, side

# The second version of spot's is sooner and tells no fee: it is read, not subscribed to.
CHANNELS = ("spot.usertrades", "spot.usertrades_v2", "futures.usertrades")
_ROLES = {"taker": TakerOrMaker.TAKER, "maker": TakerOrMaker.MAKER}
# Who made the order, where it was neither a person nor a program (docs, `text` of spot fills and of futures orders).
_LIQUIDATION = re.compile(r"liquidation|liquidate|(pm|comb_margin|scm)_liquidate|(hedge-)?liq-.*|insurance")
_THOUSAND = Decimal(1_000)


def trade_from_fill(row: Row, markets: Markets, *, is_final: bool) -> Trade:
    """The trade of one fill. `is_final` is for history: what it does not tell, nobody will."""
    return (_contract_trade if "contract" in row else _spot_trade)(row, markets, is_final)


def _spot_trade(row: Row, markets: Markets, is_final: bool) -> Trade:
    market = markets.get(Product.SPOT, text(row, "currency_pair"))
    trade_id, order_id = text(row, "id"), text(row, "order_id")
    price, amount = positive(row, "price"), positive(row, "amount")
    own_side = side(row, "side")
    fee = optional_decimal(row, "fee")
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.SPOT,
        exchange_trade_id=trade_id,
        identity=identity(Product.SPOT, trade_id, order_id),
        order_id=order_id,
        client_order_id=_client_order_id(row),
        side=own_side,
        price=price,
        amount=amount,
        cost=exact_product(price, amount),
        fees=_fees(row, fee, _fee_currency(row, market, own_side)),
        taker_or_maker=_role(row),
        timestamp_ms=_moment(row),
        kind=_kind(row),
        # Sockets may leave out the fee's coin, which is not always the usual one: history tells.
        provisional=not is_final and (fee is None or (fee != 0 and optional_text(row, "fee_currency") is None)),
        raw=row,
    )


def _contract_trade(row: Row, markets: Markets, is_final: bool) -> Trade:
    market = _contract(markets, text(row, "contract"))
    # History by time calls it `trade_id`, everyone else `id`.
    trade_id, order_id = text(row, "trade_id" if "trade_id" in row else "id"), text(row, "order_id")
    price, size = positive(row, "price"), decimal(row, "size")
    if size == 0:
        raise UnreadableRow("the field 'size' is 0: neither bought nor sold")
    amount, cost = _amounts(market, price, abs(size))
    fee = optional_decimal(row, "fee")
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=trade_id,
        identity=identity(market.product, market.id, trade_id, order_id),
        order_id=order_id,
        client_order_id=_client_order_id(row),
        side=Side.BUY if size > 0 else Side.SELL,
        price=price,
        amount=amount,
        contracts=abs(size),
        cost=cost,
        fees=_fees(row, fee, market.settle),
        taker_or_maker=_role(row),
        timestamp_ms=_moment(row),
        kind=_kind(row),
        provisional=not is_final and fee is None,
        raw=row,
    )


def _contract(markets: Markets, market_id: str) -> Market:
    market = markets.find(Product.LINEAR, market_id) or markets.find(Product.INVERSE, market_id)
    if market is None:
        raise UnreadableRow(f"the market {market_id!r} (a contract) is not in the market list")
    return market


def _amounts(market: Market, price: Decimal, contracts: Decimal) -> tuple[Decimal, Decimal]:
    """Amount in base and cost in quote. A linear contract is so much of its base, an inverse one so many dollars."""
    if market.contract_size is None:
        raise UnreadableRow(f"the market list does not tell what a contract of {market.id!r} is worth")
    worth = exact_product(contracts, market.contract_size)
    return (quotient(worth, price), worth) if market.inverse else (worth, exact_product(price, worth))


def _fee_currency(row: Row, market: Market, own_side: Side) -> str:
    """The fee's coin under its name in the market list; where it is left out, the coin that was received."""
    written = optional_text(row, "fee_currency")
    if written is None:
        return market.base if own_side is Side.BUY else market.quote
    base_id, _, quote_id = market.id.partition("_")
    return {base_id: market.base, quote_id: market.quote}.get(written) or coin(written)


def _fees(row: Row, fee: Decimal | None, currency: str | None) -> tuple[Fee, ...]:
    """All fee lines. What was paid in the exchange's own coin, or in points, leaves the fee itself at zero."""
    other = fee_lines((optional_decimal(row, "gt_fee"), "GT"), (optional_decimal(row, "point_fee"), coin("POINT")))
    other = tuple(line for line in other if line.amount)
    return other if other and not fee else fee_lines((fee, currency)) + other


def _client_order_id(row: Row) -> str | None:
    """What users give begins with `t-`; anything else says where the order came from."""
    written = optional_text(row, "text")
    return written if written and written.startswith("t-") else None


def _kind(row: Row) -> Kind:
    written = optional_text(row, "text") or ""
    if written == "auto_deleveraging":
        return Kind.ADL
    return Kind.LIQUIDATION if _LIQUIDATION.fullmatch(written) else Kind.TRADE


def _role(row: Row) -> TakerOrMaker | None:
    return None if optional_text(row, "role") is None else choice(row, "role", _ROLES)


def _moment(row: Row) -> int:
    """Epoch ms, cut: texts and numbers with digits below, or only seconds with a fraction."""
    moment = optional_decimal(row, "create_time_ms")
    if moment is None:
        moment = exact_product(decimal(row, "create_time"), _THOUSAND)
    return millis({"create_time": int(moment)}, "create_time")


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one frame of a private socket, or of one row that was kept without its frame.

    Acknowledgements, pongs and other channels hold none.
    """
    del product
    frame = row_of(message, "the message")
    if "order_id" in frame:
        rows = [frame]
    elif frame.get("channel") in CHANNELS and frame.get("event") == "update":
        rows = rows_of(frame.get("result"), "'result'")
    else:
        return Heard()
    trades, unreadable = read_rows(rows, markets, is_final=False)
    return Heard(trades=trades, unreadable=unreadable)


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: its list, or one row. Wallets and orders hold none."""
    del product
    if isinstance(response, Mapping) and isinstance(response.get("label"), str):
        raise UnreadableRow(f"the exchange answered with an error: {response['label']}")
    rows = response if isinstance(response, list) else [row_of(response, "the response")]
    trades, unreadable = read_rows([row for row in rows if not _is_something_else(row)], markets, is_final=True)
    return Heard(trades=trades, unreadable=unreadable)


def _is_something_else(row: Any) -> bool:
    return isinstance(row, Mapping) and "order_id" not in row and "trade_id" not in row


def read_rows(rows: list[Any], markets: Markets, *, is_final: bool) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Each row by itself."""
    return read_each(rows, partial(trade_from_fill, markets=markets, is_final=is_final), "the fill")
