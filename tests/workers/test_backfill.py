"""History comes in whole: under the exchanges' page and window rules, once, and whenever it is cut."""

import pytest

from shared.domain.connections import SyncStatus
from shared.queue.requests import SyncHistory
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
