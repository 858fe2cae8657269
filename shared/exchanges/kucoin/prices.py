"""Prices: tickers of the classic public sockets, and how the unified ones write theirs.

A topic names up to 100 symbols, and the exchange refuses all of them for one that it does not know: a refused
subscription is halved until the one at fault stands alone.
"""

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.kit.contract import Event, Frame, Pool, TickerHeard, TickerStream
from shared.exchanges.kit.fields import Row, millis, optional_decimal, row_of, text
from shared.exchanges.kit.reading import market_of
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.kucoin.rows import moment
from shared.exchanges.kucoin.sockets import Line, classic_url, public_futures_ticket, public_spot_ticket

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


class PriceSocket:
    """One public socket that follows symbols: WELCOME, then whatever is wanted, changed at any time."""

    def __init__(self, markets: Markets, prefix: str) -> None:
        self._markets = markets
        self._prefix = prefix
        self._line = Line()
        self._wanted: frozenset[str] = frozenset()
        self._followed: set[str] = set()
        self._asked: dict[str, tuple[str, ...]] = {}

    @property
    def deadline(self) -> int:
        return self._line.deadline

    def follow(self, symbols: frozenset[str], now: int) -> None:
        """These symbols from now on; those that the market list does not know are left out."""
        self._line.at(now)
        found = (self._markets.find_symbol(symbol) for symbol in symbols)
        self._wanted = frozenset(market.id for market in found if market is not None)
        if self._line.is_open:
            self._adjust()

    def open(self, now: int) -> None:
        self._line.open(now)

    def outbox(self) -> list[Frame]:
        return self._line.outbox()

    def receive(self, frame: Frame, now: int) -> list[Event]:
        self._line.at(now)
        if self._line.is_over:
            return []
        try:
            message = row_of(decode_json(frame), "the message")
        except UnreadableRow:
            return [self._line.hang_up("a message came broken")]
        try:
            ticker = ticker_in(message, self._markets)
        except UnreadableRow:
            return []  # a price that cannot be read is one price less, and the next comes in a moment
        return [TickerHeard(ticker)] if ticker is not None else self._react(message, now)

    def tick(self, now: int) -> list[Event]:
        broken = self._line.tick(now)
        return [] if broken is None else [broken]

    def _react(self, message: Row, now: int) -> list[Event]:
        meaning = message.get("type")
        if meaning == "pong":
            self._line.heard(now)
        elif meaning == "welcome" and not self._line.is_open:
            self._line.welcomed(message, now)
            self._adjust()
        elif meaning == "ack":
            self._asked.pop(str(message.get("id")), None)
        elif meaning == "error":
            return self._refused(message)
        return []

    def _adjust(self) -> None:
        gone, new = sorted(self._followed - self._wanted), sorted(self._wanted - self._followed)
        self._followed = set(self._wanted)
        for start in range(0, len(gone), _SYMBOLS_PER_TOPIC):
            topic = self._prefix + ",".join(gone[start : start + _SYMBOLS_PER_TOPIC])
            self._line.say({"type": "unsubscribe", "topic": topic, "response": True})
        for start in range(0, len(new), _SYMBOLS_PER_TOPIC):
            self._subscribe(tuple(new[start : start + _SYMBOLS_PER_TOPIC]))

    def _subscribe(self, ids: tuple[str, ...]) -> None:
        number = self._line.say({"type": "subscribe", "topic": self._prefix + ",".join(ids), "response": True})
        self._asked[number] = ids

    def _refused(self, message: Mapping[str, Any]) -> list[Event]:
        ids = self._asked.pop(str(message.get("id")), ())
        if str(message.get("code")) == "401" or not ids:
            return [self._line.hang_up(f"the exchange refuses: {str(message.get('data') or '')[:200]}")]
        if len(ids) > 1:
            half = len(ids) // 2
            self._subscribe(ids[:half])
            self._subscribe(ids[half:])
        return []


_CONNECTS = Pool(name="public_connects", scope="address", capacity=30, per_ms=60_000)

TICKER_STREAMS = (
    TickerStream(
        name="spot",
        products=(Product.SPOT,),
        url=classic_url,
        protocol=lambda markets: PriceSocket(markets, _SPOT_TICKER),
        prepare=public_spot_ticket,
        symbols_per_socket=300,
        lifetime_ms=85_500_000,
        connects=_CONNECTS,
    ),
    TickerStream(
        name="futures",
        products=(Product.LINEAR, Product.INVERSE),
        url=classic_url,
        protocol=lambda markets: PriceSocket(markets, _FUTURES_TICKER),
        prepare=public_futures_ticket,
        symbols_per_socket=300,
        lifetime_ms=85_500_000,
        connects=_CONNECTS,
    ),
)
