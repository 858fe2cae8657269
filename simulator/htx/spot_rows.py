"""Truth in the words of HTX's spot: fills and orders, as REST tells them and as the socket does."""

from typing import Any

from simulator.htx.history import row_id
from simulator.truth import ZERO, Account, Fee, Fill, Order, plain

ONGOING_MS = 3_000
"""For how long a fee in another coin is shown as not yet settled."""
WALLETS = {"point": 1, "spot": 2, "otc": 3, "super-margin": 4}
"""Wallets of the spot system by the last digit of their account ids; the first listed is not the one of spot."""


def account_id(account: Account, wallet: str) -> int:
    """The id that a wallet of the spot system has."""
    return int(account.uid) * 10 + WALLETS[wallet]


def _fee(fill: Fill) -> tuple[Fee, bool]:
    """A spot fill's fee, and whether it was taken in a coin that is not of the pair."""
    market = fill.market
    usual = market.base if fill.side == "buy" else market.quote
    fee = fill.fees[0] if fill.fees else Fee(ZERO, usual)
    return fee, fee.currency not in {market.base, market.quote}


def _usual_coin(fill: Fill) -> str:
    return (fill.market.base if fill.side == "buy" else fill.market.quote).lower()


def match_result(fill: Fill, now_ms: int, *, is_settled: bool = True) -> dict[str, Any]:
    """One row of spot's match results. A fee in another coin is `ongoing` at first, and missing if not `is_settled`."""
    fee, is_deducted = _fee(fill)
    order = fill.order
    is_ongoing = is_deducted and now_ms - fill.timestamp_ms < ONGOING_MS
    points = plain(fee.amount) if is_deducted and not (is_ongoing and not is_settled) else "0.0"
    return {
        "symbol": fill.market.id,
        "fee-currency": _usual_coin(fill) if is_deducted else fee.currency.lower(),
        "source": "spot-api",
        "price": plain(fill.price),
        "created-at": fill.timestamp_ms,
        "role": "maker" if fill.maker else "taker",
        "order-id": int(order.id),
        "match-id": match_id(fill),
        "trade-id": int(fill.trade_id),
        "filled-amount": plain(fill.size),
        "filled-fees": "0" if is_deducted else plain(fee.amount),
        "filled-points": points,
        "fee-deduct-currency": fee.currency.lower() if is_deducted else "",
        "fee-deduct-state": "ongoing" if is_ongoing else "done",
        "id": row_id(fill),
        "type": f"{order.side}-{order.type}",
    }


def match_id(fill: Fill) -> int:
    """The match that a trade came from, the same on both of its sides."""
    return 100_087_000_000 + int(fill.trade_id) % 1_000_000_000


def _order_facts(order: Order) -> dict[str, Any]:
    """What every message about a spot order tells of it: a market order has no price, one to buy no size either."""
    facts: dict[str, Any] = {"orderSide": order.side, "orderType": f"{order.side}-{order.type}"}
    if order.type == "limit":
        facts["orderPrice"] = plain(order.price)
    if order.type == "market" and order.side == "buy":
        facts["orderValue"] = plain(order.size * order.price)
    else:
        facts["orderSize"] = plain(order.size)
    if order.client_id:
        facts["clientOrderId"] = order.client_id
    return facts


def clearing(account: Account, fill: Fill) -> dict[str, Any]:
    """A fill of `trade.clearing`. Now and then the order's id is text, and a key ends with a blank."""
    order = fill.order
    fee, is_deducted = _fee(fill)
    blank = " " if fill.sequence % 3 == 0 else ""
    return {
        "eventType": "trade",
        "symbol": fill.market.id,
        "orderId": order.id if fill.sequence % 5 == 0 else int(order.id),
        "tradePrice": plain(fill.price),
        "tradeVolume": plain(fill.size),
        **_order_facts(order),
        "aggressor": not fill.maker,
        "tradeId": int(fill.trade_id),
        "tradeTime": fill.timestamp_ms,
        "transactFee": "0" if is_deducted else plain(fee.amount),
        f"feeDeduct{blank}": plain(fee.amount) if is_deducted else "0",
        "feeDeductType": fee.currency.lower() if is_deducted else "",
        "feeCurrency": _usual_coin(fill) if is_deducted else fee.currency.lower(),
        "accountId": account_id(account, "spot"),
        "source": "spot-api",
        "orderCreateTime": order.created_ms,
        "orderStatus": "filled" if fill.filled == order.size else "partial-filled",
    }


def cancellation(account: Account, order: Order) -> dict[str, Any]:
    """What `trade.clearing` tells of a cancelled order: no trade."""
    return {
        "eventType": "cancellation",
        "symbol": order.market.id,
        "orderId": int(order.id),
        **_order_facts(order),
        "accountId": account_id(account, "spot"),
        "source": "spot-api",
        "orderCreateTime": order.created_ms,
        "remainAmt": plain(order.left),
        "orderStatus": "partial-canceled" if order.filled else "canceled",
    }


def order_event(event: str, order: Order, moment_ms: int, fill: Fill | None = None) -> dict[str, Any]:
    """A message of `orders`: creation, trade or cancellation; none of them tells a fee."""
    told = {
        "eventType": event,
        "symbol": order.market.id,
        "orderId": int(order.id),
        **_order_facts(order),
        "orderStatus": "submitted" if event == "creation" else "canceled",
    }
    if fill is None:
        moment = "orderCreateTime" if event == "creation" else "lastActTime"
        return told | {moment: moment_ms, "remainAmt": plain(order.left)}
    return told | {
        "tradePrice": plain(fill.price),
        "tradeVolume": plain(fill.size),
        "tradeId": int(fill.trade_id),
        "tradeTime": fill.timestamp_ms,
        "aggressor": not fill.maker,
        "remainAmt": plain(order.size - fill.filled),
        "execAmt": plain(fill.filled),
        "orderStatus": "filled" if fill.filled == order.size else "partial-filled",
    }


def spot_order(account: Account, order: Order) -> dict[str, Any]:
    """One row of spot's order history."""
    return {
        "id": int(order.id),
        "symbol": order.market.id,
        "account-id": account_id(account, "spot"),
        "client-order-id": order.client_id,
        "amount": plain(order.size),
        "price": plain(order.price),
        "created-at": order.created_ms,
        "finished-at": order.updated_ms,
        "type": f"{order.side}-{order.type}",
        "field-amount": plain(order.filled),
        "field-cash-amount": plain(order.cost),
        "source": "spot-api",
        "state": {"open": "partial-filled", "filled": "filled"}.get(order.status, "partial-canceled"),
    }
