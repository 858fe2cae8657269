"""Who may come in: addresses once, tokens by their hash only."""

from datetime import timedelta

import pytest

from shared.domain.errors import BadInput
from shared.storage import users
from tests.fixtures.stored import a_user


def test_an_address_signs_up_once_whatever_its_case(db):
    user = users.add_user(db, " Ann@Example.com ", "hash", role="operator")
    assert ("Ann@Example.com", "operator", True) == (user.email, user.role, user.is_active)
    with pytest.raises(BadInput, match="signed up already"):
        users.add_user(db, "ann@example.COM", "hash")
    assert user == users.find_user(db, "ANN@example.com") == users.get_user(db, user.id)
    assert [user] == users.list_users(db)
    assert "hash" == users.password_hash(db, user.id)


@pytest.mark.parametrize("email", ["", "@", "ann", "@example.com", "ann@", "a b@c.d", "a\x00@b.c", "x" * 250 + "@b.cc"])
def test_what_is_no_address_is_refused(db, email):
    with pytest.raises(BadInput):
        users.add_user(db, email, "hash")


def test_every_user_has_a_salt_of_their_own(db):
    salts = {a_user(db).key_salt for _ in range(5)}
    assert [16] * 5 == [len(salt) for salt in salts]


def test_a_token_lets_its_user_in_and_is_stored_as_its_hash_only(db):
    user = a_user(db)
    token = users.add_token(db, user.id, "token", label="script")
    assert user == users.find_user_by_token(db, token)
    assert user == users.find_user_by_token(db, token, kind="token")
    assert users.find_user_by_token(db, token, kind="session") is None
    assert users.find_user_by_token(db, token + "x") is None
    row = db.execute("SELECT api_tokens::text FROM api_tokens").fetchone()[0]
    assert token not in row
    assert [("script", True)] == [
        (each.label, each.last_used_ms is not None) for each in users.list_tokens(db, user.id)
    ]


def test_an_expired_ended_or_revoked_token_lets_nobody_in(db):
    user, other = a_user(db), a_user(db)
    expired = users.add_token(db, user.id, "session", lasts=timedelta(seconds=-1))
    ended = users.add_token(db, user.id, "session", lasts=timedelta(hours=1))
    revoked = users.add_token(db, user.id, "token")
    assert users.find_user_by_token(db, ended)
    assert users.end_token(db, ended)
    (kept,) = users.list_tokens(db, user.id)
    assert not users.revoke_token(db, other.id, kept.id)
    assert users.revoke_token(db, user.id, kept.id)
    assert [None] * 3 == [users.find_user_by_token(db, token) for token in (expired, ended, revoked)]


def test_a_new_password_ends_the_sessions_and_keeps_the_tokens(db):
    user = a_user(db)
    session, token = users.add_token(db, user.id, "session"), users.add_token(db, user.id, "token")
    users.set_password(db, user.id, "other")
    assert "other" == users.password_hash(db, user.id)
    assert (None, user) == (users.find_user_by_token(db, session), users.find_user_by_token(db, token))


def test_who_is_kept_out_stays_out(db):
    user = a_user(db)
    token = users.add_token(db, user.id, "token")
    users.set_active(db, user.id, is_active=False)
    assert users.find_user_by_token(db, token) is None
    users.set_active(db, user.id, is_active=True)
    assert users.find_user_by_token(db, token) is None


def test_who_is_none_is_not_found(db):
    assert users.find_user(db, "nobody@example.com") is None
    nobody = "00000000-0000-0000-0000-000000000009"
    for question in (users.get_user, users.password_hash):
        with pytest.raises(BadInput):
            question(db, nobody)
    assert not users.remove_user(db, nobody)
