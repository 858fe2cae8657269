"""Reads all balances of a connection; only what changed is stored."""

from datetime import timedelta

from shared.domain.errors import TradeSyncError
from shared.events.kinds import BalancesChanged
from shared.exchanges import load
from shared.queue.requests import SyncBalances
from shared.storage import balances, connections, jobs, sessions
from shared.storage.jobs import Claim
from shared.storage.pool import borrow
from workers import ledger
from workers.desk import Desk
from workers.fate import Outcome, Told
from workers.history import account_of
from workers.leases import LEASE
from workers.recovery import came_back


def sync_balances(desk: Desk, claim: Claim, request: SyncBalances, told: Told) -> Outcome:
    """Ask for every wallet. One that cannot be read keeps its last state, and the reason is told."""
    began = desk.clock()
    with borrow(desk.pool) as db:
        connection = connections.get_connection(db, request.connection_id)
    exchange = load(connection.exchange)
    told["exchange"] = exchange.id
    account = account_of(connection)
    key = desk.open_key(connection.id)
    asked_ms = desk.now_ms()
    try:
        wallets = desk.gateway.run(
            account,
            key,
            exchange.balances(account),
            lane="balances",
            proxy=connection.egress_proxy,
        )
    except TradeSyncError as error:
        _count(desk, claim, began, error)
        raise
    with borrow(desk.pool) as db, db.transaction():
        jobs.renew(db, claim, LEASE)
        changes = balances.record_balances(db, connection.id, wallets)
        # The middle of asking is nearest to the moment at which the exchange looked.
        read_ms = (asked_ms + desk.now_ms()) // 2 + desk.gateway.clock_offset_ms(exchange.id, connection.region)
        ledger.keep(db, exchange, connection, account, wallets, read_ms)
        came_back(db, connection, desk.now_ms())
    _count(desk, claim, began, None)
    told.update(ledger.check(desk, exchange, connection, account, key))
    told["balances"], told["changed"] = len(wallets.balances), len(changes)
    if wallets.missing:
        told["missing"] = dict(wallets.missing)
    if changes:
        desk.tell(BalancesChanged(user_id=connection.user_id, connection_id=connection.id))
    return Outcome()


def _count(desk: Desk, claim: Claim, began: float, error: TradeSyncError | None) -> None:
    assert claim.connection_id is not None
    took = timedelta(seconds=desk.clock() - began)
    with borrow(desk.pool) as db:
        sessions.record_balance_run(db, claim.connection_id, now_ms=desk.now_ms(), took=took, error=error)
