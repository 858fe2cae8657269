"""The balances as a second witness, with real processes: a trade that neither socket nor history showed is found."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from shared.storage import ledger
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.waiting import until
from tests.journeys.system import System, running

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def system(
    simulator: SimulatorProcess, module_database_url: str, module_redis_url: str, tmp_path: Path
) -> Iterator[System]:
    """A system without a page."""
    names = ("scheduler", "worker", "streamer")
    with running(simulator, module_database_url, module_redis_url, tmp_path, *names) as started:
        yield started


def test_a_trade_that_neither_the_socket_nor_history_showed_is_found_by_the_balances_and_mended(system):
    account = system.simulator.account("binance", history=10, products=["spot"])
    with system.connected(account) as connection:
        until(lambda: ledger.explained_until(system.db, connection) is not None, within=60)
        system.simulator.weather("lost", exchange="binance", chance=1)
        system.simulator.weather("late", exchange="binance", delay=40)
        (made,) = system.simulator.trade(account, market_id="BTCUSDT", product="spot", side="buy")
        until(lambda: ledger.gaps(system.db, connection), within=60)
        gaps = {gap.asset: gap for gap in ledger.gaps(system.db, connection)}
        assert gaps["BTC"].amount > 0 > gaps["USDT"].amount
        assert gaps["BTC"].window.since <= made["timestamp_ms"] <= gaps["BTC"].window.until + 5_000
        assert gaps["BTC"].window.until - gaps["BTC"].window.since < 60_000
        system.simulator.calm()
        until(lambda: not ledger.gaps(system.db, connection), within=90)
        stored = system.db.execute(
            "SELECT amount FROM trades WHERE connection_id = %s AND exchange_trade_id = %s",
            (connection, made["exchange_trade_id"]),
        ).fetchall()
        assert stored == [(Decimal(made["amount"]),)]
        system.simulator.calm()
