"""What Gate's account book tells besides trades: which rows, their sign and moment, and how they are asked for."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Movement
from tests.exchanges.answered import answered

GATE = load("gate")
AT = 1_795_168_800_000
DAY = 86_400_000
# Docs, Query account book: field names and an answer as an example, read 2026-11.
ROW = {"id": "9001", "time": AT + 709, "currency": "GTC", "change": "-1.5", "balance": "7.5", "type": "withdraw"} | {
    "text": "note", "code": "2"
}  # fmt: skip


def told(*pages, mode="classic", until=AT + 60_001):
    """What is read from these pages, and what was asked."""
    account = Account(connection_id=UUID(int=1), exchange="gate", products=(Product.SPOT,), mode=mode)
    return answered(GATE.movements(account, Window(AT + 1, until), frozenset()), *pages)


def test_a_row_is_read_field_by_field():
    found, asked = told([ROW])
    assert found == (
        Movement(
            account_type="spot", asset="GAMECOM", id="9001", amount=Decimal("-1.5"), timestamp_ms=AT + 709,
            kind="withdraw",
        ),
    )  # fmt: skip
    assert asked == [{"from": AT // 1000, "to": AT // 1000 + 60, "limit": 1000, "page": 1}]


@pytest.mark.parametrize("word", ["new_order", "order_fee", "trade", "order_fill", "point_fee", "gt_fee", "fee", "Fee"])
def test_what_orders_do_is_no_movement(word):
    assert told([{**ROW, "type": word}])[0] == ()


def test_a_fee_of_something_else_is_a_movement():
    assert len(told([{**ROW, "type": "withdraw_fee"}])[0]) == 1


def test_a_full_page_asks_for_the_next_and_a_long_window_is_asked_for_in_parts():
    found, asked = told([ROW] * 1000, [ROW] * 999)
    assert ([one["page"] for one in asked], len(found)) == ([1, 2], 1999)
    found, asked = told([ROW], [ROW], until=AT + 31 * DAY)
    first = AT + 1 + 30 * DAY
    assert [(one["from"], one["to"]) for one in asked] == [
        (AT // 1000, first // 1000), (first // 1000, (AT + 31 * DAY) // 1000)
    ]  # fmt: skip
    assert len(told([ROW], until=AT + 1 + 30 * DAY)[1]) == 1


def test_a_unified_account_has_no_book_of_its_own():
    assert told(mode="portfolio") == ((), [])
