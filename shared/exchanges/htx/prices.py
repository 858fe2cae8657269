"""Public price sockets, one of spot and one of contracts. Every frame is zipped, each topic is asked for by itself.

Docs, Market Ticker (spot) and Market Detail (contracts), read 2026-11. The exchange pings every 5 s and cuts who leaves
two (spot) or five (contracts) of them unanswered.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.domain.errors import ContractBroken
from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.htx.messages import decode
from shared.exchanges.htx.rest import CONTRACTS, SPOT_SOCKETS
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import Row, millis, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Manners, Meaning, PriceTalk, Say, Told
from shared.exchanges.kit.wire import encode_json

_MANNERS = Manners(silence_ms=30_000, messages=(30, 1_000))
_VERBS = {"subscribe": "sub", "unsubscribe": "unsub"}


def _ask(operation: Asked, topics: Sequence[str], number: int) -> list[Frame]:
    return [encode_json({_VERBS[operation]: topic, "id": f"{number}"}) for topic in topics]


def _meaning(message: Any) -> Meaning:
    frame = row_of(message, "the message")
    if "ping" in frame:
        return Say((encode_json({"pong": frame["ping"]}),))
    if "ch" in frame:
        return Told()
    topic = frame.get("subbed") or frame.get("unsubbed")
    if topic:
        return Answered(str(topic))
    if frame.get("status") == "error":
        return Answered(error=ContractBroken("The exchange refuses a price."))
    return None


def read_price(product: Product, message: Any, markets: Markets, memory: dict[str, dict[str, Any]]) -> Sequence[Ticker]:
    """The price in one message of a topic; quotes of contracts come as price and amount."""
    del memory
    tick = row_of(message.get("tick"), "'tick'")
    market = markets.get(product, text(message, "ch").partition(".")[2].partition(".")[0])
    return (
        Ticker(
            symbol=market.symbol,
            last=optional_decimal(tick, "lastPrice" if "lastPrice" in tick else "close"),
            bid=_quote(tick, "bid"),
            ask=_quote(tick, "ask"),
            timestamp_ms=millis(message, "ts"),
        ),
    )


def _quote(tick: Row, name: str) -> Any:
    value = tick.get(name)
    return optional_decimal({name: value[0]} if isinstance(value, list) and value else tick, name)


def _stream(product: Product, host: str, path: str, kind: str) -> TickerStream:
    def topic(market: Market) -> str:
        return f"market.{market.id}.{kind}"

    def address(region: str, ticket: Ticket) -> str:
        del region, ticket
        return f"wss://{host}{path}"

    talk = PriceTalk(
        manners=_MANNERS,
        products=(product,),
        topic=topic,
        ask=_ask,
        meaning=_meaning,
        read=partial(read_price, product),
        per_request=1,  # a refusal does not always name its topic
        decode=decode,
    )
    return TickerStream(
        name=f"tickers-{product}",
        products=(product,),
        url=address,
        protocol=partial(PriceSocket, talk),
    )


TICKER_STREAMS = (
    _stream(Product.SPOT, SPOT_SOCKETS, "/ws", "ticker"),
    _stream(Product.LINEAR, CONTRACTS, "/linear-swap-ws", "detail"),
)
