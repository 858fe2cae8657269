"""How KuCoin writes one fill, in each of the places where it writes it."""

from decimal import Decimal
from typing import Any

import msgspec

from simulator.truth import INVERSE, SPOT, ZERO, Fill, plain

FIRST_ROW = 19_814_995_255_305
NANOS = 1_000_000
NO_ORDER = "0"
TAX = Decimal("0.075")  # of the fee, where an account's country asks for it
FUTURES_KINDS = {"trade": "trade", "liquidation": "liquid", "adl": "adl", "settlement": "settlement"}
UNIFIED_KINDS = {"trade": "NORMAL", "liquidation": "LIQUID", "adl": "ADL", "settlement": "SETTLEMENT"}


def row_id(fill: Fill) -> int:
    """The id of a row of REST, which is not the id of the trade."""
    return FIRST_ROW + fill.sequence


def nanos(fill: Fill) -> int:
    """The moment of a fill, finer than anyone knows it."""
    return fill.timestamp_ms * NANOS + fill.sequence % 1000


def number(value: Decimal) -> msgspec.Raw:
    """A JSON number with exactly these digits."""
    return msgspec.Raw(plain(value).encode())


def fee_of(fill: Fill) -> tuple[str, str]:
    """Amount and coin of what a fill cost."""
    if not fill.fees:
        return "0", fill.market.settle or fill.market.quote
    return plain(fill.fees[0].amount), fill.fees[0].currency


def tax_of(fill: Fill) -> str:
    """What some jurisdictions take on top, in the coin of the fee."""
    return plain(fill.fees[1].amount) if len(fill.fees) > 1 else "0"


def _rate(fill: Fill) -> str:
    if fill.market.product == SPOT:
        return "0.001"
    return "0.0002" if fill.maker else "0.0006"


def _shared(fill: Fill) -> dict[str, Any]:
    fee, currency = fee_of(fill)
    return {
        "orderId": fill.order.id,
        "symbol": fill.market.id,
        "side": fill.side,
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "fee": fee,
        "feeRate": _rate(fill),
        "feeCurrency": currency,
        "stop": "",
    }


def spot_fill(fill: Fill) -> dict[str, Any]:
    """A row of /api/v1/hf/fills."""
    return {
        "id": row_id(fill),
        **_shared(fill),
        "counterOrderId": f"{fill.sequence:024x}",
        "tradeId": int(fill.trade_id),
        "type": fill.order.type,
        "size": plain(fill.size),
        "funds": plain(fill.cost),
        "tradeType": "TRADE",
        "taxRate": plain(TAX) if len(fill.fees) > 1 else "0",
        "tax": tax_of(fill),
        "taxCurrency": fee_of(fill)[1],
        "createdAt": fill.timestamp_ms,
    }


def old_fill(fill: Fill) -> dict[str, Any]:
    """A row of /api/v1/fills and /api/v1/limit/fills: no row id, and the trade id is a text."""
    row = spot_fill(fill)
    del row["id"]
    return {**row, "tradeId": fill.trade_id}


def futures_fill(fill: Fill) -> dict[str, Any]:
    """A row of the futures host: the order's age as `createdAt`, the fill's as `tradeTime`."""
    fee, _ = fee_of(fill)
    closes = fill.realized != ZERO
    return {
        **_shared(fill),
        "tradeId": fill.trade_id,
        "size": int(fill.size),
        "value": plain(fill.cost),
        "openFeePay": "0" if closes else fee,
        "closeFeePay": fee if closes else "0",
        "fixFee": "0",
        "subTradeType": None,
        "marginMode": "CROSS",
        "displayType": fill.order.type,
        "settleCurrency": "XBT" if fill.market.product == INVERSE else fill.market.settle,
        "orderType": fill.order.type,
        "tradeType": FUTURES_KINDS[fill.kind],
        "tradeTime": nanos(fill),
        "createdAt": fill.order.created_ms,
    }


