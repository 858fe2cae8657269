"""Truth in HTX's words: fills of spot and contracts, as REST tells them and as the sockets do."""

from typing import Any

from simulator.htx.history import row_id
from simulator.htx.listings import business_type, contract_type, number
from simulator.truth import ZERO, Account, Fee, Fill, Order, plain

ONGOING_MS = 3_000
"""For how long a fee in another coin is shown as not yet settled."""
ORDER_TYPES = {"trade": "1", "liquidation": "3", "delivery": "4", "adl": "22"}
POSITION_SIDES = ("both", "long", "short")
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


def _fee_of_contract(fill: Fill) -> Fee:
    return fill.fees[0] if fill.fees else Fee(ZERO, fill.market.settle)


def execution(fill: Fill) -> dict[str, Any]:
    """One row of V5's execution details: all text, a paid fee is positive."""
    fee, order = _fee_of_contract(fill), fill.order
    return {
        "id": str(row_id(fill)),
        "contract_code": fill.market.id,
        "order_id": order.id,
        "trade_id": fill.trade_id,
        "side": fill.side,
        "position_side": POSITION_SIDES[fill.sequence % 3],
        "order_type": ORDER_TYPES[fill.kind],
        "margin_mode": "cross",
        "type": order.type,
        "role": "MAKER" if fill.maker else "TAKER",
        "trade_price": plain(fill.price),
        "trade_volume": plain(fill.size),
        "trade_turnover": plain(fill.cost),
        "created_time": str(fill.timestamp_ms),
        "updated_time": str(fill.timestamp_ms),
        "order_source": "api",
        "fee_currency": fee.currency,
        "trade_fee": plain(fee.amount),
        "deduction_price": "",
        "profit": plain(fill.realized),
        "contract_type": contract_type(fill.market),
    }


def match_name(fill: Fill) -> str:
    """The id of the form match, order, place that sockets and the old interface give an execution."""
    return f"{100_121_550_000_000 + fill.sequence}-{fill.order.id}-1"


def told_execution(fill: Fill) -> dict[str, Any]:
    """The same on V5's `trade` topic: no fee, a later second time; the side goes by one of two names."""
    return {
        "side" if fill.sequence % 4 == 0 else "direction": fill.side,
        "id": match_name(fill),
        "contract_code": fill.market.id,
        "contract_type": contract_type(fill.market),
        "order_id": fill.order.id,
        "trade_id": fill.trade_id,
        "position_side": POSITION_SIDES[fill.sequence % 3],
        "trade_volume": plain(fill.size),
        "trade_price": plain(fill.price),
        "trade_turnover": plain(fill.cost),
        "role": "maker" if fill.maker else "taker",
        "client_order_id": fill.order.client_id,
        "created_time": str(fill.timestamp_ms),
        "updated_time": str(fill.timestamp_ms + 10),
    }


def told_order(fill: Fill) -> dict[str, Any]:
    """What V5's `orders` topic tells after a fill: the order's sums."""
    order, market = fill.order, fill.market
    return {
        "side": order.side,
        "type": order.type,
        "price": plain(order.price),
        "volume": plain(order.size),
        "state": "filled" if fill.filled == order.size else "partially_filled",
        "contract_code": market.id,
        "position_side": POSITION_SIDES[fill.sequence % 3],
        "order_id": order.id,
        "client_order_id": order.client_id,
        "margin_mode": "cross",
        "order_source": "api",
        "trade_avg_price": plain(fill.filled_cost / (fill.filled * market.contract_size)),
        "trade_volume": plain(fill.filled),
        "trade_turnover": plain(fill.filled_cost),
        "contract_type": contract_type(market),
        "created_time": str(order.created_ms),
        "updated_time": str(fill.timestamp_ms),
    }


def contract_order(order: Order) -> dict[str, Any]:
    """One row of V5's order history."""
    return {
        "contract_code": order.market.id,
        "order_id": order.id,
        "client_order_id": order.client_id,
        "side": order.side,
        "type": order.type,
        "margin_mode": "cross",
        "state": "filled" if order.status == "filled" else "partially_filled",
        "price": plain(order.price),
        "volume": plain(order.size),
        "trade_volume": plain(order.filled),
        "trade_turnover": plain(order.cost),
        "created_time": str(order.created_ms),
        "updated_time": str(order.updated_ms),
    }


def bill(fill: Fill) -> dict[str, Any]:
    """The bill of a fill's fee: money only, out of the wallet is negative."""
    fee = _fee_of_contract(fill)
    return {
        "id": str(row_id(fill)),
        "type": "6" if fill.maker else "5",
        "currency": fee.currency,
        "amount": plain(-fee.amount),
        "contract_code": fill.market.id,
        "margin_mode": "cross",
        "created_time": str(fill.timestamp_ms),
    }


def legacy_match(fill: Fill) -> dict[str, Any]:
    """One row of the old interface's match results: numbers, a paid fee is negative."""
    market, fee = fill.market, _fee_of_contract(fill)
    return {
        "query_id": row_id(fill),
        "match_id": 100_121_550_000_000 + fill.sequence,
        "order_id": int(fill.order.id),
        "order_id_str": fill.order.id,
        "symbol": market.base,
        "pair": f"{market.base}-{market.quote}",
        "contract_code": market.id,
        "contract_type": contract_type(market),
        "business_type": business_type(market),
        "direction": fill.side,
        "offset": "both",
        "trade_volume": number(fill.size),
        "trade_price": number(fill.price),
        "trade_turnover": number(fill.cost),
        "trade_fee": number(-fee.amount),
        "fee_asset": fee.currency,
        "offset_profitloss": number(fill.realized),
        "real_profit": number(fill.realized),
        "create_date": fill.timestamp_ms,
        "role": "Maker" if fill.maker else "Taker",
        "order_source": "liquidation" if fill.kind == "liquidation" else "api",
        "id": match_name(fill),
        "margin_mode": "cross",
        "margin_account": market.quote,
        "trade_partition": market.quote,
    }


def legacy_told(account: Account, fill: Fill) -> dict[str, Any]:
    """A fill on the old `orders_cross` topic: the order's facts around one row of `trade`."""
    order, market, fee = fill.order, fill.market, _fee_of_contract(fill)
    return {
        "uid": account.uid,
        "symbol": market.base,
        "contract_code": market.id,
        "volume": number(order.size),
        "price": number(order.price),
        "order_id": int(order.id),
        "order_id_str": order.id,
        "direction": order.side,
        "status": 6 if fill.filled == order.size else 4,
        "created_at": order.created_ms,
        "margin_mode": "cross",
        "margin_account": market.quote,
        "trade": [
            {
                "id": match_name(fill),
                "trade_id": int(fill.trade_id),
                "trade_volume": number(fill.size),
                "trade_price": number(fill.price),
                "trade_fee": number(-fee.amount),
                "fee_asset": fee.currency,
                "trade_turnover": number(fill.cost),
                "created_at": fill.timestamp_ms,
                "role": "maker" if fill.maker else "taker",
                "profit": number(fill.realized),
                "real_profit": number(fill.realized),
            }
        ],
    }
