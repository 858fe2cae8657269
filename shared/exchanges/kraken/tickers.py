"""The public price socket. Each pair is answered by itself, a pair that never trades is told once.

Docs, Ticker (WebSocket v2), read 2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import Row, instant, optional_decimal, optional_text, row_of, rows_of, text, word
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk, Told
from shared.exchanges.kraken.names import market_on_socket, socket_symbol
from shared.exchanges.kraken.rest import CONNECTS
from shared.exchanges.kraken.talk import MANNERS, error_in, request, sign_of_life

_CHANNEL = "ticker"


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    return [request(operation, number, channel=_CHANNEL, symbol=topics)]


def _meaning(message: Any) -> Meaning:
    frame = row_of(message, "the message")
    if frame.get("channel") == _CHANNEL:
        return Told()
    if word(frame, "method") not in {"subscribe", "unsubscribe"}:
        return sign_of_life(frame)
    result = frame.get("result")
    named = result.get("symbol") if isinstance(result, dict) else frame.get("symbol")
    return Answered(named if isinstance(named, str) else "", error_in(frame, 0))


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory  # each message tells all
    rows = (row_of(row, "a ticker") for row in rows_of(message.get("data"), "'data'"))
    return [_ticker(row, markets) for row in rows]


def _ticker(row: Row, markets: Markets) -> Ticker:
    last = optional_decimal(row, "last")
    if last is None:
        raise UnreadableRow("the ticker has no price")
    return Ticker(
        symbol=market_on_socket(markets, text(row, "symbol")).symbol,
        last=last,
        bid=optional_decimal(row, "bid"),
        ask=optional_decimal(row, "ask"),
        timestamp_ms=instant(row, "timestamp") if optional_text(row, "timestamp") else None,
    )


def _address(region: str, ticket: Ticket) -> str:
    del region, ticket
    return "wss://ws.kraken.com/v2"


TALK = PriceTalk(
    manners=MANNERS,
    products=(Product.SPOT,),
    topic=socket_symbol,
    ask=_ask,
    meaning=_meaning,
    read=_read,
)
STREAM = TickerStream(
    name="tickers", products=TALK.products, url=_address, protocol=partial(PriceSocket, TALK), connects=CONNECTS
)
