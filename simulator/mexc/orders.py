"""Finds an account's orders by market and time without reading all of them at every call."""

from bisect import bisect_left, bisect_right
from itertools import islice
from operator import attrgetter

from msgspec import Struct, field

from simulator.truth import Account, Order

_created = attrgetter("created_ms")


class Shelf(Struct):
    """An account's orders by market, each list in the order of time; `read` of all orders stand here."""

    read: int = 0
    orders: dict[tuple[str, str], list[Order]] = field(default_factory=dict)


def orders_between(account: Account, product: str, market_id: str, since_ms: int, until_ms: int) -> list[Order]:
    """Orders of one market (of all of a product without one) that were made in `[since_ms, until_ms]`, newest first."""
    shelf = account.details.setdefault("shelf", Shelf())
    for order in islice(account.orders.values(), shelf.read, None):
        shelf.orders.setdefault(order.market.key, []).append(order)
    shelf.read = len(account.orders)
    found: list[Order] = []
    for key, orders in shelf.orders.items():
        if key[0] == product and market_id in {"", key[1]}:
            start = bisect_left(orders, since_ms, key=_created)
            found += orders[start : bisect_right(orders, until_ms, key=_created)]
    return sorted(found, key=_created, reverse=True)
