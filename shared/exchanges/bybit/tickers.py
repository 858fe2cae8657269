"""The public price sockets, one for each product.

Spot sends whole tickers without bid and ask, contracts a snapshot and then only what changed. An unknown symbol makes
the exchange refuse a whole request, and not every refusal says which request it means. Docs, Ticker (WebSocket), read
2026-11.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.bybit.hosts import public_socket
from shared.exchanges.bybit.stream import MANNERS, is_success, operation_of, request
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import millis, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk, Told

_TOPIC = "tickers."


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    del number
    return [request(operation, topics)]


def _meaning(message: Any) -> Meaning:
    answer = row_of(message, "the message")
    if str(answer.get("topic", "")).startswith(_TOPIC):
        return Told()
    if operation_of(answer) not in {"subscribe", "unsubscribe"}:
        return None
    return Answered(error=None if is_success(answer) else ContractBroken("The exchange refuses a ticker."))


def _read(product: Product, message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    topic, data = text(message, "topic"), row_of(message.get("data"), "'data'")
    if message.get("type") == "snapshot":
        memory[topic] = dict(data)
    elif topic in memory:
        memory[topic].update(data)
    else:
        return ()  # a change of something never heard
    state = memory[topic]
    return (
        Ticker(
            symbol=markets.get(product, topic.removeprefix(_TOPIC)).symbol,
            last=optional_decimal(state, "lastPrice"),
            bid=optional_decimal(state, "bid1Price"),
            ask=optional_decimal(state, "ask1Price"),
            timestamp_ms=millis(message, "ts"),
        ),
    )


def _stream(product: Product) -> TickerStream:
    def address(region: str, ticket: Ticket) -> str:
        del ticket
        return f"wss://{public_socket(region)}/v5/public/{product}"

    talk = PriceTalk(
        manners=MANNERS,
        products=(product,),
        topic=lambda market: f"{_TOPIC}{market.id}",
        ask=_ask,
        meaning=_meaning,
        read=partial(_read, product),
        per_request=10,  # spot refuses more
    )
    return TickerStream(
        name=f"tickers-{product}", products=(product,), url=address, protocol=partial(PriceSocket, talk)
    )


STREAMS = tuple(_stream(product) for product in (Product.SPOT, Product.LINEAR, Product.INVERSE))
