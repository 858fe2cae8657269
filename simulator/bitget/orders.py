"""What private sockets tell beside fills: an order's sums with its last fill, and balances."""

from decimal import Decimal
from typing import Any

from simulator.bitget.listings import category_of, unified_id
from simulator.bitget.rows import position_of, scope, trade_side
from simulator.bitget.wallets import unified_coins
from simulator.dialect import Event, OrderEnded, OrderFilled, OrderOpened
from simulator.truth import SPOT, ZERO, Account, Fill, Market, Order, plain

STATUS = {"open": "live", "filled": "filled", "canceled": "cancelled", "expired": "cancelled"}


def market_of(event: Event) -> Market | None:
    """The market of an order's event."""
    if isinstance(event, OrderFilled):
        return event.fill.market
    return event.order.market if isinstance(event, OrderOpened | OrderEnded) else None


def _parts(event: Event) -> tuple[Order, Fill | None, Decimal, Decimal, str, int] | None:
    """Order, last fill, size and cost so far, status and moment; None for what is no order's event."""
    if isinstance(event, OrderFilled):
        fill = event.fill
        status = "filled" if fill.filled == fill.order.size else "partially_filled"
        return fill.order, fill, fill.filled, fill.filled_cost, status, fill.timestamp_ms
    if isinstance(event, OrderOpened):
        return event.order, None, ZERO, ZERO, "live", event.timestamp_ms
    if isinstance(event, OrderEnded):
        order = event.order
        return order, None, order.filled, order.cost, STATUS[order.status], event.timestamp_ms
    return None


def _average(cost: Decimal, size: Decimal) -> str:
    return plain((cost / size).quantize(Decimal("0.00000001"))) if size else "0"


def classic_order(event: Event) -> dict[str, Any] | None:
    """A row of `orders`: sums, and the last fill where one was just made."""
    parts = _parts(event)
    if parts is None:
        return None
    order, fill, filled, cost, status, moment = parts
    row: dict[str, Any] = {
        "instId": order.market.id,
        "orderId": order.id,
        "clientOid": order.client_id,
        "size": plain(order.size),
        "price": plain(order.price),
        "orderType": order.type,
        "force": "gtc",
        "side": order.side,
        "accBaseVolume": plain(filled),
        "priceAvg": _average(cost, filled),
        "status": status,
        "enterPointSource": "API",
        "cTime": str(order.created_ms),
        "uTime": str(moment),
    }
    if fill is None:
        return row
    fee = fill.fees[0] if fill.fees else None
    return row | {
        "tradeId": fill.trade_id,
        "fillPrice": plain(fill.price),
        "baseVolume": plain(fill.size),
        "fillTime": str(fill.timestamp_ms),
        "fillFee": plain(-fee.amount) if fee else "0",
        "fillFeeCoin": fee.currency if fee else "",
        "tradeScope": "M" if fill.maker else "T",
    }


def unified_order(event: Event) -> dict[str, Any] | None:
    """A row of the topic `order`."""
    parts = _parts(event)
    if parts is None:
        return None
    order, fill, filled, cost, status, moment = parts
    row: dict[str, Any] = {
        "category": category_of(order.market).lower(),
        "symbol": unified_id(order.market),
        "orderId": order.id,
        "clientOid": order.client_id,
        "price": plain(order.price),
        "qty": plain(order.size),
        "orderType": order.type,
        "timeInForce": "gtc",
        "side": order.side,
        "cumExecQty": plain(filled),
        "cumExecValue": plain(cost),
        "avgPrice": _average(cost, filled),
        "orderStatus": status,
        "feeDetail": [],
        "createdTime": str(order.created_ms),
        "updatedTime": str(moment),
    }
    if fill is None:
        return row
    is_spot = fill.market.product == SPOT
    return row | {
        "holdSide": "" if is_spot else position_of(fill),
        "tradeSide": "" if is_spot else trade_side(fill, "hedge_mode"),
        "tradeScope": scope(fill),
        "feeDetail": [{"feeCoin": fee.currency, "fee": plain(fee.amount)} for fee in fill.fees],
    }


def spot_coin(coin: str, free: Decimal, locked: Decimal) -> dict[str, str]:
    """A row of `account` for SPOT."""
    return {
        "coin": coin,
        "available": plain(free),
        "frozen": plain(locked),
        "locked": "0",
        "limitAvailable": "0",
    }


def contract_coin(coin: str, free: Decimal, locked: Decimal) -> dict[str, str]:
    """A row of `account` for contracts."""
    return {
        "marginCoin": coin,
        "frozen": plain(locked),
        "available": plain(free),
        "maxOpenPosAvailable": plain(free),
        "maxTransferOut": plain(free),
        "equity": plain(free + locked),
        "usdtEquity": plain(free + locked),
    }


def unified_account(account: Account) -> dict[str, Any]:
    """The row of the topic `account`: all coins."""
    coins = [
        {
            "coin": coin,
            "equity": plain(holding.total),
            "balance": plain(holding.total),
            "available": plain(holding.free),
            "locked": plain(holding.locked),
            "borrow": "0",
            "debts": "0",
        }
        for coin, holding in unified_coins(account).items()
    ]
    return {"totalEquity": "0", "effEquity": "0", "unrealisedPnL": "0", "coin": coins}
