"""An account's fills by `instType`: spot and margin trade on the same markets, and are asked for apart."""

from bisect import insort
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from operator import attrgetter

from simulator.okx import rows
from simulator.truth import Account, Fill

SORTED = "fills_are_on_shelves"
_in_time = attrgetter("timestamp_ms", "sequence")


def put_away(account: Account, fills: Iterable[Fill]) -> None:
    """Keeps new fills beside those that were sorted when somebody first asked."""
    if account.details.get(SORTED):
        _sort_in(account, fills)


def newest_first(
    account: Account, now_ms: int, inst_type: str, *, above: int, below: int, inst_id: str = ""
) -> Iterator[Fill]:
    """What REST shows of one `instType` ("": of all), by bill id downwards, `above < bill id < below`.

    Lazy: fills lie in the order of time, and a bill is booked a few milliseconds later, so that only
    those of a few milliseconds have to be brought in order.
    """
    if not account.details.get(SORTED):
        account.details[SORTED] = True
        _sort_in(account, account.all_fills())
    waiting: list[tuple[int, Fill]] = []
    for fill in account.read_fills(
        now_ms,
        product=inst_type,
        market_id=inst_id,
        since_ms=rows.moment_of(above) - rows.LONGEST_DELAY_MS,
        until_ms=rows.moment_of(below),
        newest_first=True,
    ):
        own_id = rows.bill_id(fill)
        if not above < own_id < below:
            continue
        heappush(waiting, (-own_id, fill))
        while rows.record_ms(waiting[0][1]) > fill.timestamp_ms + rows.LONGEST_DELAY_MS:
            yield heappop(waiting)[1]
    while waiting:
        yield heappop(waiting)[1]


def _sort_in(account: Account, fills: Iterable[Fill]) -> None:
    for fill in fills:
        kind = rows.inst_type(fill.order)
        for key in ((kind, ""), (kind, fill.market.id)):
            shelf = account.fills.setdefault(key, [])
            if not shelf or shelf[-1].timestamp_ms <= fill.timestamp_ms:
                shelf.append(fill)
            else:
                insort(shelf, fill, key=_in_time)
