"""How soon a trade is a row, and how soon it is on the open page, at 50 trades a second.

./dev bench latency
"""

import json
import threading
import time
from datetime import datetime

import httpx

from benchmarks.record import Figure
from benchmarks.world import World, world
from cli.gauge import Gauge, percentile
from shared import exchanges

RATE = 50
SECONDS = 30.0


def measured() -> list[Figure]:
    """Exchange event to committed row, and to the browser's socket."""
    with world(exchanges=exchanges.names(), accounts=2) as running:
        running.wait_until_live()
        time.sleep(5)  # what starting up leaves to do
        gauge = Gauge(running.desk.environment["DATABASE_URL"], running.simulator.now_ms())
        page = Page(running)
        page.start()
        page.opened.wait(20)
        gauge.start()
        running.simulator.trade(RATE)
        time.sleep(SECONDS)
        running.simulator.trade(0)
        running.wait_until_confirmed()
        gauge.stop()
        result = running.compare()
    rows, shown = gauge.latency_ms(), sorted(page.late_ms)
    wrong = sum(each.missing + each.duplicates + each.different for each in result.exchanges.values())
    return [
        Figure("to the row, half of them within", rows["p50"], "ms"),
        Figure("to the row, 99 % within", rows["p99"], "ms", most=250),
        Figure("to the open page, half of them within", percentile(shown, 50), "ms"),
        Figure("to the open page, 99 % within", percentile(shown, 99), "ms", most=500),
        Figure("trades seen on the page", len(shown), "trades", least=1),
        Figure("missing, doubled or different", wrong, "trades", most=0),
    ]


class Page(threading.Thread):
    """A browser without a screen: it hears the live feed of one user and notes how late each trade is."""

    def __init__(self, running: World) -> None:
        super().__init__(daemon=True)
        self._address, self._login = running.desk.address, running.logins[0]
        self.late_ms: list[float] = []
        self.opened = threading.Event()
        self._began_ms = time.time() * 1000

    def run(self) -> None:
        """Log in, listen."""
        with httpx.Client(base_url=self._address, timeout=None, follow_redirects=True) as browser:  # noqa: S113 — a feed has no end
            browser.get("/login")
            form = {"csrf": browser.cookies["tradesync_form"]}
            browser.post("/login", data={**form, **{name: self._login[name] for name in ("email", "password")}})
            try:
                self._listen(browser)
            except httpx.HTTPError:
                return  # the world ended

    def _listen(self, browser: httpx.Client) -> None:
        seen: set[int] = set()
        with browser.stream("GET", "/live") as answer:
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                    self.opened.set()
                elif line.startswith("data: ") and name == "trades":
                    now_ms = time.time() * 1000
                    for trade in json.loads(line.removeprefix("data: ")):
                        made_ms = _millis(trade["moment"])
                        if made_ms >= self._began_ms and trade["id"] not in seen:
                            seen.add(trade["id"])
                            self.late_ms.append(now_ms - made_ms)


def _millis(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
