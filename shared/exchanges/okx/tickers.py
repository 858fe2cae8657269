"""The public price socket: one for all products. Each message is a whole ticker.

Every symbol of a request is answered by itself; an unknown one is refused in words that name it. Docs, Tickers
channel, read 2026-11.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Broken, Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import millis, optional_decimal, row_of, rows_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.reading import market_of
from shared.exchanges.kit.talk import Answered, Asked, Ends, Meaning, PriceTalk
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.okx.hosts import socket
from shared.exchanges.okx.rows import PRODUCTS_OF
from shared.exchanges.okx.stream import CONNECTS, MANNERS, decode, meaning_of

_CHANNEL = "tickers"
_UNKNOWN_SYMBOL = "60018"
_PRODUCTS = (Product.SPOT, Product.LINEAR, Product.INVERSE)


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    args = [{"channel": _CHANNEL, "instId": topic} for topic in topics]
    return [encode_json({"id": str(number), "op": operation, "args": args})]


def _meaning(message: Any) -> Meaning:
    meaning = meaning_of(message, 0)
    if not isinstance(meaning, Answered):
        return meaning
    if meaning.error is not None and message.get("code") != _UNKNOWN_SYMBOL:
        return Ends(Broken(meaning.error.sentence))  # it says nothing about a symbol, and asking again makes it worse
    return Answered(_topic_of(message), meaning.error)


def _topic_of(message: Mapping[str, Any]) -> str:
    """Which symbol an answer is about; empty where it does not tell."""
    arg = message.get("arg")
    if isinstance(arg, Mapping) and isinstance(arg.get("instId"), str):
        return str(arg["instId"])
    found = re.search(r"instId:\s*([A-Z0-9_-]+)", str(message.get("msg")))
    return found[1] if found else ""


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    if row_of(message.get("arg"), "'arg'").get("channel") != _CHANNEL:
        return ()
    tickers = []
    for row in rows_of(message["data"], "'data'"):
        data = row_of(row, "the ticker")
        market = market_of(markets, text(data, "instId"), PRODUCTS_OF.get(str(data.get("instType")), ()))
        tickers.append(
            Ticker(
                symbol=market.symbol,
                last=optional_decimal(data, "last"),
                bid=optional_decimal(data, "bidPx"),
                ask=optional_decimal(data, "askPx"),
                timestamp_ms=millis(data, "ts"),
            )
        )
    return tickers


def _address(region: str, ticket: Ticket) -> str:
    del ticket
    return socket(region, "public")


_TALK = PriceTalk(
    manners=MANNERS,
    products=_PRODUCTS,
    topic=lambda market: market.id,
    ask=_ask,
    meaning=_meaning,
    read=_read,
    per_request=500,  # of 64 KB, which about 1000 fill
    decode=decode,
)
TICKERS = TickerStream(
    name=_CHANNEL, products=_PRODUCTS, url=_address, protocol=partial(PriceSocket, _TALK), connects=CONNECTS
)
