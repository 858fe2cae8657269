"""A simulated exchange, our gateway to it, and a person with an account there."""

from uuid import uuid4

import pytest

from shared.domain.connections import Account, Credentials, Verdict
from shared.exchanges import load
from shared.gateway import Gateway
from shared.gateway.budget import TurnsHere


@pytest.fixture
def simulator(start_simulator, exchange):
    return start_simulator("--exchanges", exchange, "--no-limits")


@pytest.fixture
def turns():
    """The nonces of a key rise over all gateways that use it."""
    return TurnsHere()


@pytest.fixture
def gateway(simulator, turns):
    made = Gateway(simulator_url=simulator.url, turns=turns)
    yield made
    made.close()


@pytest.fixture
def person(simulator, gateway, exchange, mode):
    """A simulated account with a past, our account for it and its key."""
    made = simulator.account(exchange, history=400, **({"mode": mode} if mode else {}))
    found = load(exchange)
    key = Credentials({name: made[name] for name in ("api_key", "secret", "passphrase") if made[name]})
    account = Account(connection_id=uuid4(), exchange=exchange, products=found.products)
    report = gateway.run(account, key, found.check_key(account))
    assert report.can_read is Verdict.YES
    assert report.can_withdraw is not Verdict.YES  # not every exchange tells
    assert report.uid in {made["uid"], None}  # not every exchange tells
    account = Account(
        connection_id=account.connection_id,
        exchange=exchange,
        products=report.products or found.products,
        mode=report.mode,
        uid=report.uid,
        details=report.details,
    )
    return made, account, key
