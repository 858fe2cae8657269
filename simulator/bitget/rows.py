"""One fill in Bitget's words: classic and unified, spot and contracts, by REST and on the sockets."""

import zlib
from typing import Any

from simulator.bitget.listings import category_of, unified_id
from simulator.truth import SPOT, ZERO, Account, Fee, Fill, plain

HEDGE, ONE_WAY = "hedge_mode", "one_way_mode"
LATER_MS = {"rest": 5, "socket": 3}
"""How much later than the trade its row was last written, as each side tells it."""
DISCOUNT_COIN = "BGB"


def is_closing(fill: Fill) -> bool:
    """Whether the order closes a position: forced ones do, of the others some, all fills of an order alike."""
    return fill.kind != "trade" or bool(zlib.crc32(fill.order.id.encode()) & 1)


def position_of(fill: Fill) -> str:
    """long or short: the position that a fill opens or closes."""
    return "long" if (fill.side == "buy") is not is_closing(fill) else "short"


def told_side(fill: Fill, pos_mode: str) -> str:
    """`side` of a classic contract's fill: with two positions it names the touched one, also where that is closed."""
    if pos_mode == ONE_WAY:
        return fill.side
    return "buy" if position_of(fill) == "long" else "sell"


def trade_side(fill: Fill, pos_mode: str) -> str:
    """What a fill does to a position, and whether somebody was forced."""
    forced = {"liquidation": "burst_", "adl": "dte_sys_adl_"}.get(fill.kind, "")
    if pos_mode == ONE_WAY:
        end = "in_single_side_mode" if fill.kind == "adl" else "single"
        return f"{forced}{fill.side}_{end}"
    if forced:
        return f"{forced}close_{position_of(fill)}"
    return "close" if is_closing(fill) else "open"


def _usual_fee_coin(fill: Fill) -> str:
    if fill.market.product != SPOT:
        return fill.market.settle
    return fill.market.base if fill.side == "buy" else fill.market.quote


def _is_deducted(fill: Fill, fee: Fee) -> bool:
    """Whether the discount coin paid in place of the usual one."""
    return fee.currency == DISCOUNT_COIN != _usual_fee_coin(fill)


def _classic_fee(fill: Fill, fee: Fee, *, none: str | None, is_unsigned: bool = False) -> dict[str, Any]:
    """A line of a fee: paid is negative, but paid in the discount coin it is positive. `none`: nothing deducted."""
    is_deducted = _is_deducted(fill, fee)
    written = plain(abs(fee.amount) if is_unsigned else fee.amount if is_deducted else -fee.amount)
    return {
        "deduction": "yes" if is_deducted else "no",
        "feeCoin": fee.currency,
        "totalDeductionFee": written if is_deducted else none,
        "totalFee": written,
    }


def spot_fill(fill: Fill, account: Account) -> dict[str, Any]:
    """A row of GET /api/v2/spot/trade/fills; its fee is one object, there also when nothing was paid."""
    fee = fill.fees[0] if fill.fees else Fee(ZERO, _usual_fee_coin(fill))
    return {
        "userId": account.uid,
        "symbol": fill.market.id,
        "orderId": fill.order.id,
        "tradeId": fill.trade_id,
        "orderType": fill.order.type,
        "side": fill.side,
        "priceAvg": plain(fill.price),
        "size": plain(fill.size),
        "amount": plain(fill.cost),
        "feeDetail": _classic_fee(fill, fee, none=""),
        "tradeScope": scope(fill),
        "cTime": str(fill.timestamp_ms),
        "uTime": str(fill.timestamp_ms + LATER_MS["rest"]),
    }


def told_spot_fill(fill: Fill, pos_mode: str) -> dict[str, Any]:
    """The same on the socket, where a fee that was paid is now positive (documents), now negative (captures)."""
    del pos_mode
    is_unsigned = fill.sequence % 2 == 1
    return {
        "orderId": fill.order.id,
        "tradeId": fill.trade_id,
        "symbol": fill.market.id,
        "orderType": fill.order.type,
        "side": fill.side,
        "priceAvg": plain(fill.price),
        "size": plain(fill.size),
        "amount": plain(fill.cost),
        "tradeScope": scope(fill),
        "feeDetail": [_classic_fee(fill, fee, none="0", is_unsigned=is_unsigned) for fee in fill.fees],
        "cTime": str(fill.timestamp_ms),
        "uTime": str(fill.timestamp_ms + LATER_MS["socket"]),
    }


