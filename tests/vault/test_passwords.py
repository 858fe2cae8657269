"""Passwords: hashed by argon2id, checked, never stored as they are."""

import pytest

from shared.domain.errors import BadInput
from shared.vault.passwords import hash_password, is_password


def test_a_password_is_known_by_its_hash():
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert "correct horse" not in stored
    assert is_password("correct horse", stored)
    assert not is_password("incorrect horse", stored)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$", "$argon2id$v=19$m=65536,t=3,p=4$x$y"])
def test_a_hash_that_is_none_lets_nobody_in(stored):
    assert not is_password("correct horse", stored)


@pytest.mark.parametrize("password", ["", "short", "x" * 1001])
def test_a_password_too_short_or_too_long_is_refused(password):
    with pytest.raises(BadInput):
        hash_password(password)
