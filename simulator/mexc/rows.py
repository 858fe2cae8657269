"""Truth in MEXC's words: fills, orders and positions as REST and the futures socket tell them."""

from decimal import Decimal
from typing import Any

import msgspec

from simulator.truth import INVERSE, SPOT, ZERO, Account, Fee, Fill, Holding, Market, Order, Position, plain

NO_FEE = Fee(ZERO, "")
CATEGORIES = {"trade": 1, "liquidation": 2, "adl": 4}
OPEN_LONG, CLOSE_SHORT, OPEN_SHORT, CLOSE_LONG = 1, 2, 3, 4
HEDGED = 1
LEVERAGE = 20
NEW, PARTLY, FILLED, CANCELED, PARTLY_CANCELED = "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "PARTIALLY_CANCELED"
DONE, GONE, WAITING = 3, 4, 2
"""States of a contract order: completed, cancelled, uncompleted."""


def number(value: Decimal) -> msgspec.Raw:
    """A decimal as a JSON number, to the last digit."""
    return msgspec.Raw(plain(value).encode())


# Spot.


def fee_of(fill: Fill) -> Fee:
    return fill.fees[0] if fill.fees else NO_FEE


def spot_fee(fill: Fill) -> tuple[str, str]:
    """Amount and coin; where nothing is paid either zero or nothing at all is written."""
    fee = fee_of(fill)
    if not fee.amount and fill.sequence % 2:
        return "", ""
    return plain(fee.amount), fee.currency


def spot_trade(fill: Fill) -> dict[str, Any]:
    """One row of myTrades; its time is of whole seconds."""
    commission, asset = spot_fee(fill)
    return {
        "symbol": fill.market.id,
        "id": fill.trade_id,
        "orderId": fill.order.id,
        "orderListId": -1,
        "price": plain(fill.price),
        "qty": plain(fill.size),
        "quoteQty": plain(fill.cost),
        "commission": commission,
        "commissionAsset": asset,
        "time": fill.timestamp_ms // 1000 * 1000,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
        "isSelfTrade": fill.self_trade,
        "clientOrderId": fill.order.client_id or None,
    }


def spot_order(order: Order) -> dict[str, Any]:
    """One row of allOrders or openOrders."""
    return {
        "symbol": order.market.id,
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id or None,
        "price": plain(order.price),
        "origQty": plain(order.size),
        "executedQty": plain(order.filled),
        "cummulativeQuoteQty": plain(order.cost),
        "status": _status(order),
        "timeInForce": None,
        "type": order.type.upper(),
        "side": order.side.upper(),
        "stopPrice": None,
        "icebergQty": None,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "origQuoteOrderQty": plain(order.size * order.price),
    }


def _status(order: Order) -> str:
    if order.status == "filled":
        return FILLED
    if order.status == "open":
        return PARTLY if order.filled else NEW
    return PARTLY_CANCELED if order.filled else CANCELED


# Futures.


def futures_side(fill: Fill) -> int:
    """What a fill did to the position: 1 opened a long, 2 closed a short, 3 opened a short, 4 closed a long."""
    if fill.side == "buy":
        return CLOSE_SHORT if fill.realized else OPEN_LONG
    return CLOSE_LONG if fill.realized else OPEN_SHORT


def deal(fill: Fill, taker_name: str) -> dict[str, Any]:
    """One row of order_deals; the taker's flag goes by two names."""
    fee = fee_of(fill)
    return {
        "id": fill.trade_id,
        "symbol": fill.market.id,
        "side": futures_side(fill),
        "vol": number(fill.size),
        "price": number(fill.price),
        "feeCurrency": fee.currency or fill.market.settle,
        "fee": number(fee.amount),
        "timestamp": fill.timestamp_ms,
        "profit": number(fill.realized),
        "category": CATEGORIES[fill.kind],
        "orderId": fill.order.id,
        "positionMode": HEDGED,
        taker_name: not fill.maker,
        "opponentUid": None,
    }


