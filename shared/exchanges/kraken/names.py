"""Names: one coin goes by several here, and the market list has names of its own for some.

`XXBTZUSD`, `XBTUSD` and (on sockets) `BTC/USD` are one pair. Docs, Get Tradable Asset Pairs, read 2026-11.
"""

import re
from collections.abc import Iterator

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Product

# Theirs to those of the market list: several coins died and left their names to others.
_RENAMED = {
    "XBT": "BTC",
    "XDG": "DOGE",
    "LUNA": "LUNC",
    "LUNA2": "LUNA",
    "UST": "USTC",
    "REP": "REPV1",
    "REPV2": "REP",
    "FEE": "KFEE",
}
_SOCKET_NAMES = {ours: theirs for theirs, ours in _RENAMED.items() if theirs not in {"XBT", "XDG"}}
# The oldest assets bear an X (coins) or Z (money) before their name; new ones that begin so are other coins.
_COINS = ("ETC", "ETH", "ICN", "LTC", "MLN", "NMC", "REP", "XBT", "XDG", "XLM", "XMR", "XRP", "XVN", "ZEC", "DAO")
_MONEY = ("AUD", "CAD", "EUR", "GBP", "JPY", "KRW", "USD")
_PREFIXED = {f"X{name}": name for name in _COINS} | {f"Z{name}": name for name in _MONEY}
_QUOTES = (*_MONEY, "CHF", "AED", "USDT", "USDC", "DAI", "PYUSD", "RLUSD", "XBT", "ETH", "DOT", "SOL")
_LONGEST_FIRST = sorted((*_QUOTES, *_PREFIXED), key=len, reverse=True)
_EARNING = re.compile(r"(?P<coin>[A-Z0-9]*?[A-Z])(?P<days>\d\d)?\.(?P<kind>F|B|S|M|HOLD)", re.IGNORECASE)


def coin(name: str) -> str:
    """The market list's name of an asset: BTC for XXBT or XBT."""
    if name == "XREP":
        return "REP"  # the list takes the old coin for the new one here
    short = _PREFIXED.get(name, name)
    return _RENAMED.get(short, short)


def held_coin(name: str) -> tuple[str, str]:
    """The coin of a balance, and how it is held: `("BTC", "M")` for `XBT.M`, `("DOT", "S")` for `DOT28.S`."""
    found = _EARNING.fullmatch(name)
    return (coin(found["coin"]), found["kind"].upper()) if found else (coin(name), "")


def socket_symbol(market: Market) -> str:
    """What sockets call a market."""
    return "/".join(_SOCKET_NAMES.get(name, name) for name in (market.base, market.quote))


def market_on_socket(markets: Markets, symbol: str) -> Market:
    """The market of a socket's symbol. Raises `UnreadableRow` when the list does not know it."""
    market = markets.find_symbol("/".join(map(coin, symbol.split("/"))))
    if market is None:
        raise UnreadableRow(f"the market {symbol!r} is not in the market list")
    return market


def market_of_pair(markets: Markets, pair: str) -> Market:
    """The market of a pair as history names it: by its id, its short or its socket's name, or that before its end.

    A pair that is not traded any more is taken apart: its quote is one of those that there are. Raises
    `UnreadableRow` where that does not work.
    """
    market = markets.find(Product.SPOT, pair)
    if market is not None:
        return market
    if "/" in pair:  # the name that sockets use
        return market_on_socket(markets, pair)
    parts = [(coin(base), coin(quote)) for base, quote in _parted(pair)]
    listed = (markets.find_symbol(f"{base}/{quote}") for base, quote in parts)
    market = next((one for one in listed if one is not None), None)
    if market is not None:
        return market
    if not parts:
        raise UnreadableRow(f"the pair {pair!r} is not in the market list, and its quote coin is unknown")
    base, quote = parts[0]
    return Market(id=pair, symbol=f"{base}/{quote}", type="spot", base=base, quote=quote, active=False)


def _parted(pair: str) -> Iterator[tuple[str, str]]:
    for quote in _LONGEST_FIRST:
        base = pair.removesuffix(quote)
        # `XTZUSD` ends with ZUSD and is none of the oldest pairs.
        if base and base != pair and (quote not in _PREFIXED or base in _PREFIXED or base == "USDT"):
            yield base, quote
