"""Who streams which connection: leases that streamers claim, renew, give back, and take over when they expire.

A connection has one owner at a time; its fence rises with each new one, and what an owner says of the stream is
only taken with the fence it holds. Trades need none: their identity makes them harmless whoever brings them.
How many a streamer should own follows from who is alive (`fair_shares`), so that nobody has to divide.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.storage.connections import SealedKey
from shared.storage.values import Db, as_mapping, json_text

_IS_WANTED = """(c.is_active AND c.removed_at IS NULL AND u.is_active
    AND c.sync_status NOT IN ('suspended', 'parked', 'closed') AND c.stream_state <> 'parked'
    AND c.exchange_name = ANY (%(exchanges)s::text[]))"""

# What makes a stream another one: its owner opens it anew when this changes.
_MARK = """md5(concat_ws('|', c.key_version, encode(c.credentials_encrypted, 'hex'), c.products::text, c.region,
    c.account_mode, c.egress_proxy))"""


class Held(Struct, frozen=True, kw_only=True):
    """A lease of ours. Not wanted any more: the connection was removed, suspended, switched off, or its stream
    is parked. `mark` changes
    with what the stream is made from (key, products, region, mode, way out)."""

    fence: int
    mark: str
    is_wanted: bool


class Streamed(Struct, frozen=True, kw_only=True):
    """A connection that is ours to stream: all that opening its sockets needs."""

    account: Account
    user_id: UUID
    sealed: SealedKey
    egress_proxy: str | None
    fence: int
    mark: str

    @property
    def connection_id(self) -> UUID:
        """The connection."""
        return self.account.connection_id


class StateChange(Struct, frozen=True, kw_only=True):
    """A stream is in another state: off, connecting, live, lost, refused, parked. `reason` is shown with it."""

    connection_id: UUID
    fence: int
    state: str
    reason: str = ""


def held_by_all(db: Db, exchanges: Sequence[str]) -> dict[UUID | None, int]:
    """How many wanted connections each holder has under a standing lease; under None those that nobody has."""
    return dict(
        db.execute(
            f"""
            SELECT CASE WHEN l.leased_until > now() THEN l.holder END, count(*)
            FROM user_exchange_connections c JOIN users u ON u.id = c.user_id
                 LEFT JOIN stream_leases l ON l.connection_id = c.id
            WHERE {_IS_WANTED} GROUP BY 1
            """,  # noqa: S608 — the condition is this file's own
            {"exchanges": list(exchanges)},
        ).fetchall()
    )


def held_by(db: Db, holder: UUID, exchanges: Sequence[str]) -> dict[UUID, Held]:
    """The leases that still name this holder, expired ones included: as long as nobody took them they are ours."""
    rows = db.execute(
        f"""
        SELECT l.connection_id, l.fence, {_MARK}, {_IS_WANTED}
        FROM stream_leases l JOIN user_exchange_connections c ON c.id = l.connection_id JOIN users u ON u.id = c.user_id
        WHERE l.holder = %(holder)s
        """,  # noqa: S608 — both expressions are this file's own
        {"holder": holder, "exchanges": list(exchanges)},
    ).fetchall()
    return {row[0]: Held(fence=row[1], mark=row[2], is_wanted=row[3]) for row in rows}


def renew(db: Db, holder: UUID, lease: timedelta) -> int:
    """Keep all leases of this holder for another while; gives how many."""
    found = db.execute(
        "UPDATE stream_leases SET leased_until = now() + %s WHERE holder = %s AND leased_until < now() + %s",
        (lease, holder, lease),
    )
    return found.rowcount


def claim(db: Db, holder: UUID, *, most: int, lease: timedelta, exchanges: Sequence[str]) -> dict[UUID, int]:
    """Take at most this many connections that nobody has, longest connected first: their ids and our fences."""
    if most <= 0:
        return {}
    return dict(
        db.execute(
            f"""
            WITH free AS (
                SELECT c.id
                FROM user_exchange_connections c JOIN users u ON u.id = c.user_id
                     LEFT JOIN stream_leases l ON l.connection_id = c.id
                WHERE {_IS_WANTED} AND (l.holder IS NULL OR l.leased_until <= now())
                ORDER BY c.created_at, c.id LIMIT %(most)s
            )
            INSERT INTO stream_leases AS l (connection_id, holder, fence, leased_until)
            SELECT id, %(holder)s, 1, now() + %(lease)s FROM free ORDER BY id
            ON CONFLICT (connection_id) DO UPDATE
            SET holder = EXCLUDED.holder, fence = l.fence + 1, leased_until = EXCLUDED.leased_until
            WHERE l.holder IS NULL OR l.leased_until <= now()
            RETURNING connection_id, fence
            """,  # noqa: S608 — the condition is this file's own
            {"holder": holder, "most": most, "lease": lease, "exchanges": list(exchanges)},
        ).fetchall()
    )


def give_back(db: Db, holder: UUID, connection_ids: Iterable[UUID] | None = None) -> int:
    """Let these leases go (None: all), so that somebody else may take them at once. Gives how many."""
    ids = None if connection_ids is None else list(connection_ids)
    found = db.execute(
        """
        UPDATE stream_leases SET holder = NULL, leased_until = '-infinity'
        WHERE holder = %(holder)s AND (%(ids)s::uuid[] IS NULL OR connection_id = ANY (%(ids)s))
        """,
        {"holder": holder, "ids": ids},
    )
    return found.rowcount


def streamed(db: Db, holder: UUID, connection_ids: Iterable[UUID]) -> list[Streamed]:
    """What is needed to stream these connections, of those that this holder owns."""
    rows = db.execute(
        f"""
        SELECT c.id, c.user_id, c.exchange_name, c.products, c.region, c.account_mode, c.account_uid,
               c.account_details, c.credentials_encrypted, c.key_version, u.key_salt, c.egress_proxy, l.fence, {_MARK}
        FROM stream_leases l JOIN user_exchange_connections c ON c.id = l.connection_id JOIN users u ON u.id = c.user_id
        WHERE l.holder = %(holder)s AND c.id = ANY (%(ids)s::uuid[])
        """,  # noqa: S608 — the expression is this file's own
        {"holder": holder, "ids": list(connection_ids)},
    ).fetchall()
    return [
        Streamed(
            account=Account(
                connection_id=row[0],
                exchange=row[2],
                products=tuple(Product(product) for product in row[3]),
                region=row[4],
                mode=row[5],
                uid=row[6],
                details=as_mapping(row[7]),
            ),
            user_id=row[1],
            sealed=SealedKey(
                blob=row[8],
                key_version=row[9],
                connection_id=row[0],
                user_id=row[1],
                user_salt=row[10],
                exchange=row[2],
            ),
            egress_proxy=row[11],
            fence=row[12],
            mark=row[13],
        )
        for row in rows
    ]


def record_states(db: Db, holder: UUID, changes: Sequence[StateChange]) -> list[tuple[StateChange, UUID]]:
    """Say how streams are. Of each connection the last change counts; one under an older fence is not taken.

    A stream that stops being live makes history due now: from here on it is polled. Gives what really changed,
    with the connection's user.
    """
    newest = {change.connection_id: change for change in changes}
    with db.transaction():
        rows = db.execute(
            """
            WITH told AS (
                SELECT * FROM json_to_recordset(%(told)s::json)
                              AS r (connection_id uuid, fence bigint, state text, reason text)
            ),
            before AS MATERIALIZED (
                SELECT c.id, c.stream_state, told.state, told.reason
                FROM told JOIN stream_leases l ON l.connection_id = told.connection_id
                                              AND l.holder = %(holder)s AND l.fence = told.fence
                          JOIN user_exchange_connections c ON c.id = told.connection_id
                WHERE c.stream_state <> told.state
                ORDER BY c.id FOR UPDATE OF c FOR SHARE OF l
            ),
            woken AS (
                INSERT INTO duties (connection_id, duty, due_at)
                SELECT id, 'catch_up', now() FROM before WHERE stream_state = 'live'
                ON CONFLICT (connection_id, duty) DO UPDATE SET due_at = least(duties.due_at, now())
            )
            UPDATE user_exchange_connections c
            SET stream_state = before.state, stream_reason = nullif(before.reason, ''), stream_changed_at = now()
            FROM before WHERE c.id = before.id
            RETURNING c.id, c.user_id
            """,
            {
                "holder": holder,
                "told": json_text(
                    [
                        {
                            "connection_id": change.connection_id,
                            "fence": change.fence,
                            "state": change.state,
                            "reason": change.reason,
                        }
                        for change in newest.values()
                    ]
                ),
            },
        ).fetchall()
        changed = [(newest[row[0]], row[1]) for row in rows]
        told = [change for change, _ in changed if change.state in {"lost", "refused", "parked"}]
        db.execute(
            """
            INSERT INTO events (name, connection_id, fields)
            SELECT 'stream.' || state, connection_id, jsonb_build_object('reason', reason)
            FROM json_to_recordset(%s::json) AS r (connection_id uuid, state text, reason text)
            """,
            (json_text(told),),
        )
    return changed


def fair_shares(total: int, rooms: Mapping[UUID, int], held: Mapping[UUID, int]) -> dict[UUID, int]:
    """How many of `total` connections each living streamer should own, none more than it has room for.

    The parts differ by one at most where there is room; who holds more now gets the larger ones, so that
    nothing moves without need. All who look at the same figures come to the same answer.
    """
    shares: dict[UUID, int] = {}
    left = total
    for at, holder in enumerate(sorted(rooms, key=lambda each: (rooms[each], -held.get(each, 0), each))):
        shares[holder] = min(rooms[holder], -(-left // (len(rooms) - at)))
        left -= shares[holder]
    return shares


def streamed_exchanges(db: Db) -> frozenset[str]:
    """The exchanges that have connections which are not removed: their prices are followed."""
    rows = db.execute(
        "SELECT DISTINCT exchange_name FROM user_exchange_connections WHERE is_active AND removed_at IS NULL"
    ).fetchall()
    return frozenset(row[0] for row in rows)
