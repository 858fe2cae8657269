"""What OKX's bills tell besides fills: which rows, their sign and moment, and how they are asked for."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Movement
from tests.exchanges.answered import answered

OKX = load("okx")
AT = 1_795_168_800_000
# Docs, Get bills details (last 3 months): field names and an answer as an example, read 2026-11.
BILL = {"bal": "8694.21", "balChg": "-5.5", "billId": "623950854533513219", "ccy": "XBT", "fee": "", "fillTime": ""} | {
    "instId": "", "ordId": "", "subType": "12", "tradeId": "", "ts": str(AT + 709), "type": "1", "notes": "from"
}  # fmt: skip
FILL = BILL | {
    "type": "2", "tradeId": "77", "instId": "BTC-USD", "ccy": "USDC", "balChg": "-100.5", "fee": "-0.5",
    "fillTime": str(AT + 123), "subType": "1",
}  # fmt: skip


def told(*pages):
    """What is read from these pages, and what was asked."""
    account = Account(connection_id=UUID(int=1), exchange="okx", products=(Product.SPOT,), mode="spot")
    return answered(
        OKX.movements(account, Window(AT, AT + 60_001), frozenset()),
        *(None if page is None else {"code": "0", "msg": "", "data": page} for page in pages),
    )


def moved(asset: str, amount: str, at_ms: int, kind: str) -> Movement:
    return Movement(
        account_type="trading", asset=asset, id=BILL["billId"], amount=Decimal(amount), timestamp_ms=at_ms, kind=kind
    )


def test_a_bill_without_a_fill_moves_its_change():
    found, asked = told([BILL])
    assert found == (moved("BTC", "-5.5", AT + 709, "transfer"),)
    assert asked == [{"begin": AT, "end": AT + 60_001, "limit": 100}]


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("1", "transfer"),
        ("7", "interest"),
        ("16", "loan"),
        ("22", "loan"),
        ("27", "conversion"),
        ("28", "conversion"),
        ("99", "bill of type 99"),
    ],
)
def test_the_type_of_a_bill_is_its_kind(number, kind):
    (movement,), _ = told([{**BILL, "type": number, "tradeId": "0"}])
    assert movement.kind == kind


def test_a_fill_in_the_coins_of_its_market_is_no_movement():
    assert told([{**FILL, "ccy": "USD"}])[0] == ()
    assert told([{**FILL, "ccy": "BTC"}])[0] == ()
    assert told([{**FILL, "type": "5", "ccy": "USD"}])[0] == ()  # a fill by its trade's id
    assert told([{**FILL, "tradeId": "", "ccy": "USD"}])[0] == ()  # and one by its type
    assert told([{**FILL, "instId": "BTC-USD-SWAP"}])[0] == ()


def test_what_a_fill_was_paid_in_moves_in_place_of_what_its_market_names():
    assert told([FILL])[0] == (
        moved("USDC", "-100.0", AT + 123, "paid in USDC"),
        moved("USD", "100.0", AT + 123, "paid in USDC"),
    )
    (paid, _), _ = told([{**FILL, "fillTime": "", "fee": ""}])
    assert (paid.timestamp_ms, paid.amount) == (AT + 709, Decimal("-100.5"))


def test_a_full_page_of_a_hundred_asks_for_what_is_older():
    full = [{**BILL, "billId": str(1_000 - number)} for number in range(100)]
    found, asked = told(full, [{**BILL, "billId": "5"}])
    assert [one.get("after") for one in asked] == [None, "901"]
    assert len(found) == 101
    assert len(told(full[:99])[1]) == 1


def test_a_key_that_may_not_see_bills_moves_nothing():
    assert told(None)[0] == ()
