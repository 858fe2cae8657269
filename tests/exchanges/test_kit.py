"""What exchange modules share: addresses, exact numbers, signatures, rhythm, pasted keys, fields."""

from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import BadInput, KeyRejected, UnreadableRow
from shared.exchanges.kit import numbers
from shared.exchanges.kit.addresses import through
from shared.exchanges.kit.contract import CredentialField
from shared.exchanges.kit.credentials import repair
from shared.exchanges.kit.fields import decimal, millis, text, whole
from shared.exchanges.kit.identity import identity
from shared.exchanges.kit.numbering import Numbering
from shared.exchanges.kit.rhythm import NEVER, Heartbeat, Outbox
from shared.exchanges.kit.signing import hmac_base64, signature
from shared.exchanges.kit.wire import decode_json, decode_json_slowly

SIMULATOR = "http://127.0.0.1:9100"
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("1e-30"), max_value=Decimal("1e30"))


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("https://api.x.com/api/v3/time", f"{SIMULATOR}/x/api.x.com/api/v3/time"),
        ("https://api.x.com:443/a?b=c&d=%2F", f"{SIMULATOR}/x/api.x.com/a?b=c&d=%2F"),
        ("wss://stream.x.com:9443/ws", "ws://127.0.0.1:9100/x/stream.x.com/ws"),
        ("ws://127.0.0.1:9100/x/endpoint?token=t", "ws://127.0.0.1:9100/x/endpoint?token=t"),
    ],
)
def test_addresses_lead_to_the_simulator_once(address, there):
    assert through(SIMULATOR, "x", address) == there
    assert through(SIMULATOR, "x", there) == there
    assert through("", "x", address) == address


@given(AMOUNTS)
def test_a_plain_number_says_the_same_without_exponent_or_needless_zeros(number):
    written = numbers.plain(number)
    assert Decimal(written) == number
    assert "E" not in written
    assert "." not in written or not written.endswith("0")


@pytest.mark.parametrize(("number", "written"), [("-0.00", "0"), ("1E+5", "100000"), ("-1.50", "-1.5"), ("100", "100")])
def test_plain_numbers(number, written):
    assert numbers.plain(Decimal(number)) == written


@given(AMOUNTS, AMOUNTS)
def test_a_product_is_never_rounded(price, amount):
    top, bottom = price.as_integer_ratio()
    other_top, other_bottom = amount.as_integer_ratio()
    found_top, found_bottom = numbers.product(price, amount).as_integer_ratio()
    assert found_top * bottom * other_bottom == top * other_top * found_bottom


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_two_lists_of_ids_never_give_one_identity(one, other):
    if len(one) == len(other) and one:
        assert (identity(*one) == identity(*other)) == (one == other)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=9) | AMOUNTS.map(str),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    )
)
def test_both_decoders_read_the_same(value):
    import json

    written = json.dumps(value)
    assert decode_json(written) == decode_json_slowly(written)


def test_numbers_keep_every_digit_they_were_written_with():
    assert decode_json("[0.10, 1e-7, 123456789012345678901234567890]") == [
        Decimal("0.10"),
        Decimal("1e-7"),
        123456789012345678901234567890,
    ]


@pytest.mark.parametrize("frame", ["", "{", "nul", b"\xff\xfe", "[" * 100_000, '{"a":' * 5_000, "9" * 5_000, "NaN"])
def test_what_is_no_json_is_said_to_be_none(frame):
    with pytest.raises(UnreadableRow):
        decode_json(frame)


@pytest.mark.parametrize(
    "value", ["", None, "x", "NaN", "Infinity", True, [], "1e999", "9" * 200, "1_0", " 5", "5\n", "\uff11\uff12"]
)
def test_what_is_no_number_is_unreadable(value):
    with pytest.raises(UnreadableRow, match="'p'"):
        decimal({"p": value}, "p")


@pytest.mark.parametrize("value", ["", "x", "-", "1_0", " 5", "\uff11\uff12", 1.5, True, None, "9" * 5_000])
def test_what_is_no_whole_number_is_unreadable(value):
    with pytest.raises(UnreadableRow, match="'p'"):
        whole({"p": value}, "p")


def test_a_moment_in_the_wrong_unit_is_unreadable():
    for value in (1_795_190_400, 1_795_190_400_000_000, 0, -5):
        with pytest.raises(UnreadableRow, match="moment"):
            millis({"t": value}, "t")


@pytest.mark.parametrize("value", [None, "", True, [], {}, Decimal("1.5")])
def test_what_is_no_text_is_unreadable(value):
    with pytest.raises(UnreadableRow, match="'s'"):
        text({"s": value}, "s")


