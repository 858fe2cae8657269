"""A seal opens where it belongs, with the right key, unaltered; and nowhere else."""

import itertools
import json
import pickle
from uuid import UUID

import pytest

from shared.domain.connections import Credentials
from shared.vault import CannotOpen, KeyVersionMissing, Vault, key_version_of, new_key

KEY = new_key()
FIELDS = {"api_key": "the api key", "secret": "the s€cret", "passphrase": ""}


def a_row(number: int = 1, user: int = 1, exchange: str = "someplace") -> dict:
    return {
        "user_id": UUID(int=user),
        "user_salt": bytes([user]) * 16,
        "connection_id": UUID(int=1000 + number),
        "exchange": exchange,
    }


@pytest.fixture(scope="module")
def vault():
    return Vault(KEY)


def test_what_was_sealed_opens_for_its_row(vault):
    opened = vault.open(vault.seal(FIELDS, **a_row()).blob, **a_row())
    assert Credentials(FIELDS) == Credentials(dict(opened))
    assert "the s€cret" == opened.reveal("secret")


def test_credentials_themselves_can_be_sealed(vault):
    assert "the api key" == vault.open(vault.seal(Credentials(FIELDS), **a_row()).blob, **a_row()).reveal("api_key")


def test_the_same_fields_never_give_the_same_seal(vault):
    assert vault.seal(FIELDS, **a_row()).blob != vault.seal(FIELDS, **a_row()).blob


def test_swapped_between_any_two_rows_none_opens(vault):
    rows = [
        a_row(1, 1),
        a_row(2, 1),
        a_row(1, 2),
        a_row(1, 1, "elsewhere"),
        {**a_row(1, 1), "user_id": UUID(int=9)},
        {**a_row(1, 1), "user_salt": bytes(range(16))},
    ]
    seals = [vault.seal(FIELDS, **row).blob for row in rows]
    for (here, seal), (there, row) in itertools.product(enumerate(seals), enumerate(rows)):
        if here == there:
            assert "the api key" == vault.open(seal, **row).reveal("api_key")
        else:
            with pytest.raises(CannotOpen):
                vault.open(seal, **row)


def test_altered_in_any_byte_it_does_not_open(vault):
    blob = vault.seal({"k": "v"}, **a_row()).blob
    for place in range(len(blob)):
        altered = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        if b'"root":600000' not in altered:
            continue  # other rounds are other work, tried below
        with pytest.raises(CannotOpen):
            vault.open(altered, **a_row())


def test_a_header_with_other_rounds_or_absurd_ones_does_not_open(vault):
    blob = vault.seal(FIELDS, **a_row()).blob
    for rounds in (b"600001", b"999999"):
        with pytest.raises(CannotOpen):
            vault.open(blob.replace(b'"root":600000', b'"root":' + rounds), **a_row())
    length = int.from_bytes(blob[2:4], "big")
    header = json.loads(blob[4 : 4 + length])
    for absurd in (10**12, 0, -1, True, "600000", None):
        text = json.dumps({**header, "root": absurd}).encode()
        with pytest.raises(CannotOpen):
            vault.open(b"TS" + len(text).to_bytes(2, "big") + text + blob[4 + length :], **a_row())


def test_a_header_written_in_another_way_does_not_open(vault):
    blob = vault.seal(FIELDS, **a_row()).blob
    length = int.from_bytes(blob[2:4], "big")
    text = json.dumps(json.loads(blob[4 : 4 + length]), indent=1).encode()
    with pytest.raises(CannotOpen):
        vault.open(b"TS" + len(text).to_bytes(2, "big") + text + blob[4 + length :], **a_row())


@pytest.mark.parametrize("blob", [b"", b"TS", b"TS\xff\xff{}", b"TS\x00\x02{}" + bytes(40), b"XX" + bytes(200)])
def test_what_is_no_seal_is_called_so(vault, blob):
    with pytest.raises(CannotOpen):
        vault.open(blob, **a_row())


def test_cut_short_it_does_not_open(vault):
    blob = vault.seal({"k": "v"}, **a_row()).blob
    for length in range(0, len(blob), 7):
        with pytest.raises(CannotOpen):
            vault.open(blob[:length], **a_row())


def test_with_another_key_it_does_not_open(vault):
    blob = vault.seal(FIELDS, **a_row()).blob
    with pytest.raises(CannotOpen, match="CREDENTIALS_KEY"):
        Vault(new_key()).open(blob, **a_row())


def test_the_newest_version_seals_and_every_version_opens(vault):
    old = vault.seal(FIELDS, **a_row())
    both = Vault(f"v2:{new_key()},v1:{KEY}")
    new = both.seal(FIELDS, **a_row())
    assert ("v1", "v2") == (key_version_of(old.blob), key_version_of(new.blob))
    assert ("v1", "v2") == (old.key_version, new.key_version)
    for seal in (old, new):
        assert "the api key" == both.open(seal.blob, **a_row()).reveal("api_key")
    with pytest.raises(KeyVersionMissing, match="version v2 of CREDENTIALS_KEY, and a process holds only v1"):
        vault.open(new.blob, **a_row())


def test_a_fingerprint_tells_keys_and_exchanges_apart_and_depends_on_the_credentials_key(vault):
    prints = {
        vault.fingerprint("someplace", "key a"),
        vault.fingerprint("someplace", "key b"),
        vault.fingerprint("elsewhere", "key a"),
        vault.fingerprint("someplacek", "ey a"),
        Vault(new_key()).fingerprint("someplace", "key a"),
    }
    assert 5 == len(prints)
    assert vault.fingerprint("someplace", "key a") == Vault(KEY).fingerprint("someplace", "key a")
    both = Vault(f"v2:{new_key()},v1:{KEY}")
    newest, oldest = both.fingerprints("someplace", "key a")
    assert (both.fingerprint("someplace", "key a"), vault.fingerprint("someplace", "key a")) == (newest, oldest)


def test_nothing_of_it_prints(vault):
    sealed = vault.seal(FIELDS, **a_row())
    opened = vault.open(sealed.blob, **a_row())
    shown = f"{vault!r} {vault} {sealed!r} {sealed} {opened!r} {opened} {opened['secret']} {opened['secret']!r}"
    assert "Vault(v1) Vault(v1) Sealed(v1) Sealed(v1)" in shown
    for secret in (*[text for text in FIELDS.values() if text], KEY):
        assert secret not in shown
    for holder in (vault, opened):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(holder)


def test_an_error_of_opening_shows_nothing_of_the_content(vault):
    with pytest.raises(CannotOpen) as refusal:
        vault.open(vault.seal(FIELDS, **a_row(1)).blob, **a_row(2))
    assert refusal.value.__cause__ is None
    assert not any(text in str(refusal.value) for text in FIELDS.values() if text)


def test_derived_keys_are_kept_for_the_users_seen_last_and_no_more(vault, monkeypatch):
    monkeypatch.setattr("shared.vault.sealing._KEPT_USERS", 3)
    own = Vault(KEY)
    seals = {user: own.seal(FIELDS, **a_row(user, user)).blob for user in range(1, 8)}
    assert 3 == len(own._users)
    assert all("the api key" == own.open(seals[user], **a_row(user, user)).reveal("api_key") for user in seals)
