"""Reading a kept raw message again: a whole message of a socket, a response, or one row of either."""

from typing import Any

from shared.domain.markets import Markets
from shared.domain.trades import Product, Source, Trade
from shared.exchanges.kit.contract import Exchange, Heard


def read_again(
    exchange: Exchange, raw: Any, markets: Markets, *, source: Source, product: Product | None = None
) -> Heard | None:
    """What today's readers find in a kept message (decoded JSON, or the text of a frame); None where any of it cannot
    be read, or nothing is found. A row without its envelope reads like history, or like the stream: `source` first.
    """
    readers = [exchange.read_rest, exchange.read_stream]
    if source is Source.STREAM:
        readers.reverse()
    for read in readers:
        try:
            heard = read(exchange.decode(raw) if isinstance(raw, str) else raw, markets, product)
        except Exception:  # noqa: BLE001, S112 — it may be kept because a reader failed on it
            continue
        if heard.trades and not heard.unreadable:
            return heard
    return None


def trade_again(
    exchange: Exchange, raw: Any, markets: Markets, *, source: Source, product: Product, exchange_trade_id: str
) -> Trade | None:
    """The trade of one stored row's raw message. Its product helps where the message alone does not tell."""
    for hint in (None, product):
        heard = read_again(exchange, raw, markets, source=source, product=hint)
        for trade in heard.trades if heard else ():
            if trade.exchange_trade_id == exchange_trade_id:
                return trade
    return None
