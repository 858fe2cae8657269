"""CREDENTIALS_KEY: a good one is taken, any other is refused with the command that makes a good one."""

import base64

import pytest

from shared.vault import WeakKey, new_key, parse_keys


def test_a_new_key_is_a_good_key_and_another_each_time():
    one, other = new_key(), new_key()
    assert one != other
    assert [32] == [len(key) for key in parse_keys(one).values()]


def test_a_key_without_a_version_is_the_first():
    assert ["v1"] == list(parse_keys(new_key()))


def test_versions_keep_their_order_and_may_have_spaces_between():
    assert ["v2", "v1"] == list(parse_keys(f" v2:{new_key()} , v1:{new_key()} "))


def test_the_url_safe_alphabet_and_missing_padding_are_taken():
    key = bytes(range(224, 256))
    assert {"v1": key} == parse_keys(base64.urlsafe_b64encode(key).decode().rstrip("="))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        ",",
        "changeme",
        "not base64 at all!",
        base64.b64encode(b"short").decode(),
        base64.b64encode(bytes(32)).decode(),
        base64.b64encode(b"password" * 4).decode(),
        base64.b64encode(b"the quick brown fox jumps over t").decode(),
        base64.b64encode(bytes(range(31))).decode(),
        base64.b64encode(bytes(range(33))).decode(),
        f"x1:{base64.b64encode(bytes(range(32))).decode()}",
        f"v0:{base64.b64encode(bytes(range(32))).decode()}",
        f"{base64.b64encode(bytes(range(32))).decode()},{base64.b64encode(bytes(range(1, 33))).decode()}",
        f"v1:{base64.b64encode(bytes(range(32))).decode()},v2:{base64.b64encode(bytes(range(32))).decode()}",
    ],
)
def test_a_weak_or_malformed_key_is_refused_with_the_command_that_makes_a_good_one(text):
    with pytest.raises(WeakKey, match="tradesync keys new") as refusal:
        parse_keys(text)
    secret = text.rpartition(":")[2]
    assert len(secret) < 8 or secret not in str(refusal.value)


def test_a_version_named_twice_is_refused():
    with pytest.raises(WeakKey, match="twice"):
        parse_keys(f"v1:{new_key()},v1:{new_key()}")
