"""What Coinbase Exchange tells of money besides fills, read from the ledger rows that its documents show."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.errors import PageStuck, PermissionMissing
from shared.domain.windows import Window
from shared.exchanges.coinbaseexchange.movements import movements
from shared.exchanges.kit.contract import Answer

ACCOUNT = Account(connection_id=UUID(int=7), exchange="coinbaseexchange", products=())
AT = 1_704_000_000_000  # 2023-12-31T05:20:00Z
WINDOW = Window(AT - 60_000, AT + 60_000)
ACCOUNTS = [
    {"id": "a-btc", "currency": "BTC"},
    {"id": "a-celo", "currency": "CGLD"},
    {"id": "a-usd", "currency": "USD"},
]
OF_TRADE = {"order_id": "ad06", "product_id": "BTC-USD", "trade_id": "1740617"}


def row(number, kind, amount, details=None, at="2023-12-31T05:20:00.593168Z"):
    return {"id": number, "amount": amount, "balance": "1", "created_at": at, "type": kind, "details": details}


def asked(pages, assets=("BTC",), window=WINDOW):
    """What is read when the ledgers answer with these pages (rows, cursor), and what was asked of them."""
    steps, questions, left = movements(ACCOUNT, window, frozenset(assets)), [], iter(pages)
    request = next(steps)
    try:
        while True:
            if request.endpoint.path == "/accounts":
                request = steps.send(Answer(ACCOUNTS))
                continue
            questions.append(request.params)
            found = next(left, ([], ""))
            if isinstance(found, Exception):
                request = steps.throw(found)
            else:
                request = steps.send(Answer(found[0], {"cb-after": found[1]}))
    except StopIteration as ended:
        return ended.value, questions


def test_all_but_what_trades_made_is_read_with_its_sign():
    rows = [
        row("9", "transfer", "-0.0100000000000000", {"from": "2f74", "to": "dda9", "profile_transfer_id": "3ef0"}),
        row("8", "match", "5", OF_TRADE),
        row("7", "fee", "-1.7565669701255000", OF_TRADE),
        row("6", "rebate", "0.5", OF_TRADE),
        row("5", "rebate", "0.25"),
        row("4", "conversion", "3", {}),
    ]
    found, questions = asked([(rows, "4")])
    assert [(move.id, move.kind, move.asset, move.amount, move.timestamp_ms) for move in found] == [
        ("9", "transfer", "BTC", Decimal("-0.01"), AT + 593),
        ("5", "rebate", "BTC", Decimal("0.25"), AT + 593),
        ("4", "conversion", "BTC", Decimal(3), AT + 593),
    ]
    assert {question["id"] for question in questions} == {"a-btc"}


def test_a_window_is_asked_for_with_a_day_to_spare_and_what_lies_outside_does_not_count():
    late, early = (
        row(n, "transfer", "1", at=at) for n, at in (("9", "2023-12-31T06:00:00Z"), ("1", "2023-12-31T05:00:00Z"))
    )
    found, questions = asked([([late, early], "1")])
    assert found == ()
    dates = {"start_date": "2023-12-30T05:19:00Z", "end_date": "2024-01-01T05:21:00Z"}
    assert questions == [{"id": "a-btc", "limit": 1_000, **dates}], "what is older than the window ends it"


def test_pages_go_on_from_their_cursor_to_an_empty_one():
    found, questions = asked([([row("9", "transfer", "1")], "9"), ([row("8", "transfer", "2")], "8")])
    assert [move.amount for move in found] == [1, 2]
    assert [question.get("after") for question in questions] == [None, "9", "8"]


def test_a_cursor_that_stands_still_is_no_progress():
    with pytest.raises(PageStuck):
        asked([([row("9", "transfer", "1")], "9"), ([row("8", "transfer", "1")], "9")])


def test_accounts_are_those_of_the_assets_by_their_usual_names():
    found, questions = asked([([row("9", "transfer", "1")], "9")], assets=("CELO",))
    assert [move.asset for move in found] == ["CELO"]
    assert {question["id"] for question in questions} == {"a-celo"}


def test_what_the_key_may_not_see_is_nothing():
    assert asked([PermissionMissing()])[0] == ()