def unified_fill(fill: Fill) -> dict[str, Any]:
    """A row of /api/ua/v1/{mode}/order/execution."""
    fee, currency = fee_of(fill)
    return {
        "orderId": fill.order.id or NO_ORDER,
        "symbol": fill.market.id,
        "orderType": fill.order.type.upper(),
        "side": fill.side.upper(),
        "positionSide": "" if fill.market.product == SPOT else "BOTH",
        "tradeId": fill.trade_id,
        "size": plain(fill.size),
        "price": plain(fill.price),
        "value": plain(fill.cost),
        "executionTime": nanos(fill),
        "fee": fee,
        "feeCurrency": currency,
        "tax": tax_of(fill),
        "liquidityRole": "MAKER" if fill.maker else "TAKER",
        "fillType": UNIFIED_KINDS[fill.kind],
        "marginMode": "" if fill.market.product == SPOT else "CROSS",
    }


def unified_event(fill: Fill, *, lite: bool) -> dict[str, Any]:
    """`d` of a push of `execution`; the light channel leaves fee, kind and the client's own id out."""
    fee, currency = fee_of(fill)
    data: dict[str, Any] = {
        "oi": fill.order.id or NO_ORDER,
        "ti": int(fill.trade_id) if fill.market.product == SPOT else fill.trade_id,
        "s": fill.market.id,
        "S": fill.side.upper(),
        "oT": fill.order.type.upper(),
        "p": plain(fill.price),
        "q": plain(fill.size),
        "lR": "MAKER" if fill.maker else "TAKER",
        "E": str(nanos(fill)),
    }
    if lite:
        return data
    kind = UNIFIED_KINDS[fill.kind]
    return {**data, "ci": fill.order.client_id, "f": fee, "fC": currency, "fT": kind, "fP": ""}


LEDGER_IDS = 1024
"""As many ids of the ledger belong to one fill and what came before the next."""


def transfer_row(after: Fill | None, place: int, moment_ms: int, coin: str, amount: Decimal) -> dict[str, Any]:
    """What came in from (or went out to) the funding wallet, `after` that fill; the account's so manieth."""
    first = (FIRST_ROW if after is None else row_id(after)) * LEDGER_IDS
    return {
        "id": str(first + 3 + place % (LEDGER_IDS - 3)),
        "tax": "0",
        "balance": "0",
        "accountType": "TRADE_HF",
        "bizType": "TRANSFER",
        "createdAt": str(moment_ms),
        "context": "",
        "currency": coin,
        "amount": plain(abs(amount)),
        "fee": "0",
        "direction": "in" if amount > 0 else "out",
    }


def ledger_rows(fill: Fill) -> list[dict[str, Any]]:
    """What a spot fill leaves in the ledger: one row for each coin that it moved. The context is JSON in a text."""
    context = f'{{"symbol":"{fill.market.id}","orderId":"{fill.order.id}","tradeId":"{fill.trade_id}"}}'
    fee, currency = fee_of(fill)
    bought = fill.side == "buy"
    moved = [(fill.market.base, fill.amount, bought), (fill.market.quote, fill.cost, not bought)]
    rows = [
        {
            "currency": coin,
            "amount": plain(amount),
            "fee": fee if currency == coin else "0",
            "direction": "in" if gained else "out",
        }
        for coin, amount, gained in moved
    ]
    if currency not in {fill.market.base, fill.market.quote}:
        rows.append({"currency": currency, "amount": "0", "fee": fee, "direction": "out"})
    return [
        {
            "id": str(row_id(fill) * LEDGER_IDS + place),
            "tax": "0",
            "balance": "0",
            "accountType": "TRADE_HF",
            "bizType": "TRADE_EXCHANGE",
            "createdAt": str(fill.timestamp_ms),
            "context": context,
            **row,
        }
        for place, row in enumerate(rows)
    ]
