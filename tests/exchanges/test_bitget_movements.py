"""What Bitget's bills tell besides trades: which rows, their sign and moment, and how they are asked for."""

from decimal import Decimal
from uuid import UUID

from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Movement
from tests.exchanges.answered import answered

BITGET = load("bitget")
AT = 1_795_168_800_000
DAY = 86_400_000
# Docs, Get Account Bills: field names and an answer as an example, read 2026-11.
BILL = {"cTime": str(AT + 709), "coin": "TONCOIN", "groupType": "deposit", "businessType": "DEPOSIT"} | {
    "size": "-2.5", "balance": "7", "fees": "0.25", "billId": "9001"
}  # fmt: skip


def told(*pages, mode="classic", since=AT):
    """What is read from these pages, and what was asked."""
    account = Account(connection_id=UUID(int=1), exchange="bitget", products=(Product.SPOT,), mode=mode)
    return answered(
        BITGET.movements(account, Window(since, AT + 60_000), frozenset()),
        *(None if page is None else {"code": "00000", "data": page} for page in pages),
    )


def test_a_bill_is_read_field_by_field():
    found, asked = told([BILL])
    assert found == (
        Movement(
            account_type="spot", asset="TON", id="9001", amount=Decimal("-2.5"), timestamp_ms=AT + 709, kind="deposit"
        ),
    )
    assert asked == [{"startTime": AT - 1, "endTime": AT + 60_001, "limit": 500}]


def test_bills_of_trades_are_left_out_however_they_are_written():
    assert told([{**BILL, "groupType": "transaction"}, {**BILL, "groupType": "TRANSACTION"}])[0] == ()


def test_a_full_page_of_five_hundred_asks_for_what_is_older():
    full = [{**BILL, "billId": str(number)} for number in (*range(999, 1_499),)]
    found, asked = told(full, [{**BILL, "billId": "7"}])
    assert [one.get("idLessThan") for one in asked] == [None, "999"]
    assert len(found) == 501
    assert len(told(full[:499])[1]) == 1


def test_no_more_than_ninety_days_are_asked_for():
    _, asked = told([], since=AT - 200 * DAY)
    assert asked[0]["startTime"] == AT + 60_000 - 90 * DAY + 60_000 - 1


def test_another_mode_and_a_key_that_may_not_see_bills_tell_nothing():
    assert told(mode="unified") == ((), [])
    assert told(None)[0] == ()