def contract_fill(fill: Fill, account: Account) -> dict[str, Any]:
    """A row of GET /api/v2/mix/order/fills; its fees are a list, which may be empty."""
    pos_mode = account.details["pos_mode"]
    return {
        "tradeId": fill.trade_id,
        "symbol": fill.market.id,
        "orderId": fill.order.id,
        "price": plain(fill.price),
        "baseVolume": plain(fill.size),
        "feeDetail": [_classic_fee(fill, fee, none=None) for fee in fill.fees],
        "side": told_side(fill, pos_mode),
        "quoteVolume": plain(fill.cost),
        "profit": plain(fill.realized),
        "enterPointSource": "api",
        "tradeSide": trade_side(fill, pos_mode),
        "posMode": pos_mode,
        "tradeScope": scope(fill),
        "cTime": str(fill.timestamp_ms),
    }


def told_contract_fill(fill: Fill, pos_mode: str) -> dict[str, Any]:
    """The same on the socket."""
    return {
        "orderId": fill.order.id,
        "tradeId": fill.trade_id,
        "symbol": fill.market.id,
        "orderType": fill.order.type,
        "side": told_side(fill, pos_mode),
        "price": plain(fill.price),
        "baseVolume": plain(fill.size),
        "quoteVolume": plain(fill.cost),
        "profit": plain(fill.realized),
        "tradeSide": trade_side(fill, pos_mode),
        "posMode": pos_mode,
        "tradeScope": scope(fill),
        "feeDetail": [_classic_fee(fill, fee, none=None) for fee in fill.fees],
        "cTime": str(fill.timestamp_ms),
        "uTime": str(fill.timestamp_ms + LATER_MS["socket"]),
    }


def _unified(fill: Fill) -> dict[str, Any]:
    return {
        "symbol": unified_id(fill.market),
        "orderId": fill.order.id,
        "clientOid": fill.order.client_id,
        "execId": fill.trade_id,
        "execLinkId": str(int(fill.order.id) + fill.sequence) if fill.order.id.isdecimal() else "",
        "orderType": fill.order.type,
        "side": fill.side,
        "tradeSide": "" if fill.market.product == SPOT else trade_side(fill, HEDGE),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "execValue": plain(fill.cost),
        "tradeScope": scope(fill),
        "feeDetail": [{"feeCoin": fee.currency, "fee": plain(fee.amount)} for fee in fill.fees],
        "execPnl": plain(fill.realized),
        "isRPI": "no",
    }


def unified_fill(fill: Fill) -> dict[str, Any]:
    """A row of GET /api/v3/trade/fills: the side is the real one, paid fees are positive."""
    return {
        "category": category_of(fill.market),
        **_unified(fill),
        "posSide": "" if fill.market.product == SPOT else position_of(fill),
        "createdTime": str(fill.timestamp_ms),
        "updatedTime": str(fill.timestamp_ms + LATER_MS["rest"]),
    }


def told_unified_fill(fill: Fill) -> dict[str, Any]:
    """The same on the socket: the category is in lower case there."""
    return {
        "category": category_of(fill.market).lower(),
        **_unified(fill),
        "holdSide": "" if fill.market.product == SPOT else position_of(fill),
        "execTime": str(fill.timestamp_ms),
        "updatedTime": str(fill.timestamp_ms + LATER_MS["socket"]),
    }


def fast_fill(fill: Fill) -> dict[str, Any]:
    """What the fast topic leaves of it."""
    return {
        "category": category_of(fill.market).lower(),
        "symbol": unified_id(fill.market),
        "orderId": fill.order.id,
        "clientOid": fill.order.client_id,
        "execId": fill.trade_id,
        "side": fill.side,
        "execPrice": plain(fill.price),
        "execQty": plain(fill.size),
        "tradeScope": scope(fill),
        "execTime": str(fill.timestamp_ms),
    }


def scope(fill: Fill) -> str:
    """maker or taker."""
    return "maker" if fill.maker else "taker"
