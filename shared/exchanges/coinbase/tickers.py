"""The public price socket, which needs no key.

A market in USDC is the one in USD by another name, and answers by that: its price is told for both. The first
subscription is due within 5 s, and without `heartbeats` a quiet socket is closed.
Docs: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels, read 2026-11.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.coinbase.stream import CONNECTS, MANNERS, subscription
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import instant, optional_decimal, row_of, rows_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk, Told
from shared.exchanges.kit.wire import encode_json

_CHANNEL = "ticker"


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    """Heartbeats come after the first markets: their confirmation then is one more than is waited for."""
    frames: list[Frame] = [encode_json({"type": operation, "channel": _CHANNEL, "product_ids": topics})]
    return [*frames, subscription("heartbeats")] if number == 1 else frames


def _meaning(message: Any) -> Meaning:
    frame = row_of(message, "the message")
    if frame.get("type") == "error":
        return Answered(error=ContractBroken("The exchange refuses a ticker."))
    if frame.get("channel") == "subscriptions":
        return Answered()
    return Told() if frame.get("channel") == _CHANNEL else None


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    at = instant(message, "timestamp")
    tickers = []
    for event in rows_of(message.get("events"), "'events'"):
        for raw in rows_of(row_of(event, "the event").get("tickers"), "'tickers'"):
            row = row_of(raw, "the ticker")
            last = optional_decimal(row, "price")
            if last is None:
                continue  # some rows hold empty texts only
            bid, ask = optional_decimal(row, "best_bid"), optional_decimal(row, "best_ask")
            tickers += [
                Ticker(symbol=market.symbol, last=last, bid=bid, ask=ask, timestamp_ms=at)
                for market in _markets_of(text(row, "product_id"), markets)
            ]
    return tickers


def _markets_of(market_id: str, markets: Markets) -> Iterator[Market]:
    names = (market_id, f"{market_id}C") if market_id.endswith("-USD") else (market_id,)
    found = (markets.find(Product.SPOT, name) for name in names)
    return (market for market in found if market is not None)


def _address(region: str, ticket: Ticket) -> str:
    del region, ticket
    return "wss://advanced-trade-ws.coinbase.com"


TALK = PriceTalk(
    manners=MANNERS,
    products=(Product.SPOT,),
    topic=lambda market: market.id,
    ask=_ask,
    meaning=_meaning,
    read=_read,
)
STREAM = TickerStream(
    name="tickers",
    products=(Product.SPOT,),
    url=_address,
    protocol=partial(PriceSocket, TALK),
    connects=CONNECTS,
)