def told_deal(fill: Fill) -> dict[str, Any]:
    """A fill as the socket tells it, in one of three forms: all are seen in the wild."""
    form = fill.sequence % 3
    row = deal(fill, "taker" if form == 0 else "isTaker")
    del row["opponentUid"]
    row["isSelf"] = fill.self_trade
    if form == 0:
        return row
    row |= {"externalOid": fill.order.client_id, "reduceOnly": False}
    if form == 1:
        row |= {name: bytes(row[name]).decode() for name in ("vol", "price", "fee", "profit")}
    else:
        row["id"] = int(fill.trade_id)
    return row


def order_state(order: Order, filled: Decimal) -> int:
    if order.status in {"canceled", "expired"}:
        return GONE
    return DONE if filled == order.size else WAITING


def futures_order(order: Order, filled: Decimal, cost: Decimal, fee: Fee) -> dict[str, Any]:
    """One row of history_orders, or what the socket says of an order: sums only, no fill."""
    contracts = order.market.contract_size * filled
    average = ZERO
    if filled:
        average = contracts / cost if order.market.product == INVERSE else cost / contracts
    return {
        "orderId": order.id,
        "symbol": order.market.id,
        "positionId": 0,
        "price": number(order.price),
        "vol": number(order.size),
        "leverage": LEVERAGE,
        "side": OPEN_LONG if order.side == "buy" else OPEN_SHORT,
        "category": CATEGORIES[order.kind],
        "orderType": 1 if order.type == "limit" else 5,
        "dealAvgPrice": number(average.quantize(Decimal("0.00000001"))),
        "dealVol": number(filled),
        "remainVol": number(order.size - filled),
        "orderMargin": 0,
        "takerFee": number(fee.amount),
        "makerFee": 0,
        "profit": 0,
        "feeCurrency": order.market.settle,
        "openType": 1,
        "state": order_state(order, filled),
        "externalOid": order.client_id,
        "errorCode": 0,
        "usedMargin": 0,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "positionMode": HEDGED,
        "reduceOnly": False,
    }


def position_margin(market: Market, position: Position) -> Decimal:
    """What an open position keeps back."""
    if not position.size:
        return ZERO
    return (market.quote_cost(abs(position.size), position.entry) / LEVERAGE).quantize(Decimal("0.00000001"))


def position(market: Market, held: Position, moment_ms: int) -> dict[str, Any]:
    """One row of open_positions, or of history_positions when it is closed."""
    margin = position_margin(market, held)
    return {
        "positionId": sum(market.id.encode()),
        "symbol": market.id,
        "holdVol": number(abs(held.size)),
        "positionType": 1 if held.size >= 0 else 2,
        "openType": 1,
        "state": 1 if held.size else 3,
        "frozenVol": 0,
        "closeVol": 0,
        "holdAvgPrice": number(held.entry.quantize(Decimal("0.00000001"))),
        "openAvgPrice": number(held.entry.quantize(Decimal("0.00000001"))),
        "closeAvgPrice": 0,
        "liquidatePrice": 0,
        "oim": number(margin),
        "im": number(margin),
        "holdFee": 0,
        "realised": 0,
        "leverage": LEVERAGE,
        "createTime": moment_ms,
        "updateTime": moment_ms,
        "autoAddIm": False,
    }


def futures_asset(account: Account, markets: dict[tuple[str, str], Market], coin: str, held: Holding) -> dict[str, Any]:
    """One coin of the futures wallet: `equity` is all of it, and open positions keep some of it from being free."""
    margin = ZERO
    for key, open_position in account.positions.items():
        if markets[key].settle == coin and markets[key].product != SPOT:
            margin += position_margin(markets[key], open_position)
    margin = min(margin, held.free)
    return {
        "currency": coin,
        "positionMargin": number(margin),
        "availableBalance": number(held.free - margin),
        "cashBalance": number(held.total),
        "frozenBalance": number(held.locked),
        "equity": number(held.total),
        "unrealized": 0,
        "bonus": 0,
    }
