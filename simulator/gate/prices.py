"""Public tickers and best quotes, once a second: one object on spot, a list on perpetuals."""

from typing import TYPE_CHECKING, Any

from simulator.sockets import Frame, framed
from simulator.truth import SPOT, Market, plain

if TYPE_CHECKING:
    from simulator.exchange import Exchange

TICKERS, QUOTES = "tickers", "book_ticker"


def frame_of(exchange: "Exchange", channel: str, market: Market) -> Frame:
    """The news of one market."""
    now = exchange.now_ms()
    is_spot = market.product == SPOT
    result: Any
    if channel == QUOTES:
        result = _quotes(market, now)
    else:
        result = _spot_ticker(market) if is_spot else [_futures_ticker(market)]
    family = "spot" if is_spot else "futures"
    envelope = {"time": now // 1000, "time_ms": now, "channel": f"{family}.{channel}", "event": "update"}
    return framed({**envelope, "result": result})


def _day(market: Market) -> dict[str, str]:
    last = market.shown
    return {
        "last": plain(last),
        "change_percentage": f"{(last / market.open_24h - 1) * 100:.4f}",
        "high_24h": plain(max(market.high_24h, last)),
        "low_24h": plain(min(market.low_24h, last)),
    }


def _spot_ticker(market: Market) -> dict[str, str]:
    return {
        "currency_pair": market.id,
        **_day(market),
        "lowest_ask": plain(market.ask),
        "highest_bid": plain(market.bid),
        "base_volume": plain(market.volume_24h),
        "quote_volume": plain(market.turnover_24h),
    }


def _futures_ticker(market: Market) -> dict[str, str]:
    """Without the best quotes: they have a channel of their own."""
    price = plain(market.shown)
    return {
        "contract": market.id,
        **_day(market),
        "funding_rate": "0.0001",
        "funding_rate_indicative": "0.0001",
        "mark_price": price,
        "index_price": price,
        "total_size": "73648",
        "volume_24h": "745487577",
        "volume_24h_base": plain(market.volume_24h),
        "volume_24h_quote": plain(market.turnover_24h),
        "volume_24h_settle": plain(market.turnover_24h),
        "quanto_base_rate": "",
    }


def _quotes(market: Market, now: int) -> dict[str, Any]:
    """Sizes are text on spot and whole contracts elsewhere."""
    bid_size: str | int = plain(market.step * 7) if market.product == SPOT else 7
    ask_size: str | int = plain(market.step * 9) if market.product == SPOT else 9
    return {
        "t": now,
        "u": now,
        "s": market.id,
        "b": plain(market.bid),
        "B": bid_size,
        "a": plain(market.ask),
        "A": ask_size,
    }
