"""Truth in Gate's words: fills and orders, over REST and on sockets."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Raw

from simulator.gate.keys import UNIFIED
from simulator.gate.listings import GT
from simulator.truth import ZERO, Account, Fill, Market, Order, plain

POINTS = "GATEPOINT"
"""What clients call the POINT of fee cards; the exchange's own name of it stands for another coin elsewhere."""
QUIET = 5
"""Every so manieth fill leaves the fee's coin to the documented rule on sockets."""
SOURCES = ("apiv4", "web", "app", "-")
"""What stands for a client's own id where it gave none."""
FORCED = {"liquidation": "liq-{}", "adl": "auto_deleveraging"}
FINISHED_AS = {"open": "open", "filled": "filled", "canceled": "cancelled", "expired": "ioc"}
STATUS = {"open": "open", "filled": "closed", "canceled": "cancelled", "expired": "cancelled"}


def fees_of(market: Market, side: str, fills: Iterable[Fill]) -> tuple[Decimal, str, Decimal, Decimal]:
    """The usual fee and its coin, and what was paid in GT and in points instead."""
    coin = usual = market.base if side == "buy" else market.quote
    paid = in_gt = in_points = ZERO
    for fee in (fee for fill in fills for fee in fill.fees):
        if fee.currency == POINTS:
            in_points += fee.amount
        elif fee.currency == GT and usual != GT:
            in_gt += fee.amount
        else:
            paid, coin = paid + fee.amount, fee.currency
    return paid, coin, in_gt, in_points


def _spot_fees(market: Market, side: str, fills: Iterable[Fill]) -> dict[str, str]:
    paid, coin, in_gt, in_points = fees_of(market, side, fills)
    return {"fee": plain(paid), "fee_currency": coin, "point_fee": plain(in_points), "gt_fee": plain(in_gt)}


def text_of(order: Order) -> str:
    """The client's own id, or where the order came from."""
    if order.kind in FORCED:
        return FORCED[order.kind].format(order.id)
    return order.client_id or SOURCES[order.created_ms % len(SOURCES)]


def _fraction(fill: Fill) -> str:
    """Six digits below the millisecond."""
    return f"{fill.sequence * 399_200 % 1_000_000:06d}"


def _role(fill: Fill) -> str:
    return "maker" if fill.maker else "taker"


# Spot.


