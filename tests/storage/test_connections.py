"""A connection: one key, one account, once per user; resting when only its owner can mend it."""

import psycopg
import pytest

from shared.domain.connections import SyncStatus, Verdict
from shared.domain.errors import BadInput, ExchangeUnavailable, KeyRejected
from shared.domain.trades import Product
from shared.storage import connections, due
from tests.fixtures.stored import NEW_YEAR, a_connection, a_report, a_user


def test_a_connection_is_read_as_it_was_stored(db):
    user = a_user(db)
    report = a_report(uid="777", mode="unified", permissions=("spot",), expires_ms=NEW_YEAR, details={"since": 5})
    connection_id = a_connection(
        db, user_id=user.id, products=(Product.SPOT, Product.LINEAR), report=report, label="mine", region="eu"
    )
    found = connections.get_connection(db, connection_id)
    assert (user.id, "someplace", "mine", "eu") == (found.user_id, found.exchange, found.label, found.region)
    assert (SyncStatus.NEW, "off", True) == (found.sync_status, found.stream_state, found.is_active)
    assert ("777", "unified", {"since": 5}) == (found.account.uid, found.account.mode, found.account.details)
    assert (Product.SPOT, Product.LINEAR) == found.account.products
    assert NEW_YEAR == found.key_expires_ms
    assert ("yes", "no", ["spot"]) == (
        found.key_permissions["can_read"],
        found.key_permissions["can_withdraw"],
        found.key_permissions["permissions"],
    )
    sealed = connections.sealed_key(db, connection_id)
    assert (b"sealed", user.key_salt, user.id) == (sealed.blob, sealed.user_salt, sealed.user_id)


def test_the_same_key_or_account_twice_is_refused_for_one_user_and_taken_for_another(db):
    user, other = a_user(db), a_user(db)
    a_connection(db, user_id=user.id, key_fingerprint=b"k1", report=a_report(uid="7"))
    with pytest.raises(BadInput, match="key is connected already"):
        a_connection(db, user_id=user.id, key_fingerprint=b"k1")
    with pytest.raises(BadInput, match="key is connected already"):
        a_connection(db, user_id=user.id, key_fingerprint=b"newer", older_fingerprints=[b"k1"])
    with pytest.raises(BadInput, match="account is connected already"):
        a_connection(db, user_id=user.id, key_fingerprint=b"k2", report=a_report(uid="7"))
    assert 1 == len(connections.list_connections(db, user_id=user.id))
    a_connection(db, user_id=other.id, key_fingerprint=b"k1", report=a_report(uid="7"))
    a_connection(db, user_id=user.id, exchange="elsewhere", key_fingerprint=b"k1", report=a_report(uid="7"))


def test_a_refused_connection_leaves_nothing_behind_in_a_larger_transaction(db):
    user = a_user(db)
    a_connection(db, user_id=user.id, key_fingerprint=b"k1")
    with db.transaction():
        with pytest.raises(BadInput):
            a_connection(db, user_id=user.id, key_fingerprint=b"k1")
        assert 1 == len(connections.list_connections(db))


def test_a_user_who_is_none_cannot_connect(db):
    with pytest.raises(BadInput, match="no such user"):
        a_connection(db, user_id="00000000-0000-0000-0000-000000000009")


def test_a_removed_connection_has_no_key_any_more_and_may_be_made_again(db):
    user = a_user(db)
    connection_id = a_connection(db, user_id=user.id, key_fingerprint=b"k", report=a_report(uid="7"))
    assert connections.remove_connection(db, connection_id)
    assert not connections.remove_connection(db, connection_id)
    assert [] == connections.list_connections(db)
    assert {} == due.due_at(db, connection_id)
    assert (b"",) == db.execute("SELECT credentials_encrypted FROM user_exchange_connections").fetchone()
    for gone in (connections.get_connection, connections.sealed_key, connections.resume):
        with pytest.raises(BadInput):
            gone(db, connection_id)
    found = connections.find_connection(db, connection_id)
    assert found is not None
    assert found.removed_ms
    a_connection(db, user_id=user.id, key_fingerprint=b"k", report=a_report(uid="7"))


def test_a_suspended_connection_rests_until_it_is_resumed(db):
    connection_id = a_connection(db)
    assert connections.suspend(db, connection_id, KeyRejected())
    assert not connections.suspend(db, connection_id, KeyRejected())
    connections.set_status(db, connection_id, SyncStatus.LIVE)
    connections.touch_success(db, connection_id)
    connections.touch_failure(db, connection_id, "balances", ExchangeUnavailable())
    found = connections.get_connection(db, connection_id)
    assert (SyncStatus.SUSPENDED, "key_rejected", str(KeyRejected())) == (
        found.sync_status,
        found.error_code,
        found.error_message,
    )
    assert found.is_resting
    assert {None} == set(due.due_at(db, connection_id).values())
    connections.resume(db, connection_id)
    found = connections.get_connection(db, connection_id)
    assert (SyncStatus.NEW, None, False) == (found.sync_status, found.error_code, found.is_resting)
    assert None not in due.due_at(db, connection_id).values()


def test_a_new_mode_makes_everything_that_depends_on_it_due(db):
    connection_id = a_connection(db, report=a_report(mode="classic", details={"a": 1}))
    for duty in connections.DUTIES:
        due.rest_duty(db, connection_id, duty)
    assert not connections.record_key_report(db, connection_id, a_report(mode="classic"))
    assert not connections.record_key_report(db, connection_id, a_report(mode=""))
    assert {None} == set(due.due_at(db, connection_id).values())
    assert connections.record_key_report(db, connection_id, a_report(mode="unified", details={"b": 2}))
    assert due.due_at(db, connection_id)["discovery"] is not None
    account = connections.get_connection(db, connection_id).account
    assert ("unified", {"a": 1, "b": 2}) == (account.mode, account.details)


def test_a_later_report_replaces_what_the_key_may_do(db):
    connection_id = a_connection(db, report=a_report(expires_ms=NEW_YEAR, uid="7"))
    connections.record_key_report(db, connection_id, a_report(can_trade=Verdict.UNKNOWN))
    found = connections.get_connection(db, connection_id)
    assert ("unknown", None, "7") == (found.key_permissions["can_trade"], found.key_expires_ms, found.account_uid)


def test_lists_are_of_one_user_or_exchange(db):
    one, two = a_user(db), a_user(db)
    first = a_connection(db, user_id=one.id)
    second = a_connection(db, user_id=two.id, exchange="elsewhere")
    assert [first, second] == [each.id for each in connections.list_connections(db)]
    assert [second] == [each.id for each in connections.list_connections(db, user_id=two.id)]
    assert [first] == [each.id for each in connections.list_connections(db, exchange="someplace")]


def test_a_state_that_is_none_is_refused_by_the_table(db):
    connection_id = a_connection(db)
    with pytest.raises(psycopg.errors.CheckViolation):
        connections.set_stream_state(db, connection_id, "dreaming")


def test_trouble_with_a_key_that_is_not_the_connections_any_more_rests_nothing(db):
    connection_id = a_connection(db)
    old = connections.sealed_key(db, connection_id).blob
    connections.set_credentials(db, connection_id, credentials=b"new", key_version="v1", key_fingerprint=b"new")
    assert not connections.suspend(db, connection_id, KeyRejected(), key=old)
    assert connections.get_connection(db, connection_id).sync_status is SyncStatus.NEW
    assert due.due_at(db, connection_id)["catch_up"] is not None
    assert connections.suspend(db, connection_id, KeyRejected(), key=b"new")
