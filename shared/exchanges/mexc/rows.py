"""Rows: one execution becomes a `Trade`. Spot tells it in two shapes (history, socket), contracts in one.

Ids repeat across symbols. A trade with oneself is two rows whose ids end in X1 and X2. History of spot tells whole
seconds, its socket milliseconds. Docs: https://www.mexc.com/api-docs (Account Trade List, Spot Account Deals, Get all
transaction details of the order, order.deal), read 2026-11.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade
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
    whole,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product as exact_product
from shared.exchanges.kit.numbers import quotient
from shared.exchanges.kit.reading import fee_lines, market_of, read_each

DEALS = "push.personal.order.deal"
_PRIVATE_DEALS = "spot@private.deals"
FUTURES = (Product.LINEAR, Product.INVERSE)

_BUYS = {True: Side.BUY, False: Side.SELL}
_TRADE_TYPES = {1: Side.BUY, 2: Side.SELL}
# Opens a long, closes a short, opens a short, closes a long.
_SIDES = {1: Side.BUY, 2: Side.BUY, 3: Side.SELL, 4: Side.SELL}
# A role that is not told costs no trade.
_MAKES = {True: TakerOrMaker.MAKER, False: TakerOrMaker.TAKER, None: None}
_TAKES = {True: TakerOrMaker.TAKER, False: TakerOrMaker.MAKER, None: None}
# An order of one's own, one that the exchange took over, one that closes, auto-deleveraging.
_KINDS = {1: Kind.TRADE, 2: Kind.LIQUIDATION, 3: Kind.TRADE, 4: Kind.ADL}

# ccxt's names for coins whose tickers mean another coin elsewhere (4.5.90); markets bring theirs along, fees and
# wallets do not.
_COINS = {
    "BCHSV": "BSV",
    "BEYONDPROTOCOL": "BEYOND",
    "BIFI": "BIFIF",
    "BYN": "BEYONDFI",
    "COFI": "COFIX",
    "DFI": "DFISTARTER",
    "DFT": "DFUTURE",
    "EGC": "EGORASCREDIT",
    "FLUX": "FLUX1",
    "FLUX1": "FLUX",
    "FREE": "FREEROSSDAO",
    "GAS": "GASDAO",
    "GASNEO": "GAS",
    "GMT": "GMTTOKEN",
    "STEPN": "GMT",
    "HERO": "STEPHERO",
    "MIMO": "MIMOSA",
    "PROS": "PROSFINANCE",
    "SIN": "SINCITYTOKEN",
    "SOUL": "SOULSWAP",
}

# The JSON that spot sockets spoke until 2025-08, in today's words.
_OLD_NAMES = {
    "p": "price",
    "v": "quantity",
    "a": "amount",
    "S": "tradeType",
    "m": "isMaker",
    "t": "tradeId",
    "c": "clientOrderId",
    "i": "orderId",
    "n": "feeAmount",
    "N": "feeCurrency",
    "T": "time",
}


def coin(name: str) -> str:
    """Our name for one of the exchange's coins."""
    return _COINS.get(name, name)


def read_stream(message: Any, markets: Markets, product: Product | None) -> Heard:
    """The trade of one message of a private socket; all that is no execution holds none. Raises `UnreadableRow`."""
    frame = row_of(message, "the message")
    if str(frame.get("channel") or frame.get("c") or "").startswith(_PRIVATE_DEALS):
        trades, unreadable = read_each([frame], partial(_told_on_spot, product=product, markets=markets))
    elif frame.get("channel") == DEALS:
        trades, unreadable = read_each(
            [frame.get("data")], partial(trade_on_futures, product=product, markets=markets, is_final=False), "'data'"
        )
    else:
        return Heard()
    return Heard(trades=trades, unreadable=unreadable)


def _told_on_spot(frame: Row, product: Product | None, markets: Markets) -> Trade:
    if "d" not in frame:
        # A push written as JSON leaves out what is false or zero (protobuf's ProtoJSON format).
        data, symbol = {"isMaker": False, **row_of(frame.get("privateDeals"), "'privateDeals'")}, text(frame, "symbol")
    else:
        old, symbol = row_of(frame["d"], "'d'"), text(frame, "s")
        data = {name: old.get(short) for short, name in _OLD_NAMES.items()}
    return _on_spot(
        frame,
        markets.get(product or Product.SPOT, symbol),
        trade_id=text(data, "tradeId"),
        order_id=optional_text(data, "orderId"),
        client_order_id=optional_text(data, "clientOrderId"),
        side=choice(data, "tradeType", _TRADE_TYPES),
        price=positive(data, "price"),
        amount=positive(data, "quantity"),
        cost=optional_decimal(data, "amount"),
        fees=_fees(data, "feeAmount", "feeCurrency"),
        taker_or_maker=choice(data, "isMaker", _MAKES),
        timestamp_ms=millis(data, "time"),
        provisional=data.get("feeAmount") is None,
    )


