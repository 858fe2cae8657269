"""One owner of each connection: claimed, renewed, given back, taken over; and fair parts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import KeyRejected
from shared.domain.trades import Product
from shared.storage import connections, events, stream_leases
from shared.storage.stream_leases import StateChange, fair_shares
from tests.fixtures.stored import a_connection

ME, OTHER = uuid4(), uuid4()
HERE = ("someplace",)
LEASE = timedelta(seconds=12)
OVER = timedelta(seconds=-1)


def claim(db, holder, most=10, lease=LEASE):
    return stream_leases.claim(db, holder, most=most, lease=lease, exchanges=HERE)


def due_now(db, connection_id, duty):
    return db.execute(
        "SELECT due_at <= clock_timestamp() FROM duties WHERE connection_id = %s AND duty = %s", (connection_id, duty)
    ).fetchone()[0]


def test_what_nobody_has_is_claimed_once(db, other):
    connection = a_connection(db)
    assert claim(db, ME) == {connection: 1}
    assert claim(other, OTHER) == {}
    assert claim(db, ME) == {}


def test_no_more_is_claimed_than_asked_for_and_the_oldest_first(db):
    first, second = a_connection(db), a_connection(db)
    assert claim(db, ME, most=0) == {}
    assert list(claim(db, ME, most=1)) == [first]
    assert list(claim(db, OTHER, most=5)) == [second]


def test_many_claiming_at_once_never_share_a_connection(db, database_url):
    wanted = {a_connection(db) for _ in range(40)}

    def take(holder):
        with psycopg.connect(database_url, autocommit=True) as own:
            return [claim(own, holder, most=10) for _ in range(8)]

    with ThreadPoolExecutor(4) as threads:
        got = [list(ids) for rounds in threads.map(take, [uuid4() for _ in range(4)]) for ids in rounds]
    claimed = [connection for ids in got for connection in ids]
    assert len(claimed) == len(set(claimed)) == 40
    assert set(claimed) == wanted


def test_an_expired_lease_is_taken_over_under_a_higher_fence(db, other):
    connection = a_connection(db)
    claim(db, ME, lease=OVER)
    assert claim(other, OTHER) == {connection: 2}
    assert stream_leases.held_by(db, ME, HERE) == {}


def test_a_renewed_lease_is_not_taken_over(db, other):
    connection = a_connection(db)
    claim(db, ME, lease=OVER)
    assert stream_leases.renew(db, ME, LEASE) == 1
    assert claim(other, OTHER) == {}
    assert stream_leases.held_by(db, ME, HERE)[connection].fence == 1


def test_what_is_given_back_is_free_at_once(db, other):
    first, second = a_connection(db), a_connection(db)
    claim(db, ME)
    assert stream_leases.give_back(db, ME, [first]) == 1
    assert claim(other, OTHER) == {first: 2}
    assert stream_leases.give_back(db, ME) == 1
    assert claim(other, OTHER) == {second: 2}


def test_removed_suspended_and_foreign_connections_are_not_wanted(db):
    removed, suspended, elsewhere = a_connection(db), a_connection(db), a_connection(db, exchange="elsewhere")
    claim(db, ME)
    stream_leases.claim(db, ME, most=1, lease=LEASE, exchanges=("elsewhere",))
    connections.remove_connection(db, removed)
    connections.suspend(db, suspended, KeyRejected())
    held = stream_leases.held_by(db, ME, HERE)
    assert {connection: lease.is_wanted for connection, lease in held.items()} == {
        removed: False,
        suspended: False,
        elsewhere: False,
    }
    stream_leases.give_back(db, ME)
    assert claim(db, OTHER) == {}


def test_a_connection_of_a_user_who_may_not_come_in_is_not_wanted(db):
    connection = a_connection(db)
    db.execute("UPDATE users SET is_active = false")
    assert claim(db, ME) == {}
    db.execute("UPDATE users SET is_active = true")
    assert list(claim(db, ME)) == [connection]


def test_a_new_key_or_mode_changes_the_mark_and_a_sync_does_not(db):
    connection = a_connection(db)
    claim(db, ME)

    def mark():
        return stream_leases.held_by(db, ME, HERE)[connection].mark

    before = mark()
    connections.touch_success(db, connection)
    assert mark() == before
    connections.set_account(db, connection, mode="unified")
    with_mode = mark()
    assert with_mode != before
    connections.set_credentials(db, connection, credentials=b"new", key_version="v1", key_fingerprint=b"f")
    assert mark() != with_mode


def test_what_is_needed_to_stream_is_told_to_the_owner_only(db):
    connection = a_connection(db, products=(Product.SPOT, Product.LINEAR), egress_proxy="http://way.out:1")
    claim(db, ME)
    (streamed,) = stream_leases.streamed(db, ME, [connection])
    assert streamed.connection_id == connection
    assert streamed.account.products == (Product.SPOT, Product.LINEAR)
    assert streamed.sealed == connections.sealed_key(db, connection)
    assert (streamed.fence, streamed.egress_proxy) == (1, "http://way.out:1")
    assert stream_leases.streamed(db, OTHER, [connection]) == []


def test_it_is_counted_who_has_how_many(db):
    for _ in range(3):
        a_connection(db)
    claim(db, ME, most=1)
    claim(db, OTHER, most=1, lease=OVER)
    assert stream_leases.held_by_all(db, HERE) == {ME: 1, None: 2}


def test_a_state_is_taken_from_the_owner_and_only_its_last(db):
    connection = a_connection(db)
    claim(db, ME)
    said = [
        StateChange(connection_id=connection, fence=1, state="connecting"),
        StateChange(connection_id=connection, fence=1, state="live"),
    ]
    ((change, user_id),) = stream_leases.record_states(db, ME, said)
    stored = connections.get_connection(db, connection)
    assert (change, user_id, stored.stream_state) == (said[1], stored.user_id, "live")
    assert stream_leases.record_states(db, ME, said) == []


def test_a_state_under_an_old_fence_or_of_another_holder_is_not_taken(db):
    connection = a_connection(db)
    claim(db, ME, lease=OVER)
    claim(db, OTHER)
    for holder, fence in ((ME, 1), (ME, 2), (OTHER, 1)):
        said = [StateChange(connection_id=connection, fence=fence, state="live")]
        assert stream_leases.record_states(db, holder, said) == []
    assert connections.get_connection(db, connection).stream_state == "off"


def test_a_stream_that_is_lost_makes_history_due_and_is_on_record(db):
    connection = a_connection(db)
    claim(db, ME)
    stream_leases.record_states(db, ME, [StateChange(connection_id=connection, fence=1, state="live")])
    db.execute("UPDATE duties SET due_at = now() + interval '1 hour'")
    lost = StateChange(connection_id=connection, fence=1, state="lost", reason="no answer to a ping")
    stream_leases.record_states(db, ME, [lost])
    assert due_now(db, connection, "catch_up")
    assert not due_now(db, connection, "balances")
    (event,) = events.latest(db, connection_id=connection)
    assert (event.name, event.fields) == ("stream.lost", {"reason": "no answer to a ping"})


holders = st.integers(0, 9).map(lambda number: uuid4().__class__(int=number))


@given(
    total=st.integers(0, 60),
    rooms=st.dictionaries(holders, st.integers(0, 20), min_size=1),
    held=st.dictionaries(holders, st.integers(0, 20)),
)
def test_fair_parts_use_all_room_and_differ_by_one_at_most_where_there_is_room(total, rooms, held):
    shares = fair_shares(total, rooms, held)
    assert sum(shares.values()) == min(total, sum(rooms.values()))
    assert all(shares[holder] <= room for holder, room in rooms.items())
    unbounded = [shares[holder] for holder, room in rooms.items() if shares[holder] < room]
    if unbounded:
        assert max(shares.values()) <= min(unbounded) + 1


def test_parts_that_are_fair_already_stay_where_they_are():
    held = {ME: 1, OTHER: 2}
    assert fair_shares(3, {ME: 9, OTHER: 9}, held) == held
    held = {ME: 2, OTHER: 1}
    assert fair_shares(3, {ME: 9, OTHER: 9}, held) == held
