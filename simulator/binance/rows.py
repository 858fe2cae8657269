"""Truth in Binance's words: REST rows and stream events."""

from decimal import Decimal
from typing import Any

from simulator.dialect import BalanceMoved
from simulator.truth import ZERO, Account, Fill, Market, Order, plain

ORDER_STATUS = {"open": "NEW", "filled": "FILLED", "canceled": "CANCELED", "expired": "EXPIRED"}


def eight(value: Decimal) -> str:
    """As spot writes amounts."""
    return format(value, ".8f") if value else "0.00000000"


def status_of(order: Order) -> str:
    if order.status == "open" and order.filled > 0:
        return "PARTIALLY_FILLED"
    return ORDER_STATUS[order.status]


# ── Spot ──────────────────────────────────────────────────────────────────────────────────────────────


def spot_trade(fill: Fill) -> dict[str, Any]:
    """One row of myTrades."""
    fee = fill.fees[0] if fill.fees else None
    return {
        "symbol": fill.market.id,
        "id": int(fill.trade_id),
        "orderId": int(fill.order.id),
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.size),
        "quoteQty": eight(fill.cost),
        "commission": eight(fee.amount if fee else ZERO),
        "commissionAsset": fee.currency if fee else fill.market.quote,
        "time": fill.timestamp_ms,
        "isBuyer": fill.side == "buy",
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def spot_order(order: Order) -> dict[str, Any]:
    """One row of openOrders and allOrders."""
    return {
        "symbol": order.market.id,
        "orderId": int(order.id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": eight(order.price if order.type == "limit" else ZERO),
        "origQty": eight(order.size),
        "executedQty": eight(order.filled),
        "cummulativeQuoteQty": eight(order.cost),
        "origQuoteOrderQty": "0.00000000",
        "status": status_of(order),
        "timeInForce": "GTC",
        "type": order.type.upper(),
        "side": order.side.upper(),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def execution_report(order: Order, kind: str, now_ms: int, fill: Fill | None = None) -> dict[str, Any]:
    """An executionReport; `kind` is its `x`."""
    fee = fill.fees[0] if fill and fill.fees and fill.fees[0].amount else None
    filled = fill.filled if fill else order.filled if kind != "NEW" else ZERO
    cost = fill.filled_cost if fill else order.cost if kind != "NEW" else ZERO
    if kind == "NEW":
        status = "NEW"
    elif fill is not None:
        status = "FILLED" if fill.filled >= order.size else "PARTIALLY_FILLED"
    else:
        status = ORDER_STATUS[order.status]
    limit = order.type == "limit"
    trade = fill.timestamp_ms if fill else now_ms
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.market.id,
        "c": order.client_id if kind != "CANCELED" else f"cancel-{order.id}",
        "S": order.side.upper(),
        "o": "LIMIT" if limit else "MARKET",
        "f": "GTC",
        "q": eight(order.size),
        "p": eight(order.price if limit else ZERO),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_id if kind == "CANCELED" else "",
        "x": kind,
        "X": status,
        "r": "NONE",
        "i": int(order.id),
        "l": eight(fill.size if fill else ZERO),
        "z": eight(filled),
        "L": eight(fill.price if fill else ZERO),
        "n": eight(fee.amount) if fee else "0",
        "N": fee.currency if fee else None,
        "T": trade,
        "t": int(fill.trade_id) if fill else -1,
        "v": 0,
        "I": 7_000_000_000 + 3 * (fill.sequence if fill else int(order.id)),
        "w": fill is None and kind == "NEW",
        "m": bool(fill and fill.maker),
        "M": fill is not None,
        "O": order.created_ms,
        "Z": eight(cost),
        "Y": eight(fill.cost if fill else ZERO),
        "Q": "0.00000000",
        "W": order.created_ms,
        "V": "EXPIRE_MAKER",
    }


def prevention_report(market: Market, number: int, now_ms: int, price: Decimal) -> dict[str, Any]:
    """Self-trade prevention: looks like an execution, and is none."""
    order = Order(
        id=str(number),
        client_id=f"stp-{number}",
        market=market,
        side="buy",
        type="limit",
        price=price,
        size=market.step * 10,
        status="expired",
        created_ms=now_ms,
        updated_ms=now_ms,
    )
    report = execution_report(order, "TRADE_PREVENTION", now_ms)
    return report | {
        "pl": eight(market.step),
        "pL": eight(price),
        "pY": eight(market.step * price),
        "A": eight(market.step),
        "B": eight(market.step),
        "u": 1,
        "U": number + 1,
        "Cs": market.id,
    }


def spot_position(move: BalanceMoved) -> dict[str, Any]:
    """outboundAccountPosition."""
    return {
        "e": "outboundAccountPosition",
        "E": move.timestamp_ms,
        "u": move.timestamp_ms,
        "B": [
            {"a": asset, "f": eight(free), "l": eight(locked)} for asset, (free, locked, _change) in move.assets.items()
        ],
    }


def spot_deposits(move: BalanceMoved) -> list[dict[str, Any]]:
    """balanceUpdate, one for each asset."""
    return [
        {"e": "balanceUpdate", "E": move.timestamp_ms, "a": asset, "d": eight(change), "T": move.timestamp_ms}
        for asset, (_free, _locked, change) in move.assets.items()
    ]


# ── USDⓈ-M futures ────────────────────────────────────────────────────────────────────────────────────


def futures_trade(fill: Fill) -> dict[str, Any]:
    """One row of userTrades."""
    fee = fill.fees[0] if fill.fees else None
    return {
        "symbol": fill.market.id,
        "id": int(fill.trade_id),
        "orderId": int(fill.order.id),
        "side": fill.side.upper(),
        "price": plain(fill.price),
        "qty": plain(fill.size),
        "realizedPnl": eight(fill.realized),
        "marginAsset": fill.market.settle,
        "quoteQty": plain(fill.cost),
        "baseQty": plain(fill.amount),
        "commission": eight(fee.amount if fee else ZERO),
        "commissionAsset": fee.currency if fee else fill.market.settle,
        "time": fill.timestamp_ms,
        "positionSide": "BOTH",
        "buyer": fill.side == "buy",
        "maker": fill.maker,
    }


def futures_order(order: Order) -> dict[str, Any]:
    """One row of futures' openOrders and allOrders."""
    average = order.cost / order.filled / order.market.contract_size if order.filled else ZERO
    return {
        "orderId": int(order.id),
        "symbol": order.market.id,
        "status": status_of(order),
        "clientOrderId": order.client_id,
        "price": plain(order.price if order.type == "limit" else ZERO),
        "avgPrice": format(average, ".5f"),
        "origQty": plain(order.size),
        "executedQty": plain(order.filled),
        "cumQuote": plain(order.cost),
        "timeInForce": "GTC",
        "type": order.type.upper(),
        "reduceOnly": False,
        "closePosition": False,
        "side": order.side.upper(),
        "positionSide": "BOTH",
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": order.type.upper(),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def order_trade_update(order: Order, kind: str, now_ms: int, fill: Fill | None = None) -> dict[str, Any]:
    """ORDER_TRADE_UPDATE; the fee's fields are missing where there is none."""
    limit = order.type == "limit"
    filled = fill.filled if fill else order.filled if kind != "NEW" else ZERO
    if kind == "NEW":
        status = "NEW"
    elif fill is not None:
        status = "FILLED" if fill.filled >= order.size else "PARTIALLY_FILLED"
    else:
        status = ORDER_STATUS[order.status]
    detail: dict[str, Any] = {
        "s": order.market.id,
        "c": order.client_id,
        "S": order.side.upper(),
        "o": "LIQUIDATION" if order.kind == "liquidation" else "LIMIT" if limit else "MARKET",
        "f": "GTC",
        "q": plain(order.size),
        "p": plain(order.price if limit else ZERO),
        "ap": plain(fill.price if fill else ZERO),
        "sp": "0",
        "x": kind,
        "X": status,
        "i": int(order.id),
        "l": plain(fill.size if fill else ZERO),
        "z": plain(filled),
        "L": plain(fill.price if fill else ZERO),
        "T": fill.timestamp_ms if fill else now_ms,
        "t": int(fill.trade_id) if fill else 0,
        "b": "0",
        "a": "0",
        "m": bool(fill and fill.maker),
        "R": False,
        "wt": "CONTRACT_PRICE",
        "ot": "LIMIT" if limit else "MARKET",
        "ps": "BOTH",
        "cp": False,
        "rp": eight(fill.realized) if fill else "0",
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
    }
    if fill and fill.fees and fill.fees[0].amount:
        detail["n"] = eight(fill.fees[0].amount)
        detail["N"] = fill.fees[0].currency
    return {"e": "ORDER_TRADE_UPDATE", "E": now_ms, "T": fill.timestamp_ms if fill else now_ms, "o": detail}


def trade_lite(fill: Fill, now_ms: int) -> dict[str, Any]:
    """TRADE_LITE: the same fill, earlier and without its fee."""
    order = fill.order
    return {
        "e": "TRADE_LITE",
        "E": now_ms,
        "T": fill.timestamp_ms,
        "s": order.market.id,
        "q": plain(order.size),
        "p": plain(order.price if order.type == "limit" else ZERO),
        "m": fill.maker,
        "c": order.client_id,
        "S": fill.side.upper(),
        "L": plain(fill.price),
        "l": plain(fill.size),
        "t": int(fill.trade_id),
        "i": int(order.id),
    }


def account_update(account: Account, move: BalanceMoved, markets: list[Market]) -> dict[str, Any]:
    """ACCOUNT_UPDATE with the wallets that moved and the positions of `markets`."""
    positions = []
    for market in markets:
        position = account.positions.get(market.key)
        if position is not None:
            positions.append(
                {
                    "s": market.id,
                    "pa": plain(position.size),
                    "ep": plain(position.entry.quantize(Decimal("0.00001"))),
                    "cr": "0",
                    "up": "0",
                    "mt": "cross",
                    "iw": "0",
                    "ps": "BOTH",
                }
            )
    return {
        "e": "ACCOUNT_UPDATE",
        "E": move.timestamp_ms,
        "T": move.timestamp_ms,
        "a": {
            "m": "DEPOSIT" if move.cause == "deposit" else "ORDER",
            "B": [
                {
                    "a": asset,
                    "wb": eight(free + locked),
                    "cw": eight(free + locked),
                    "bc": eight(change) if move.cause == "deposit" else "0",
                }
                for asset, (free, locked, change) in move.assets.items()
            ],
            "P": positions,
        },
    }


# ── Prices ────────────────────────────────────────────────────────────────────────────────────────────


def ticker_event(market: Market, now_ms: int) -> dict[str, Any]:
    """24hrTicker."""
    change = market.shown - market.open_24h
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": market.id,
        "p": plain(change),
        "P": format(change / market.open_24h * 100, ".3f"),
        "w": plain(market.shown),
        "x": plain(market.shown),
        "c": plain(market.shown),
        "Q": plain(market.step),
        "b": plain(market.bid),
        "B": plain(market.step * 100),
        "a": plain(market.ask),
        "A": plain(market.step * 70),
        "o": plain(market.open_24h),
        "h": plain(max(market.high_24h, market.shown)),
        "l": plain(min(market.low_24h, market.shown)),
        "v": plain(market.volume_24h),
        "q": plain(market.turnover_24h),
        "O": now_ms - 86_400_000,
        "C": now_ms,
        "F": 0,
        "L": market.last_id,
        "n": market.last_id,
    }


def mini_ticker_event(market: Market, now_ms: int) -> dict[str, Any]:
    """24hrMiniTicker."""
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": market.id,
        "c": plain(market.shown),
        "o": plain(market.open_24h),
        "h": plain(max(market.high_24h, market.shown)),
        "l": plain(min(market.low_24h, market.shown)),
        "v": plain(market.volume_24h),
        "q": plain(market.turnover_24h),
    }


