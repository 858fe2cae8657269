"""Prices: spot's small ticker, which tells no bid and no ask, and the contracts' whole one.

Spot refuses all topics of a request for one that it does not know. Contracts are asked for one by one, for no answer
names the contract that it means. Docs: https://www.mexc.com/api-docs, MiniTicker and Ticker, read 2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import millis, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.reading import market_of
from shared.exchanges.kit.talk import Answered, Asked, Meaning, Pong, PriceTalk, Told
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.mexc import futures_stream, spot_stream
from shared.exchanges.mexc.push import decode
from shared.exchanges.mexc.rows import FUTURES

_TOPIC = "spot@public.miniTicker.v3.api.pb@"
_DAY = "@24H"
_MOST_TOPICS = 30
_METHODS = {"subscribe": "SUBSCRIPTION", "unsubscribe": "UNSUBSCRIPTION"}
_TICKER_METHODS = {"subscribe": "sub.ticker", "unsubscribe": "unsub.ticker"}


def _spot_url(region: str, ticket: Ticket) -> str:
    del region, ticket
    return spot_stream.ADDRESS


def _ask_spot(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    return [spot_stream.request(_METHODS[operation], topics, number)]


def _spot_meaning(message: Any) -> Meaning:
    """An answer repeats what was asked for; anything else in its place is a refusal, with code 0 too."""
    frame = row_of(message, "the message")
    if "channel" in frame:
        return Told()
    if spot_stream.is_pong(frame):
        return Pong()
    is_good = str(frame.get("msg")).startswith(_TOPIC)
    return Answered(error=None if is_good else ContractBroken("The exchange refuses a ticker."))


def _read_spot(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    frame = row_of(message, "the message")
    data = row_of(frame.get("publicMiniTicker"), "'publicMiniTicker'")
    return (
        Ticker(
            symbol=markets.get(Product.SPOT, text(data, "symbol")).symbol,
            last=optional_decimal(data, "price"),
            timestamp_ms=millis(frame, "sendTime"),
        ),
    )


def _ask_futures(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    del number
    return [encode_json({"method": _TICKER_METHODS[operation], "param": {"symbol": symbol}}) for symbol in topics]


def _futures_meaning(message: Any) -> Meaning:
    channel = str(row_of(message, "the message").get("channel"))
    if channel == "push.ticker":
        return Told()
    if channel == "pong":
        return Pong()
    if channel == "rs.error":
        return Answered(error=ContractBroken("The exchange refuses a ticker."))
    return Answered() if channel in {"rs.sub.ticker", "rs.unsub.ticker"} else None


def _read_futures(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    """The symbol beside the data has been seen to be another's."""
    del memory
    data = row_of(row_of(message, "the message").get("data"), "'data'")
    return (
        Ticker(
            symbol=market_of(markets, text(data, "symbol"), FUTURES).symbol,
            last=optional_decimal(data, "lastPrice"),
            bid=optional_decimal(data, "bid1"),
            ask=optional_decimal(data, "ask1"),
            timestamp_ms=millis(data, "timestamp"),
        ),
    )


TICKER_STREAMS = (
    TickerStream(
        name="spot",
        products=(Product.SPOT,),
        url=_spot_url,
        protocol=partial(
            PriceSocket,
            PriceTalk(
                manners=spot_stream.MANNERS,
                products=(Product.SPOT,),
                topic=lambda market: f"{_TOPIC}{market.id}{_DAY}",
                ask=_ask_spot,
                meaning=_spot_meaning,
                read=_read_spot,
                per_request=_MOST_TOPICS,
                decode=decode,
            ),
        ),
        symbols_per_socket=_MOST_TOPICS,
        lifetime_ms=spot_stream.LIFETIME_MS,
        answers_pings=False,
    ),
    TickerStream(
        name="futures",
        products=FUTURES,
        url=futures_stream.url,
        protocol=partial(
            PriceSocket,
            PriceTalk(
                manners=futures_stream.MANNERS,
                products=FUTURES,
                topic=lambda market: market.id,
                ask=_ask_futures,
                meaning=_futures_meaning,
                read=_read_futures,
                per_request=1,
            ),
        ),
        symbols_per_socket=150,
        answers_pings=False,
    ),
)
