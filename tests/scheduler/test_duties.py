"""What the scheduler does: queue what is due, within bounds, and mend what went wrong."""

import time
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
import redis

from scheduler.desk import Desk
from scheduler.duties import (
    key_notices,
    notice_forgetting,
    prune,
    queue_due,
    rescue_jobs,
    resend_lost,
    sweep_sessions,
    watch_wire,
)
from shared.domain.errors import StoreUnavailable
from shared.queue.depth import depths
from shared.queue.layout import ids_key, read_envelope, read_request
from shared.queue.requests import SyncBalances
from shared.queue.send import send
from shared.queue.wire import open_wire
from shared.storage import connections, events, jobs, sessions
from shared.storage.values import Db
from tests.fixtures.stored import a_connection, a_report, a_user

MANY = 100_000


def waiting(wire: redis.Redis) -> int:
    return sum(depth.waiting for depth in depths(wire).values())


def many_connections(db: Db, count: int) -> None:
    """So many connections, each with one balance duty, the first promised for the longest ago."""
    user_id = a_user(db).id
    db.execute(
        """
        INSERT INTO user_exchange_connections (user_id, exchange_name, credentials_encrypted, key_version,
                                               key_fingerprint, products)
        SELECT %s, 'someplace', '', 'v1', int4send(n), '{spot}' FROM generate_series(1, %s) AS n
        """,
        (user_id, count),
    )
    db.execute(
        """
        INSERT INTO duties (connection_id, duty, due_at)
        SELECT id, 'balances', now() - row_number() OVER (ORDER BY id) * interval '1 millisecond'
        FROM user_exchange_connections
        """
    )


