"""Which prices are wanted, and which of several streamers follows them.

Public sockets mind no second owner, so this needs no lease: who looks at the same living streamers comes to the
same one, and a change of mind costs a moment with two or with none.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from uuid import UUID

from shared.domain.markets import Market, Markets
from shared.domain.trades import Product

# What things are valued in, the best first.
_QUOTES = ("USDT", "USDC", "USD", "FDUSD", "EUR", "BTC", "ETH")
_MONEY = frozenset({"USDT", "USDC", "USD", "FDUSD"})


def symbols_for(assets: Iterable[str], markets: Markets, default: Iterable[str]) -> frozenset[str]:
    """The symbols whose prices value these assets, and the default ones, of those that this exchange has.

    An asset that only trades against another coin brings that coin's price along. Where an exchange has no spot
    markets, perpetuals tell what things are worth.
    """
    traded = markets.of(Product.SPOT) or [market for market in markets.of(Product.LINEAR) if market.type == "swap"]
    known = {(market.base, market.quote): market for market in traded if market.active is not False}
    quotes_of: dict[str, list[str]] = {}
    for base, quote in known:
        quotes_of.setdefault(base, []).append(quote)
    found = {symbol for symbol in default if markets.find_symbol(symbol) is not None}
    wanted, seen = list(assets), set(_MONEY)
    while wanted:
        asset = wanted.pop()
        if asset in seen:
            continue
        seen.add(asset)
        market = _valued_in(asset, known, quotes_of.get(asset, ()))
        if market is not None:
            found.add(market.symbol)
            wanted.append(market.quote if market.base == asset else market.base)
    return frozenset(found)


def _valued_in(asset: str, known: Mapping[tuple[str, str], Market], quotes: Sequence[str]) -> Market | None:
    for quote in _QUOTES:
        if (asset, quote) in known:
            return known[asset, quote]
    for base in _QUOTES:  # national money is the quote: USDT/TRY
        if (base, asset) in known:
            return known[base, asset]
    return known[asset, min(quotes)] if quotes else None


def holder_of(exchange: str, living: Iterable[UUID]) -> UUID | None:
    """The streamer that follows this exchange's prices; one that comes or goes moves only its own exchanges."""
    return min(living, key=lambda holder: blake2b(f"{exchange}:{holder}".encode()).digest(), default=None)
