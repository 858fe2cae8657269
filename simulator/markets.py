"""Coins, prices and sizes that every simulated exchange starts from; a dialect gives them its own names."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct


class Coin(Struct, frozen=True):
    """A coin with its price in dollars, its price step and its size step against dollars."""

    name: str
    dollars: Decimal
    tick: Decimal
    step: Decimal


def _coin(name: str, dollars: str, tick: str, step: str) -> Coin:
    return Coin(name, Decimal(dollars), Decimal(tick), Decimal(step))


COINS = (
    _coin("BTC", "64000", "0.01", "0.00001"),
    _coin("ETH", "3200", "0.01", "0.0001"),
    _coin("SOL", "150", "0.01", "0.001"),
    _coin("ADA", "0.45", "0.0001", "0.1"),
    _coin("XRP", "0.55", "0.0001", "0.1"),
    _coin("BNB", "580", "0.1", "0.001"),
    _coin("DOGE", "0.12", "0.00001", "1"),
    _coin("LTC", "72", "0.01", "0.001"),
    _coin("LINK", "14", "0.01", "0.01"),
    _coin("AVAX", "28", "0.01", "0.01"),
    _coin("DOT", "6", "0.001", "0.01"),
    _coin("TRX", "0.13", "0.0001", "0.1"),
)
DOLLARS = {coin.name: coin.dollars for coin in COINS} | {
    "USDT": Decimal(1),
    "USDC": Decimal(1),
    "USD": Decimal(1),
    "EUR": Decimal("1.08"),
    "KCS": Decimal(9),
    "MNT": Decimal("0.7"),
}
"""What one of a coin is worth, roughly: sizes of orders and first deposits are made from it."""

PAIRS: tuple[tuple[str, str, str, str], ...] = (
    ("ETH", "BTC", "0.00001", "0.001"),
    ("SOL", "BTC", "0.000001", "0.01"),
    ("BNB", "BTC", "0.000001", "0.01"),
    ("BTC", "USDC", "0.01", "0.00001"),
    ("ETH", "USDC", "0.01", "0.0001"),
    ("BTC", "EUR", "0.01", "0.00001"),
    ("ETH", "EUR", "0.01", "0.0001"),
)
"""Base, quote, price step and size step of pairs that are not against USDT."""


class Pair(Struct, frozen=True):
    """A pair as any exchange could list it."""

    base: str
    quote: str
    tick: Decimal
    step: Decimal
    price: Decimal


def spot_pairs(*extra: str) -> Iterator[Pair]:
    """The usual spot pairs; `extra` coins (an exchange's own) against USDT come on top."""
    for coin in COINS:
        yield Pair(coin.name, "USDT", coin.tick, coin.step, coin.dollars)
    for name in extra:
        if name not in {coin.name for coin in COINS}:
            yield Pair(name, "USDT", Decimal("0.001"), Decimal("0.01"), DOLLARS.get(name, Decimal(1)))
    for base, quote, tick, step in PAIRS:
        price = (DOLLARS[base] / DOLLARS[quote]).quantize(Decimal(tick))
        yield Pair(base, quote, Decimal(tick), Decimal(step), price)


def perpetual_pairs(count: int = 8) -> Iterator[Pair]:
    """The usual perpetuals against USDT, sizes in base coin; steps coarser than on spot."""
    for coin in COINS[:count]:
        yield Pair(coin.name, "USDT", coin.tick * 10, coin.step * 100 if coin.dollars > 1 else Decimal(1), coin.dollars)
