"""The market list of an exchange as this process uses it: what the exchange lists now, and what it ever listed."""

import threading
from collections.abc import Callable

from shared.domain.errors import ExchangeUnavailable
from shared.domain.markets import Markets
from shared.storage import instruments
from shared.storage.pool import Pool, borrow


class Shelf:
    """Markets by exchange and region. Each new list is put on record once, and delisted markets are added to it.

    `load` gives the exchange's own list, the same object until it is read anew.
    """

    def __init__(self, pool: Pool, load: Callable[..., Markets]) -> None:
        self._pool = pool
        self._load = load
        self._known: dict[tuple[str, str], tuple[Markets, Markets]] = {}
        self._door = threading.Lock()

    def markets(self, exchange: str, region: str, is_fresh: bool) -> Markets:
        """The list. An exchange that does not answer costs nothing where markets were seen before."""
        key = (exchange, region)
        try:
            current = self._load(exchange, region, is_fresh=is_fresh)
        except ExchangeUnavailable:
            with borrow(self._pool) as db:
                remembered = instruments.load_markets(db, exchange)
            if not remembered.all:
                raise
            return remembered
        known = self._known.get(key)
        if known is not None and known[0] is current:
            return known[1]
        with self._door:
            known = self._known.get(key)
            if known is not None and known[0] is current:
                return known[1]
            with borrow(self._pool) as db:
                instruments.record_instruments(db, exchange, current.all)
                everything = instruments.load_markets(db, exchange, current.all)
            self._known[key] = (current, everything)
            return everything
