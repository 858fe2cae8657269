"""Public sockets: tickers, told whole every time."""

from decimal import Decimal
from typing import Any

from simulator.dialect import Call
from simulator.exchange import Exchange
from simulator.okx.listings import find
from simulator.okx.talk import Talk
from simulator.sockets import Frame, Socket, framed
from simulator.truth import SPOT, Market, plain

TICKERS = "tickers"


class PublicTalk(Talk):
    """One socket of market data."""

    def __init__(self, socket: Socket, call: Call) -> None:
        super().__init__(socket, call)
        self.markets: dict[str, Market] = {}

    def subscribe(self, asked: dict[str, Any], arg: dict[str, str]) -> None:
        market = find(self.exchange, arg.get("instId", ""))
        if arg.get("channel") != TICKERS or market is None:
            self.refuse_channel(asked, arg)
            return
        self.has_subscribed = True
        self.acknowledge("subscribe", asked, arg)
        self.markets[market.id] = market
        self.socket.event(_ticker(market, self.exchange.now_ms()))

    def unsubscribe(self, arg: dict[str, str]) -> None:
        self.markets.pop(arg.get("instId", ""), None)


def tell(exchange: Exchange) -> None:
    """Renders every market once, however many sockets asked for it."""
    frames: dict[str, Frame] = {}
    now = exchange.now_ms()
    for socket in exchange.sockets:
        talk = socket.conversation
        if not isinstance(talk, PublicTalk):
            continue
        for market in talk.markets.values():
            if market.status == "trading":
                if market.id not in frames:
                    frames[market.id] = _ticker(market, now)
                socket.event(frames[market.id])


def _ticker(market: Market, now: int) -> Frame:
    last = market.shown
    is_spot = market.product == SPOT
    # Sizes of contracts are contracts; their volume "in coin" is base coin.
    contracts = market.volume_24h / market.base_amount(Decimal(1), last)
    data = {
        "instType": "SPOT" if is_spot else "SWAP",
        "instId": market.id,
        "last": plain(last),
        "lastSz": plain(market.step * 3),
        "askPx": plain(market.ask),
        "askSz": plain(market.step * 9),
        "bidPx": plain(market.bid),
        "bidSz": plain(market.step * 7),
        "open24h": plain(market.open_24h),
        "high24h": plain(max(market.high_24h, last)),
        "low24h": plain(min(market.low_24h, last)),
        "volCcy24h": plain(market.turnover_24h if is_spot else market.volume_24h),
        "vol24h": plain(market.volume_24h if is_spot else contracts.quantize(market.step)),
        "sodUtc0": plain(market.open_24h),
        "sodUtc8": plain(market.open_24h),
        "ts": str(now),
    }
    return framed({"arg": {"channel": TICKERS, "instId": market.id}, "data": [data]})