def spot_row(fill: Fill) -> dict[str, Any]:
    """One row of /spot/my_trades."""
    return {
        "id": fill.trade_id,
        "create_time": str(fill.timestamp_ms // 1000),
        "create_time_ms": f"{fill.timestamp_ms}.{_fraction(fill)}",
        "currency_pair": fill.market.id,
        "side": fill.side,
        "role": _role(fill),
        "amount": plain(fill.size),
        "price": plain(fill.price),
        "order_id": fill.order.id,
        **_spot_fees(fill.market, fill.side, [fill]),
        "sequence_id": str(fill.sequence),
        "text": text_of(fill.order),
        "amend_text": "-",
    }


def spot_trade(fill: Fill, account: Account) -> dict[str, Any]:
    """One fill on spot.usertrades; now and then the coin of a fee that is the usual one is left out."""
    fees = _spot_fees(fill.market, fill.side, [fill])
    usual = fill.market.base if fill.side == "buy" else fill.market.quote
    if fill.sequence % QUIET == 0 and fees["fee_currency"] == usual:
        del fees["fee_currency"]
    return spot_trade_without_fee(fill, account) | fees


def spot_trade_without_fee(fill: Fill, account: Account) -> dict[str, Any]:
    """The same on spot.usertrades_v2."""
    return {
        "id": int(fill.trade_id),
        "user_id": int(account.uid),
        "order_id": fill.order.id,
        "currency_pair": fill.market.id,
        "create_time": fill.timestamp_ms // 1000,
        "create_time_ms": f"{fill.timestamp_ms}.{_fraction(fill)[:3]}",
        "side": fill.side,
        "amount": f"{fill.size:.8f}",
        "role": _role(fill),
        "price": plain(fill.price),
        "text": text_of(fill.order),
        "amend_text": "-",
        "biz_info": "-",
        "id_market": fill.sequence,
    }


def _order(account: Account, order: Order, filled: Decimal, cost: Decimal, fills: Iterable[Fill]) -> dict[str, Any]:
    """What an order's rows have in common. A market order that buys has its amount in the quote coin."""
    in_quote = order.type == "market" and order.side == "buy"
    amount = order.cost if in_quote else order.size
    return {
        "id": order.id,
        "text": text_of(order),
        "amend_text": "-",
        "create_time": str(order.created_ms // 1000),
        "update_time": str(order.updated_ms // 1000),
        "currency_pair": order.market.id,
        "type": order.type,
        "account": "unified" if account.mode == UNIFIED else "spot",
        "side": order.side,
        "amount": plain(amount),
        "price": plain(order.price) if order.type == "limit" else "0",
        "time_in_force": "gtc" if order.type == "limit" else "ioc",
        "left": plain(amount - (cost if in_quote else filled)),
        "filled_total": plain(cost),
        "avg_deal_price": plain((cost / filled).quantize(Decimal("0.00000001"))) if filled else "0",
        **_spot_fees(order.market, order.side, fills),
        "rebated_fee": "0",
        "rebated_fee_currency": order.market.quote,
        "stp_id": 0,
        "stp_act": "-",
        "finish_as": FINISHED_AS[order.status],
    }


def spot_order(account: Account, order: Order, fills: Iterable[Fill]) -> dict[str, Any]:
    """One order over REST."""
    return _order(account, order, order.filled, order.cost, fills) | {
        "create_time_ms": order.created_ms,
        "update_time_ms": order.updated_ms,
        "status": STATUS[order.status],
        "filled_amount": plain(order.filled),
        "iceberg": "0",
        "gt_maker_fee": "0",
        "gt_taker_fee": "0",
        "gt_discount": False,
    }


def told_order(
    account: Account, order: Order, event: str, filled: Decimal, cost: Decimal, fills: Iterable[Fill]
) -> dict[str, Any]:
    """One order on spot.orders: `event` is put, update or finish."""
    told = _order(account, order, filled, cost, fills) | {
        "create_time_ms": str(order.created_ms),
        "update_time_ms": str(order.updated_ms),
        "user": int(account.uid),
        "event": event,
        "biz_info": "-",
    }
    return told if event == "finish" else told | {"finish_as": "open"}


# Perpetuals.


def size_of(size: Decimal, side: str, *, in_decimals: bool) -> str | int:
    """Signed contracts: text for clients that asked for decimals, else whole numbers, rounded down."""
    signed = size if side == "buy" else -size
    return plain(signed) if in_decimals else int(signed)


def _futures_fees(fill: Fill) -> tuple[str, str]:
    in_points = sum((fee.amount for fee in fill.fees if fee.currency == POINTS), ZERO)
    return plain(sum((fee.amount for fee in fill.fees), ZERO) - in_points), plain(in_points)


def futures_row(fill: Fill, *, in_decimals: bool) -> dict[str, Any]:
    """One row of my_trades_timerange."""
    fee, in_points = _futures_fees(fill)
    moment, below = divmod(fill.timestamp_ms, 1000)
    closed = fill.size if fill.realized else ZERO
    return {
        "trade_id": fill.trade_id,
        "create_time": Raw(f"{moment}.{below:03d}{fill.sequence % 5}".encode()),
        "contract": fill.market.id,
        "order_id": fill.order.id,
        "size": size_of(fill.size, fill.side, in_decimals=in_decimals),
        "close_size": size_of(closed, fill.side, in_decimals=in_decimals),
        "price": plain(fill.price),
        "role": _role(fill),
        "text": text_of(fill.order),
        "fee": fee,
        "point_fee": in_points,
    }


def latest_futures_row(fill: Fill, *, in_decimals: bool) -> dict[str, Any]:
    """The same in my_trades, where the id has another name and is a number."""
    row = futures_row(fill, in_decimals=in_decimals)
    return {"id": int(row.pop("trade_id")), **row}


def futures_trade(fill: Fill, *, in_decimals: bool) -> dict[str, Any]:
    """One fill on futures.usertrades: fees are numbers there."""
    fee, in_points = _futures_fees(fill)
    return {
        "id": fill.trade_id,
        "create_time": fill.timestamp_ms // 1000,
        "create_time_ms": fill.timestamp_ms,
        "contract": fill.market.id,
        "order_id": fill.order.id,
        "size": size_of(fill.size, fill.side, in_decimals=in_decimals),
        "price": plain(fill.price),
        "role": _role(fill),
        "text": text_of(fill.order),
        "fee": Raw(fee.encode()),
        "point_fee": Raw(in_points.encode()),
    }
