"""Truth in Bybit's words: executions of history and of the private socket."""

import json
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct

from simulator.truth import SPOT, ZERO, Fee, Fill, Market, plain

SIDES = {"buy": "Buy", "sell": "Sell"}
KINDS = {
    "trade": "Trade",
    "liquidation": "BustTrade",
    "adl": "AdlTrade",
    "settlement": "Settle",
    "delivery": "Delivery",
    "block": "BlockTrade",
}
MADE_BY = {"liquidation": "CreateByLiq", "adl": "CreateByAdl_PassThrough", "settlement": "CreateBySettle"}
SPOT_RATE, LINEAR_TAKER, LINEAR_MAKER = "0.001", "0.00055", "0.0002"
QUIET = 5
"""Every so manieth spot fill leaves the fee's currency to the documented rule."""


class Funding(Struct, frozen=True):
    """A funding payment: no trade, but told among the executions."""

    timestamp_ms: int
    market: Market

    def id_for(self, uid: str) -> str:
        """Its execution id, the same whoever tells it."""
        return str(uuid5(NAMESPACE_URL, f"funding:{uid}:{self.market.id}:{self.timestamp_ms}"))


def usual_fee_currency(fill: Fill, fee: Fee) -> str:
    """What the rule for spot says where no currency stands: what is received, the other way round for a rebate."""
    in_base = (fill.side == "buy") is not (fee.amount < 0 and fill.maker)
    return fill.market.base if in_base else fill.market.quote


def _fee_rate(fill: Fill, fee: Fee | None) -> str:
    rate = SPOT_RATE if fill.market.product == SPOT else LINEAR_MAKER if fill.maker else LINEAR_TAKER
    return f"-{rate}" if fee is not None and fee.amount < 0 else rate


def _extra(fees: tuple[Fee, ...]) -> list[dict[str, str]]:
    return [
        {
            "feeCoin": fee.currency,
            "feeType": "GST",
            "subFeeType": "IND_GST",
            "feeRate": "0.18",
            "fee": plain(fee.amount),
        }
        for fee in fees[1:]
    ]


def execution(fill: Fill) -> dict[str, Any]:
    """One row of execution/list: the category stands around all rows, and spot does not say who created an order."""
    order, market = fill.order, fill.market
    is_spot = market.product == SPOT
    fee = fill.fees[0] if fill.fees else None
    currency = fee.currency if fee else ""
    if not is_spot or (fee and fill.sequence % QUIET == 0 and currency == usual_fee_currency(fill, fee)):
        currency = ""
    extra = _extra(fill.fees)
    row = {
        "symbol": market.id,
        "orderId": order.id,
        "orderLinkId": order.client_id,
        "side": SIDES[fill.side],
        "orderPrice": plain(order.price) if order.type == "limit" else "0",
        "orderQty": plain(order.size),
        "leavesQty": plain(order.size - fill.filled),
        "orderType": "Limit" if order.type == "limit" else "Market",
        "stopOrderType": "" if is_spot else "UNKNOWN",
        "execFee": plain(fee.amount if fee else ZERO),
        "execFeeV2": "",
        "execId": fill.trade_id,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "execType": KINDS[fill.kind],
        "execValue": plain(fill.cost),
        "execTime": str(fill.timestamp_ms),
        "feeCurrency": currency,
        "isMaker": fill.maker,
        "feeRate": _fee_rate(fill, fee),
        "tradeIv": "",
        "markIv": "",
        "markPrice": "" if is_spot else plain(fill.price),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "" if is_spot else "0",
        "seq": fill.sequence,
        "extraFees": json.dumps(extra) if extra else "",
    }
    return row if is_spot else row | {"createType": MADE_BY.get(fill.kind, "CreateByUser")}


def told_execution(fill: Fill) -> dict[str, Any]:
    """The same on the private socket."""
    is_spot = fill.market.product == SPOT
    extra = _extra(fill.fees)
    return {
        "category": fill.market.product,
        **execution(fill),
        "isLeverage": "0",
        "execPnl": "0" if is_spot else plain(fill.realized),
        "extraFees": extra or "",
    }


def fast_execution(fill: Fill) -> dict[str, Any]:
    """What the fast topic leaves of it."""
    return {
        "category": fill.market.product,
        "symbol": fill.market.id,
        "execId": fill.trade_id,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "orderId": fill.order.id,
        "isMaker": fill.maker,
        "orderLinkId": "" if fill.maker else fill.order.client_id,
        "side": SIDES[fill.side],
        "execTime": str(fill.timestamp_ms),
        "seq": fill.sequence,
    }


def funding(payment: Funding, uid: str) -> dict[str, Any]:
    """A funding payment among the executions."""
    market = payment.market
    size = market.step * 10
    value = size * market.start_price
    own_id = payment.id_for(uid)
    return {
        "symbol": market.id,
        "orderId": str(uuid5(NAMESPACE_URL, f"order:{own_id}")),
        "orderLinkId": "",
        "side": "Sell",
        "orderPrice": "0",
        "orderQty": "0",
        "leavesQty": "0",
        "createType": "CreateByFunding",
        "orderType": "UNKNOWN",
        "stopOrderType": "UNKNOWN",
        "execFee": plain(value * Decimal("0.0001")),
        "execFeeV2": "",
        "execId": own_id,
        "execPrice": plain(market.start_price),
        "execQty": plain(size),
        "execType": "Funding",
        "execValue": plain(value),
        "execTime": str(payment.timestamp_ms),
        "feeCurrency": "",
        "isMaker": False,
        "feeRate": "0.0001",
        "tradeIv": "",
        "markIv": "",
        "markPrice": plain(market.start_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "blockTradeId": "",
        "closedSize": "0",
        "seq": payment.timestamp_ms // 1000,
        "extraFees": "",
    }
