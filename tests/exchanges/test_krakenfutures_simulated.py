"""One trade is one row, whether history names it as its fill is named or by an id of its own."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.connections import Account, Credentials
from shared.exchanges import load
from shared.exchanges.kit.contract import Live
from shared.gateway import Gateway
from tests.gateway.played import collected, listening, now_ms, private_ears, read_history, told_to_read, trades_of

FUTURES = load("krakenfutures")


@pytest.fixture
def simulator(start_simulator: Any) -> Any:
    return start_simulator("--exchanges", "krakenfutures", "--no-limits")


@pytest.fixture
def gateway(simulator: Any) -> Any:
    made = Gateway(simulator_url=simulator.url)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("history", "details", "found"),
    [(20, {}, {"one_id": True}), (20, {"own_uids": True}, {"one_id": False}), (0, {"own_uids": True}, {}), (0, {}, {})],
)
async def test_stream_and_history_never_make_two_rows_of_one_trade(simulator, gateway, history, details, found):
    made = await asyncio.to_thread(simulator.account, "krakenfutures", history=history, details=details)
    key = Credentials({"api_key": made["api_key"], "secret": made["secret"]})
    account = Account(connection_id=uuid4(), exchange="krakenfutures", products=FUTURES.products)
    report = await asyncio.to_thread(gateway.run, account, key, FUTURES.check_key(account))
    assert report.details == found
    account = Account(
        connection_id=account.connection_id,
        exchange="krakenfutures",
        products=FUTURES.products,
        details=report.details,
    )
    ears = await private_ears(simulator, gateway, account, key)
    async with listening(ears):
        await ears[0].until(lambda events: Live(account.connection_id) in events)
        happened = await asyncio.to_thread(simulator.trade, made, 10)
        events = await collected(ears, len(happened))
        while not trades_of(events) and not told_to_read(events, account):
            events = await collected(ears, len(happened))
    read = await asyncio.to_thread(read_history, gateway, account, key, now_ms())
    rows = {trade.identity for trade in trades_of(events)} | read.keys()
    assert len(rows) == len(simulator.truth(made)["trades"])
    assert bool(trades_of(events)) == report.details.get("one_id", False)
