"""One trade or order as REST and as the executions channel tell it."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from simulator.kraken.listings import FEE_PLACES, altname, socket_name, socket_symbol
from simulator.markets import DOLLARS
from simulator.truth import ZERO, Fee, Fill, Market, Order, plain

NO_POSITION = "TKH2SE-M7IF5-CFI7LT"
"""The position of whoever has none: the same on every row."""
CENTS = Decimal("0.00001")


def fixed(value: Decimal, digits: int) -> str:
    """At least so many decimals; more where the value has them."""
    places = -int(value.normalize().as_tuple().exponent)
    return f"{value:.{max(digits, places)}f}"


def micros(fill: Fill) -> int:
    """The part of a trade's time below its millisecond, in microseconds."""
    return 100 + fill.sequence * 37 % 790


def trade_number(fill: Fill) -> int:
    """Counts the trades of one book; other books come by the same numbers."""
    return 40_000_000 + fill.sequence - int(fill.market.details.get("place", 0))


def fee_of(fill: Fill) -> Decimal:
    return sum((fee.amount for fee in fill.fees), ZERO)


def pair_name(fill: Fill) -> str:
    """The id of the pair, now and then its short name."""
    return altname(fill.market) if fill.sequence % 5 == 0 else fill.market.id


def rest_trade(fill: Fill) -> dict[str, Any]:
    """A row of TradesHistory; its id is the key that it stands under."""
    second, milli = divmod(fill.timestamp_ms, 1000)
    return {
        "ordertxid": fill.order.id,
        "postxid": NO_POSITION,
        "pair": pair_name(fill),
        "time": msgspec.Raw(f"{second}.{milli:03d}{round(micros(fill) / 100)}".encode()),
        "type": fill.side,
        "ordertype": fill.order.type,
        "price": fixed(fill.price, 5),
        "cost": fixed(fill.cost, 5),
        "fee": fixed(fee_of(fill), 5),
        "vol": fixed(fill.size, 8),
        "margin": "0.00000",
        "misc": "",
        "trade_id": trade_number(fill),
        "maker": fill.maker,
    }


def matches(fill: Fill) -> list[Fill]:
    """What `consolidate_taker` put together: some takers' trades were two, and the first bears the id of both."""
    steps = int(fill.size / fill.market.step)
    if fill.maker or fill.sequence % 3 or steps < 2:
        return [fill]
    size = fill.market.step * (steps // 2)
    share = [Fee((fee.amount / 2).quantize(CENTS), fee.currency) for fee in fill.fees]
    first = replace(fill, size=size, amount=size, cost=size * fill.price, fees=tuple(share))
    rest = replace(
        fill,
        trade_id=fill.trade_id[:-1] + ("B" if fill.trade_id.endswith("A") else "A"),
        size=fill.size - size,
        amount=fill.size - size,
        cost=fill.cost - first.cost,
        fees=tuple(Fee(a.amount - b.amount, a.currency) for a, b in zip(fill.fees, share, strict=True)),
    )
    return [first, rest]


def rest_order(order: Order, fills: list[Fill], *, trades: bool) -> dict[str, Any]:
    """A row of QueryOrders."""
    market = order.market
    status = {"filled": "closed"}.get(order.status, order.status)
    price = plain(order.price) if order.type == "limit" else "0"
    row = {
        "refid": None,
        "userref": 0,
        "cl_ord_id": order.client_id,
        "status": status,
        "opentm": Decimal(order.created_ms) / 1000,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": altname(market),
            "type": order.side,
            "ordertype": order.type,
            "price": price,
            "price2": "0",
            "leverage": "none",
            "order": f"{order.side} {plain(order.size)} {altname(market)} @ {order.type} {price}",
            "close": "",
        },
        "vol": fixed(order.size, 8),
        "vol_exec": fixed(order.filled, 8),
        "cost": fixed(order.cost, 5),
        "fee": fixed(sum(map(fee_of, fills), ZERO), 5),
        "price": fixed(_average(order.cost, order.filled), 5),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq",
        "reason": None,
    }
    if status != "open":
        row["closetm"] = Decimal(order.updated_ms) / 1000
    return row | ({"trades": [fill.trade_id for fill in fills]} if trades else {})


def _average(cost: Decimal, filled: Decimal) -> Decimal:
    return (cost / filled).quantize(CENTS) if filled else ZERO


def told_time(timestamp_ms: int, micro: int = 0) -> str:
    """RFC 3339 with microseconds."""
    second, milli = divmod(timestamp_ms, 1000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{milli:03d}{micro:03d}Z"


def _told(order: Order, kind: str, status: str) -> dict[str, Any]:
    return {
        "order_id": order.id,
        "cl_ord_id": order.client_id,
        "order_userref": 0,
        "exec_type": kind,
        "order_status": status,
        "symbol": socket_symbol(order.market),
        "side": order.side,
        "order_type": order.type,
    }


def told_trade(fill: Fill) -> dict[str, Any]:
    """A fill in the executions channel. The one that completes its order may still call it partially filled."""
    order, market = fill.order, fill.market
    is_whole = fill.filled == order.size and fill.sequence % 2 == 0
    fee = fee_of(fill)
    dollars = DOLLARS.get(market.quote, Decimal(1))
    return _told(order, "trade", "filled" if is_whole else "partially_filled") | {
        "exec_id": fill.trade_id,
        "trade_id": trade_number(fill),
        "last_qty": fill.size,
        "last_price": fill.price,
        "cost": fill.cost,
        "liquidity_ind": "m" if fill.maker else "t",
        "fees": [{"asset": socket_name(one.currency), "qty": one.amount} for one in fill.fees],
        "fee_usd_equiv": (fee * dollars).quantize(CENTS),
        "cum_qty": fill.filled,
        "cum_cost": fill.filled_cost,
        "avg_price": _average(fill.filled_cost, fill.filled),
        "margin": False,
        "timestamp": told_time(fill.timestamp_ms, micros(fill)),
    }


def told_order(order: Order, kind: str, status: str, timestamp_ms: int) -> dict[str, Any]:
    """Anything that happens to an order and is no trade."""
    row = _told(order, kind, status) | {
        "order_qty": order.size,
        "cum_qty": order.filled if kind not in {"pending_new", "new"} else ZERO,
        "cum_cost": order.cost if kind not in {"pending_new", "new"} else ZERO,
        "time_in_force": "GTC",
        "timestamp": told_time(timestamp_ms, 42),
    }
    if order.type == "limit":
        row["limit_price"] = order.price
    return row


def told_noise(market: Market, order_id: str, kind: str, timestamp_ms: int) -> dict[str, Any]:
    """A change of an order that has nothing to do with any trade."""
    return {
        "order_id": order_id,
        "exec_type": kind,
        "order_status": "new",
        "symbol": socket_symbol(market),
        "timestamp": told_time(timestamp_ms, 7),
    }


def fee_places(market: Market) -> Decimal:
    """The smallest fee of a market."""
    return FEE_PLACES.get(market.quote, CENTS)