def test_what_is_due_is_queued_once(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    connection_id = a_connection(db)
    assert queue_due.run(desk) == 3
    assert queue_due.run(desk) == 0
    (message_id,) = wire.lrange(ids_key("balances"), 0, -1)
    envelope = read_envelope(wire.hget("dramatiq:balances.msgs", message_id))  # type: ignore[arg-type]
    assert read_request(envelope.actor_name, envelope.kwargs) == SyncBalances(connection_id=connection_id)


def test_a_hundred_thousand_connections_due_at_once_swamp_neither_it_nor_the_queue(
    desk: Desk, db: psycopg.Connection, wire: redis.Redis
) -> None:
    many_connections(db, MANY)
    began = time.monotonic()
    queue_due.run(desk)
    took = time.monotonic() - began
    assert took < 5
    assert waiting(wire) == 500
    queue_due.run(desk)
    assert waiting(wire) == 500
    # The oldest promises went first.
    row = db.execute(
        """SELECT max(j.queued_at) IS NOT NULL, count(*) FROM jobs j
           JOIN (SELECT connection_id FROM user_exchange_connections c JOIN duties d ON d.connection_id = c.id
                 WHERE d.due_at > now() LIMIT 1000) AS taken USING (connection_id)"""
    ).fetchone()
    assert row == (True, 500)
    left = db.execute("SELECT max(due_at) <= now() FROM duties WHERE due_at <= now()").fetchone()
    assert left == (True,)


def test_the_oldest_promises_are_kept_first(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    many_connections(db, 2_000)
    before = [row[0] for row in db.execute("SELECT connection_id FROM duties ORDER BY due_at LIMIT 500")]
    queue_due.run(desk)
    queued = {row[0] for row in db.execute("SELECT connection_id FROM jobs")}
    assert queued == set(before)


def test_nothing_more_is_queued_while_the_queue_is_full(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    a_connection(db)
    full = replace(desk, depth_limit=1)
    send(wire, SyncBalances(connection_id=a_connection(db)))
    assert queue_due.run(full) == 0
    wire.flushdb()
    assert queue_due.run(full) == 1


def test_while_redis_is_away_nothing_is_taken_and_nothing_forgotten(desk: Desk, db: psycopg.Connection) -> None:
    a_connection(db)
    away = replace(desk, wire=open_wire("redis://127.0.0.1:1"))
    assert queue_due.run(away) == 0
    assert queue_due.run(desk) == 3


def test_jobs_that_redis_lost_are_sent_again(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    a_connection(db)
    queue_due.run(desk)
    wire.flushdb()
    assert resend_lost.run(desk) == 0  # they may just be on their way
    db.execute("UPDATE jobs SET sent_at = now() - interval '20 seconds'")
    assert resend_lost.run(desk) == 3
    assert waiting(wire) == 3
    assert resend_lost.run(desk) == 0


def test_jobs_that_redis_lost_are_sent_again_while_others_are_run(
    desk: Desk, db: psycopg.Connection, wire: redis.Redis
) -> None:
    lost, run = a_connection(db), a_connection(db)
    queue_due.run(desk)
    wire.flushdb()
    db.execute("UPDATE jobs SET sent_at = now() - interval '20 seconds' WHERE connection_id = %s", (lost,))
    others = db.execute("UPDATE jobs SET state = 'running' WHERE connection_id = %s RETURNING 1", (run,)).rowcount
    for _message in range(others):
        send(wire, SyncBalances(connection_id=run))
    assert resend_lost.run(desk) == 3
    assert resend_lost.run(desk) == 0


def test_jobs_that_merely_wait_their_turn_are_not_sent_twice(
    desk: Desk, db: psycopg.Connection, wire: redis.Redis
) -> None:
    a_connection(db)
    queue_due.run(desk)
    db.execute("UPDATE jobs SET sent_at = now() - interval '20 seconds'")
    assert resend_lost.run(desk) == 0
    assert waiting(wire) == 3


def test_a_job_whose_worker_is_gone_is_queued_again(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    connection_id = a_connection(db)
    claim = jobs.begin(db, "sync_balances", connection_id, holder="gone", lease=timedelta(seconds=-1))
    assert claim is not None
    assert rescue_jobs.run(desk) == 1
    assert depths(wire)["balances"].waiting == 1
    assert rescue_jobs.run(desk) == 0


def test_a_job_that_is_alive_is_left_alone(desk: Desk, db: psycopg.Connection, wire: redis.Redis) -> None:
    assert jobs.begin(db, "sync_balances", a_connection(db), holder="alive") is not None
    assert rescue_jobs.run(desk) == 0


def test_sessions_of_the_dead_are_ended(desk: Desk, db: psycopg.Connection) -> None:
    connection_id = a_connection(db)
    dead = sessions.open_session(db, connection_id, "historical", holder="gone", lease=timedelta(seconds=-1))
    alive = sessions.open_session(db, connection_id, "catch_up", holder="alive")
    assert sweep_sessions.run(desk) == 1
    found = dict(db.execute("SELECT id, status FROM trade_sync_sessions").fetchall())
    assert found == {dead: "abandoned", alive: "running"}


@pytest.mark.parametrize(("days", "told"), [(20, []), (13, [14]), (6, [7]), (0.5, [1])])
def test_owners_are_told_once_before_a_key_expires(
    desk: Desk, db: psycopg.Connection, days: float, told: list[int]
) -> None:
    connection_id = a_connection(db)
    soon = round((time.time() + days * 86_400) * 1000)
    connections.record_key_report(db, connection_id, a_report(expires_ms=soon))
    for _ in range(2):
        key_notices.run(desk)
    notices = [event.fields["days"] for event in events.latest(db, connection_id=connection_id, name="key.expires")]
    assert notices == told


def test_a_key_that_comes_nearer_to_its_end_is_told_of_again(desk: Desk, db: psycopg.Connection) -> None:
    connection_id = a_connection(db)
    moment = round((time.time() + 0.5 * 86_400) * 1000)
    connections.record_key_report(db, connection_id, a_report(expires_ms=moment))
    db.execute(
        """INSERT INTO events (name, connection_id, fields)
           SELECT 'key.expires', id, jsonb_build_object('days', 7, 'expires_at', to_jsonb(key_expires_at))
           FROM user_exchange_connections"""
    )
    assert key_notices.run(desk) == 1


def test_what_is_old_goes(desk: Desk, db: psycopg.Connection) -> None:
    events.record_event(db, "old.event")
    db.execute("UPDATE events SET at = now() - interval '31 days'")
    events.record_event(db, "new.event")
    assert prune.run(desk) == 1
    assert [event.name for event in events.latest(db)] == ["new.event"]


def test_a_full_redis_drains_because_a_ballast_is_thrown_out(desk: Desk, wire: redis.Redis) -> None:
    used = int(wire.info()["used_memory"])  # type: ignore[index]
    wire.config_set("maxmemory", str(used + 20_000_000))
    try:
        watch_wire.run(desk)
        assert wire.exists(watch_wire.BALLAST)
        with pytest.raises(redis.OutOfMemoryError):
            fill(wire)
        watch_wire.run(desk)
        assert not wire.exists(watch_wire.BALLAST)
        assert wire.set("breath", b"x" * 500_000)
        assert [event.name for event in events.latest(desk_db(desk))] == ["wire.full"]
    finally:
        wire.config_set("maxmemory", "0")


def test_an_evicting_redis_is_warned_of(desk: Desk, wire: redis.Redis) -> None:
    wire.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert watch_wire.run(desk) == 1
    finally:
        wire.config_set("maxmemory-policy", "noeviction")


def test_a_duty_without_postgres_says_so(desk: Desk) -> None:
    from shared.storage.pool import open_pool

    gone = open_pool("postgresql://nobody@127.0.0.1:1/nowhere", kind="test", size=1)
    gone.timeout = 0.1
    with pytest.raises(StoreUnavailable):
        sweep_sessions.run(replace(desk, pool=gone))
    gone.close()


def fill(wire: redis.Redis) -> None:
    for number in range(2_000):
        wire.set(f"filler:{number}", b"x" * 50_000)


def desk_db(desk: Desk) -> Db:
    with desk.pool.connection() as db:
        return db


def due_in_seconds(db: psycopg.Connection) -> list[float]:
    query = "SELECT extract(epoch FROM due_at - now()) FROM duties WHERE duty = 'catch_up'"
    return sorted(float(row[0]) for row in db.execute(query))


def test_what_redis_forgot_of_streamed_trades_is_read_soon_and_only_once(
    desk: Desk, db: psycopg.Connection, wire: redis.Redis
) -> None:
    a_connection(db)
    notice_forgetting.run(desk)  # a new Redis holds nothing that could be missed
    db.execute("UPDATE duties SET due_at = now() + interval '5 minutes'")
    assert notice_forgetting.run(desk) == 0
    wire.flushdb()
    assert notice_forgetting.run(desk) == 1
    assert due_in_seconds(db)[0] < notice_forgetting.SPREAD.total_seconds()
    db.execute("UPDATE duties SET due_at = now() + interval '5 minutes'")
    assert notice_forgetting.run(desk) == 0


def test_a_connection_that_rests_is_not_read_because_redis_forgot(desk: Desk, db: psycopg.Connection) -> None:
    connection_id = a_connection(db)
    db.execute("UPDATE duties SET due_at = now() + interval '5 minutes'")
    db.execute("UPDATE user_exchange_connections SET sync_status = 'suspended' WHERE id = %s", (connection_id,))
    assert notice_forgetting.run(desk) == 0


def test_a_redis_that_is_away_has_not_forgotten(desk: Desk, db: psycopg.Connection) -> None:
    a_connection(db)
    db.execute("UPDATE duties SET due_at = now() + interval '5 minutes'")
    assert notice_forgetting.run(replace(desk, wire=open_wire("redis://127.0.0.1:1"))) == 0
    assert due_in_seconds(db)[0] > 200
