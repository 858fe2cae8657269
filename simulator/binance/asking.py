"""Reading the parameters of Binance's history calls, and refusing what it refuses."""

from simulator.binance.errors import Broken, missing
from simulator.dialect import DAY_MS, Call
from simulator.truth import Market

LARGEST_PAGE = 1000
USUAL_PAGE = 500


def whole(call: Call, name: str) -> int | None:
    """A whole number, None when it was not sent; raises `Broken` -1100."""
    text = call.params.get(name)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Broken(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
        ) from None


def page_size(call: Call) -> int:
    """`limit`, never more than a page may hold."""
    limit = whole(call, "limit")
    return USUAL_PAGE if limit is None else max(1, min(limit, LARGEST_PAGE))


def market_of(call: Call, product: str) -> Market:
    """The market of a mandatory `symbol`; raises `Broken` -1102 or -1121 (also for a delisted one)."""
    name = call.params.get("symbol")
    if not name:
        raise missing("symbol")
    market = call.exchange.market(product, name)
    if market is None:
        raise Broken(-1121)
    return market


def window(call: Call, longest_days: int) -> tuple[int | None, int | None]:
    """`startTime` and `endTime`; raises `Broken` -1127 for a longer stretch."""
    start, end = whole(call, "startTime"), whole(call, "endTime")
    if start is not None and end is not None:
        if end < start:
            raise Broken(-1127, "Start time is greater than end time.")
        if end - start > longest_days * DAY_MS:
            raise Broken(-1127, None if longest_days == 1 else f"The interval must be within {longest_days} days.")
    return start, end


def combination(call: Call, optional: tuple[str, ...], allowed: tuple[tuple[str, ...], ...]) -> frozenset[str]:
    """Which of the `optional` parameters were sent; raises `Broken` -1128 where they do not go together."""
    sent = frozenset(name for name in optional if name in call.params)
    if sent not in {frozenset(names) for names in allowed}:
        raise Broken(-1128)
    return sent
