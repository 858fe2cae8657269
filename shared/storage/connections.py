"""Connections: one user's key to one account at one exchange, its state, and what is known of the account."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from shared.domain.connections import Account, KeyReport, SyncStatus
from shared.domain.errors import BadInput, TradeSyncError
from shared.domain.trades import Product
from shared.storage.values import Db, Row, jsonb, millis, optional_millis, optional_moment

DUTIES = ("catch_up", "backfill", "balances", "recheck", "discovery", "sweep", "key_check")
RESTING = (SyncStatus.SUSPENDED, SyncStatus.PARKED, SyncStatus.CLOSED)


class Connection(Struct, frozen=True, kw_only=True):
    """A connection as stored, without its credentials. `stream_state`: off, connecting, live, lost, refused, parked."""

    id: UUID
    user_id: UUID
    exchange: str
    label: str
    is_active: bool
    sync_status: SyncStatus
    error_code: str | None
    error_message: str | None
    last_sync_ms: int | None
    products: tuple[Product, ...]
    region: str
    account_uid: str | None
    account_mode: str
    account_details: Mapping[str, Any]
    key_permissions: Mapping[str, Any]
    key_expires_ms: int | None
    key_version: str
    trade_allowed: bool
    egress_proxy: str | None
    stream_state: str
    stream_changed_ms: int | None
    failures: int
    created_ms: int
    removed_ms: int | None

    @property
    def account(self) -> Account:
        """What the exchange module needs to know of it."""
        return Account(
            connection_id=self.id,
            exchange=self.exchange,
            products=self.products,
            region=self.region,
            mode=self.account_mode,
            uid=self.account_uid,
            details=self.account_details,
        )

    @property
    def is_resting(self) -> bool:
        """Nothing is asked of the exchange for it."""
        return not self.is_active or self.sync_status in RESTING


class SealedKey(Struct, frozen=True, kw_only=True):
    """All that `Vault.open` wants: the sealed blob and what it is bound to."""

    blob: bytes
    key_version: str
    connection_id: UUID
    user_id: UUID
    user_salt: bytes
    exchange: str


def add_connection(
    db: Db,
    *,
    connection_id: UUID,
    user_id: UUID,
    exchange: str,
    products: Sequence[Product],
    credentials: bytes,
    key_version: str,
    key_fingerprint: bytes,
    older_fingerprints: Sequence[bytes] = (),
    report: KeyReport | None = None,
    label: str = "",
    region: str = "global",
    trade_allowed: bool = False,
    egress_proxy: str | None = None,
) -> None:
    """Store a new connection, with all its duties due now. Its id is made first, since the seal is bound to it.

    `older_fingerprints` are the key's under older key versions (`Vault.fingerprints`). Raises `BadInput` when
    this user has connected this key or this account already.
    """
    try:
        with db.transaction():
            if older_fingerprints and _is_connected(db, user_id, exchange, older_fingerprints):
                raise BadInput("This API key is connected already.")
            db.execute(
                """
                INSERT INTO user_exchange_connections (
                    id, user_id, exchange_name, label, credentials_encrypted, key_version, key_fingerprint,
                    products, region, trade_allowed, egress_proxy)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                """,
                (
                    *(connection_id, user_id, exchange, label, credentials, key_version, key_fingerprint),
                    *([product.value for product in products], region, trade_allowed, egress_proxy),
                ),
            )
            db.execute(
                """
                INSERT INTO duties (connection_id, duty, due_at)
                SELECT %s, duty, CASE WHEN duty IN ('key_check', 'recheck', 'sweep')
                                      THEN now() + interval '1 day' ELSE now() END
                FROM unnest(%s::text[]) AS duty
                """,
                (connection_id, list(DUTIES)),
            )
            if report is not None:
                record_key_report(db, connection_id, report)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "connections_key":
            raise BadInput("This API key is connected already.") from error
        if error.diag.constraint_name == "connections_account":
            raise BadInput("This account is connected already, with another API key.") from error
        raise
    except psycopg.errors.ForeignKeyViolation as error:
        raise BadInput("There is no such user.") from error


def _is_connected(db: Db, user_id: UUID, exchange: str, fingerprints: Sequence[bytes]) -> bool:
    found = db.execute(
        """
        SELECT FROM user_exchange_connections
        WHERE user_id = %s AND exchange_name = %s AND key_fingerprint = ANY (%s) AND removed_at IS NULL
        """,
        (user_id, exchange, list(fingerprints)),
    )
    return found.fetchone() is not None


def find_connection(db: Db, connection_id: UUID) -> Connection | None:
    """The connection, removed ones included, or None."""
    rows = _select(db, "c.id = %(id)s", {"id": connection_id})
    return rows[0] if rows else None


def get_connection(db: Db, connection_id: UUID) -> Connection:
    """The connection. Raises `BadInput` when there is none such or it was removed."""
    connection = find_connection(db, connection_id)
    if connection is None or connection.removed_ms is not None:
        raise BadInput(f"There is no connection {connection_id}.")
    return connection


def list_connections(
    db: Db, *, user_id: UUID | None = None, exchange: str | None = None, include_removed: bool = False
) -> list[Connection]:
    """All connections, of one user or exchange where given, oldest first."""
    return _select(
        db,
        """(%(user_id)s::uuid IS NULL OR c.user_id = %(user_id)s)
           AND (%(exchange)s::text IS NULL OR c.exchange_name = %(exchange)s)
           AND (%(include_removed)s OR c.removed_at IS NULL)""",
        {"user_id": user_id, "exchange": exchange, "include_removed": include_removed},
    )


def sealed_key(db: Db, connection_id: UUID) -> SealedKey:
    """The sealed credentials of a connection and what they are bound to. Raises `BadInput` when there are none."""
    row = db.execute(
        """
        SELECT c.credentials_encrypted, c.key_version, c.user_id, u.key_salt, c.exchange_name
        FROM user_exchange_connections c JOIN users u ON u.id = c.user_id
        WHERE c.id = %s AND c.removed_at IS NULL
        """,
        (connection_id,),
    ).fetchone()
    if row is None:
        raise BadInput(f"There is no connection {connection_id}.")
    return SealedKey(
        blob=row[0],
        key_version=row[1],
        connection_id=connection_id,
        user_id=row[2],
        user_salt=row[3],
        exchange=row[4],
    )


def remove_connection(db: Db, connection_id: UUID) -> bool:
    """End a connection: its key is wiped, its duties and lease go, its trades stay. False when it was gone already."""
    with db.transaction():
        found = db.execute(
            """
            UPDATE user_exchange_connections
            SET removed_at = now(), is_active = false, credentials_encrypted = '', stream_state = 'off',
                stream_reason = NULL, stream_changed_at = now()
            WHERE id = %s AND removed_at IS NULL
            """,
            (connection_id,),
        )
        db.execute("DELETE FROM duties WHERE connection_id = %s", (connection_id,))
        db.execute(
            """
            UPDATE jobs SET state = 'done', finished_at = now(), again = '[]'
            WHERE connection_id = %s AND state = 'queued'
            """,
            (connection_id,),
        )
    return found.rowcount == 1


def set_credentials(
    db: Db, connection_id: UUID, *, credentials: bytes, key_version: str, key_fingerprint: bytes
) -> None:
    """A new key for the same connection. Raises `BadInput` when another connection of the user has it."""
    try:
        db.execute(
            """
            UPDATE user_exchange_connections
            SET credentials_encrypted = %s, key_version = %s, key_fingerprint = %s
            WHERE id = %s AND removed_at IS NULL
            """,
            (credentials, key_version, key_fingerprint, connection_id),
        )
    except psycopg.errors.UniqueViolation as error:
        raise BadInput("This API key is connected already.") from error


def record_key_report(db: Db, connection_id: UUID, report: KeyReport) -> bool:
    """Keep what the exchange says of the key and its account. True when the account's mode is another than before.

    A new mode makes discovery and backfill due, since other feeds may be there now. Raises `BadInput` when
    this user has connected this account already.
    """
    permissions = {
        "can_read": report.can_read.value,
        "can_trade": report.can_trade.value,
        "can_withdraw": report.can_withdraw.value,
        "permissions": report.permissions,
        "addresses": report.addresses,
        "remarks": report.remarks,
        "products": report.products,
    }
    try:
        with db.transaction():
            found = db.execute(
                """
                WITH before AS (
                    SELECT id, account_mode FROM user_exchange_connections WHERE id = %(id)s FOR UPDATE
                )
                UPDATE user_exchange_connections c
                SET account_uid = coalesce(%(uid)s, account_uid),
                    account_mode = coalesce(nullif(%(mode)s, ''), c.account_mode),
                    account_details = account_details || %(details)s,
                    key_permissions = %(permissions)s,
                    key_expires_at = %(expires)s
                FROM before WHERE c.id = before.id
                RETURNING c.account_mode <> before.account_mode
                """,
                {
                    "id": connection_id,
                    "uid": report.uid,
                    "mode": report.mode,
                    "details": jsonb(report.details),
                    "permissions": jsonb(permissions),
                    "expires": optional_moment(report.expires_ms),
                },
            ).fetchone()
            is_another = bool(found and found[0])
            if is_another:
                _wake(db, connection_id, ("discovery", "backfill", "catch_up", "balances"))
    except psycopg.errors.UniqueViolation as error:
        raise BadInput("This account is connected already, with another API key.") from error
    return is_another


def set_account(
    db: Db, connection_id: UUID, *, mode: str | None = None, details: Mapping[str, Any] | None = None
) -> None:
    """Keep a re-detected mode, and merge what the exchange module wants to remember of the account."""
    db.execute(
        """
        UPDATE user_exchange_connections
        SET account_mode = coalesce(%s, account_mode), account_details = account_details || %s WHERE id = %s
        """,
        (mode, jsonb(details or {}), connection_id),
    )


def set_status(db: Db, connection_id: UUID, status: SyncStatus, error: TradeSyncError | None = None) -> None:
    """Say how a connection is. A resting one (suspended, parked, closed) is left alone: `resume` wakes it."""
    db.execute(
        """
        UPDATE user_exchange_connections SET sync_status = %s, error_code = %s, error_message = %s
        WHERE id = %s AND sync_status NOT IN ('suspended', 'parked', 'closed')
        """,
        (status.value, error and error.code, error and str(error), connection_id),
    )


def suspend(
    db: Db,
    connection_id: UUID,
    error: TradeSyncError,
    *,
    status: SyncStatus = SyncStatus.SUSPENDED,
    key: bytes | None = None,
) -> bool:
    """Rest a connection until its owner mends it (or an operator, or for good: parked, closed).

    None of its duties is due any more. True when it was not resting before, so that its owner is told once.
    `key`: the sealed credentials that the trouble is with; where the connection has others by now, nothing is done.
    """
    with db.transaction():
        found = db.execute(
            """
            WITH before AS (
                SELECT id, sync_status FROM user_exchange_connections
                WHERE id = %(id)s AND (%(key)s::bytea IS NULL OR credentials_encrypted = %(key)s) FOR UPDATE
            )
            UPDATE user_exchange_connections c
            SET sync_status = %(status)s, error_code = %(code)s, error_message = %(sentence)s
            FROM before WHERE c.id = before.id
            RETURNING before.sync_status <> %(status)s
            """,
            {"id": connection_id, "status": status.value, "code": error.code, "sentence": str(error), "key": key},
        ).fetchone()
        if found is None:
            return False
        db.execute("UPDATE duties SET due_at = NULL WHERE connection_id = %s", (connection_id,))
    return bool(found[0])


def resume(db: Db, connection_id: UUID) -> None:
    """Wake a resting connection, or its parked stream: every duty is due now. Raises `BadInput` for none."""
    with db.transaction():
        found = db.execute(
            """
            UPDATE user_exchange_connections
            SET is_active = true, sync_status = 'new', error_code = NULL, error_message = NULL, failures = 0,
                stream_state = CASE stream_state WHEN 'parked' THEN 'off' ELSE stream_state END, stream_reason = NULL
            WHERE id = %s AND removed_at IS NULL
            """,
            (connection_id,),
        )
        if found.rowcount != 1:
            raise BadInput(f"There is no connection {connection_id}.")
        _wake(db, connection_id, DUTIES)


def set_stream_state(db: Db, connection_id: UUID, state: str) -> bool:
    """Say how the stream is: off, connecting, live, lost, refused, parked. True when it changed.

    A stream that stops being live makes history due now: from here on it is polled.
    """
    with db.transaction():
        found = db.execute(
            """
            WITH before AS (
                SELECT id, stream_state FROM user_exchange_connections
                WHERE id = %(id)s AND stream_state <> %(state)s FOR UPDATE
            )
            UPDATE user_exchange_connections c SET stream_state = %(state)s, stream_changed_at = now()
            FROM before WHERE c.id = before.id
            RETURNING before.stream_state
            """,
            {"id": connection_id, "state": state},
        ).fetchone()
        if found is not None and found[0] == "live":
            _wake(db, connection_id, ("catch_up",))
    return found is not None


def touch_success(db: Db, connection_id: UUID, *, status: SyncStatus | None = None) -> None:
    """A sync went well: the failures in a row end, `last_sync_at` is now. `status` where the caller knows it.

    Without `status` a degraded connection goes back to backfilling or live, as its backfill duty tells.
    """
    db.execute(
        """
        UPDATE user_exchange_connections c
        SET failures = 0, last_sync_at = now(), error_code = NULL, error_message = NULL,
            sync_status = coalesce(%(status)s, CASE
                WHEN sync_status IN ('live', 'backfilling') THEN sync_status
                WHEN EXISTS (SELECT FROM duties d
                             WHERE d.connection_id = c.id AND duty = 'backfill' AND due_at IS NULL) THEN 'live'
                ELSE 'backfilling' END)
        WHERE id = %(id)s AND sync_status NOT IN ('suspended', 'parked', 'closed')
        """,
        {"id": connection_id, "status": status and status.value},
    )


def touch_failure(
    db: Db,
    connection_id: UUID,
    duty: str,
    error: TradeSyncError,
    *,
    until_ms: int | None = None,
    first: timedelta = timedelta(seconds=5),
    longest: timedelta = timedelta(minutes=10),
) -> None:
    """A sync failed with something that passes: this duty is due again after a growing pause, or at `until_ms`.

    The pause doubles with every failure in a row, from `first` to `longest`, and a fifth of it is chance.
    """
    with db.transaction():
        row = db.execute(
            """
            UPDATE user_exchange_connections
            SET failures = failures + 1, error_code = %s, error_message = %s,
                sync_status = CASE WHEN failures >= 2 THEN 'degraded' ELSE sync_status END
            WHERE id = %s AND sync_status NOT IN ('suspended', 'parked', 'closed') RETURNING failures
            """,
            (error.code, str(error), connection_id),
        ).fetchone()
        if row is None:
            return
        pause = min(first * 2 ** min(row[0] - 1, 20), longest)
        db.execute(
            """
            UPDATE duties SET due_at = coalesce(%s, now() + %s * (0.9 + 0.2 * random()))
            WHERE connection_id = %s AND duty = %s
            """,
            (optional_moment(until_ms), pause, connection_id, duty),
        )


def _wake(db: Db, connection_id: UUID, duties: Sequence[str]) -> None:
    db.execute(
        """
        INSERT INTO duties (connection_id, duty, due_at)
        SELECT c.id, duty, now() FROM user_exchange_connections c, unnest(%s::text[]) AS duty
        WHERE c.id = %s AND c.is_active AND c.sync_status NOT IN ('suspended', 'parked', 'closed')
        ON CONFLICT (connection_id, duty) DO UPDATE SET due_at = least(duties.due_at, now())
        """,
        (list(duties), connection_id),
    )


def _select(db: Db, condition: str, arguments: Mapping[str, Any]) -> list[Connection]:
    with db.cursor(row_factory=dict_row) as cursor:
        query = f"SELECT c.* FROM user_exchange_connections c WHERE {condition} ORDER BY c.created_at, c.id"  # noqa: S608 — conditions are this file's own
        return [_connection(row) for row in cursor.execute(query.encode(), arguments)]


def _connection(row: Row) -> Connection:
    return Connection(
        id=row["id"],
        user_id=row["user_id"],
        exchange=row["exchange_name"],
        label=row["label"],
        is_active=row["is_active"],
        sync_status=SyncStatus(row["sync_status"]),
        error_code=row["error_code"],
        error_message=row["error_message"],
        last_sync_ms=optional_millis(row["last_sync_at"]),
        products=tuple(Product(product) for product in row["products"]),
        region=row["region"],
        account_uid=row["account_uid"],
        account_mode=row["account_mode"],
        account_details=row["account_details"],
        key_permissions=row["key_permissions"],
        key_expires_ms=optional_millis(row["key_expires_at"]),
        key_version=row["key_version"],
        trade_allowed=row["trade_allowed"],
        egress_proxy=row["egress_proxy"],
        stream_state=row["stream_state"],
        stream_changed_ms=optional_millis(row["stream_changed_at"]),
        failures=row["failures"],
        created_ms=millis(row["created_at"]),
        removed_ms=optional_millis(row["removed_at"]),
    )
