"""The module and the simulated exchange agree on the accounts that are not the usual ones."""

import asyncio
from uuid import uuid4

import pytest

from shared.domain.connections import Account, Credentials, Verdict
from shared.domain.errors import AddressNotAllowed, KeyRejected
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.contract import Live, Refused
from shared.gateway import Gateway
from tests.gateway.played import (
    collected,
    keyed,
    listening,
    now_ms,
    private_ears,
    read_history,
    shown,
    trades_of,
)

HTX = load("htx")


@pytest.fixture
def simulator(start_simulator):
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest.fixture
def gateway(simulator):
    made = Gateway(simulator_url=simulator.url)
    yield made
    made.close()


def connected(simulator, gateway, products=HTX.products, **options):
    """A simulated account, ours for it, and its key and report."""
    made = simulator.account("htx", **options)
    key = Credentials({"api_key": made["api_key"], "secret": made["secret"]})
    account = Account(connection_id=uuid4(), exchange="htx", products=products)
    report = gateway.run(account, key, HTX.check_key(account))
    account = Account(
        connection_id=account.connection_id,
        exchange="htx",
        products=products,
        mode=report.mode,
        uid=report.uid,
        details=report.details,
    )
    return made, account, key, report


def in_order(rows):
    """Facts without ids, comparable: this interface's ids are not the truth's."""
    return sorted(str(sorted(row.items())) for row in rows)


def truth_of(simulator, made, product):
    return keyed(trade for trade in simulator.truth(made)["trades"] if trade["product"] == product)


def test_an_account_on_the_old_contract_interface_is_read_there(simulator, gateway):
    made, account, key, report = connected(simulator, gateway, (Product.LINEAR,), history=60, details={"legacy": True})
    assert report.mode == "legacy"
    read = read_history(gateway, account, key, now_ms()).values()
    wanted = list(truth_of(simulator, made, "linear").values())
    reach = HTX.history.reach(HTX.history.feed_of(Product.LINEAR, ""), account, now_ms())
    assert in_order(map(shown, read)) == in_order(row for row in wanted if row["timestamp_ms"] > reach)
    assert read
    wallets = gateway.run(account, key, HTX.balances(account))
    assert any(balance.account_type == "linear" for balance in wallets.balances)


async def test_the_old_contract_interfaces_socket_tells_fills_with_their_fees(simulator, gateway):
    made, account, key, _ = await asyncio.to_thread(
        connected, simulator, gateway, (Product.LINEAR,), details={"legacy": True}
    )
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: Live(account.connection_id) in events)
        happened = await asyncio.to_thread(simulator.trade, made, 8, product="linear", market_id="BTC-USDT")
        told = keyed(trade for trade in happened if trade["product"] == "linear").values()
        heard = trades_of(await collected(ears, len(told)))
    assert told
    assert in_order(map(shown, heard)) == in_order(told)
    assert not any(trade.provisional for trade in heard)


def test_where_symbols_must_be_named_all_of_spot_is_read_all_the_same(simulator, gateway):
    made, account, key, _ = connected(
        simulator, gateway, (Product.SPOT,), history=60, details={"symbol_required": True}
    )
    assert account.details["needs_symbol"]
    read = {trade.exchange_trade_id for trade in read_history(gateway, account, key, now_ms()).values()}
    assert read == {name[2] for name in truth_of(simulator, made, "spot")}


def test_a_sub_accounts_key_is_good_though_its_rights_are_unknown(simulator, gateway):
    *_, report = connected(simulator, gateway, details={"sub_account": True})
    assert (report.can_read, report.can_trade) == (Verdict.YES, Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("how", "kind"), [("revoke", KeyRejected), ("expire", KeyRejected), ("address", AddressNotAllowed)]
)
def test_the_true_reason_of_a_refused_socket_is_told_before_the_next_one(simulator, gateway, how, kind):
    made, account, key, _ = connected(simulator, gateway)
    if how == "address":
        simulator.change(made, addresses=["10.1.2.3"])
    else:
        simulator.spoil_key(made, how)
    for stream in HTX.streams:
        with pytest.raises(kind):
            gateway.run(account, key, stream.prepare(account))


async def test_an_account_that_moves_to_v5_is_heard_to_have_moved(simulator, gateway):
    made, account, key, _ = await asyncio.to_thread(
        connected, simulator, gateway, (Product.LINEAR,), details={"legacy": True}
    )
    await asyncio.to_thread(simulator.change, made, details={"legacy": False})
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: any(isinstance(event, Refused) for event in events))
    (refused,) = (event for event in ears[0].events if isinstance(event, Refused))
    assert refused.error.code == "account_mode_changed"
