"""Rows: one execution of spot, of V5's contracts and of the interface before it becomes a `Trade`.

| | identity besides product and market | fee |
|---|---|---|
| spot | order, trade | positive is paid; instead of it a deduction in HT or points |
| V5 | order, trade | positive is paid (ccxt 4.5.90 turns it round); the socket tells none |
| before V5 | order, the row's own id | negative is paid |

Sources: docs, Search Match Results, Trade Clearing, V5 Order Details and `trade` topic, swap_cross_matchresults and
`orders_cross` topic; read 2026-11.
"""

from decimal import Decimal

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker, Trade
from shared.exchanges.kit.fields import (
    Row,
    choice,
    decimal,
    millis,
    optional_decimal,
    optional_text,
    positive,
    text,
    truth,
    word,
)
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbers import product, quotient
from shared.exchanges.kit.reading import fee_lines
from shared.exchanges.kit.reading import side as side_of

# Coins that carry another's code here; ccxt 4.5.90 calls them so.
_RENAMED = {
    "BCHSV": "BSV",
    "BIFI": "BITCOINFILE",
    "FUD": "FTX Users Debt",
    "GET": "THEMIS",
    "GTC": "GAMECOM",
    "HIT": "HITCHAIN",
    "NGL": "GFNGL",
    "PNT": "PENTA",
    "SBTC": "SUPERBITCOIN",
    "SOUL": "SOULSAVER",
    "XBT": "BTC",
}
_ROLES = {"maker": TakerOrMaker.MAKER, "taker": TakerOrMaker.TAKER}
_KINDS = {
    "1": Kind.TRADE,
    "3": Kind.LIQUIDATION,
    "4": Kind.DELIVERY,
    "22": Kind.ADL,
}
_SOURCES = {"liquidation": Kind.LIQUIDATION, "risk": Kind.LIQUIDATION, "adl": Kind.ADL}


def coin(written: str) -> str:
    """A coin's code in capitals, renamed where markets call it otherwise."""
    code = written.upper()
    return _RENAMED.get(code, code)


# ── Spot ──────────────────────────────────────────────────────────────────────────────────────────────


def trade_from_match(row: Row, markets: Markets) -> Trade:
    """One row of spot's match results. While a deduction is `ongoing` the fee is not final."""
    market = markets.get(Product.SPOT, text(row, "symbol"))
    side = side_of({"type": text(row, "type").partition("-")[0]}, "type")
    fee, points = decimal(row, "filled-fees"), optional_decimal(row, "filled-points")
    deducted = optional_text(row, "fee-deduct-currency")
    return _spot_trade(
        row,
        market,
        trade_id=text(row, "trade-id"),
        order_id=text(row, "order-id"),
        side=side,
        price=positive(row, "price"),
        amount=positive(row, "filled-amount"),
        fees=_spot_fees(market, side, (fee, optional_text(row, "fee-currency")), (points, deducted)),
        role=choice({"role": (optional_text(row, "role") or "").lower()}, "role", _ROLES) if row.get("role") else None,
        timestamp_ms=millis(row, "created-at"),
        provisional=optional_text(row, "fee-deduct-state") == "ongoing",
    )


def trade_from_clearing(row: Row, markets: Markets) -> Trade | None:
    """One push of `trade.clearing`, None for a cancellation."""
    if optional_text(row, "eventType") == "cancellation":
        return None
    market = markets.get(Product.SPOT, text(row, "symbol"))
    side = side_of(row, "orderSide")
    fee = optional_decimal(row, "transactFee")
    deduction = optional_decimal(row, "feeDeduct" if "feeDeduct" in row else "feeDeduct ")
    deducted = optional_text(row, "feeDeductType")
    return _spot_trade(
        row,
        market,
        trade_id=text(row, "tradeId"),
        order_id=text(row, "orderId"),
        side=side,
        price=positive(row, "tradePrice"),
        amount=positive(row, "tradeVolume"),
        fees=_spot_fees(market, side, (fee, optional_text(row, "feeCurrency")), (deduction, deducted)),
        role=TakerOrMaker.TAKER if truth(row, "aggressor") else TakerOrMaker.MAKER,
        timestamp_ms=millis(row, "tradeTime"),
        # To be deducted, but not yet; or the fee is not told at all.
        provisional=fee is None or (bool(deducted) and not fee and not deduction),
    )


def trade_from_order(row: Row, markets: Markets) -> Trade | None:
    """One push of spot's `orders`, None where nothing filled. It tells no fee; the type begins with the side."""
    if optional_text(row, "eventType") != "trade":
        return None
    side, _, _ = text(row, "type").partition("-")
    return trade_from_clearing({**row, "orderSide": side}, markets)


def _spot_trade(
    row: Row,
    market: Market,
    *,
    trade_id: str,
    order_id: str,
    side: Side,
    price: Decimal,
    amount: Decimal,
    fees: tuple[Fee, ...],
    role: TakerOrMaker | None,
    timestamp_ms: int,
    provisional: bool,
) -> Trade:
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=Product.SPOT,
        exchange_trade_id=trade_id,
        identity=identity(Product.SPOT, market.id, order_id, trade_id),
        order_id=order_id,
        client_order_id=optional_text(row, "clientOrderId"),
        side=side,
        price=price,
        amount=amount,
        cost=product(price, amount),
        fees=fees,
        taker_or_maker=role,
        timestamp_ms=timestamp_ms,
        provisional=provisional,
        raw=row,
    )


