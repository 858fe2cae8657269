"""Public sockets: tickers, each a whole snapshot; there is none for all markets at once."""

from typing import Any

from simulator.bitget.listings import PRODUCTS, category_of
from simulator.bitget.talk import Channel, Talk
from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, Market, plain

TICKER = "ticker"
SILENT = {"trade", "publicTrade", "books", "books1", "books5", "books15", "books50", "kline", "candle1m"}
"""Channels that may be subscribed and say nothing here."""


class PublicTalk(Talk):
    """One socket of market data."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.followed: dict[Channel, Market] = {}

    def sign_in(self, arg: dict[str, Any]) -> None:
        self.complain(30003)

    def refuse(self, channel: Channel) -> int | None:
        """A wrong instType is acknowledged; an unknown channel or market is not."""
        kind, name, _ = channel
        if name not in {TICKER, *SILENT}:
            return 30001
        return 30001 if kind in self._kinds() and self._market(channel) is None else None

    def _kinds(self) -> list[str]:
        return [kind.lower() if self.is_third else kind for kind in PRODUCTS]

    def _market(self, channel: Channel) -> Market | None:
        kind, _, symbol = channel
        if kind not in self._kinds():
            return None
        product = PRODUCTS[kind.upper()]
        market = self.exchange.market(product, symbol.removesuffix("_CM") if self.is_third else symbol)
        fits = market is not None and category_of(market) == kind.upper()
        return market if fits else None

    def follow(self, channel: Channel, arg: dict[str, Any]) -> None:
        market = self._market(channel)
        if channel[1] == TICKER and market is not None:
            self.followed[channel] = market
            self.socket.event(self._snapshot(market, arg))

    def forget(self, channel: Channel) -> None:
        super().forget(channel)
        self.followed.pop(channel, None)

    def frame_of(self, channel: Channel) -> Frame:
        """The news of one ticker."""
        return framed(self._snapshot(self.followed[channel], self.channels[channel]))

    def _snapshot(self, market: Market, arg: dict[str, Any]) -> dict[str, Any]:
        return self.message(arg, [_unified(market) if self.is_third else _classic(market, self.exchange.now_ms())])


def tell(exchange: Exchange) -> None:
    """Every ticker once, however many sockets follow it."""
    frames: dict[tuple[bool, Channel], Frame] = {}
    for socket in list(exchange.sockets):
        talk = socket.conversation
        if not isinstance(talk, PublicTalk):
            continue
        for channel, market in talk.followed.items():
            if market.status != "trading":
                continue
            key = (talk.is_third, channel)
            if key not in frames:
                frames[key] = talk.frame_of(channel)
            socket.event(frames[key])


def _change(market: Market) -> str:
    return f"{market.shown / market.open_24h - 1:.5f}" if market.open_24h else "0"


def _classic(market: Market, now_ms: int) -> dict[str, str]:
    last = market.shown
    fields = {
        "instId": market.id,
        "lastPr": plain(last),
        "open24h": plain(market.open_24h),
        "high24h": plain(max(market.high_24h, last)),
        "low24h": plain(min(market.low_24h, last)),
        "change24h": _change(market),
        "bidPr": plain(market.bid),
        "askPr": plain(market.ask),
        "bidSz": plain(market.step * 7),
        "askSz": plain(market.step * 9),
        "baseVolume": plain(market.volume_24h),
        "quoteVolume": plain(market.turnover_24h),
        "openUtc": plain(market.open_24h),
        "changeUtc24h": "0",
        "ts": str(now_ms),
    }
    if market.product == SPOT:
        return fields
    return fields | {
        "symbolType": "1",
        "symbol": market.id,
        "markPrice": plain(last),
        "indexPrice": plain(last),
        "fundingRate": "0.0001",
        "nextFundingTime": "4102444800000",
        "holdingAmount": "49598.325",
    }


def _unified(market: Market) -> dict[str, str]:
    """Rows of the third version name no market and no time: both stand around them."""
    last = market.shown
    fields = {
        "lastPrice": plain(last),
        "openPrice24h": plain(market.open_24h),
        "highPrice24h": plain(max(market.high_24h, last)),
        "lowPrice24h": plain(min(market.low_24h, last)),
        "ask1Price": plain(market.ask),
        "bid1Price": plain(market.bid),
        "ask1Size": plain(market.step * 9),
        "bid1Size": plain(market.step * 7),
        "price24hPcnt": _change(market),
        "volume24h": plain(market.volume_24h),
        "turnover24h": plain(market.turnover_24h),
    }
    if market.product == SPOT:
        return fields
    return fields | {
        "markPrice": plain(last),
        "indexPrice": plain(last),
        "fundingRate": "0.0001",
        "nextFundingTime": "4102444800000",
        "openInterest": "49598.325",
    }
