"""The module and the simulated Gate, written by different hands from the same facts, meet at the edges."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.client import connect

from shared.domain.connections import Account, Credentials, Verdict
from shared.domain.errors import (
    AccountModeChanged,
    AddressNotAllowed,
    KeyRejected,
    PermissionMissing,
    TradeSyncError,
)
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import Feed, Refused
from shared.gateway import Gateway
from tests.fixtures.simulator import SimulatorProcess

GATE = load("gate")
SPOT = Feed(Product.SPOT)
DAY = 86_400_000


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest.fixture
def gateway(simulator: SimulatorProcess) -> Iterator[Gateway]:
    gateway = Gateway(simulator_url=simulator.url)
    yield gateway
    gateway.close()


class Customer:
    """An account of the simulator as tradesync connects it."""

    def __init__(self, simulator: SimulatorProcess, gateway: Gateway, **options: Any) -> None:
        self.simulator, self.gateway = simulator, gateway
        self.told = simulator.account("gate", **options)
        self.key = Credentials({name: self.told[name] for name in ("api_key", "secret")})
        self.account = Account(connection_id=uuid4(), exchange="gate", products=GATE.products)
        self.report = self.check()
        self.account = Account(
            connection_id=self.account.connection_id,
            exchange="gate",
            products=self.report.products,
            uid=self.report.uid,
            mode=self.report.mode,
        )

    def check(self) -> Any:
        return self.run(GATE.check_key(self.account))

    def run(self, steps: Any) -> Any:
        return self.gateway.run(self.account, self.key, steps)

    def read(self, window: Window, now: int) -> set[tuple[str, str | None]]:
        """The spot fills of one slice, by id and order."""
        history, markets = GATE.history, self.gateway.markets("gate")
        slice_ = history.slice(SPOT, window, {}, self.account, now)
        found, cursor = set(), slice_.cursor
        while True:
            answer = self.gateway.call(self.account, self.key, history.ask(SPOT, slice_, cursor, self.account))
            page = history.read(SPOT, slice_, cursor, answer, self.account, markets)
            assert page.unreadable == ()
            found |= {(trade.exchange_trade_id, trade.order_id) for trade in page.trades}
            cursor = page.next
            if cursor is None:
                return found

    def refusal(self, area: str) -> TradeSyncError:
        """Why the private socket of an area refuses."""
        stream = next(one for one in GATE.streams if one.name == area)
        socket = stream.protocol(self.gateway.markets("gate"))
        now = self.simulator.ask("GET", "/clock")["now_ms"]
        socket.join(self.account, self.key, {}, now)
        address = through(self.simulator.url, "gate", stream.url("global", {}))
        with connect(address, additional_headers=stream.headers) as wire:
            socket.open(now)
            while True:
                for frame in socket.outbox():
                    wire.send(frame)
                for event in socket.receive(wire.recv(timeout=10), now):
                    assert isinstance(event, Refused)
                    return event.error


def test_what_open_orders_have_filled_is_read_with_the_newest_window(simulator, gateway):
    customer = Customer(simulator, gateway, history=0, products=["spot"])
    while True:
        simulator.trade(customer.told, count=10)
        now = simulator.ask("GET", "/clock")["now_ms"]
        true = {(row["exchange_trade_id"], row["order_id"]) for row in simulator.truth(customer.told)["trades"]}
        # Long after, no window tells them: the order has not ended.
        by_window = customer.read(Window(now - DAY, now + DAY), now + 30 * DAY)
        if true - by_window:
            break
    assert customer.read(Window(now - DAY, now), now) == true


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({"main_keys": "object"}, ("yes", "no", "no")),
        ({"main_keys": "list"}, ("yes", "no", "no")),
        ({"main_keys": "twins"}, ("yes", "unknown", "unknown")),
        ({"main_keys": "sub"}, ("unknown", "unknown", "unknown")),
    ],
)
def test_what_a_key_may_do_is_known_only_when_it_is_found(simulator, gateway, details, expected):
    report = Customer(simulator, gateway, details=details).report
    assert (report.can_read, report.can_trade, report.can_withdraw) == tuple(map(Verdict, expected))


@pytest.mark.parametrize(
    ("permissions", "trades", "withdraws"),
    [(["read", "trade"], "yes", "no"), (["read", "transfer"], "no", "yes"), (["read", "withdraw"], "no", "yes")],
)
def test_a_key_that_can_do_more_is_told_of(simulator, gateway, permissions, trades, withdraws):
    report = Customer(simulator, gateway, permissions=permissions).report
    assert (report.can_trade, report.can_withdraw) == (trades, withdraws)


def test_an_account_that_never_opened_futures_is_read_without_them(simulator, gateway):
    customer = Customer(simulator, gateway, products=["spot"])
    assert customer.report.products == (Product.SPOT,)
    assert {balance.account_type for balance in customer.run(GATE.balances(customer.account)).balances} >= {"spot"}


def test_a_mode_that_changes_is_noticed_with_the_next_balances(simulator, gateway):
    customer = Customer(simulator, gateway, mode="classic")
    assert customer.report.mode == "classic"
    simulator.change(customer.told, mode="unified")
    with pytest.raises(AccountModeChanged):
        customer.run(GATE.balances(customer.account))
    assert customer.check().mode in GATE.modes[2:]


def test_a_key_is_bound_to_its_addresses(simulator, gateway):
    customer = Customer(simulator, gateway)
    simulator.change(customer.told, addresses=["203.0.113.7"])
    with pytest.raises(AddressNotAllowed):
        customer.run(GATE.balances(customer.account))


@pytest.mark.parametrize("area", ["spot", "futures"])
def test_sockets_refuse_a_key_that_was_revoked(simulator, gateway, area):
    customer = Customer(simulator, gateway)
    simulator.spoil_key(customer.told, "revoke")
    assert isinstance(customer.refusal(area), KeyRejected)


def test_a_socket_refuses_a_key_without_the_permission(simulator, gateway):
    customer = Customer(simulator, gateway)
    simulator.change(customer.told, details={"scopes": ["account"]})
    assert isinstance(customer.refusal("spot"), PermissionMissing)
