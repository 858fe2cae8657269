"""What the demo does after its weather: it waits for trades of a clock that was ahead, and mends spoilt keys."""

from uuid import uuid4

import psycopg
import pytest

from cli.mending import restore_keys, resume_suspended
from cli.proof import end_of_trading
from cli.simulated import Simulator
from shared import exchanges
from shared.domain.connections import Account, Credentials, SyncStatus, Verdict
from shared.domain.errors import KeyRejected
from shared.domain.trades import Product
from shared.gateway import Gateway
from shared.storage import connections
from tests.fixtures.simulator import SimulatorProcess
from tests.fixtures.stored import a_connection


@pytest.fixture
def told(simulator: SimulatorProcess) -> Simulator:
    return Simulator(int(simulator.url.rpartition(":")[2]))


def test_trading_ends_with_the_youngest_trade_where_a_clock_was_ahead(
    told: Simulator, simulator: SimulatorProcess
) -> None:
    account = simulator.account("binance")
    simulator.weather("clock_skew", skew_ms=30_000)
    simulator.trade(account, 1)
    told.clear_weather()
    (trade, *_) = simulator.truth(account)["trades"]
    assert told.now_ms() + 20_000 < trade["timestamp_ms"] < end_of_trading(told)


@pytest.mark.parametrize("how", ["key_revoked", "key_expired"])
def test_a_spoilt_key_is_good_again(told: Simulator, simulator: SimulatorProcess, how: str) -> None:
    made = simulator.account("bybit")
    account = Account(connection_id=uuid4(), exchange="bybit", products=(Product.SPOT,))
    key = Credentials({"api_key": made["api_key"], "secret": made["secret"]})
    exchange = exchanges.load("bybit")
    gateway = Gateway(simulator_url=simulator.url)
    simulator.weather(how)
    with pytest.raises(KeyRejected):
        gateway.run(account, key, exchange.check_key(account))
    restore_keys(told)
    assert gateway.run(account, key, exchange.check_key(account)).can_read is Verdict.YES
    gateway.close()


def test_what_spoilt_keys_suspended_is_resumed_with_its_reason(db: psycopg.Connection) -> None:
    suspended, other = (a_connection(db, label=label) for label in ("struck", "spared"))
    connections.suspend(db, suspended, KeyRejected("The key was revoked."))
    assert resume_suspended(db, ["someplace"]) == {"struck": "The key was revoked."}
    assert {connections.get_connection(db, each).sync_status for each in (suspended, other)} == {SyncStatus.NEW}
    assert resume_suspended(db, ["someplace"]) == {}
