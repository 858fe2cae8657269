"""Truth in OKX's words: what the orders channel says of an order and of its last fill."""

import zlib
from decimal import Decimal
from typing import Any

from simulator.okx.rows import FORCED, fee_of, inst_type, is_forced, negated, role, trade_quote
from simulator.truth import INVERSE, SPOT, ZERO, Fill, Market, Order, plain


def ends_quietly(order: Order) -> bool:
    """Whether a market order's end is told apart from its last fill, in a push without a trade."""
    return order.type == "market" and order.kind == "trade" and zlib.crc32(order.id.encode()) % 2 == 0


_EMPTY = dict.fromkeys(
    (
        *("algoClOrdId", "algoId", "amendResult", "amendSource", "attachAlgoClOrdId", "cancelSource"),
        *("cancelSourceReason", "fillFwdPx", "fillMarkPx", "fillMarkVol", "fillNotionalUsd", "fillPxUsd", "fillPxVol"),
        *("msg", "notionalUsd", "pxType", "pxUsd", "pxVol", "quickMgnType", "reqId", "slOrdPx", "slTriggerPx"),
        *("slTriggerPxType", "source", "stpId", "tag", "tpOrdPx", "tpTriggerPx", "tpTriggerPxType"),
        *("fillPx", "fillTime", "execType", "tradeId", "fillFeeCcy"),
    ),
    "",
)
_NOTHING = {"fillSz": "0", "fillFee": "0", "fillPnl": "0"}


def order_row(
    order: Order,
    *,
    state: str,
    moment_ms: int,
    filled: Decimal = ZERO,
    cost: Decimal = ZERO,
    fee: Decimal = ZERO,
    rebate: Decimal = ZERO,
) -> dict[str, Any]:
    """An order in one of its states, its sums included: `fee` and `rebate` are of all its fills, both positive."""
    market = order.market
    kind = inst_type(order)
    is_selling_maker = market.product == SPOT and order.side == "sell"
    fee_coin = market.settle or (market.quote if order.side == "sell" else market.base)
    rebate_coin = market.settle or (market.base if is_selling_maker else market.quote)
    return {
        **_EMPTY,
        **_NOTHING,
        "accFillSz": plain(filled),
        "attachAlgoOrds": [],
        "avgPx": plain(_average(market, filled, cost)),
        "cTime": str(order.created_ms),
        "category": _category(order),
        "ccy": "" if kind == "SPOT" else market.settle or market.quote,
        "clOrdId": order.client_id,
        "code": "0",
        "fee": plain(-fee),
        "feeCcy": fee_coin,
        "instId": market.id,
        "instType": kind,
        "isTpLimit": "false",
        "lever": "0" if kind == "SPOT" else "3",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": order.id,
        "ordType": order.type,
        "pnl": "0",
        "posSide": "" if market.product == SPOT else "net",
        "px": plain(order.price) if order.type == "limit" else "",
        "rebate": plain(rebate),
        "rebateCcy": rebate_coin,
        "reduceOnly": "true" if order.kind in FORCED else "false",
        "side": order.side,
        "state": state,
        "stpMode": "cancel_maker",
        "sz": plain(order.size),
        "tdMode": "cash" if kind == "SPOT" else "cross",
        "tgtCcy": "base_ccy" if market.product == SPOT and order.type == "market" else "",
        "tradeQuoteCcy": trade_quote(market),
        "uTime": str(moment_ms),
    }


def fill_of_order(fill: Fill) -> dict[str, str]:
    """What the push of a fill adds to its order; forced trades have no id here."""
    fee = fee_of(fill)
    return {
        "tradeId": "0" if is_forced(fill) else fill.trade_id,
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.size),
        "fillTime": str(fill.timestamp_ms),
        "fillFee": negated(fee.amount),
        "fillFeeCcy": fee.currency,
        "fillPnl": plain(fill.realized),
        "pnl": plain(fill.realized),
        "execType": role(fill),
        **({"feeCcy": fee.currency} if fee.amount > 0 else {}),
    }


def _average(market: Market, filled: Decimal, cost: Decimal) -> Decimal:
    if not filled:
        return ZERO
    amount = filled * market.contract_size
    return amount / cost if market.product == INVERSE else cost / amount


def _category(order: Order) -> str:
    if order.kind == "liquidation":
        return "full_liquidation" if zlib.crc32(order.id.encode()) % 2 else "partial_liquidation"
    return "adl" if order.kind == "adl" else "normal"
