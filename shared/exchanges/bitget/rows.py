"""Rows: one fill, in the three shapes of this exchange, becomes a `Trade`.

| Shape | Known by | Price, amount, cost | Fee, where paid is |
|---|---|---|---|
| classic spot | `priceAvg` | `priceAvg`, `size`, `amount` | negative over REST, either on the socket |
| classic contracts | `baseVolume` | `price`, `baseVolume`, `quoteVolume` | negative |
| unified | `execId` | `execPrice`, `execQty`, `execValue` | positive |

A classic fee that the discount coin paid is positive everywhere. All amounts are in the base coin. Docs, Get Fills,
Get Order Fills, Get Fill History and the fill channels, read 2026-11; where they say nothing, see each function.
"""

import re
from collections.abc import Iterable, Mapping
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
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.reading import fee_lines, read_each
from shared.exchanges.kit.reading import side as side_of

# Both worlds call them so, in upper or lower case: `instType`, `productType` or `category`.
PRODUCTS = {
    "SPOT": Product.SPOT,
    "MARGIN": Product.MARGIN,
    "USDT-FUTURES": Product.LINEAR,
    "USDC-FUTURES": Product.LINEAR,
    "COIN-FUTURES": Product.INVERSE,
}
_SPOT_NAMES = ("priceAvg", "size", "amount")
_CONTRACT_NAMES = ("price", "baseVolume", "quoteVolume")
_UNIFIED_NAMES = ("execPrice", "execQty", "execValue")
_COIN_SUFFIX = "_CM"  # unified accounts call BTCUSD so
_SCOPES = {"taker": TakerOrMaker.TAKER, "maker": TakerOrMaker.MAKER}

# What a fill did to a position: why, and which way.
_TRADE_SIDE = re.compile(
    r"(?:(reduce|burst|offset|delivery|dte_sys_adl)_)?"
    r"(?:(open|close)(?:_(long|short))?|(buy|sell)(?:_single|_in_single_side_mode))"
)
_KINDS = {
    None: Kind.TRADE,
    "reduce": Kind.LIQUIDATION,  # a position reduced by force
    "burst": Kind.LIQUIDATION,
    "offset": Kind.ADJUSTMENT,  # a long and a short position netted by force
    "delivery": Kind.DELIVERY,
    "dte_sys_adl": Kind.ADL,
}
_MARKS = frozenset({"tradeId", "execId", "tradeScope"})  # what only fills hold
_OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
_IS_HEDGED = {"hedge_mode": True, "one_way_mode": False}

# Coins that go by another name elsewhere, where their name means another coin.
_COINS = {
    "APX": "AstroPepeX",
    "DEGEN": "DegenReborn",
    "EVA": "Evadore",
    "JADE": "Jade Protocol",
    "OMNI": "omni",
    "TONCOIN": "TON",
}


def coin(name: str) -> str:
    """Our name for one of the exchange's coins."""
    return _COINS.get(name, name)


def trade_from(row: Row, product: Product | None, markets: Markets, *, is_final: bool) -> Trade:
    """The trade of one fill. The row's own product decides, then `product` (what stood around it), then its shape.

    `is_final` is for history. A classic spot socket writes paid fees as positive in the docs' samples and as
    negative in captured messages: its rows are provisional.
    """
    is_unified, is_contract = "execId" in row, "baseVolume" in row
    own, market = _market(row, product, markets)
    names = _UNIFIED_NAMES if is_unified else _CONTRACT_NAMES if is_contract else _SPOT_NAMES
    price, amount, cost = positive(row, names[0]), positive(row, names[1]), optional_decimal(row, names[2])
    kind, side = _kind_and_side(row, is_contract=is_contract)
    trade_id, order_id = text(row, "execId" if is_unified else "tradeId"), optional_text(row, "orderId")
    is_unsure = not is_final and (row.get("feeDetail") is None or not (is_unified or is_contract))
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=own,
        exchange_trade_id=trade_id,
        # Two orders of one account may meet: one trade, two fills.
        identity=identity(market.product, market.id, trade_id, order_id or ""),
        order_id=order_id,
        client_order_id=optional_text(row, "clientOid"),
        side=side,
        price=price,
        amount=amount,
        cost=exact_product(price, amount) if cost is None else cost,
        fees=_unified_fees(row) if is_unified else _classic_fees(row, is_unsure=is_unsure),
        taker_or_maker=choice(row, "tradeScope", _SCOPES) if row.get("tradeScope") else None,
        timestamp_ms=millis(row, next((name for name in ("execTime", "createdTime") if row.get(name)), "cTime")),
        kind=kind,
        provisional=is_unsure,
        raw=row,
    )


def _market(row: Row, product: Product | None, markets: Markets) -> tuple[Product, Market]:
    """The product and the market. Spot and contracts share ids; margin trades happen on the spot market."""
    product = product_of(row) or product
    if product is None and "execId" in row:
        raise UnreadableRow("the field 'category' is missing or empty")
    by_shape = (Product.LINEAR, Product.INVERSE) if "baseVolume" in row else (Product.SPOT,)
    written = text(row, "symbol")
    for candidate in by_shape if product is None else (product,):
        for market_id in (written, written.removesuffix(_COIN_SUFFIX)):
            market = markets.find(candidate, market_id)
            if market is not None:
                return candidate, market
    raise UnreadableRow(f"the market {written!r} ({product or 'of either kind'}) is not in the market list")


