"""Truth in the words of HTX's contracts: V5 over REST and its socket, and the interface before it."""

from typing import Any

from simulator.htx.history import row_id
from simulator.htx.listings import business_type, contract_type, number
from simulator.truth import ZERO, Account, Fee, Fill, Order, plain

ORDER_TYPES = {"trade": "1", "liquidation": "3", "delivery": "4", "adl": "22"}
POSITION_SIDES = ("both", "long", "short")


def _fee(fill: Fill) -> Fee:
    return fill.fees[0] if fill.fees else Fee(ZERO, fill.market.settle)


def execution(fill: Fill) -> dict[str, Any]:
    """One row of V5's execution details: all text, a paid fee is positive."""
    fee, order = _fee(fill), fill.order
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
    fee = _fee(fill)
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
    market, fee = fill.market, _fee(fill)
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
    order, market, fee = fill.order, fill.market, _fee(fill)
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
