"""Raw messages are kept without what might open something, and otherwise as they came."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.raw import text_without_secrets, without_secrets

PLANTED = "s3cr3t-that-opens"


def test_what_opens_something_is_removed_wherever_it_stands():
    raw = {
        "listenKey": PLANTED,
        "data": [{"apiKey": PLANTED, "price": "1"}, {"nested": {"api_secret": PLANTED, "X-Sign": 1, "sign": PLANTED}}],
        "token": PLANTED,
        "id": 7,
    }
    assert PLANTED not in str(without_secrets(raw))
    assert without_secrets(raw)["data"][0]["price"] == "1"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"op":"auth","listenKey":"{PLANTED}","price":"1.50"}}',
        f'{{"price":"1.50", "signed_challenge" : "{PLANTED}',
        f'{{"price":"1.50","secret":"\\"{PLANTED}"}}',
        f"wss://x.example/ws?token={PLANTED}&price=1.50",
        f"price=1.50&api_key={PLANTED}",
    ],
)
def test_a_text_keeps_no_secret_whether_it_is_whole_or_not(text):
    kept = text_without_secrets(text)
    assert PLANTED not in kept
    assert "1.50" in kept


def test_a_text_without_secrets_stays_as_it_is():
    text = '{"k":"short","data":[{"symbol":"KEY","side":"BUY","tokenId":"7"}],"half'
    assert text_without_secrets(text) == text


def test_what_holds_no_secret_stays_the_very_same():
    raw = {"k": "a short name", "symbol": "KEY/USDT", "rows": [{"price": Decimal("1.50"), "S": "BUY"}]}
    assert without_secrets(raw) is raw


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_value_is_taken(raw):
    kept = without_secrets(raw)
    assert type(kept) is type(raw)
