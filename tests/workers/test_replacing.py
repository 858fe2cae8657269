"""A connection gets a new key: only of its own account, and nobody says of it what was the old one's trouble."""

from collections.abc import Callable
from typing import Any

import pytest

from cli.replacing import replace
from shared import exchanges
from shared.domain.connections import KeyReport, SyncStatus, Verdict
from shared.domain.errors import BadInput, KeyRejected
from shared.gateway import Gateway
from shared.queue.requests import CatchUp, CheckKey, SyncHistory
from shared.storage import connections, jobs
from shared.storage.replacing import replace_key
from tests.fixtures.simulator import SimulatorProcess
from tests.workers.conftest import Bench, an_invented_connection
from tests.workers.invented_world import InventedWorld


def fields_of(account: dict[str, Any]) -> dict[str, str]:
    return {name: account[name] for name in ("api_key", "secret", "passphrase") if account.get(name)}


@pytest.mark.parametrize("name", exchanges.names())
def test_a_key_of_the_same_account_takes_over_and_one_of_another_is_refused(
    make_bench: Callable[..., Bench], simulator: SimulatorProcess, name: str
) -> None:
    simulator.limits(off=True)
    gateway = Gateway(simulator_url=simulator.url)
    bench = make_bench(gateway)
    account, other = simulator.account(name, history=10), simulator.account(name, history=10)
    connection_id = bench.connect(account)
    bench.run(CheckKey(connection_id=connection_id))
    bench.run(SyncHistory(connection_id=connection_id))
    renewed = simulator.ask("POST", f"/keys/{account['name']}/replace")
    bench.run(CheckKey(connection_id=connection_id))
    connection = connections.get_connection(bench.db, connection_id)
    assert connection.sync_status is SyncStatus.SUSPENDED
    with pytest.raises(BadInput):
        replace(bench.db, gateway, bench.vault, connection, fields=fields_of(other), actor="test")
    with pytest.raises(KeyRejected):
        replace(bench.db, gateway, bench.vault, connection, fields=fields_of(account), actor="test")
    assert connections.get_connection(bench.db, connection_id).sync_status is SyncStatus.SUSPENDED
    replace(bench.db, gateway, bench.vault, connection, fields=fields_of(renewed), actor="test")
    assert connections.get_connection(bench.db, connection_id).sync_status is SyncStatus.NEW
    bench.run(CatchUp(connection_id=connection_id))
    assert jobs.listed(bench.db, connection_id=connection_id)[0].state == "done"
    gateway.close()


def test_a_job_with_the_old_key_says_nothing_of_the_new_one(invented: Bench, world: InventedWorld) -> None:
    connection_id = an_invented_connection(invented, "PAGES")
    sealed = connections.sealed_key(invented.db, connection_id)
    report = KeyReport(can_read=Verdict.YES, can_trade=Verdict.NO, can_withdraw=Verdict.NO)

    def replaced_meanwhile(_: object) -> None:
        replace_key(
            invented.db,
            connection_id,
            credentials=sealed.blob + b"another",
            key_version=sealed.key_version,
            key_fingerprint=b"another",
            report=report,
        )
        raise KeyRejected

    world.trouble = replaced_meanwhile
    invented.run(SyncHistory(connection_id=connection_id))
    assert connections.get_connection(invented.db, connection_id).sync_status is SyncStatus.NEW
    found = [(job.state, job.error_code) for job in jobs.listed(invented.db, connection_id=connection_id)]
    assert found == [("failed", "key_replaced")]