def trade_on_spot(row: Row, product: Product | None, markets: Markets) -> Trade:
    """A row of spot history."""
    return _on_spot(
        row,
        markets.get(product or Product.SPOT, text(row, "symbol")),
        trade_id=text(row, "id"),
        order_id=optional_text(row, "orderId"),
        client_order_id=optional_text(row, "clientOrderId"),
        side=choice(row, "isBuyer", _BUYS),
        price=positive(row, "price"),
        amount=positive(row, "qty"),
        cost=optional_decimal(row, "quoteQty"),
        fees=_fees(row, "commission", "commissionAsset"),
        taker_or_maker=choice(row, "isMaker", _MAKES),
        timestamp_ms=millis(row, "time"),
    )


def _on_spot(
    raw: Row,
    market: Market,
    *,
    trade_id: str,
    order_id: str | None,
    client_order_id: str | None,
    side: Side,
    price: Decimal,
    amount: Decimal,
    cost: Decimal | None,
    fees: tuple[Fee, ...],
    taker_or_maker: TakerOrMaker | None,
    timestamp_ms: int,
    provisional: bool = False,
) -> Trade:
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=trade_id,
        identity=identity("spot", market.id, trade_id),
        order_id=order_id,
        client_order_id=client_order_id,
        side=side,
        price=price,
        amount=amount,
        cost=exact_product(price, amount) if cost is None else cost,
        fees=fees,
        taker_or_maker=taker_or_maker,
        timestamp_ms=timestamp_ms,
        provisional=provisional,
        raw=raw,
    )


def trade_on_futures(row: Row, product: Product | None, markets: Markets, *, is_final: bool = True) -> Trade:
    """A row of contract history, or the same told by the socket: numbers or texts, and the role under two names.

    `is_final` is for history: a fee that it does not tell, nobody will.
    """
    market = market_of(markets, text(row, "symbol"), FUTURES, None if product in FUTURES else product)
    price, contracts = positive(row, "price"), positive(row, "vol")
    amount, cost = _worth(market, price, contracts)
    side = _SIDES[_number(row, "side", _SIDES)]
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=text(row, "id"),
        # Nothing says that the two sides of a trade with oneself have different ids here, as they have on spot.
        identity=identity("swap", market.id, text(row, "id"), side),
        order_id=optional_text(row, "orderId"),
        client_order_id=optional_text(row, "externalOid"),
        side=side,
        price=price,
        amount=amount,
        contracts=contracts,
        cost=cost,
        fees=_fees(row, "fee", "feeCurrency"),
        taker_or_maker=choice(row, "isTaker" if "isTaker" in row else "taker", _TAKES),
        timestamp_ms=millis(row, "timestamp"),
        kind=Kind.TRADE if row.get("category") is None else _KINDS[_number(row, "category", _KINDS)],
        provisional=not is_final and row.get("fee") is None,
        raw=row,
    )


def _number(row: Row, name: str, known: Mapping[int, Any]) -> int:
    """A code that is written as a number or as digits. Raises `UnreadableRow` for an unknown one."""
    number = whole(row, name)
    if number not in known:
        raise UnreadableRow(f"the field {name!r} is {number}, which is unknown")
    return number


def _worth(market: Market, price: Decimal, contracts: Decimal) -> tuple[Decimal, Decimal]:
    """Amount in base and cost in quote. A linear contract is so much of the coin, an inverse one so many USD."""
    if market.contract_size is None:
        raise UnreadableRow(f"the market list does not tell how much one contract of {market.id!r} is")
    worth = exact_product(contracts, market.contract_size)
    if market.inverse:
        return quotient(worth, price, digits=18), worth
    return worth, exact_product(price, worth)


def _fees(row: Row, amount: str, currency: str) -> tuple[Fee, ...]:
    """Paid is positive everywhere. Pairs without a fee tell zero, or nothing."""
    named = optional_text(row, currency)
    return fee_lines((optional_decimal(row, amount), named and coin(named)))


def read_rest(response: Any, markets: Markets, product: Product | None) -> Heard:
    """The trades of one response of history: a list, an envelope of one or two layers, or one row."""
    trades, unreadable = read_each(
        (row for row in _rows(response) if not _is_wallet(row)),
        partial(_fill, product=product, markets=markets),
        "the fill",
    )
    return Heard(trades=trades, unreadable=unreadable)


def _rows(response: Any) -> list[Any]:
    if isinstance(response, list):
        return response
    found = row_of(response, "the response")
    if found.get("success") is False or str(found.get("code") or 0) not in {"0", "200"}:
        raise UnreadableRow(f"the response is an error: {found.get('code')}")
    if isinstance(found.get("data"), Mapping):
        return rows_of(found["data"].get("resultList") or [], "'resultList'")
    if "data" in found:
        return rows_of(found["data"] or [], "'data'")
    return [found] if "symbol" in found else []


def _is_wallet(row: Any) -> bool:
    """Wallets come in lists too; they are of a currency, not of a symbol."""
    return isinstance(row, Mapping) and "currency" in row and "symbol" not in row


def _fill(row: Row, product: Product | None, markets: Markets) -> Trade:
    return (trade_on_spot if "isBuyer" in row else trade_on_futures)(row, product, markets)
