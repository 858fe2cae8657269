"""The module and the simulated exchange, written by different hands from the same facts, agree on what happened."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from shared.domain.connections import Account, Credentials, KeyReport, Verdict
from shared.domain.errors import AccountModeChanged, AddressNotAllowed, KeyRejected, TradeSyncError
from shared.domain.trades import Kind, Product, Side
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Feed
from shared.gateway import Gateway
from tests.fixtures.simulator import SimulatorProcess
from tests.gateway.played import keyed, name_of, now_ms, read_history, shown

BITGET = load("bitget")
MODES = ("classic", "unified")


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


@pytest.fixture
def gateway(simulator: SimulatorProcess) -> Iterator[Gateway]:
    gateway = Gateway(simulator_url=simulator.url)
    yield gateway
    gateway.close()


class Customer:
    """An account of the simulator as tradesync connects it."""

    def __init__(self, simulator: SimulatorProcess, gateway: Gateway, mode: str, **options: Any) -> None:
        self.simulator, self.gateway = simulator, gateway
        self.made = simulator.account("bitget", mode=mode, **options)
        self.key = Credentials({name: self.made[name] for name in ("api_key", "secret", "passphrase")})
        self.account = Account(connection_id=uuid4(), exchange="bitget", products=BITGET.products)

    def run(self, steps: Any) -> Any:
        return self.gateway.run(self.account, self.key, steps)

    def detect(self) -> KeyReport:
        report: KeyReport = self.run(BITGET.check_key(self.account))
        self.account = msgspec.structs.replace(self.account, mode=report.mode, details=report.details)
        return report

    def read(self) -> dict[Any, Any]:
        # A moment from now: what was made in this very millisecond is wanted too.
        return read_history(self.gateway, self.account, self.key, now_ms() + 1_000)

    def truth(self) -> dict[Any, Any]:
        return keyed(self.simulator.truth(self.made)["trades"])


def by_name(trades: dict[Any, Any]) -> dict[Any, Any]:
    return {name_of(trade): shown(trade) for trade in trades.values()}


@pytest.mark.parametrize(
    ("mode", "positions"), [(mode, f"{way}_mode") for mode in MODES for way in ("hedge", "one_way")]
)
def test_a_long_history_is_read_to_its_last_trade(simulator, gateway, mode, positions):
    customer = Customer(simulator, gateway, mode, history=400, details={"pos_mode": positions})
    simulator.trade(customer.made, count=250)
    for kind in ("liquidation", "adl"):
        simulator.trade(customer.made, product="linear", market_id="BTCUSDT", kind=kind)
    assert customer.detect().mode == mode
    read = customer.read()
    assert by_name(read) == customer.truth()
    assert len(read) > 650
    happened = simulator.truth(customer.made)["trades"]
    told = {trade["exchange_trade_id"]: trade["kind"] for trade in happened if trade["product"] == "linear"}
    kinds = {trade.exchange_trade_id: trade.kind for trade in read.values() if trade.product is Product.LINEAR}
    assert kinds == told
    assert {Kind.TRADE, Kind.LIQUIDATION, Kind.ADL} <= set(kinds.values())


def test_full_pages_of_real_ids_are_paged_and_never_halved(simulator, gateway):
    customer = Customer(simulator, gateway, "classic")
    simulator.trade(customer.made, count=400)
    customer.detect()
    feed, now = Feed(Product.SPOT), now_ms() + 1_000
    slice_ = BITGET.history.slice(feed, Window(now - 3_600_000, now), {}, customer.account, now)
    pages, cursor = [], slice_.cursor
    while not pages or cursor is not None:
        request = BITGET.history.ask(feed, slice_, cursor, customer.account)
        answer = gateway.call(customer.account, customer.key, request)
        markets = gateway.markets("bitget")
        pages.append(BITGET.history.read(feed, slice_, cursor, answer, customer.account, markets))
        cursor = pages[-1].next
    assert not any(page.is_saturated for page in pages)
    assert len(pages[0].trades) == 100
    assert (pages[-1].trades, pages[-1].proven) == ((), slice_.window)


@pytest.mark.parametrize(("before", "after"), [MODES, MODES[::-1]])
def test_an_account_that_changed_its_mode_is_noticed_and_its_trades_stay_the_same(simulator, gateway, before, after):
    # Classic rows have room for one line of a fee.
    customer = Customer(simulator, gateway, before, history=100, details={"discount": False})
    customer.detect()
    first = customer.read()
    simulator.change(customer.made, mode=after)
    with pytest.raises(AccountModeChanged):
        customer.run(BITGET.balances(customer.account))
    with pytest.raises(AccountModeChanged):
        customer.read()
    assert customer.detect().mode == after
    simulator.trade(customer.made, count=10)
    second = customer.read()
    assert first.keys() < second.keys()
    for identity, trade in first.items():
        assert shown(second[identity]) == shown(trade)


@pytest.mark.parametrize("mode", MODES)
def test_an_interface_that_answers_with_nothing_is_noticed_too(simulator, gateway, mode):
    customer = Customer(simulator, gateway, mode, details={"null_data": True})
    assert customer.detect().mode == mode
    (other,) = set(MODES) - {mode}
    customer.account = msgspec.structs.replace(customer.account, mode=other)
    with pytest.raises(AccountModeChanged):
        customer.read()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("permissions", "trade", "withdraw"),
    [
        (["read"], Verdict.NO, Verdict.NO),
        (["read", "trade"], Verdict.YES, Verdict.NO),
        (["read", "withdraw"], Verdict.YES, Verdict.YES),
    ],
)
def test_a_key_tells_its_powers(simulator, gateway, mode, permissions, trade, withdraw):
    customer = Customer(simulator, gateway, mode, permissions=permissions)
    report = customer.detect()
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, trade, withdraw)
    assert report.uid == customer.made["uid"]


@pytest.mark.parametrize("mode", MODES)
def test_each_refusal_is_understood(simulator, gateway, mode):
    customer = Customer(simulator, gateway, mode)

    def refusal() -> type[TradeSyncError]:
        with pytest.raises(TradeSyncError) as refused:
            customer.detect()
        return type(refused.value)

    simulator.spoil_key(customer.made, "revoke")
    assert refusal() is KeyRejected
    simulator.spoil_key(customer.made, "restore")
    simulator.change(customer.made, addresses=["10.1.2.3"])
    assert refusal() is AddressNotAllowed
    simulator.change(customer.made, addresses=[])
    for wrong in ("passphrase", "secret", "api_key"):
        good = customer.key
        customer.key = Credentials({name: good.reveal(name) for name in good} | {wrong: "wrong"})
        assert refusal() is KeyRejected
        customer.key = good


def test_a_key_of_demo_trading_wants_its_own_region(simulator, gateway):
    customer = Customer(simulator, gateway, "classic", history=20, details={"demo": True})
    with pytest.raises(KeyRejected, match="demo"):
        customer.detect()
    customer.account = msgspec.structs.replace(customer.account, region="demo")
    customer.detect()
    assert by_name(customer.read()) == customer.truth()


def test_an_id_that_is_not_ascii_is_read(simulator, gateway):
    customer = Customer(simulator, gateway, "classic")
    (made,) = simulator.trade(customer.made, product="spot", market_id="币安人生USDT", side="sell", fills=1)
    customer.detect()
    (read,) = [trade for trade in customer.read().values() if trade.market_id == "币安人生USDT"]
    assert (read.exchange_trade_id, read.side) == (made["exchange_trade_id"], Side.SELL)
    assert read.price == Decimal(made["price"])