def _spot_fees(
    market: Market, side: Side, fee: tuple[Decimal | None, str | None], deduction: tuple[Decimal | None, str | None]
) -> tuple[Fee, ...]:
    """The fee in what was got (a rebate in what was given), or what was taken in its place."""
    amount, currency = fee
    usual = market.base if (side is Side.BUY) is (amount is None or amount >= 0) else market.quote
    paid = (amount, coin(currency) if currency else usual)
    taken, taken_in = deduction
    if not taken:
        return fee_lines(paid)
    instead = (taken, coin(taken_in) if taken_in else None)
    return fee_lines(paid, instead) if amount else fee_lines(instead)


# ── Contracts ─────────────────────────────────────────────────────────────────────────────────────────


def trade_from_execution(row: Row, markets: Markets) -> Trade:
    """One execution of V5. The socket tells no fee and gives it another id than history: history has the last word."""
    trade_id, order_id = text(row, "trade_id"), text(row, "order_id")
    own_id = optional_text(row, "id") or ""
    return _contract_trade(
        row,
        markets,
        exchange_trade_id=own_id if "-" in own_id else trade_id,
        parts=(order_id, trade_id),
        order_id=order_id,
        fees=_contract_fees(row),
        timestamp_ms=millis(row, "created_time"),
        kind=choice({"order_type": optional_text(row, "order_type")}, "order_type", {**_KINDS, None: Kind.TRADE}),
        provisional="trade_fee" not in row,
    )


def trade_from_old_match(row: Row, markets: Markets) -> Trade:
    """One match of the interface before V5. Its row's id names match, order and place, and is the same everywhere."""
    own_id = text(row, "id")
    order_id = optional_text(row, "order_id_str") or text(row, "order_id")
    fee = optional_decimal(row, "trade_fee")
    currency = optional_text(row, "fee_asset")
    return _contract_trade(
        row,
        markets,
        exchange_trade_id=own_id,
        parts=(order_id, own_id),
        order_id=order_id,
        fees=fee_lines((None if fee is None else -fee, coin(currency) if currency else None)),
        timestamp_ms=millis(row, "create_date" if "create_date" in row else "created_at"),
        kind=_old_kind(row),
        provisional=fee is None,
    )


def _old_kind(row: Row) -> Kind:
    """By its order's type, which only sockets tell; else by who made the order."""
    written = optional_text(row, "order_type")
    if written is not None:
        return choice({"order_type": written}, "order_type", _KINDS)
    return _SOURCES.get(word(row, "order_source").lower(), Kind.TRADE)


def _contract_trade(
    row: Row,
    markets: Markets,
    *,
    exchange_trade_id: str,
    parts: tuple[str, str],
    order_id: str,
    fees: tuple[Fee, ...],
    timestamp_ms: int,
    kind: Kind,
    provisional: bool,
) -> Trade:
    market = _contract(markets, text(row, "contract_code"))
    if market.contract_size is None:
        raise UnreadableRow(f"the size of a contract of {market.id!r} is not known")
    price, contracts = positive(row, "trade_price"), positive(row, "trade_volume")
    worth = product(contracts, market.contract_size)
    amount, cost = (quotient(worth, price), worth) if market.inverse else (worth, product(price, worth))
    turnover = optional_decimal(row, "trade_turnover")
    role = optional_text(row, "role")
    return Trade(
        symbol=market.symbol,
        market_id=market.id,
        product=market.product,
        exchange_trade_id=exchange_trade_id,
        identity=identity(market.product, market.id, *parts),
        order_id=order_id,
        client_order_id=optional_text(row, "client_order_id"),
        side=side_of(row, "direction" if "direction" in row else "side"),
        price=price,
        amount=amount,
        contracts=contracts,
        cost=cost if turnover is None else turnover,
        fees=fees,
        taker_or_maker=choice({"role": role.lower()}, "role", _ROLES) if role else None,
        timestamp_ms=timestamp_ms,
        kind=kind,
        provisional=provisional,
        raw=row,
    )


def _contract(markets: Markets, market_id: str) -> Market:
    """A contract of either margin: one in coins, of which an account's history is not asked for, can be read too."""
    return markets.find(Product.INVERSE, market_id) or markets.get(Product.LINEAR, market_id)


def _contract_fees(row: Row) -> tuple[Fee, ...]:
    """Both may be lists with commas; amounts and currencies that do not pair are not guessed at."""
    amounts = (optional_text(row, "trade_fee") or "").split(",") if isinstance(row.get("trade_fee"), str) else None
    currencies = (optional_text(row, "fee_currency") or "").split(",")
    if amounts is None:
        amounts_read = [optional_decimal(row, "trade_fee")]
    else:
        amounts_read = [optional_decimal({"trade_fee": amount}, "trade_fee") for amount in amounts]
    if len(amounts_read) != len(currencies) and any(amounts_read):
        raise UnreadableRow(f"the fee {row.get('trade_fee')!r} is in {row.get('fee_currency')!r}")
    return fee_lines(
        *((amount, coin(name) if name else None) for amount, name in zip(amounts_read, currencies, strict=False))
    )
