"""The public price sockets: spot tells one ticker a message, with bid and ask; perpetuals a list, without.

One unknown market makes the exchange refuse a whole request. Docs: https://www.gate.com/docs/developers/apiv4/ws and
/futures/ws (tickers), read 2026-11.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from shared.domain.markets import Market, Markets
from shared.domain.tickers import Ticker
from shared.domain.trades import Product
from shared.exchanges.gate.hosts import FUTURES_SOCKETS, SPOT_SOCKETS
from shared.exchanges.gate.sockets import DECIMAL_SIZES, manners, meaning
from shared.exchanges.kit.contract import Frame, TickerStream, Ticket
from shared.exchanges.kit.fields import Row, millis, optional_decimal, row_of, text
from shared.exchanges.kit.price_socket import PriceSocket
from shared.exchanges.kit.talk import Answered, Asked, Meaning, PriceTalk
from shared.exchanges.kit.wire import encode_json


def _ask(channel: str, operation: Asked, topics: Sequence[str], second: int) -> list[Frame]:
    return [encode_json({"time": second, "channel": channel, "event": operation, "payload": list(topics)})]


def _meaning(message: Any) -> Meaning:
    """An answer does not name its markets: it is the one that waits."""
    meant = meaning(message)
    return Answered(error=meant.error) if isinstance(meant, Answered) else meant


def _read(
    product: Product, channel: str, message: Any, markets: Markets, memory: dict[str, dict[str, Any]]
) -> Sequence[Ticker]:
    del memory
    frame = row_of(message, "the message")
    if frame.get("channel") != channel:
        return ()
    result = frame.get("result")
    rows = [row_of(row, "a ticker") for row in (result if isinstance(result, list) else [result])]
    moment = millis(frame, "time_ms")
    return [_ticker(row, markets.get(product, _market_id(row)), moment) for row in rows]


def _market_id(row: Row) -> str:
    return text(row, "contract" if "contract" in row else "currency_pair")


def _ticker(row: Row, market: Market, moment: int) -> Ticker:
    return Ticker(
        symbol=market.symbol,
        last=optional_decimal(row, "last"),
        bid=optional_decimal(row, "highest_bid"),
        ask=optional_decimal(row, "lowest_ask"),
        timestamp_ms=moment,
    )


def _stream(area: str, product: Product, addresses: Mapping[str, str], headers: Mapping[str, str]) -> TickerStream:
    def address(region: str, ticket: Ticket) -> str:
        del ticket
        return addresses.get(region, addresses["global"])

    channel = f"{area}.tickers"
    talk = PriceTalk(
        manners=manners(area),
        products=(product,),
        topic=lambda market: market.id,
        ask=partial(_ask, channel),
        meaning=_meaning,
        read=partial(_read, product, channel),
        per_request=100,
        is_dated=True,
    )
    return TickerStream(
        name=f"tickers-{area}",
        products=(product,),
        url=address,
        headers=headers,
        protocol=partial(PriceSocket, talk),
    )


TICKER_STREAMS = (
    _stream("spot", Product.SPOT, SPOT_SOCKETS, {}),
    _stream("futures", Product.LINEAR, FUTURES_SOCKETS, DECIMAL_SIZES),
)
