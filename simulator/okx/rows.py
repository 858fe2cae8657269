"""Truth in OKX's words: ids, fills and bills."""

from decimal import Decimal
from typing import Any

from simulator.truth import SPOT, ZERO, Fee, Fill, Market, Order, plain

IDS_BEGIN_MS = 1_546_272_000_000
ID_BITS = 22
LONGEST_DELAY_MS = 5
FORCED = ("liquidation", "adl")
SUB_TYPES = {
    ("liquidation", "buy"): "106",
    ("liquidation", "sell"): "107",
    ("adl", "buy"): "127",
    ("adl", "sell"): "128",
}
BILL_TYPES = {"trade": "2", "liquidation": "5", "adl": "9"}


def record_ms(fill: Fill) -> int:
    """When a fill was booked (`ts`): some milliseconds after it happened, in no even step."""
    return fill.timestamp_ms + 1 + fill.sequence * 7 % LONGEST_DELAY_MS


def bill_id(fill: Fill) -> int:
    """The time of booking and a running number; the second leg of a spot fill is booked under the next one."""
    return id_at(record_ms(fill)) + fill.sequence * 4 % (1 << ID_BITS)


def transfer_id(moment_ms: int, place: int) -> int:
    """The bill id of the account's so manieth transfer, never one of a fill."""
    return id_at(moment_ms) + (place * 4 + 2) % (1 << ID_BITS)


def id_at(moment_ms: int) -> int:
    """The first bill id of a millisecond."""
    return max(0, moment_ms - IDS_BEGIN_MS) << ID_BITS


def moment_of(own_id: int) -> int:
    """The millisecond that a bill id was made in."""
    return (own_id >> ID_BITS) + IDS_BEGIN_MS


def inst_type(order: Order) -> str:
    """SPOT, MARGIN or SWAP: a pair has one name on spot and on margin."""
    if order.market.product != SPOT:
        return "SWAP"
    return "MARGIN" if order.on_margin else "SPOT"


def is_forced(fill: Fill) -> bool:
    """Whether the exchange made the order itself."""
    return fill.kind in FORCED


def fee_of(fill: Fill) -> Fee:
    return fill.fees[0] if fill.fees else Fee(ZERO, fill.market.settle or fill.market.quote)


def negated(amount: Decimal) -> str:
    """A fee's sign here: what is paid is negative."""
    return plain(-amount)


def role(fill: Fill) -> str:
    return "" if is_forced(fill) else "M" if fill.maker else "T"


def _fee_rate(fill: Fill) -> str:
    """Told on spot and margin only."""
    if fill.market.product != SPOT:
        return ""
    fee = fee_of(fill)
    share = fee.amount / (fill.amount if fee.currency == fill.market.base else fill.cost)
    return negated(share.quantize(Decimal("0.00001")))


def sub_type(fill: Fill) -> str:
    """What kind of trade it was."""
    return SUB_TYPES.get((fill.kind, fill.side), "1" if fill.side == "buy" else "2")


def trade_quote(market: Market) -> str:
    """The coin that a trade on a spot book is really paid in."""
    return market.quote if market.product == SPOT else ""


def fill_row(fill: Fill) -> dict[str, Any]:
    """One row of trade/fills and fills-history."""
    fee = fee_of(fill)
    is_spot = fill.market.product == SPOT
    return {
        "instType": inst_type(fill.order),
        "instId": fill.market.id,
        "tradeId": fill.trade_id,
        "ordId": fill.order.id,
        "clOrdId": fill.order.client_id,
        "billId": str(bill_id(fill)),
        "subType": sub_type(fill),
        "tag": "",
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.size),
        "fillIdxPx": "" if is_spot else plain(fill.price),
        "fillPnl": plain(fill.realized),
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "fillMarkPx": "" if is_spot else plain(fill.price),
        "side": fill.side,
        "posSide": "net",
        "execType": role(fill),
        "feeCcy": fee.currency,
        "fee": negated(fee.amount),
        "feeRate": _fee_rate(fill),
        "ts": str(record_ms(fill)),
        "fillTime": str(fill.timestamp_ms),
        "tradeQuoteCcy": trade_quote(fill.market),
    }


# Bills.


def _bill(own_id: int, moment_ms: int, **told: str) -> dict[str, str]:
    """One row of the ledger. Running balances (`bal`) are not kept here and left empty."""
    empty = dict.fromkeys(
        (
            *("bal", "clOrdId", "execType", "fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd"),
            *("fillPxVol", "fillTime", "from", "instId", "instType", "mgnMode", "notes", "ordId", "posBal"),
            *("posBalChg", "px", "tag", "to", "tradeId", "subType"),
        ),
        "",
    )
    zero = {"fee": "0", "interest": "0", "pnl": "0", "earnAmt": "", "earnApr": ""}
    return empty | zero | {"billId": str(own_id), "ts": str(moment_ms)} | told


def fill_bills(fill: Fill) -> list[dict[str, str]]:
    """A contract's fill is one row in its settlement coin, one on spot two: the base leg, and the quote leg."""
    market, order, fee = fill.market, fill.order, fee_of(fill)
    shared = {
        "type": BILL_TYPES.get(fill.kind, "2"),
        "subType": sub_type(fill),
        "instType": inst_type(order),
        "instId": market.id,
        "ordId": order.id,
        "tradeId": fill.trade_id,
        "clOrdId": order.client_id,
        "execType": role(fill),
        "px": plain(fill.price),
        "fillTime": str(fill.timestamp_ms),
        "mgnMode": "cash" if inst_type(order) == "SPOT" else "cross",
    }
    if market.product != SPOT:
        legs = [(market.settle, fill.size, fill.realized)]
    else:
        sign = 1 if fill.side == "buy" else -1
        legs = [(market.base, fill.size, sign * fill.amount), (market.quote, fill.cost, -sign * fill.cost)]
    bills = []
    for place, (coin, size, change) in enumerate(legs):
        paid = fee.amount if fee.currency == coin else ZERO
        bills.append(
            _bill(bill_id(fill) + place, record_ms(fill))
            | shared
            | {"ccy": coin, "sz": plain(size), "balChg": plain(change - paid), "fee": negated(paid)}
            | {"pnl": plain(fill.realized), "posBalChg": "0" if market.product == SPOT else plain(fill.size)}
        )
    return bills


def transfer_bill(own_id: int, moment_ms: int, coin: str, amount: Decimal) -> dict[str, str]:
    """What was moved in from the funding wallet."""
    moved = plain(amount)
    return _bill(own_id, moment_ms, type="1", subType="11", ccy=coin, sz=moved, balChg=moved) | {
        "from": "6",
        "to": "18",
    }