def product_of(row: Row) -> Product | None:
    """The product that a row or a subscription names, None where it names none."""
    for name in ("category", "instType"):
        written = optional_text(row, name)
        if written is not None:
            return choice({name: written.upper()}, name, PRODUCTS)
    return None


def _kind_and_side(row: Row, *, is_contract: bool) -> tuple[Kind, Side]:
    """Why it happened, and the user's side.

    Classic contracts with two positions name the touched position in `side`, so that closing a long one says buy
    (seen in the reports of several users; the docs are silent). Unified rows tell the true side.
    """
    side = side_of(row, "side")
    written = text(row, "tradeSide") if is_contract else optional_text(row, "tradeSide")
    if written is None:
        return Kind.TRADE, side
    found = _TRADE_SIDE.fullmatch(written.lower())
    if found is None:
        raise UnreadableRow(f"the field 'tradeSide' is {written!r}, which is unknown")
    why, what, position, direction = found.groups()
    if not is_contract:
        return _KINDS[why], side
    if direction is not None:
        return _KINDS[why], Side(direction)
    if position is not None:
        is_buy = (what == "open") == (position == "long")
        return _KINDS[why], Side.BUY if is_buy else Side.SELL
    is_turned = what == "close" and choice(row, "posMode", _IS_HEDGED)
    return _KINDS[why], _OTHER[side] if is_turned else side


def _unified_fees(row: Row) -> tuple[Fee, ...]:
    return fee_lines(*((optional_decimal(line, "fee"), _coin_of(line)) for line in _fee_rows(row)))


def _classic_fees(row: Row, *, is_unsure: bool) -> tuple[Fee, ...]:
    return fee_lines(*((_classic_fee(line, is_unsure=is_unsure), _coin_of(line)) for line in _fee_rows(row)))


def _classic_fee(line: Row, *, is_unsure: bool) -> Decimal | None:
    written = optional_decimal(line, "totalFee")
    if written is None or written == 0:
        return written
    if is_unsure:
        return abs(written)
    return written if line.get("deduction") == "yes" else -written


def _coin_of(line: Row) -> str | None:
    name = optional_text(line, "feeCoin")
    return None if name is None else coin(name)


def _fee_rows(row: Row) -> list[Row]:
    """The lines of a fee: an object for classic spot over REST, a list elsewhere, empty where nothing was paid."""
    detail = row.get("feeDetail")
    if detail is None or detail == "":
        return []
    lines = [detail] if isinstance(detail, Mapping) else rows_of(detail, "'feeDetail'")
    return [row_of(line, "a fee") for line in lines]


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The fills of one frame of a private socket. Acknowledgements, pongs and other channels hold none.

    The channel `fast-fill` is left alone: it tells no fees and not all fills.
    """
    if message == "pong":
        return Heard()
    frame = row_of(message, "the message")
    if "arg" not in frame and not _MARKS.isdisjoint(frame):  # a row that was kept alone
        frame = {"arg": {"channel": "fill"}, "data": [frame]}
    if "arg" not in frame or "data" not in frame:
        return Heard()
    subscription = row_of(frame["arg"], "'arg'")
    if "fill" not in (subscription.get("channel"), subscription.get("topic")):
        return Heard()
    name = optional_text(subscription, "instType")
    rows = rows_of(frame["data"], "'data'")
    trades, unreadable = read_rows(rows, None if name == "UTA" else name, product, markets, is_final=False)
    return Heard(trades=trades, unreadable=unreadable)


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The fills of one response of history: the whole envelope, its data, a list of rows, or one row."""
    found = response
    if isinstance(found, Mapping) and "code" in found:
        if str(found["code"]) != "00000":
            raise UnreadableRow(f"the exchange answered with an error: {found['code']} {found.get('msg', '')}")
        found = found.get("data")
    trades, unreadable = read_rows(_fills_in(found), None, product, markets, is_final=True)
    return Heard(trades=trades, unreadable=unreadable)


def _fills_in(data: Any) -> list[Any]:
    """The fills in the data of an answer. What holds none of a fill's marks is something else: a wallet, an order."""
    if isinstance(data, Mapping):
        lists = [data[name] for name in ("fillList", "list", "fills") if name in data]
        found = (lists[0] or []) if lists else [data]
    else:
        found = data
    rows = rows_of(found, "the list of fills")
    return [row for row in rows if not isinstance(row, Mapping) or not _MARKS.isdisjoint(row)]


def read_rows(
    rows: Iterable[Any], inst_type: str | None, product: Product | None, markets: Markets, *, is_final: bool
) -> tuple[tuple[Trade, ...], tuple[Unreadable, ...]]:
    """Each row by itself, oldest first. `inst_type` stood once around them; it is kept in each."""
    trades, unreadable = read_each(
        (_placed(row, inst_type) for row in rows),
        partial(trade_from, product=product, markets=markets, is_final=is_final),
        "the fill",
    )
    return tuple(sorted(trades, key=_place)), unreadable


def _placed(row: Any, inst_type: str | None) -> Any:
    if inst_type is None or not isinstance(row, Mapping) or row.get("category"):
        return row
    return {**row, "instType": inst_type}


def _place(trade: Trade) -> tuple[int, int, str]:
    """Ids rise with time; the longer of two is the greater."""
    return trade.timestamp_ms, len(trade.exchange_trade_id), trade.exchange_trade_id
