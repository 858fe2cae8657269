"""Noticing a fill that was not heard: each order report carries what its order has filled altogether."""

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.domain.errors import UnreadableRow
from shared.domain.trades import Trade
from shared.exchanges.kit import numbers
from shared.exchanges.kit.contract import Feed
from shared.exchanges.kit.fields import optional_decimal, optional_text

_MOST_ORDERS = 1_000


class FillCounter:
    """Sums of one account's open orders, as heard so far, against the exchange's own sums (`z`)."""

    __slots__ = ("_filled",)

    def __init__(self) -> None:
        self._filled: OrderedDict[str, Decimal] = OrderedDict()

    def missed(self, report: Any, trades: tuple[Trade, ...]) -> list[tuple[Feed, str]]:
        """Feeds and orders with a fill before this report that was not heard. Repeats and disorder are no gap."""
        order, told = _sum_of(report)
        if order is None or told is None or not (trades or report.get("x") == "NEW"):
            return []
        before = self._filled.get(order)
        self._keep(order, told if before is None else max(told, before))
        if before is None or not trades or told <= before or numbers.total(before, trades[0].amount) == told:
            return []
        return [(Feed(trades[0].product, trades[0].market_id), order)]

    def _keep(self, order: str, filled: Decimal) -> None:
        self._filled[order] = filled
        self._filled.move_to_end(order)
        while len(self._filled) > _MOST_ORDERS:
            self._filled.popitem(last=False)


def _sum_of(report: Any) -> tuple[str | None, Decimal | None]:
    if not isinstance(report, Mapping):
        return None, None
    try:
        return optional_text(report, "i"), optional_decimal(report, "z")
    except UnreadableRow:
        return None, None
