"""Public sockets: tickers, told when there is a trade or, where asked for, when the best quotes move."""

from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.kraken.errors import INVALID_ARGUMENTS, encode
from simulator.kraken.listings import socket_symbol
from simulator.kraken.rows import told_time
from simulator.kraken.talk import ELSEWHERE, Talk
from simulator.sockets import Frame, Socket, text_frame
from simulator.truth import Market

TICKER = "ticker"
TRADES, QUOTES = "trades", "bbo"


class PublicTalk(Talk):
    """One socket of market data; `symbols` says for each what it is told on."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.symbols: dict[str, str] = {}

    @property
    def is_subscribed(self) -> bool:
        return bool(self.symbols)

    def subscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        """Each symbol is acknowledged or refused by itself."""
        trigger, snapshot = params.get("event_trigger", TRADES), params.get("snapshot", True)
        if not self._is_fine(params, asked) or trigger not in {TRADES, QUOTES}:
            return
        for symbol in params["symbol"]:
            market = _market(self.exchange, symbol)
            if market is None:
                self.fail(asked, f"Currency pair not supported {symbol}", symbol=str(symbol))
            elif symbol in self.symbols:
                self.fail(asked, "Already subscribed", symbol=symbol)
            else:
                self.symbols[symbol] = trigger
                told = {"channel": TICKER, "event_trigger": trigger, "snapshot": snapshot, "symbol": symbol}
                self.accept(asked, told)
                if snapshot is True:
                    self.tell(ticker(market, "snapshot", self.exchange.now_ms()))

    def unsubscribe(self, params: dict[str, Any], asked: dict[str, Any]) -> None:
        if self._is_fine(params, asked):
            for symbol in params["symbol"]:
                trigger = self.symbols.pop(symbol, None)
                if trigger is None:
                    self.fail(asked, "Subscription not found", symbol=str(symbol))
                else:
                    self.accept(asked, {"channel": TICKER, "event_trigger": trigger, "symbol": symbol})

    def _is_fine(self, params: dict[str, Any], asked: dict[str, Any]) -> bool:
        if params.get("channel") == "executions":
            self.fail(asked, ELSEWHERE)
        elif params.get("channel") != TICKER or not isinstance(params.get("symbol"), list):
            self.fail(asked, INVALID_ARGUMENTS)
        else:
            return True
        return False


def _market(exchange: Exchange, symbol: Any) -> Market | None:
    """By its name on sockets; the table is small and subscriptions are few."""
    for market in exchange.markets.values():
        if socket_symbol(market) == symbol:
            return None if market.status == "delisted" else market
    return None


def ticker(market: Market, kind: str, now_ms: int) -> Frame:
    """One message of the channel."""
    last, volume = market.price, market.volume_24h
    change = last - market.open_24h
    data = {
        "symbol": socket_symbol(market),
        "bid": market.bid,
        "bid_qty": market.step * 7,
        "ask": market.ask,
        "ask_qty": market.step * 9,
        "last": last,
        "volume": volume,
        "vwap": (market.turnover_24h / volume).quantize(market.tick) if volume else last,
        "low": min(market.low_24h, last),
        "high": max(market.high_24h, last),
        "change": change,
        "change_pct": (change / market.open_24h * 100).quantize(Decimal("0.01")) if market.open_24h else 0,
        "trades": 4_000,
        "timestamp": told_time(now_ms, 592),
    }
    return text_frame(encode({"channel": TICKER, "type": kind, "data": [data]}))


class Prices:
    """Looks once a second what moved; a quiet pair stays silent."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._seen: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}

    def tell(self) -> None:
        moved: dict[str, tuple[set[str], Market]] = {}
        for market in self.exchange.markets.values():
            now = (market.volume_24h, market.shown)
            before = self._seen.get(market.key, now)
            self._seen[market.key] = now
            if now != before and market.status == "trading":
                triggers = {QUOTES, TRADES} if now[0] != before[0] else {QUOTES}
                moved[socket_symbol(market)] = (triggers, market)
        frames: dict[str, Frame] = {}
        for socket in list(self.exchange.sockets):
            talk = socket.conversation
            if not isinstance(talk, PublicTalk):
                continue
            for symbol, trigger in talk.symbols.items():
                news = moved.get(symbol)
                if news is not None and trigger in news[0]:
                    if symbol not in frames:
                        frames[symbol] = ticker(news[1], "update", self.exchange.now_ms())
                    talk.tell(frames[symbol])