def spot_book_event(market: Market, now_ms: int) -> dict[str, Any]:
    """bookTicker of spot: without `e`."""
    return {
        "u": now_ms,
        "s": market.id,
        "b": plain(market.bid),
        "B": plain(market.step * 100),
        "a": plain(market.ask),
        "A": plain(market.step * 70),
    }


def futures_book_event(market: Market, now_ms: int) -> dict[str, Any]:
    """bookTicker of futures."""
    return {"e": "bookTicker", **spot_book_event(market, now_ms), "T": now_ms, "E": now_ms}


def ticker_row(market: Market, now_ms: int) -> dict[str, Any]:
    """One row of ticker/24hr."""
    change = market.shown - market.open_24h
    return {
        "symbol": market.id,
        "priceChange": plain(change),
        "priceChangePercent": format(change / market.open_24h * 100, ".3f"),
        "weightedAvgPrice": plain(market.shown),
        "prevClosePrice": plain(market.open_24h),
        "lastPrice": plain(market.shown),
        "lastQty": plain(market.step),
        "bidPrice": plain(market.bid),
        "bidQty": plain(market.step * 100),
        "askPrice": plain(market.ask),
        "askQty": plain(market.step * 70),
        "openPrice": plain(market.open_24h),
        "highPrice": plain(max(market.high_24h, market.shown)),
        "lowPrice": plain(min(market.low_24h, market.shown)),
        "volume": plain(market.volume_24h),
        "quoteVolume": plain(market.turnover_24h),
        "openTime": now_ms - 86_400_000,
        "closeTime": now_ms,
        "firstId": 0,
        "lastId": market.last_id,
        "count": market.last_id,
    }
