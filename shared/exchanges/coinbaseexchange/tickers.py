"""The public price socket, which needs no key. The first subscription is due within 5 s.

Docs: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels, Ticker channel, read 2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.coinbaseexchange.stream import CONNECTS, MANNERS, address, request
from shared.exchanges.kit.contract import Frame, TickerStream
from shared.exchanges.kit.fields import instant, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk, Told


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    """One market's heartbeat comes after the first markets: its confirmation is one more than is waited for."""
    frames = [request(operation, "ticker", topics)]
    return [*frames, request("subscribe", "heartbeat", topics[:1])] if number == 1 else frames


def _meaning(message: Any) -> Meaning:
    kind = row_of(message, "the message").get("type")
    if kind == "error":
        return Answered(error=ContractBroken("The exchange refuses a ticker."))
    if kind == "subscriptions":
        return Answered()
    return Told() if kind == "ticker" else None


def _read(message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    del memory
    return (
        Ticker(
            symbol=markets.get(Product.SPOT, text(message, "product_id")).symbol,
            last=optional_decimal(message, "price"),
            bid=optional_decimal(message, "best_bid"),
            ask=optional_decimal(message, "best_ask"),
            timestamp_ms=instant(message, "time"),
        ),
    )


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
    url=address,
    protocol=partial(PriceSocket, TALK),
    connects=CONNECTS,
)
