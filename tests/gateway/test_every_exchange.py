"""Every exchange that has a simulated counterpart: what the simulator says happened is what we read of it.

The simulator knows nothing of our reading, so that a mistake on either side shows here.
"""

import asyncio
from decimal import Decimal

import pytest

from shared.domain.errors import KeyRejected
from shared.exchanges import load, names
from shared.exchanges.kit.contract import Broken, Live, Refused, TickerHeard, TradesHeard
from tests.gateway.played import (
    CASES,
    PLAYED,
    Ear,
    as_read,
    assert_it_keeps_its_socket_alive,
    collected,
    keyed,
    listening,
    name_among,
    name_of,
    now_ms,
    priced,
    private_ears,
    read_history,
    shown,
    told_to_read,
    trades_of,
)


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_history_is_the_truth(simulator, gateway, person):
    made, account, key = person
    read = {name_of(trade): shown(trade) for trade in read_history(gateway, account, key, now_ms()).values()}
    products = {product.value for product in account.products}
    wanted = keyed(as_read(trade for trade in simulator.truth(made)["trades"] if trade["product"] in products))
    assert read.items() <= wanted.items()
    assert [name for name in wanted if name not in read] == [], "lost, or beyond the reach that the module names"
    assert read


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_a_revoked_key_is_a_rejected_key(simulator, gateway, person):
    made, account, key = person
    simulator.spoil_key(made, "revoke")
    with pytest.raises(KeyRejected):
        gateway.run(account, key, load(account.exchange).balances(account))


@pytest.mark.parametrize(("exchange", "mode"), CASES)
def test_balances_are_read_for_every_coin_the_account_holds(simulator, gateway, person):
    made, account, key = person
    wallets = gateway.run(account, key, load(account.exchange).balances(account))
    assert wallets.missing == {}
    held = {}
    for balance in wallets.balances:
        held[balance.asset] = held.get(balance.asset, Decimal(0)) + balance.total
        assert balance.free is None or balance.used is None or balance.free + balance.used == balance.total
    true_totals = {}
    for balance in simulator.truth(made)["balances"]:
        total = Decimal(balance["free"]) + Decimal(balance["locked"])
        true_totals[balance["asset"]] = true_totals.get(balance["asset"], Decimal(0)) + total
    assert {asset: total for asset, total in held.items() if total} == {a: t for a, t in true_totals.items() if t}


@pytest.mark.parametrize(("exchange", "mode"), CASES)
async def test_each_trade_is_heard_once_and_as_it_happened(simulator, gateway, person):
    made, account, key = person
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        for ear in ears:
            await ear.until(lambda events: Live(account.connection_id) in events)
        happened = await asyncio.to_thread(simulator.trade, made, 40)
        wanted = keyed(trade for trade in happened if trade["product"] in {p.value for p in account.products})
        events = await collected(ears, len(wanted))
    assert not [event for event in events if isinstance(event, Refused | Broken)]
    assert [row for event in events if isinstance(event, TradesHeard) for row in event.unreadable] == []
    heard = trades_of(events)
    assert len({trade.identity for trade in heard}) == len(heard)
    read = {name_among(wanted, trade): trade for trade in heard}
    feed_of = load(account.exchange).history.feed_of
    due = told_to_read(events, account)
    # Where a socket only says that something filled, it must say so of every feed that has a fill.
    assert [trade for name, trade in wanted.items() if name not in read and feed_of(*name[:2]) not in due] == []
    assert read.keys() <= wanted.keys()
    for name, trade in read.items():
        # A provisional row lacks its fee; REST tells it.
        told = {"fees": wanted[name]["fees"]} if trade.provisional else {}
        assert shown(trade) | told == wanted[name]
    for ear in ears:
        assert ear.was_heard_of, "it called itself live before the exchange told it anything of its account"
        assert_it_keeps_its_socket_alive(ear)


@pytest.mark.parametrize("exchange", sorted(PLAYED.keys() & set(names())))
async def test_prices_follow_what_is_wanted(simulator, gateway, exchange):
    found, markets = load(exchange), await asyncio.to_thread(gateway.markets, exchange)
    await asyncio.to_thread(simulator.start_trading, 20)
    for stream in found.ticker_streams:
        symbols = [market.symbol for market in markets.all if market.product in stream.products]
        first, second = symbols[0], symbols[-1]
        ticket = {}
        if stream.prepare is not None:
            ticket = await asyncio.to_thread(gateway.run_public, exchange, stream.prepare())
        protocol = stream.protocol(markets)
        protocol.follow(frozenset({first}), now_ms())
        ear = Ear(simulator, exchange, stream, protocol, ticket)
        async with listening([ear]):
            await ear.until(lambda events, symbol=first: symbol in priced(events))
            protocol.follow(frozenset({second}), now_ms())
            await ear.until(lambda events, symbol=second: symbol in priced(events))
        true_prices = {
            row["symbol"]: Decimal(row["price"]) for row in simulator.ask("GET", "/markets", exchange=exchange)
        }
        for ticker in (event.ticker for event in ear.events if isinstance(event, TickerHeard)):
            for price in (ticker.last, ticker.bid, ticker.ask):
                assert price is None or abs(price / true_prices[ticker.symbol] - 1) < Decimal("0.1"), ticker
