"""One trade as fills, history and sockets tell it: three shapes, the same id."""

from decimal import Decimal
from typing import Any

from simulator.krakenfutures.errors import iso
from simulator.truth import INVERSE, ZERO, Account, Fill, plain

FILL_TYPES = {"liquidation": "liquidation", "adl": "assignee"}


def fill_type(fill: Fill) -> str:
    """maker or taker; forced trades have words of their own, that say neither."""
    return FILL_TYPES.get(fill.kind, "maker" if fill.maker else "taker")


def rest_fill(fill: Fill) -> dict[str, Any]:
    """A row of GET fills: no fee in it."""
    row = {
        "fill_id": fill.trade_id,
        "symbol": fill.market.id,
        "side": fill.side,
        "order_id": fill.order.id,
        "size": fill.size,
        "price": fill.price,
        "fillTime": iso(fill.timestamp_ms),
        "fillType": fill_type(fill),
    }
    return row | ({"cliOrdId": fill.order.client_id} if fill.order.client_id else {})


def told_fill(fill: Fill, seq: int, *, snapshot: bool = False) -> dict[str, Any]:
    """A row of the fills feed. `seq` counts the account's fills; a snapshot tells no client's id."""
    row = {
        "instrument": fill.market.id,
        "time": fill.timestamp_ms,
        "price": fill.price,
        "seq": seq,
        "buy": fill.side == "buy",
        "qty": fill.size,
        "remaining_order_qty": fill.order.size - fill.filled,
        "order_id": fill.order.id,
        "fill_id": fill.trade_id,
        "fill_type": fill_type(fill),
        "fee_paid": _fee(fill),
        "fee_currency": _fee_currency(fill),
        "taker_order_type": "market" if fill.order.type == "market" else "limit",
        "order_type": fill.order.type,
    }
    return row if snapshot or not fill.order.client_id else row | {"cli_ord_id": fill.order.client_id}


def _fee(fill: Fill) -> Decimal:
    return sum((fee.amount for fee in fill.fees), ZERO)


def _fee_currency(fill: Fill) -> str:
    return fill.fees[0].currency if fill.fees else fill.market.settle


def execution(fill: Fill, account: Account) -> dict[str, Any]:
    """An element of the history. Its own uid is of the event; inside is that of the trade.

    Whether the inner one is the id of the fill is not documented: `details.own_uids` makes it another.
    """
    order, market = fill.order, fill.market
    inner = {
        "uid": order.id[:24] + fill.trade_id[24:] if account.details.get("own_uids") else fill.trade_id,
        "order": {
            "uid": order.id,
            "accountUid": account.uid,
            "tradeable": market.id,
            "direction": fill.side.capitalize(),
            "quantity": plain(order.size),
            "filled": plain(fill.filled),
            "timestamp": order.created_ms,
            "limitPrice": plain(order.price),
            "orderType": "Limit" if order.type == "limit" else "IoC",
            "clientId": order.client_id,
            "reduceOnly": False,
            "lastUpdateTimestamp": fill.timestamp_ms,
        },
        "timestamp": fill.timestamp_ms,
        "quantity": plain(fill.size),
        "price": plain(fill.price),
        "markPrice": plain(fill.price),
        "limitFilled": fill.filled == order.size,
        "executionType": fill_type(fill),
        "usdValue": plain(fill.size if market.product == INVERSE else fill.cost),
        "orderData": {
            "positionSize": plain(fill.size),
            "fee": plain(_fee(fill)),
            "feeCalculationInfo": {"userFeeDiscountApplied": "0"},
        },
    }
    casing = "Execution" if fill.sequence % 2 else "execution"
    return {
        "uid": fill.trade_id[:24] + order.id[24:],
        "timestamp": fill.timestamp_ms,
        "event": {casing: {"execution": inner, "takerReducedQuantity": ""}},
    }
