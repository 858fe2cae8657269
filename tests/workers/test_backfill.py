"""History comes in whole: under the exchanges' page and window rules, once, and whenever it is cut."""

import time
from collections.abc import Callable

import pytest

from shared.domain.connections import SyncStatus
from shared.gateway import Gateway
from shared.queue.requests import CatchUp, SyncHistory
from shared.storage import connections, due
from tests.fixtures.simulator import SimulatorProcess
from tests.workers.conftest import Bench, as_told

EXCHANGES = ("binance", "kucoin", "bybit")


@pytest.fixture(params=EXCHANGES)
def exchange(request: pytest.FixtureRequest, simulator: SimulatorProcess) -> str:
    if request.param not in simulator.ask("GET", "/")["exchanges"]:
        pytest.skip("this exchange is not simulated yet")
    name: str = request.param
    return name


def test_a_backfill_brings_every_trade_that_can_be_read_once(
    bench: Bench, simulator: SimulatorProcess, exchange: str
) -> None:
    simulator.limits(off=True)
    account = simulator.account(exchange, history=400, history_days=6)
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    stored = bench.trades(connection_id)
    assert set(stored) == as_told(simulator.truth(account))
    assert all(trade["is_confirmed"] for trade in stored.values())
    connection = connections.get_connection(bench.db, connection_id)
    assert connection.sync_status is SyncStatus.LIVE
    assert due.due_at(bench.db, connection_id)["backfill"] is None


def test_the_first_trade_of_a_market_listed_since_is_found_once_a_stream_could_not_read_it(
    make_bench: Callable[..., Bench], simulator: SimulatorProcess, exchange: str
) -> None:
    simulator.limits(off=True)
    late_ms = [0]
    gateway = Gateway(simulator_url=simulator.url, now_ms=lambda: time.time_ns() // 1_000_000 + late_ms[0])
    bench = make_bench(gateway)
    account = simulator.account(exchange)
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    listed = "ZZZ-USDT" if exchange == "kucoin" else "ZZZUSDT"
    names = {"market_id": listed, "base": "ZZZ", "quote": "USDT", "price": "2"}
    simulator.ask("POST", "/markets", exchange=exchange, product="spot", **names)
    simulator.trade(account, market_id=listed, product="spot", side="buy")
    late_ms[0] = 61_000  # a list older than a minute is read again
    bench.run(CatchUp(connection_id=connection_id, reason="unreadable"))
    assert set(bench.trades(connection_id)) == as_told(simulator.truth(account))
    gateway.close()
