"""What HTX tells of money besides trades, read from the rows that its documents show."""

from decimal import Decimal
from uuid import UUID

from shared.domain.connections import Account
from shared.domain.errors import PermissionMissing
from shared.domain.windows import Window
from shared.exchanges.htx.movements import movements
from shared.exchanges.kit.contract import Answer

ACCOUNT = Account(connection_id=UUID(int=7), exchange="htx", products=())
AT = 1_571_393_524_526
HOUR, DAY = 3_600_000, 86_400_000
WALLETS = {
    "data": [{"id": 1, "type": "point", "state": "working"}, {"id": 5_260_185, "type": "spot", "state": "working"}]
}


def row(number, kind, amount, currency="btc"):
    told = {"account-id": 5_260_185, "currency": currency, "transact-amt": amount, "transact-type": kind}
    return told | {"record-id": number, "avail-balance": "0E-18", "acct-balance": "0E-18", "transact-time": AT}


MINUTES = Window(AT - 60_000, AT + 60_000)


def asked(pages, window=MINUTES, assets=frozenset({"BTC"})):
    """What is read when the history answers with these pages, and what was asked of it."""
    steps, questions, left = movements(ACCOUNT, window, assets), [], iter(pages)
    request = next(steps)
    try:
        while True:
            if request.endpoint.path == "/v1/account/accounts":
                request = steps.send(Answer(WALLETS))
                continue
            questions.append(request.params)
            page = next(left, {"data": []})
            request = steps.throw(page) if isinstance(page, Exception) else steps.send(Answer(page))
    except StopIteration as ended:
        return ended.value, questions


def test_all_but_trades_is_read_with_its_sign_and_each_row_once():
    page = {
        "data": [
            row(1, "transfer", "0.002393000000000000"),
            row(2, "trade", "5"),
            row(3, "transact-fee", "-0.01"),
            row(4, "fee-deduction", "-1", "ht"),
            row(5, "withdraw", "-0.5"),
            row(6, "withdraw-fee", "-0.0005"),
            row(7, "other-types", "-3", "usdt"),
            row(7, "other-types", "-3", "usdt"),
        ]
    }
    found, _ = asked([page])
    assert {(move.kind, move.asset, move.id): move.amount for move in found} == {
        ("transfer", "BTC", "1"): Decimal("0.002393"),
        ("withdraw", "BTC", "5"): Decimal("-0.5"),
        ("withdraw-fee", "BTC", "6"): Decimal("-0.0005"),
        ("other-types", "USDT", "7"): Decimal(-3),
    }
    assert {(move.account_type, move.timestamp_ms) for move in found} == {("spot", AT)}


def test_pages_go_on_from_the_row_that_the_one_before_named():
    found, questions = asked([{"data": [row(1, "deposit", "1")], "next-id": 2}, {"data": [row(2, "deposit", "2")]}])
    assert [move.id for move in found] == ["1", "2"]
    assert [question.get("from-id") for question in questions] == [None, "2"]
    assert not {"trade", "transact-fee", "fee-deduction"} & set(questions[0]["transact-types"].split(","))


def test_a_window_is_asked_for_hour_by_hour_and_of_a_long_one_the_last_day():
    _, questions = asked([], Window(AT - 3 * DAY, AT))
    spans = [(question["start-time"], question["end-time"]) for question in questions]
    assert spans == [(since, since + HOUR) for since in range(AT - DAY, AT, HOUR)]
    assert {question["account-id"] for question in questions} == {"5260185"}


def test_the_wallet_of_points_is_asked_where_points_are_not_explained():
    _, questions = asked([], assets=frozenset({"HBPOINT"}))
    assert [question["account-id"] for question in questions] == ["1", "5260185"]


def test_what_the_key_may_not_see_is_nothing():
    assert asked([PermissionMissing()])[0] == ()
