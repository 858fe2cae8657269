"""A new key for a connection: taken when it can only read, and when it is of the same account."""

from collections.abc import Mapping

from cli.connecting import whole
from shared.domain.connections import Credentials, KeyReport
from shared.domain.errors import BadInput
from shared.domain.keys import guard
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Exchange
from shared.gateway import Gateway
from shared.storage import audit, connections, replacing
from shared.storage.connections import Connection
from shared.storage.replacing import Known
from shared.storage.values import Db
from shared.vault import Vault

_AROUND_MS = 1_000


def replace(
    db: Db, gateway: Gateway, vault: Vault, connection: Connection, *, fields: Mapping[str, str], actor: str
) -> KeyReport:
    """Check a key at its exchange, and let it take the place of the connection's, which is tried again with it.

    Raises what the exchange makes of the key, `KeyTooPowerful`, `PermissionMissing`, or `BadInput` for a malformed
    field, a key of another account (its trades would be another's), and one that is connected already.
    """
    exchange = load(connection.exchange)
    opened = Credentials(whole(exchange.id, fields))
    report = gateway.run(
        connection.account, opened, exchange.check_key(connection.account), lane="manual",
        proxy=connection.egress_proxy,
    )  # fmt: skip
    guard(report, trade_allowed=connection.trade_allowed)
    _refuse_another_account(db, gateway, connection, exchange, opened, report)
    old = connections.sealed_key(db, connection.id)
    plain = {name: opened.reveal(name) for name in opened}
    sealed = vault.seal(
        plain, user_id=old.user_id, user_salt=old.user_salt, connection_id=connection.id, exchange=exchange.id
    )
    with db.transaction():
        replacing.replace_key(
            db,
            connection.id,
            credentials=sealed.blob,
            key_version=sealed.key_version,
            key_fingerprint=vault.fingerprint(exchange.id, plain["api_key"]),
            report=report,
        )
        audit.record_deed(db, actor, "connection.key_replaced", user_id=connection.user_id, connection_id=connection.id)
    return report


def _refuse_another_account(
    db: Db, gateway: Gateway, connection: Connection, exchange: Exchange, key: Credentials, report: KeyReport
) -> None:
    """By the account's id; where the exchange tells none, by a trade that both keys must show."""
    if report.uid is not None and connection.account_uid is not None:
        if report.uid == connection.account_uid:
            return
        raise BadInput(
            f"This key is of another account at {exchange.title} ({report.uid}, not {connection.account_uid}).",
            hint="Its trades are another's: `tradesync connect` connects it by itself.",
        )
    known = replacing.newest_trade(db, connection.id)
    if known is not None and not _shows(gateway, connection, exchange, key, known):
        raise BadInput(
            f"{exchange.title} does not tell whose key this is, and it does not show the newest trade that is stored.",
            hint="If it is of another account, `tradesync connect` connects it by itself.",
        )


def _shows(gateway: Gateway, connection: Connection, exchange: Exchange, key: Credentials, known: Known) -> bool:
    """Whether this key's history has that trade."""
    account, history = connection.account, exchange.history
    feed = history.feed_of(known.product, known.market_id)
    markets = gateway.markets(exchange.id, connection.region)
    window = Window(known.at_ms - _AROUND_MS, known.at_ms + _AROUND_MS)
    slice_ = history.slice(feed, window, {}, account, known.at_ms + _AROUND_MS)
    cursor = slice_.cursor
    while True:
        request = history.ask(feed, slice_, cursor, account)
        answer = gateway.call(account, key, request, lane="manual", proxy=connection.egress_proxy)
        page = history.read(feed, slice_, cursor, answer, account, markets)
        if any(trade.identity == known.identity for trade in page.trades):
            return True
        if page.next is None or page.next == cursor:
            return False
        cursor = page.next
