"""The module and the simulated exchange, written by different hands from the same facts, in what is odd about it."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.connections import Account, Credentials, Verdict
from shared.domain.errors import AddressNotAllowed, KeyRejected, TradeSyncError, UserActionNeeded
from shared.domain.trades import Kind, Product
from shared.exchanges import load
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import HistoryDue, Live, Refused
from shared.gateway import Gateway
from tests.fixtures.simulator import SimulatorProcess
from tests.gateway.played import Ear, collected, listening, now_ms, priced, private_ears, read_history, trades_of

OKX = load("okx")


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "okx", "--no-limits")


@pytest.fixture
def gateway(simulator: SimulatorProcess) -> Iterator[Gateway]:
    gateway = Gateway(simulator_url=simulator.url)
    yield gateway
    gateway.close()


def connected(simulator: SimulatorProcess, region: str = "global", **options: Any) -> Any:
    """A simulated account, ours of it, and its key."""
    made = simulator.account("okx", **options)
    key = Credentials({name: made[name] for name in ("api_key", "secret", "passphrase")})
    account = Account(connection_id=uuid4(), exchange="okx", products=OKX.products, region=region)
    return made, account, key


@pytest.mark.parametrize("kind", [Kind.LIQUIDATION, Kind.ADL])
async def test_what_the_exchange_forced_is_heard_of_and_read_from_history(simulator, gateway, kind):
    made, account, key = connected(simulator)
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: Live(account.connection_id) in events)
        (forced,) = await asyncio.to_thread(
            simulator.trade, made, product="linear", market_id="BTC-USDT-SWAP", kind=kind.value
        )
        await ears[0].until(lambda events: any(isinstance(event, HistoryDue) for event in events))
    (due,) = [event for event in ears[0].events if isinstance(event, HistoryDue)]
    assert (due.product, due.market_id, due.order_id) == (Product.LINEAR, "BTC-USDT-SWAP", forced["order_id"])
    assert trades_of(ears[0].events) == []
    read = await asyncio.to_thread(read_history, gateway, account, key, now_ms() + 1_000)
    (trade,) = [one for one in read.values() if one.order_id == forced["order_id"]]
    assert (trade.exchange_trade_id, trade.kind) == (forced["exchange_trade_id"], kind)
    assert (trade.exchange_trade_id[0], trade.taker_or_maker) == ("-", None)


async def test_a_fill_that_is_told_twice_is_one_and_nothing_is_missed(simulator, gateway):
    made, account, key = connected(simulator, details={"repeats": True})
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: Live(account.connection_id) in events)
        await asyncio.to_thread(simulator.trade, made, product="spot", market_id="BTC-USDT", fills=3)
        events = await collected(ears, 6)
    assert len({trade.identity for trade in trades_of(events)}) == 3
    assert not [event for event in events if isinstance(event, HistoryDue)]


def spoil(simulator: SimulatorProcess, made: Any, how: str) -> None:
    if how == "address":
        simulator.change(made, addresses=["10.1.2.3"])
    else:
        simulator.spoil_key(made, how)


@pytest.mark.parametrize(
    ("how", "over_rest", "on_socket"),
    [
        ("revoke", KeyRejected, KeyRejected),
        ("expire", KeyRejected, KeyRejected),
        ("address", AddressNotAllowed, UserActionNeeded),
    ],
)
async def test_a_spoilt_key_is_refused_over_rest_and_on_the_socket(simulator, gateway, how, over_rest, on_socket):
    made, account, key = connected(simulator)
    await asyncio.to_thread(spoil, simulator, made, how)
    with pytest.raises(TradeSyncError) as refused:
        await asyncio.to_thread(gateway.run, account, key, OKX.check_key(account))
    assert type(refused.value) is over_rest
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].ended_or(lambda events: any(isinstance(event, Refused) for event in events))
    (event,) = ears[0].events
    assert type(event.error) is on_socket


async def test_a_key_that_is_deleted_ends_its_socket(simulator, gateway):
    made, account, key = connected(simulator)
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: Live(account.connection_id) in events)
        await asyncio.to_thread(simulator.spoil_key, made, "revoke")
        await ears[0].ended()
    assert not [event for event in ears[0].events if isinstance(event, Refused)]


REGIONS = {
    "global": {},
    "eea": {"entity": "eea"},
    "us": {"entity": "us"},
    "demo": {"demo": True},
    "eea-demo": {"entity": "eea", "demo": True},
    "us-demo": {"entity": "us", "demo": True},
}


@pytest.mark.parametrize("region", OKX.regions)
async def test_a_key_of_each_entity_and_of_demo_trading_is_known_at_its_own_door(simulator, gateway, region):
    _, account, key = connected(simulator, region, details=REGIONS[region])
    report = await asyncio.to_thread(gateway.run, account, key, OKX.check_key(account))
    assert (report.can_read, report.can_trade, report.can_withdraw) == (Verdict.YES, Verdict.NO, Verdict.NO)
    (ear,) = await private_ears(simulator, gateway, account, key)
    ear.url = through(simulator.url, "okx", OKX.streams[0].url(region, {}))
    async with listening([ear]):
        await ear.until(lambda events: Live(account.connection_id) in events)


@pytest.mark.parametrize(("mine", "asked"), [("eea", "global"), ("demo", "global"), ("global", "demo")])
def test_a_key_of_another_entity_or_environment_is_rejected(simulator, gateway, mine, asked):
    _, account, key = connected(simulator, asked, details=REGIONS[mine])
    with pytest.raises(KeyRejected):
        gateway.run(account, key, OKX.check_key(account))


@pytest.mark.parametrize(
    ("permissions", "trade", "withdraw"), [(["read", "trade"], "yes", "no"), (["read", "withdraw"], "no", "yes")]
)
def test_a_key_that_can_do_more_says_so(simulator, gateway, permissions, trade, withdraw):
    _, account, key = connected(simulator, permissions=permissions)
    report = gateway.run(account, key, OKX.check_key(account))
    assert (report.can_trade.value, report.can_withdraw.value) == (trade, withdraw)


async def test_a_symbol_that_the_exchange_does_not_know_costs_no_other(simulator, gateway):
    markets = await asyncio.to_thread(gateway.markets, "okx")
    await asyncio.to_thread(simulator.weather, "delisting", market="ETH-USDT")
    await asyncio.to_thread(simulator.start_trading, 20)
    stream = OKX.ticker_streams[0]
    protocol = stream.protocol(markets)
    protocol.follow(frozenset({"BTC/USDT", "ETH/USDT", "BTC/USDT:USDT"}), now_ms())
    ear = Ear(simulator, "okx", stream, protocol, {})
    async with listening([ear]):
        await ear.until(lambda events: {"BTC/USDT", "BTC/USDT:USDT"} <= priced(events))
    assert "ETH/USDT" not in priced(ear.events)
