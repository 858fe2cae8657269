"""Rows: fills as REST tells them, and matches as the socket does.

A match names the maker's side, and the fee's rate only: the row made of it is provisional, its fee an estimate, until
REST tells it. `trade_id` counts by product and is the same on both ways; the order tells the two sides of a match with
oneself apart. Docs, Get all fills, and User channel, read 2026-11.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Product, Side, TakerOrMaker, Trade, Unreadable
from shared.exchanges.kit.contract import Due, Feed, Heard
from shared.exchanges.kit.fields import (
    Row,
    choice,
    decimal,
    instant,
    optional_decimal,
    positive,
    row_of,
    text,
    word,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as product_of
from shared.exchanges.kit.reading import read_each, side

_ROLES = {"T": TakerOrMaker.TAKER, "M": TakerOrMaker.MAKER}
_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
_RENAMED = {"CGLD": "CELO"}


def coin(code: str) -> str:
    """A coin's code as it is known elsewhere."""
    return _RENAMED.get(code, code)


def feed_of(product: Product, market_id: str) -> Feed:
    """The feed that a trade belongs to: fills are asked for by market."""
    del product
    return Feed(Product.SPOT, market_id)


def read_rest(data: Any, markets: Markets, product: Product | None) -> Heard:
    """The fills of a response, or of one row without it. Other lists have a balance in each row."""
    del product
    if isinstance(data, Mapping) and "message" in data and "trade_id" not in data:
        raise UnreadableRow(f"the exchange answered with an error: {data['message']}")
    rows = data if isinstance(data, list) else [data] if isinstance(data, Mapping) and "liquidity" in data else ()
    fills = [row for row in rows if not (isinstance(row, Mapping) and "balance" in row)]
    trades, unreadable = read_fills(fills, markets)
    return Heard(trades=trades, unreadable=unreadable)


def read_fills(rows: Iterable[Any], markets: Markets) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Every fill, and what cannot be read."""
    return read_each(rows, partial(_fill, markets), "the fill")


def _fill(markets: Markets, row: Row) -> Trade:
    market = markets.get(Product.SPOT, text(row, "product_id"))
    return _trade(
        row,
        market,
        order_id=text(row, "order_id"),
        own_side=side(row, "side"),
        role=choice(row, "liquidity", _ROLES),
        fees=(Fee(decimal(row, "fee"), market.quote),),
        moment=instant(row, "created_at"),
        is_provisional=False,
    )


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The match in a message of the `user` channel. Of a match with oneself only REST tells both sides."""
    del product
    row = row_of(message, "the message")
    if word(row, "type") not in {"match", "last_match"}:
        return Heard()
    roles = [role for role in ("taker", "maker") if _is_own(row, role)]
    if len(roles) == 2:
        return Heard(history_due=(Due(feed_of(Product.SPOT, text(row, "product_id"))),))
    if not roles:
        raise UnreadableRow("the match does not say whose it is")
    return Heard(trades=(_match(row, markets, roles[0]),))


def _is_own(row: Row, role: str) -> bool:
    return any(row.get(f"{role}_{name}") for name in ("profile_id", "user_id"))


def _match(row: Row, markets: Markets, role: str) -> Trade:
    market = markets.get(Product.SPOT, text(row, "product_id"))
    makers_side = side(row, "side")
    rate = optional_decimal(row, f"{role}_fee_rate")
    fee = None if rate is None else product_of(positive(row, "price"), positive(row, "size"), rate)
    return _trade(
        row,
        market,
        order_id=text(row, f"{role}_order_id"),
        own_side=makers_side if role == "maker" else _OTHER[makers_side],
        role=TakerOrMaker(role),
        fees=() if fee is None else (Fee(fee, market.quote),),
        moment=instant(row, "time"),
        is_provisional=True,
    )


def _trade(
    row: Row,
    market: Market,
    *,
    order_id: str,
    own_side: Side,
    role: TakerOrMaker,
    fees: tuple[Fee, ...],
    moment: int,
    is_provisional: bool,
) -> Trade:
    price, amount, trade_id = positive(row, "price"), positive(row, "size"), text(row, "trade_id")
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.SPOT,
        exchange_trade_id=trade_id,
        identity=identity(Product.SPOT, market.id, trade_id, order_id),
        order_id=order_id,
        side=own_side,
        price=price,
        amount=amount,
        cost=product_of(price, amount),
        fees=fees,
        taker_or_maker=role,
        timestamp_ms=moment,
        provisional=is_provisional,
        raw=row,
    )
