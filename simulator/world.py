"""All simulated exchanges together: found, stocked with accounts, and trading."""

import asyncio
import importlib
import pkgutil
from random import Random
from typing import Any

import simulator
from simulator.clock import Clock
from simulator.dialect import Dialect, OrderFilled
from simulator.exchange import Exchange
from simulator.truth import Account
from simulator.weather import NAMES, STORM, forecast

STEP_S = 0.005


def find_dialects(wanted: list[str] | None = None) -> dict[str, type[Dialect]]:
    """Every dialect in this directory by its id, which is its module's name; only those `wanted`, if given."""
    found: dict[str, type[Dialect]] = {}
    for module in pkgutil.iter_modules(simulator.__path__):
        if module.name == "__main__" or (wanted and module.name not in wanted):
            continue
        dialect = getattr(importlib.import_module(f"simulator.{module.name}"), "DIALECT", None)
        if dialect is not None:
            found[dialect.id] = dialect
    return found


class UnknownExchange(Exception):
    """No dialect of that name is here."""


class World:
    """The exchanges, and the hand that makes them trade."""

    def __init__(self, *, exchanges: list[str] | None, seed: int, clock: Clock) -> None:
        dialects = find_dialects(exchanges)
        wanted = exchanges or sorted(dialects)
        for name in wanted:
            if name not in dialects:
                known = ", ".join(sorted(find_dialects()))
                raise UnknownExchange(f"there is no exchange {name!r} here; there are {known}")
        self.seed = seed
        self.clock = clock
        self.exchanges = {name: Exchange(dialects[name], clock, seed) for name in wanted}
        self.trading = asyncio.Event()
        self.rate = 0.0
        self.only: set[str] = set()
        self._traders_of: tuple[int, frozenset[str]] = (0, frozenset())
        self._all_traders: list[Account] = []
        self._dice = Random(f"{seed}:who")  # noqa: S311 — repeatable on purpose
        self._forecaster: asyncio.Task[None] | None = None

    def stock(self, *, accounts: int, history: int) -> None:
        """Gives every exchange its first accounts."""
        for exchange in self.exchanges.values():
            for place in range(len(exchange.accounts), accounts):
                modes = exchange.dialect.modes
                exchange.make_account(mode=modes[place % len(modes)], history=history)

    def accounts(self, exchange: str | None = None, account: str | None = None) -> list[Account]:
        """Accounts by exchange and by name, uid or key."""
        return [
            one
            for place in self.exchanges.values()
            if exchange in {None, place.id}
            for one in place.accounts.values()
            if account is None or account in {one.name, one.uid, one.api_key}
        ]

    # Trading.

    def set_rate(self, rate: float, only: set[str] | None = None) -> None:
        """Trades a second over all accounts (or those named in `only`); 0 stops."""
        self.rate = rate
        self.only = only or set()
        if rate > 0:
            self.trading.set()
        else:
            self.trading.clear()

    async def trade(self) -> None:
        """Makes trades at the rate that is set; never ends by itself."""
        loop = asyncio.get_running_loop()
        while True:
            await self.trading.wait()
            before, owed = loop.time(), 0.0
            while self.rate > 0:
                now = loop.time()
                owed = min(owed + (now - before) * self.rate, self.rate)
                before = now
                deadline = now + 0.05
                traders = self._traders() if owed >= 1 else []
                while owed >= 1 and traders and loop.time() < deadline:
                    owed -= self.trade_once(self._dice.choice(traders))
                await asyncio.sleep(STEP_S if owed < 1 else 0)

    def _traders(self) -> list[Account]:
        """Who trades now; made anew only when accounts came or others were named."""
        state = (sum(len(place.accounts) for place in self.exchanges.values()), frozenset(self.only))
        if state != self._traders_of:
            self._traders_of = state
            self._all_traders = [one for one in self.accounts() if not self.only or one.name in self.only]
        return self._all_traders

    def trade_once(self, account: Account) -> int:
        """One order's worth of trades; how many there were."""
        events = self.exchanges[account.exchange].trade(account)
        return sum(isinstance(event, OrderFilled) for event in events)

    async def tick(self) -> None:
        """Once a second for everyone; never ends by itself."""
        while True:
            for exchange in self.exchanges.values():
                exchange.tick()
            await asyncio.sleep(0.5 if any(exchange.rules for exchange in self.exchanges.values()) else 1.0)

    # Weather.

    def play(
        self, name: str, exchange: str | None, account: Account | None, seconds: float | None, **options: Any
    ) -> None:
        """Starts weather over one exchange or all; raises `ValueError` for a name there is none of."""
        if name not in NAMES:
            raise ValueError(f"there is no weather {name!r}; there are {', '.join(NAMES)} and storm")
        for place in self.exchanges.values():
            if exchange in {None, place.id}:
                place.weather.start(
                    name, seconds=seconds, account=account.uid if account else None, options=dict(options)
                )

    def expect(self, name: str | None) -> None:
        """Weather that comes and goes while there is trading: a name, storm, or None for none."""
        if self._forecaster is not None:
            self._forecaster.cancel()
            self._forecaster = None
        if name is None:
            return
        if name != "storm" and name not in NAMES:
            raise ValueError(f"there is no weather {name!r}; there are {', '.join(NAMES)} and storm")
        names = STORM if name == "storm" else (name,)
        dice = Random(f"{self.seed}:forecast")  # noqa: S311 — repeatable on purpose
        self._forecaster = asyncio.get_running_loop().create_task(
            forecast(list(self.exchanges.values()), names, dice, self.trading)
        )