class TestSigning:
    def test_a_shared_secret_gives_hex(self):
        # RFC 4231, test case 2
        assert signature("Jefe", "what do ya want for nothing?") == (
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )

    def test_base64_of_the_same(self):
        assert hmac_base64("Jefe", "what do ya want for nothing?") == "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="

    @pytest.mark.parametrize("kind", ["rsa", "ed25519"])
    def test_a_private_key_signs_what_its_public_key_confirms(self, kind):
        import base64

        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        key = rsa.generate_private_key(65_537, 2_048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        signed = base64.b64decode(signature(pem, "text"))
        if kind == "rsa":
            key.public_key().verify(signed, b"text", padding.PKCS1v15(), hashes.SHA256())
        else:
            key.public_key().verify(signed, b"text")

    def test_a_broken_private_key_is_a_rejected_key_and_is_not_shown(self):
        with pytest.raises(KeyRejected) as caught:
            signature("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "text")
        assert "AAAA" not in str(caught.value)


FIELDS = (CredentialField(name="api_key", label="API key"), CredentialField(name="secret", label="Secret"))


class TestPastedKeys:
    @pytest.mark.parametrize("spoil", [" {} ", "{}\n", '"{}"', "\ufeff{}", "'{}'\t", "{}\u200b"])
    def test_what_pasting_adds_goes(self, spoil):
        assert repair(FIELDS, {"api_key": spoil.format("abc"), "secret": "def"}) == {"api_key": "abc", "secret": "def"}

    @pytest.mark.parametrize("spoil", ["one line", "spelled out", "spaces", "windows"])
    def test_a_private_key_gets_its_lines_back(self, spoil):
        key = ed25519.Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        pasted = {
            "one line": pem.replace("\n", ""),
            "spelled out": pem.replace("\n", "\\n"),
            "spaces": pem.replace("\n", " "),
            "windows": pem.replace("\n", "\r\n"),
        }[spoil]
        assert repair(FIELDS, {"api_key": "k", "secret": pasted})["secret"] == pem

    @pytest.mark.parametrize(
        ("pasted", "field"),
        [
            ({"api_key": "", "secret": "s"}, "api_key"),
            ({"api_key": "k"}, "secret"),
            ({"api_key": "k k", "secret": "s"}, "api_key"),
            ({"api_key": "k", "secret": "s", "pin": "1"}, "pin"),
            ({"api_key": "k", "secret": "-----BEGIN PRIVATE KEY-----\nabc"}, "secret"),
        ],
    )
    def test_what_cannot_be_repaired_is_named(self, pasted, field):
        with pytest.raises(BadInput, match=field) as caught:
            repair(FIELDS, pasted)
        assert "abc" not in str(caught.value)


class TestRhythm:
    def test_a_heartbeat_is_dead_only_when_its_answer_is_overdue(self):
        heart = Heartbeat(20_000, 10_000)
        heart.start(0)
        assert (heart.deadline, heart.is_due(19_999), heart.is_due(20_000)) == (20_000, False, True)
        heart.spoke(20_000)
        assert (heart.deadline, heart.is_dead(29_999), heart.is_dead(30_000)) == (30_000, False, True)
        heart.heard(25_000)
        assert (heart.deadline, heart.is_dead(30_000)) == (40_000, False)

    def test_asking_again_does_not_put_off_the_end(self):
        heart = Heartbeat(5_000, 10_000)
        heart.start(0)
        for now in (5_000, 10_000, 14_000):
            heart.spoke(now)
        assert heart.is_dead(15_000)

    def test_a_heartbeat_that_never_started_never_wants_anything(self):
        assert Heartbeat(1, 1).deadline == NEVER

    @given(st.lists(st.integers(0, 400), max_size=40))
    def test_an_outbox_never_sends_more_than_it_may(self, pauses):
        out, now, sent = Outbox(3, 1_000), 0, []
        for number, pause in enumerate(pauses):
            now += pause
            out.put(str(number))
            sent += [(now, frame) for frame in out.take(now)]
        while out.deadline < NEVER:
            now = max(now, out.deadline)
            sent += [(now, frame) for frame in out.take(now)]
        assert [frame for _, frame in sent] == [str(number) for number in range(len(pauses))]
        assert all(later[0] - earlier[0] >= 1_000 for earlier, later in zip(sent, sent[3:], strict=False))


def test_a_number_that_comes_late_is_not_lost_and_one_that_never_comes_is():
    numbering = Numbering()
    for number, now in ((7, 0), (9, 100), (8, 600), (8, 700), (10, 800)):
        numbering.heard(number, now)
    assert not numbering.is_broken(60_000)
    numbering.heard(12, 60_000)
    assert not numbering.is_broken(61_999)
    assert numbering.is_broken(62_000)


def test_a_leap_of_numbers_is_a_loss_at_once():
    numbering = Numbering()
    numbering.heard(1, 0)
    numbering.heard(10**15, 0)
    assert numbering.is_broken(0)
