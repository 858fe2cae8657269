"""History comes in whole: under the exchanges' page and window rules, once, and whenever it is cut."""

import time
from collections.abc import Callable

import pytest

from shared.domain.connections import SyncStatus
from shared.domain.windows import Window
from shared.exchanges import load
from shared.gateway import Gateway
from shared.queue.requests import CatchUp, SyncHistory
from shared.storage import connections, due, feeds
from tests.fixtures.simulator import SimulatorProcess
from tests.workers.conftest import Bench, as_told

DAY = 86_400_000
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


def test_a_streamed_trade_in_a_proven_window_that_nobody_has_confirmed_is_looked_for_again(
    bench: Bench, simulator: SimulatorProcess
) -> None:
    simulator.limits(off=True)
    account = simulator.account("bybit", history=20)
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    bench.db.execute(
        "UPDATE trades SET confirmed_at = NULL, source = 'stream', sync_timestamp = now() - interval '30 s' WHERE id = "
        "(SELECT max(id) FROM trades WHERE connection_id = %s)",
        [connection_id],
    )
    bench.run(CatchUp(connection_id=connection_id))
    assert due.due_at(bench.db, connection_id)["backfill"] is not None
    bench.run(SyncHistory(connection_id=connection_id))
    assert all(trade["is_confirmed"] for trade in bench.trades(connection_id).values())


def test_what_an_exchange_stamps_before_the_proven_edge_is_found_at_the_next_look(
    bench: Bench, simulator: SimulatorProcess, exchange: str
) -> None:
    """Its clock was put back for a few seconds, unheard and unmeasured."""
    simulator.limits(off=True)
    account = simulator.account(exchange, history=20)
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    simulator.weather("clock_skew", exchange=exchange, skew_ms=-45_000)
    simulator.trade(account, 2)
    simulator.ask("DELETE", "/weather")
    bench.run(CatchUp(connection_id=connection_id, reason="due"))
    assert set(bench.trades(connection_id)) == as_told(simulator.truth(account))


def test_what_was_proven_of_moments_that_a_clock_has_yet_to_stamp_is_proven_no_more(
    make_bench: Callable[..., Bench], simulator: SimulatorProcess, exchange: str
) -> None:
    simulator.limits(off=True)
    gateway = Gateway(simulator_url=simulator.url)
    bench = make_bench(gateway)
    account = simulator.account(exchange, history=20)
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    simulator.weather("clock_skew", exchange=exchange, skew_ms=-400_000)
    gateway.measure_clock(exchange)
    simulator.trade(account, 2)
    bench.run(CatchUp(connection_id=connection_id, reason="due"))
    assert set(bench.trades(connection_id)) == as_told(simulator.truth(account))
    theirs_ms = time.time_ns() // 1_000_000 - 400_000
    assert all(feed.covered.edge < theirs_ms for feed in feeds.feeds_of(bench.db, connection_id) if feed.covered)
    simulator.ask("DELETE", "/weather")
    gateway.measure_clock(exchange)
    bench.run(CatchUp(connection_id=connection_id))
    edges = [feed.covered.edge for feed in feeds.feeds_of(bench.db, connection_id) if not feed.is_sweep]
    assert all(edge > theirs_ms + 380_000 for edge in edges)
    gateway.close()


def test_the_first_trade_of_a_market_listed_since_is_found_once_a_stream_could_not_read_it(
    make_bench: Callable[..., Bench], simulator: SimulatorProcess, exchange: str
) -> None:
    simulator.limits(off=True)
    late_ms = [0]

    def now_ms() -> int:
        return time.time_ns() // 1_000_000 + late_ms[0]

    gateway = Gateway(simulator_url=simulator.url, now_ms=now_ms)
    bench = make_bench(gateway, now_ms=now_ms)
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


def test_a_market_first_traded_while_the_stream_was_away_is_looked_for_soon(
    bench: Bench, simulator: SimulatorProcess
) -> None:
    simulator.limits(off=True)
    account = simulator.account("binance")
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    due.set_due(bench.db, connection_id, "discovery", bench.desk.now_ms() + 3_600_000)
    simulator.trade(account, market_id="DOGEUSDT", product="linear")
    bench.run(CatchUp(connection_id=connection_id, reason="connected"))
    soon_ms = due.due_at(bench.db, connection_id)["discovery"]
    assert soon_ms is not None
    assert soon_ms < bench.desk.now_ms() + 15_000
    due.set_due(bench.db, connection_id, "catch_up", bench.desk.now_ms() + 3_600_000)
    bench.run(SyncHistory(connection_id=connection_id, reason="discovery"))
    edge_ms = due.due_at(bench.db, connection_id)["catch_up"]
    assert edge_ms is not None
    assert edge_ms <= bench.desk.now_ms(), "what was found is read up to now at once"
    bench.run(CatchUp(connection_id=connection_id, reason="due"))
    assert set(bench.trades(connection_id)) == as_told(simulator.truth(account))


@pytest.mark.parametrize("exchange", ["binance", "kucoin"])
def test_a_sweep_comes_again_when_all_of_it_is_due_and_before_the_exchange_forgets(
    bench: Bench, simulator: SimulatorProcess, exchange: str
) -> None:
    simulator.limits(off=True)
    connection_id = bench.connect(simulator.account(exchange))
    bench.run(SyncHistory(connection_id=connection_id))
    began_ms = bench.desk.now_ms()
    bench.run(SyncHistory(connection_id=connection_id, reason="sweep"))
    again_ms = due.due_at(bench.db, connection_id)["sweep"]
    assert again_ms is not None
    swept = [record for record in feeds.feeds_of(bench.db, connection_id) if record.is_sweep]
    assert swept
    assert all(began_ms < record.due_ms <= again_ms for record in swept)
    account = connections.get_connection(bench.db, connection_id).account
    reach = load(exchange).history.reach
    assert all(reach(record.feed, account, again_ms + 3 * DAY) < began_ms for record in swept)


def test_what_an_account_answered_in_its_old_mode_is_read_again(bench: Bench, simulator: SimulatorProcess) -> None:
    simulator.limits(off=True)
    account = simulator.account("kucoin", mode="classic")
    connection_id = bench.connect(account)
    bench.run(SyncHistory(connection_id=connection_id))
    simulator.change(account, mode="unified")
    simulator.trade(account, 6)
    bench.run(CatchUp(connection_id=connection_id))
    bench.run(SyncHistory(connection_id=connection_id, reason="discovery"))
    assert connections.get_connection(bench.db, connection_id).account_mode == "unified"
    futures = feeds.find_feed(bench.db, connection_id, "linear")
    now_ms, hour = bench.desk.now_ms(), 3_600_000
    assert futures is not None
    assert not any(each.meet(Window(now_ms - 24 * hour, now_ms)) for each in futures.covered)
    assert futures.covered.covers(Window(now_ms - 80 * hour, now_ms - 60 * hour))
    bench.run(SyncHistory(connection_id=connection_id))
    bench.run(CatchUp(connection_id=connection_id))
    assert as_told(simulator.truth(account)) <= set(bench.trades(connection_id))
