"""The market table: read once per exchange, region and process without a key, kept as our own small values."""

import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import ccxt

from shared.domain.errors import ExchangeUnavailable
from shared.domain.markets import Market, Markets

KEEP_MS = 6 * 3_600_000
_AGAIN_MS = 60_000
_TYPES = frozenset({"spot", "swap", "future", "option"})


class MarketShelf:
    """Markets by exchange and region, shared by all threads; new listings are picked up every six hours."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now = now_ms
        self._door = threading.Lock()
        self._loading: dict[tuple[str, str], threading.Lock] = {}
        self._known: dict[tuple[str, str], tuple[Markets, int]] = {}

    def get(self, key: tuple[str, str], load: Callable[[], Markets], *, is_fresh: bool = False) -> Markets:
        """The markets. `is_fresh` asks for a list younger than a minute: a new listing was heard of.

        An exchange that does not answer costs nothing where an older list is there.
        """
        known = self._known.get(key)
        if known and not self._is_old(known[1], is_fresh=is_fresh):
            return known[0]
        with self._door:
            lock = self._loading.setdefault(key, threading.Lock())
        with lock:
            known = self._known.get(key)
            if known and not self._is_old(known[1], is_fresh=is_fresh):
                return known[0]
            try:
                markets = load()
            except ExchangeUnavailable:
                if known is None:
                    raise
                markets = known[0]
            self._known[key] = (markets, self._now())
            return markets

    def _is_old(self, loaded_ms: int, *, is_fresh: bool) -> bool:
        return self._now() - loaded_ms >= (_AGAIN_MS if is_fresh else KEEP_MS)


def load_markets(client: Any, exchange: str) -> Markets:
    """Every market as ccxt's own parser sees it. Raises `ExchangeUnavailable` when it cannot read the answer."""
    client.number = str
    try:
        table: Mapping[str, Mapping[str, Any]] = client.load_markets()
    except (ccxt.BaseError, KeyError, TypeError, ValueError) as error:
        raise ExchangeUnavailable(f"The market list of {exchange} cannot be read ({type(error).__name__}).") from None
    markets = Markets(markets_of(table.values()))
    if not markets.all:
        raise ExchangeUnavailable(f"{exchange} lists no markets right now.")
    return markets


def markets_of(table: Iterable[Mapping[str, Any]]) -> list[Market]:
    """ccxt's market table in our words. What is no market to trade on (an unknown type) is left out."""
    return [
        Market(
            id=str(market["id"]),
            symbol=str(market["symbol"]),
            type=market["type"],
            base=str(market["base"]),
            quote=str(market["quote"]),
            settle=market.get("settle"),
            contract_size=_size(market.get("contractSize")),
            linear=market.get("linear"),
            inverse=market.get("inverse"),
            active=market.get("active"),
        )
        for market in table
        if market.get("type") in _TYPES and market.get("base") and market.get("quote")
    ]


def _size(written: Any) -> Decimal | None:
    try:
        return None if written is None else Decimal(str(written))
    except InvalidOperation:
        return None
