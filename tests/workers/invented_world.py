"""The world of the invented exchange: its truth, its clock, and a gateway that asks it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.domain.connections import Account, Credentials
from shared.domain.markets import Markets
from shared.exchanges.kit.contract import Answer, Request, Steps
from tests.workers.exchanges.invented import PAGE

NOW = 1_800_000_000_000


@dataclass
class InventedWorld:
    """`trouble` is asked before each call and may raise; `now` is everybody's clock; `mischief` lies about cursors."""

    now: int = NOW
    rows: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    key: dict[str, Any] = field(default_factory=dict)
    mode_has_changed: bool = False
    offset_ms: int = 0
    trouble: Callable[[Request], None] = lambda _: None

    def trade(self, market: str, *moments: int) -> None:
        """Trades of one market at these moments."""
        for moment in moments:
            self.rows.append({"market": market, "id": len(self.rows) + 1, "time": moment})

    # What a job asks of a gateway.

    def call(self, account: Account, credentials: Credentials, request: Request, **_: Any) -> Answer:
        del account, credentials
        self.asked.append(request)
        self.trouble(request)
        if request.endpoint.name == "key":
            return Answer(self.key)
        if self.mode_has_changed:
            return Answer("mode")
        wanted = request.params
        if wanted["market"] == "GONE":
            return Answer("gone")
        if wanted["market"] == "STUCK":
            return Answer({"rows": [], "next": 1})
        inside = [
            row
            for row in self.rows
            if row["market"] == wanted["market"]
            and wanted["since"] <= row["time"] < wanted["until"]
            and row["id"] > wanted["after"]
        ]
        page = inside[:PAGE]
        return Answer({"rows": page, "next": page[-1]["id"] if len(inside) > PAGE else None}, weight=1)

    def run(self, account: Account, credentials: Credentials, steps: Steps[Any], **_: Any) -> Any:
        try:
            request = next(steps)
            while True:
                request = steps.send(self.call(account, credentials, request))
        except StopIteration as end:
            return end.value

    def clock_offset_ms(self, exchange_id: str, region: str = "global") -> int:
        del exchange_id, region
        return self.offset_ms

    def markets(self, exchange_id: str, region: str = "global", is_fresh: bool = False) -> Markets:
        del exchange_id, region, is_fresh
        return Markets(())
