"""The public price socket. A subscription is answered by the products that it holds, a refusal by words alone.

Docs, Ticker (Futures WebSocket), read 2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Frame, TickerStream
from shared.exchanges.kit.fields import millis, optional_decimal, optional_text, row_of, text, word
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk, Told
from shared.exchanges.krakenfutures.rest import CONNECTS
from shared.exchanges.krakenfutures.rows import market_of
from shared.exchanges.krakenfutures.talk import MANNERS, address, say, sign_of_life

_FEED = "ticker"


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    del number
    return [say(operation, feed=_FEED, product_ids=topics)]


def _meaning(message: Any) -> Meaning:
    frame = row_of(message, "the message")
    if frame.get("feed") == _FEED and "event" not in frame:
        return Told()
    if word(frame, "event") not in {"subscribed", "unsubscribed"}:
        return sign_of_life(frame)
    named = frame.get("product_ids")
    return Answered(str(named[0]) if isinstance(named, list) and len(named) == 1 else "")


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory  # each message tells all
    return [
        Ticker(
            symbol=market_of(markets, text(message, "product_id")).symbol,
            last=optional_decimal(message, "last"),
            bid=optional_decimal(message, "bid"),
            ask=optional_decimal(message, "ask"),
            timestamp_ms=millis(message, "time") if optional_text(message, "time") else None,
        )
    ]


TALK = PriceTalk(
    manners=MANNERS,
    products=(Product.LINEAR, Product.INVERSE),
    topic=lambda market: market.id,
    ask=_ask,
    meaning=_meaning,
    read=_read,
)
STREAM = TickerStream(
    name="tickers", products=TALK.products, url=address, protocol=partial(PriceSocket, TALK), connects=CONNECTS
)
