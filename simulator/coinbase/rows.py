"""How Coinbase writes fills and orders over REST, and orders over the socket."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from simulator.truth import SPOT, ZERO, Account, Fill, Order, plain

NANOS = 1_000_000
SEQUENCED_AFTER_NS = 1_143_000
TRADE_TYPES = {"trade": "FILL", "reversal": "REVERSAL", "correction": "CORRECTION", "synthetic": "SYNTHETIC"}
STATUSES = {"open": "OPEN", "filled": "FILLED", "canceled": "CANCELLED", "expired": "EXPIRED"}
NO_TIME = "0001-01-01T00:00:00Z"
EVER = 2**62
PRICE_PLACES = Decimal("0.000000000001")
HUNDREDTH = Decimal("0.01")


def written(nanos: int) -> str:
    """A moment with nanoseconds."""
    seconds, rest = divmod(nanos, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def written_ms(moment_ms: int) -> str:
    """A moment with microseconds, as orders have them."""
    seconds, rest = divmod(moment_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}000Z"


def written_s(moment_ms: int) -> str:
    """A moment in seconds, as transactions have them."""
    return f"{datetime.fromtimestamp(moment_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def user_id(account: Account) -> str:
    """The person's id: several portfolios would share it."""
    return str(uuid5(NAMESPACE_OID, f"user of {account.uid}"))


def trade_ns(fill: Fill) -> int:
    """The moment of a trade, finer than a millisecond."""
    return fill.timestamp_ms * NANOS + fill.sequence % 1000 * 997 + 90


def sequenced_ns(fill: Fill) -> int:
    """When the trade was booked, which is later than the trade and what windows are cut by."""
    return trade_ns(fill) + SEQUENCED_AFTER_NS


def entry_id(account: Account, fill: Fill) -> str:
    """The id of the entry in the books: unique, where one trade id may stand in several entries."""
    return hashlib.sha256(f"{account.uid}:{fill.sequence}".encode()).hexdigest()


def commission(fill: Fill) -> Decimal:
    return fill.fees[0].amount if fill.fees else ZERO


def is_in_quote(order: Order) -> bool:
    """Market buys on spot are placed over an amount of the quote coin."""
    return order.market.product == SPOT and order.type == "market" and order.side == "buy"


def fill_row(account: Account, fill: Fill) -> dict[str, Any]:
    """A row of orders/historical/fills. Adjustments do not say who was the maker."""
    in_quote = is_in_quote(fill.order)
    paid = plain(commission(fill))
    role = "MAKER" if fill.maker else "TAKER"
    return {
        "entry_id": entry_id(account, fill),
        "trade_id": fill.trade_id,
        "order_id": fill.order.id,
        "trade_time": written(trade_ns(fill)),
        "trade_type": TRADE_TYPES[fill.kind],
        "price": plain(fill.price),
        "size": plain(fill.cost if in_quote else fill.size),
        "commission": paid,
        "product_id": fill.market.id,
        "sequence_timestamp": written(sequenced_ns(fill)),
        "liquidity_indicator": role if fill.kind == "trade" else "UNKNOWN_LIQUIDITY_INDICATOR",
        "size_in_quote": in_quote,
        "user_id": user_id(account),
        "side": fill.side.upper(),
        "retail_portfolio_id": account.uid,
        "fillSource": "FILL_SOURCE_CLOB",
        "commission_detail_total": {"total_commission": paid},
    }


class Progress:
    """How far an order has come up to a sequence, counting fills that REST does not show yet."""

    def __init__(self, account: Account, order: Order, status: str, until: int = EVER) -> None:
        rows = account.read_fills(
            EVER,
            product=order.market.product,
            market_id=order.market.id,
            since_ms=order.created_ms,
            until_ms=order.updated_ms,
        )
        own = [fill for fill in rows if fill.order is order and fill.sequence <= until]
        self.fills = len(own)
        self.filled = sum((fill.size for fill in own), ZERO)
        self.cost = sum((fill.cost for fill in own), ZERO)
        self.fees = sum(map(commission, own), ZERO)
        amount = sum((fill.amount for fill in own), ZERO)
        self.average = (self.cost / amount).quantize(PRICE_PLACES) if amount else ZERO
        self.after_fees = self.cost + self.fees if order.side == "buy" else self.cost - self.fees
        self.share = (self.filled * 100 / order.size).quantize(HUNDREDTH)
        # An order that is over has nothing left, cancelled ones included.
        self.left = order.size - self.filled if status == "OPEN" else ZERO


def order_event(account: Account, order: Order, status: str, until: int, alias: str) -> dict[str, Any]:
    """An order as the channel `user` tells it. `alias`: the name of its product there."""
    is_spot, is_limit, at = order.market.product == SPOT, order.type == "limit", Progress(account, order, status, until)
    return {
        "avg_price": plain(at.average),
        "cancel_reason": "User requested cancel" if status == "CANCELLED" else "",
        "client_order_id": order.client_id,
        "completion_percentage": f"{at.share:.2f}",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE" if is_spot else "EXPIRING",
        "cumulative_quantity": plain(at.filled),
        "filled_value": plain(at.cost),
        "leaves_quantity": plain(at.left),
        "limit_price": plain(order.price) if is_limit else "0",
        "number_of_fills": str(at.fills),
        "order_id": order.id,
        "order_side": order.side.upper(),
        "order_type": "Limit" if is_limit else "Market",
        "outstanding_hold_amount": plain(order.locked),
        "post_only": "false",
        "product_id": alias,
        "product_type": "SPOT" if is_spot else "FUTURE",
        "reject_reason": "",
        "retail_portfolio_id": account.uid,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE" if is_spot else "MANAGED_BY_FCM",
        "status": status,
        "stop_price": "",
        "time_in_force": "GOOD_UNTIL_CANCELLED" if is_limit else "IMMEDIATE_OR_CANCEL",
        "total_fees": plain(at.fees),
        "total_value_after_fees": plain(at.after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": written_ms(order.created_ms),
        "end_time": NO_TIME,
        "start_time": NO_TIME,
    }


def order_row(account: Account, order: Order) -> dict[str, Any]:
    """A row of orders/historical/batch: its sums run ahead of the fills that REST shows."""
    status = STATUSES[order.status]
    at = Progress(account, order, status)
    return {
        "order_id": order.id,
        "product_id": order.market.id,
        "user_id": user_id(account),
        "side": order.side.upper(),
        "client_order_id": order.client_id,
        "status": status,
        "time_in_force": "GOOD_UNTIL_CANCELLED" if order.type == "limit" else "IMMEDIATE_OR_CANCEL",
        "created_time": written_ms(order.created_ms),
        "completion_percentage": f"{at.share:.2f}",
        "filled_size": plain(at.filled),
        "average_filled_price": plain(at.average),
        "fee": "",
        "number_of_fills": str(at.fills),
        "filled_value": plain(at.cost),
        "pending_cancel": False,
        "size_in_quote": is_in_quote(order),
        "total_fees": plain(at.fees),
        "size_inclusive_of_fees": False,
        "total_value_after_fees": plain(at.after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": order.type.upper(),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": status == "FILLED",
        "product_type": "SPOT" if order.market.product == SPOT else "FUTURE",
        "reject_message": "",
        "cancel_message": "User requested cancel" if status == "CANCELLED" else "",
        "outstanding_hold_amount": plain(order.locked),
        "last_fill_time": written_ms(order.updated_ms) if at.fills else None,
        "retail_portfolio_id": account.uid,
    }
