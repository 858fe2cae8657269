"""What MEXC tells of money besides trades, read from the rows that its documents show."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.errors import PermissionMissing
from shared.domain.windows import Window
from shared.exchanges.kit.contract import Answer
from shared.exchanges.mexc.movements import movements

ACCOUNT = Account(connection_id=UUID(int=7), exchange="mexc", products=())
AT = 1_664_805_021_000
MINUTE, DAY = 60_000, 86_400_000
WINDOW = Window(AT - MINUTE, AT + 10 * MINUTE)
DEPOSIT = {"amount": "10", "coin": "USDC-TRX", "network": "TRX", "status": 5, "txId": "51a8:0", "insertTime": AT}
WITHDRAWAL = {"id": "adcd", "txId": "0xc8:0", "coin": "USDC-MATIC", "amount": "2", "status": 7} | {
    "transactionFee": "1",
    "applyTime": AT,
}
TRANSFER = {"tranId": "cdf0", "asset": "USDT", "amount": "1", "status": "SUCCESS", "timestamp": AT}


def asked(answers, window=WINDOW, refused=()):
    """What is read when the paths answer so, and what was asked of them."""
    steps, questions = movements(ACCOUNT, window, frozenset()), []
    request = next(steps)
    try:
        while True:
            name = request.endpoint.path.removeprefix("/api/v3/capital/")
            questions.append((name, request.params))
            if name in refused:
                request = steps.throw(PermissionMissing())
                continue
            empty = {"rows": [], "total": 0} if name == "transfer" else []
            request = steps.send(Answer(answers.get(request.params.get("fromAccountType", name), empty)))
    except StopIteration as ended:
        return ended.value, questions


def test_each_kind_is_read_with_its_sign():
    found, _ = asked(
        {
            "deposit/hisrec": [DEPOSIT, DEPOSIT | {"coin": "GAS", "txId": "5f:0", "updateTime": AT + MINUTE}],
            "withdraw/history": [WITHDRAWAL],
            "SPOT": {"rows": [TRANSFER]},
            "FUTURES": {"rows": [TRANSFER | {"tranId": "cdf1", "amount": "3"}]},
        }
    )
    assert [(move.kind, move.asset, move.amount, move.timestamp_ms) for move in found] == [
        ("deposit", "USDC", Decimal(10), AT),
        ("deposit", "GASDAO", Decimal(10), AT + MINUTE),
        ("withdrawal", "USDC", Decimal(-2), AT),  # the fee is part of it
        ("transfer", "USDT", Decimal(-1), AT),
        ("transfer", "USDT", Decimal(3), AT),
    ]
    assert len({move.id for move in found}) == 5
    assert {move.account_type for move in found} == {"spot"}


@pytest.mark.parametrize("status", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11])
def test_a_deposit_counts_when_it_has_arrived(status):
    assert asked({"deposit/hisrec": [DEPOSIT | {"status": status}]})[0] == ()


@pytest.mark.parametrize("status", [8, 9])
def test_a_withdrawal_that_failed_or_was_cancelled_took_nothing(status):
    assert asked({"withdraw/history": [WITHDRAWAL | {"status": status}]})[0] == ()


def test_a_transfer_that_failed_moved_nothing():
    assert asked({"SPOT": {"rows": [TRANSFER | {"status": "FAILED"}]}})[0] == ()


def test_what_the_key_may_not_see_hides_nothing_else():
    found, _ = asked({"withdraw/history": [WITHDRAWAL]}, refused=("deposit/hisrec", "transfer"))
    assert [move.kind for move in found] == ["withdrawal"]


def test_lists_are_asked_for_by_weeks_from_a_day_before_and_each_row_counts_once():
    window = Window(AT - 10 * DAY, AT)
    found, questions = asked({"deposit/hisrec": [DEPOSIT]}, window)
    spans = [(one["startTime"], one["endTime"]) for name, one in questions if name == "deposit/hisrec"]
    assert spans == [(AT - 11 * DAY, AT - 4 * DAY), (AT - 4 * DAY, AT)]
    assert len(found) == 1


def test_what_is_asked_names_its_window_its_wallets_and_its_page():
    _, questions = asked({})
    early = {"startTime": WINDOW.since - DAY, "endTime": WINDOW.until, "limit": 1_000}
    span = {"startTime": WINDOW.since, "endTime": WINDOW.until, "page": 1, "size": 100}
    assert questions == [
        ("deposit/hisrec", early),
        ("withdraw/history", early),
        ("transfer", {**span, "fromAccountType": "SPOT", "toAccountType": "FUTURES"}),
        ("transfer", {**span, "fromAccountType": "FUTURES", "toAccountType": "SPOT"}),
    ]


def test_nothing_is_asked_from_before_ninety_days():
    _, questions = asked({}, Window(AT - 200 * DAY, AT))
    assert min(one["startTime"] for name, one in questions if name != "transfer") == AT - 89 * DAY


def test_a_full_page_of_a_hundred_transfers_asks_for_the_next():
    _, questions = asked({"SPOT": {"rows": []}, "FUTURES": {"rows": [TRANSFER] * 99}})
    assert [one["page"] for name, one in questions if name == "transfer"] == [1, 1]
    steps = movements(ACCOUNT, WINDOW, frozenset())
    next(steps)
    steps.send(Answer([]))
    request = steps.send(Answer([]))
    assert steps.send(Answer({"rows": [TRANSFER] * 100})).params == {**request.params, "page": 2}


@pytest.mark.parametrize("status", [5, 12])
def test_a_deposit_has_arrived_by_two_states(status):
    (move,) = asked({"deposit/hisrec": [DEPOSIT | {"status": status}]})[0]
    assert move.id == "deposit:51a8:0"


def test_a_row_that_has_an_id_is_known_by_it():
    (move,) = asked({"withdraw/history": [WITHDRAWAL]})[0]
    assert move.id == "withdrawal:adcd"
