"""The public price socket: whole tickers, of spot and contracts on one socket, for accounts of either world.

A wrong `instType` is acknowledged and then silent: the market's own currencies choose it. Docs, Tickers Channel, read
2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.bitget.history import PRODUCTS
from shared.exchanges.bitget.rest import CONNECTS
from shared.exchanges.bitget.rows import product_of
from shared.exchanges.bitget.streams import LIFETIME_MS, MANNERS, address, decode, refusal_of, request
from shared.exchanges.kit.contract import Frame, TickerStream
from shared.exchanges.kit.fields import Row, millis, optional_decimal, row_of, rows_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, Pong, PriceTalk, Told


def _topic(market: Market) -> str:
    if market.product is Product.SPOT:
        return f"SPOT:{market.id}"
    return f"{'COIN' if market.inverse else market.settle}-FUTURES:{market.id}"


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    del number
    named = [topic.partition(":") for topic in topics]
    return [request(operation, [{"instType": name, "channel": "ticker", "instId": id_} for name, _, id_ in named])]


def _meaning(message: Any) -> Meaning:
    if message == "pong":
        return Pong()
    frame = row_of(message, "the message")
    if "data" in frame:
        return Told()
    if frame.get("event") not in ("subscribe", "unsubscribe", "error"):
        return None
    arg = frame.get("arg")
    to = f"{arg.get('instType')}:{arg.get('instId')}" if isinstance(arg, dict) else ""
    return Answered(to, refusal_of(frame, 0))


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    product = product_of(row_of(message.get("arg"), "'arg'"))
    if product is None:
        return ()
    return [_ticker(row_of(row, "a ticker"), product, markets) for row in rows_of(message["data"], "'data'")]


def _ticker(row: Row, product: Product, markets: Markets) -> Ticker:
    return Ticker(
        symbol=markets.get(product, text(row, "instId")).symbol,
        last=optional_decimal(row, "lastPr"),
        bid=optional_decimal(row, "bidPr"),
        ask=optional_decimal(row, "askPr"),
        timestamp_ms=millis(row, "ts"),
    )


_TALK = PriceTalk(
    manners=MANNERS,
    products=PRODUCTS,
    topic=_topic,
    ask=_ask,
    meaning=_meaning,
    read=_read,
    per_request=20,  # sockets were dropped on 25
    decode=decode,
)

STREAMS = (
    TickerStream(
        name="tickers",
        products=PRODUCTS,
        url=address("v2", "public"),
        protocol=partial(PriceSocket, _TALK),
        symbols_per_socket=50,
        lifetime_ms=LIFETIME_MS,
        connects=CONNECTS,
    ),
)
