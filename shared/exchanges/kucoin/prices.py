"""Prices: tickers of the classic public sockets, and how the unified ones write theirs.

A topic names up to 100 symbols, and the exchange refuses all of them for one that it does not know: a refused
subscription is halved until the one at fault stands alone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Broken, Frame, Pool, TickerStream
from shared.exchanges.kit.fields import Row, millis, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.reading import market_of
from shared.exchanges.kit.talk import Answered, Asked, Ends, Meaning, PriceTalk, Told
from shared.exchanges.kit.wire import encode_json
from shared.exchanges.kucoin.rows import moment
from shared.exchanges.kucoin.sockets import (
    MANNERS,
    classic_url,
    greeting_or_pong,
    public_futures_ticket,
    public_spot_ticket,
)

_SPOT_TICKER = "/market/ticker:"
_SPOT_SNAPSHOT = "/market/snapshot:"
_FUTURES_TICKER = "/contractMarket/ticker:"
_FUTURES_BEST = "/contractMarket/tickerV2:"
_UNIFIED_TICKER = "ticker."
_FUTURES = (Product.LINEAR, Product.INVERSE)
_SYMBOLS_PER_TOPIC = 100


def ticker_in(message: Any, markets: Markets) -> Ticker | None:
    """The price in one frame of a public socket, None where it holds none. Raises `UnreadableRow`."""
    frame = row_of(message, "the message")
    topic = str(frame.get("T") or frame.get("topic") or "")
    if "T" in frame:
        return _unified(row_of(frame.get("d"), "'d'"), markets) if topic.startswith(_UNIFIED_TICKER) else None
    if topic.startswith(_SPOT_TICKER):
        symbol = topic.removeprefix(_SPOT_TICKER)
        market = markets.get(Product.SPOT, text(frame, "subject") if symbol == "all" else symbol)
        data = row_of(frame.get("data"), "'data'")
        return _ticker(market, data, last="price", bid="bestBid", ask="bestAsk", at=millis(data, "time"))
    if topic.startswith(_SPOT_SNAPSHOT):
        data = row_of(row_of(frame.get("data"), "'data'").get("data"), "'data.data'")
        market = markets.get(Product.SPOT, text(data, "symbol"))
        return _ticker(market, data, last="lastTradedPrice", bid="buy", ask="sell", at=millis(data, "datetime"))
    if topic.startswith((_FUTURES_TICKER, _FUTURES_BEST)):
        data = row_of(frame.get("data"), "'data'")
        market = market_of(markets, text(data, "symbol"), _FUTURES)
        return _ticker(market, data, last="price", bid="bestBidPrice", ask="bestAskPrice", at=moment(data, "ts"))
    return None


def _unified(data: Row, markets: Markets) -> Ticker:
    """`a` is the best ask and `b` the best bid, whatever ccxt 4.5.90 makes of them."""
    market = market_of(markets, text(data, "s"), (Product.SPOT, *_FUTURES))
    return _ticker(market, data, last="l", bid="b", ask="a", at=moment(data, "M"))


def _ticker(market: Market, data: Row, *, last: str, bid: str, ask: str, at: int) -> Ticker:
    return Ticker(
        symbol=market.symbol,
        last=optional_decimal(data, last),
        bid=optional_decimal(data, bid),
        ask=optional_decimal(data, ask),
        timestamp_ms=at,
    )


def _talk(prefix: str, *products: Product) -> PriceTalk:
    def ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
        topic = prefix + ",".join(topics)
        return [encode_json({"id": str(number), "type": operation, "topic": topic, "response": True})]

    return PriceTalk(
        manners=MANNERS,
        products=products,
        topic=lambda market: market.id,
        ask=ask,
        meaning=_meaning,
        read=_read,
        per_request=_SYMBOLS_PER_TOPIC,
    )


def _meaning(message: Any) -> Meaning:
    frame = row_of(message, "the message")
    meaning = frame.get("type")
    if meaning == "ack":
        return Answered()
    if meaning == "error":
        reason = f"the exchange refuses: {str(frame.get('data') or '')[:200]}"
        is_whole = str(frame.get("code")) in {"401", "509"}
        return Ends(Broken(reason)) if is_whole else Answered(error=ContractBroken(reason))
    return greeting_or_pong(frame) or Told()


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    ticker = ticker_in(message, markets)
    return () if ticker is None else (ticker,)


_CONNECTS = Pool(name="public_connects", scope="address", capacity=30, per_ms=60_000)

TICKER_STREAMS = (
    TickerStream(
        name="spot",
        products=(Product.SPOT,),
        url=classic_url,
        protocol=partial(PriceSocket, _talk(_SPOT_TICKER, Product.SPOT)),
        prepare=public_spot_ticket,
        symbols_per_socket=300,
        lifetime_ms=85_500_000,
        connects=_CONNECTS,
    ),
    TickerStream(
        name="futures",
        products=(Product.LINEAR, Product.INVERSE),
        url=classic_url,
        protocol=partial(PriceSocket, _talk(_FUTURES_TICKER, *_FUTURES)),
        prepare=public_futures_ticket,
        symbols_per_socket=300,
        lifetime_ms=85_500_000,
        connects=_CONNECTS,
    ),
)
