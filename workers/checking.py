"""Asks the exchange again what a key may do and which mode its account is in; a key that gained power is frozen."""

from shared.domain.keys import guard
from shared.domain.windows import Window
from shared.events.kinds import ConnectionChanged
from shared.exchanges import load
from shared.logs import get_log
from shared.queue.requests import CheckKey
from shared.storage import connections, feeds, jobs
from shared.storage.jobs import Claim
from shared.storage.pool import borrow
from workers.desk import Desk
from workers.fate import Outcome, Told
from workers.leases import LEASE

# The mode may have been another since it was last asked for, which is daily at least.
_DOUBTED_MS = 2 * 86_400_000

log = get_log()


def check_key(desk: Desk, claim: Claim, request: CheckKey, told: Told) -> Outcome:
    """The daily question. Raises `KeyTooPowerful` or `PermissionMissing`, which suspend the connection."""
    del request
    detect(desk, claim, told)
    return Outcome()


def detect(desk: Desk, claim: Claim, told: Told) -> None:
    """Ask for the key's powers and the account's mode, keep the answer, and judge it."""
    assert claim.connection_id is not None
    with borrow(desk.pool) as db:
        connection = connections.get_connection(db, claim.connection_id)
    exchange = load(connection.exchange)
    told["exchange"] = exchange.id
    report = desk.gateway.run(
        connection.account,
        desk.open_key(connection.id),
        exchange.check_key(connection.account),
        lane="live",
        proxy=connection.egress_proxy,
    )
    with borrow(desk.pool) as db, db.transaction():
        jobs.renew(db, claim, LEASE)
        is_another_mode = connections.record_key_report(db, connection.id, report)
        if is_another_mode:
            # Asked in its old mode, an account may answer with empty pages: they prove nothing.
            now_ms = desk.now_ms()
            feeds.forget_coverage(db, connection.id, Window(now_ms - _DOUBTED_MS, now_ms))
    if is_another_mode:
        told["mode"] = report.mode
        log.warning("connection.mode_changed", mode=report.mode, before=connection.account_mode)
        desk.tell(ConnectionChanged(connection_id=connection.id))
    guard(report, trade_allowed=connection.trade_allowed)
    if claim.request == CheckKey.NAME:
        with borrow(desk.pool) as db:
            connections.touch_success(db, connection.id)
