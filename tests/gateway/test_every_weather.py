"""Every exchange that is played, in every weather: calls end in our errors or in the truth, sockets come back."""

import asyncio
from collections import Counter

import pytest

from shared.domain.errors import RateLimited, TradeSyncError, Transient, UserActionNeeded
from shared.exchanges import load
from shared.exchanges.kit.contract import Live, Refused
from tests.gateway.played import (
    FIRST_MODES,
    Ear,
    as_read,
    collected,
    keyed,
    listening,
    name_among,
    name_of,
    now_ms,
    private_ears,
    read_history,
    shown,
    told_to_read,
    trades_of,
)

over_all = pytest.mark.parametrize(("exchange", "mode"), FIRST_MODES)

# What passes by itself. Options make each certain to be felt.
PASSING = {
    "rate_limit": {"retry_after": 1},
    "server_errors": {"chance": 0.5},
    "html": {"chance": 0.5},
    "half_frame": {"chance": 0.3},
    "maintenance": {},
}


@over_all
def test_what_passes_ends_calls_in_errors_that_pass_and_spoils_no_answer(simulator, gateway, person):
    made, account, key = person
    wallets = load(account.exchange).balances
    calm = gateway.run(account, key, wallets(account))
    for name, options in PASSING.items():
        simulator.weather(name, exchange=account.exchange, **options)
        for _ in range(6):
            try:
                told = gateway.run(account, key, wallets(account))
            except RateLimited:
                continue
            except Transient:
                told = calm if name != "rate_limit" else None
            assert told == calm, name
        simulator.calm()
        simulator.limits(forget=True)
        assert gateway.run(account, key, wallets(account)) == calm, name
    read = {name_of(trade): shown(trade) for trade in read_history(gateway, account, key, now_ms()).values()}
    wanted = keyed(as_read(simulator.truth(made)["trades"]))
    assert read
    assert read.items() <= wanted.items()


@over_all
async def test_trades_told_twice_and_out_of_order_are_one_each(simulator, gateway, person):
    made, account, key = person
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        for ear in ears:
            await ear.until(lambda events: Live(account.connection_id) in events)
        for name in ("twice", "out_of_order"):
            await asyncio.to_thread(simulator.weather, name, exchange=account.exchange, chance=0.5)
        happened = await asyncio.to_thread(simulator.trade, made, 30)
        await asyncio.to_thread(simulator.calm)  # and what was held back comes
        wanted = keyed(trade for trade in happened if trade["product"] in {p.value for p in account.products})
        events = await collected(ears, 2 * len(wanted))
    forms = Counter((trade.identity, repr(shown(trade))) for trade in trades_of(events))
    assert len(forms) == len({identity for identity, _ in forms}), "one trade was told in two ways"
    heard = {name_among(wanted, trade) for trade in trades_of(events)}
    assert heard <= wanted.keys()
    feed_of, due = load(account.exchange).history.feed_of, told_to_read(events, account)
    assert [name for name in wanted if name not in heard and feed_of(*name[:2]) not in due] == []


@over_all
async def test_a_socket_that_broke_is_followed_by_one_that_lives(simulator, gateway, person):
    made, account, key = person
    for name in ("drop", "maintenance", "token_dies"):
        ears = await private_ears(simulator, gateway, account, key)
        async with listening(ears):
            for ear in ears:
                await ear.until(lambda events: Live(account.connection_id) in events)
            await asyncio.to_thread(simulator.weather, name, exchange=account.exchange, seconds=None)
            await asyncio.to_thread(simulator.calm)
            for ear in ears:
                if name == "drop":
                    await ear.ended()
        refusals = [event.error for ear in ears for event in ear.events if isinstance(event, Refused)]
        assert [error for error in refusals if isinstance(error, UserActionNeeded)] == [], name
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        for ear in ears:
            await ear.until(lambda events: Live(account.connection_id) in events)
        await asyncio.to_thread(simulator.trade, made, 3)
        events = await collected(ears, 1)
    assert trades_of(events) or told_to_read(events, account)


@over_all
async def test_a_revoked_key_opens_no_stream_and_its_owner_is_told(simulator, gateway, person):
    made, account, key = person
    simulator.spoil_key(made, "revoke")
    markets = await asyncio.to_thread(gateway.markets, account.exchange)
    for stream in load(account.exchange).streams:
        if not stream.serves(account):
            continue
        if stream.prepare is not None:
            with pytest.raises(UserActionNeeded):
                await asyncio.to_thread(gateway.run, account, key, stream.prepare(account))
            continue
        protocol = stream.protocol(markets)
        protocol.join(account, key, {}, now_ms())
        ear = Ear(simulator, account.exchange, stream, protocol, {})
        async with listening([ear]):
            await ear.ended_or(lambda events: any(isinstance(event, Refused) for event in events))
        assert [type(event) for event in ear.events] == [Refused]
        assert isinstance(ear.events[0].error, UserActionNeeded)


@over_all
def test_each_refusal_of_the_key_is_the_users_matter_and_says_so(simulator, gateway, person):
    made, account, key = person
    wallets = load(account.exchange).balances
    for spoilt in ("revoke", "expire"):
        simulator.spoil_key(made, spoilt)
        with pytest.raises(TradeSyncError) as caught:
            gateway.run(account, key, wallets(account))
        assert isinstance(caught.value, UserActionNeeded), (spoilt, caught.value)
        assert len(caught.value.sentence) > 20
        assert made["api_key"] not in caught.value.sentence
        simulator.spoil_key(made, "restore")
    simulator.change(made, addresses=["203.0.113.9"])
    with pytest.raises(UserActionNeeded):
        gateway.run(account, key, wallets(account))
    simulator.change(made, addresses=[])
    gateway.run(account, key, wallets(account))
