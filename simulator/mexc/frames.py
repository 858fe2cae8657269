"""What the spot sockets push: protobuf messages in one wrapper, by the field numbers of MEXC's documents (2026-11)."""

import hashlib
from decimal import Decimal

from simulator.dialect import BalanceMoved, OrderEnded, OrderFilled, OrderOpened
from simulator.mexc.protobuf import part, text, whole
from simulator.mexc.rows import spot_fee
from simulator.truth import ZERO, Fill, Market, Order, plain

ORDERS, DEALS, ACCOUNT, MINI, MINIS, QUOTES = 304, 306, 307, 309, 310, 315
"""Numbers of the bodies in the wrapper."""
SIDES = {"buy": 1, "sell": 2}
NEW, FILLED, PARTLY, CANCELED, PARTLY_CANCELED = 1, 2, 3, 4, 5
CAUSES = {"trade": "ENTRUST", "order": "ENTRUST_PLACE", "deposit": "DEPOSIT"}


def wrapped(channel: str, number: int, body: bytes, sent_ms: int, symbol: str = "", made_ms: int = 0) -> bytes:
    """A whole push; the body is written where a generated encoder may put it, last."""
    return text(1, channel) + text(3, symbol) + whole(5, made_ms) + whole(6, sent_ms) + part(number, body)


def deal(fill: Fill) -> bytes:
    """PrivateDealsV3Api."""
    amount, coin = spot_fee(fill)
    return b"".join(
        (
            text(1, plain(fill.price)),
            text(2, plain(fill.size)),
            text(3, plain(fill.cost)),
            whole(4, SIDES[fill.side]),
            whole(5, fill.maker),
            whole(6, fill.self_trade),
            text(7, fill.trade_id),
            text(8, fill.order.client_id),
            text(9, fill.order.id),
            text(10, amount),
            text(11, coin),
            whole(12, fill.timestamp_ms),
        )
    )


def order(event: OrderOpened | OrderFilled | OrderEnded) -> bytes | None:
    """PrivateOrdersV3Api: sums of an order. The end of a filled one is told with its last fill: None."""
    if isinstance(event, OrderFilled):
        fill = event.fill
        status = FILLED if fill.filled == fill.order.size else PARTLY
        return _order(fill.order, fill.filled, fill.filled_cost, status, fill.size, maker=fill.maker)
    if isinstance(event, OrderOpened):
        return _order(event.order, ZERO, ZERO, NEW, None, maker=False)
    if event.order.status == "filled":
        return None
    status = PARTLY_CANCELED if event.order.filled else CANCELED
    return _order(event.order, event.order.filled, event.order.cost, status, None, maker=True)


def _order(order: Order, filled: Decimal, cost: Decimal, status: int, last: Decimal | None, *, maker: bool) -> bytes:
    average = (cost / filled).quantize(Decimal("0.00000001")) if filled else ZERO
    return b"".join(
        (
            text(1, order.id),
            text(2, order.client_id),
            text(3, plain(order.price)),
            text(4, plain(order.size)),
            text(5, plain(order.size * order.price)),
            text(6, plain(average)),
            whole(7, 1 if order.type == "limit" else 5),
            whole(8, SIDES[order.side]),
            whole(9, maker),
            text(10, plain(order.size * order.price - cost)),
            text(11, plain(order.size - filled)),
            b"" if last is None else text(12, plain(last)),
            text(13, plain(filled)),
            text(14, plain(cost)),
            whole(15, status),
            whole(16, order.created_ms),
        )
    )


def balance(event: BalanceMoved, coin: str) -> bytes:
    """PrivateAccountV3Api: one coin of a wallet that changed."""
    free, locked, change = event.assets[coin]
    return b"".join(
        (
            text(1, coin),
            text(2, hashlib.md5(coin.encode(), usedforsecurity=False).hexdigest()),
            text(3, plain(free)),
            text(4, plain(change)),
            text(5, plain(locked)),
            text(6, "0"),
            text(7, CAUSES[event.cause]),
            whole(8, event.timestamp_ms),
        )
    )


def mini_ticker(market: Market) -> bytes:
    """PublicMiniTickerV3Api: last price and the day, no quotes."""
    last = market.shown
    rate = f"{last / market.open_24h - 1:.4f}" if market.open_24h else "0"
    return b"".join(
        (
            text(1, market.id),
            text(2, plain(last)),
            text(3, rate),
            text(4, rate),
            text(5, plain(max(market.high_24h, last))),
            text(6, plain(min(market.low_24h, last))),
            text(7, plain(market.turnover_24h)),
            text(8, plain(market.volume_24h)),
        )
    )


def mini_tickers(markets: list[Market]) -> bytes:
    """PublicMiniTickersV3Api: many of them."""
    return b"".join(part(1, mini_ticker(market)) for market in markets)


def quotes(market: Market) -> bytes:
    """PublicAggreBookTickerV3Api: the best quotes, no last price."""
    return b"".join(
        (
            text(1, plain(market.bid)),
            text(2, plain(market.step * 7)),
            text(3, plain(market.ask)),
            text(4, plain(market.step * 9)),
        )
    )
