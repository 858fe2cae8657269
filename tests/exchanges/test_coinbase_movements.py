"""What Coinbase tells of money besides fills, read from the transactions that its documents show."""

from decimal import Decimal
from uuid import UUID

import pytest

from shared.domain.connections import Account
from shared.domain.errors import PageStuck, PermissionMissing
from shared.domain.windows import Window
from shared.exchanges.coinbase.movements import movements
from shared.exchanges.kit.contract import Answer

ACCOUNT = Account(connection_id=UUID(int=7), exchange="coinbase", products=())
AT = 1_704_000_000_000  # 2023-12-31T05:20:00Z
HOUR, DAY = 3_600_000, 86_400_000
WINDOW = Window(AT - 60_000, AT + HOUR)
ACCOUNTS = {
    "accounts": [
        {"uuid": "u-usdc", "currency": "USDC", "type": "ACCOUNT_TYPE_CRYPTO"},
        {"uuid": "u-celo", "currency": "CGLD", "type": "ACCOUNT_TYPE_CRYPTO"},
        {"uuid": "u-eur", "currency": "EUR", "type": "ACCOUNT_TYPE_FIAT"},
        {"uuid": "u-vault", "currency": "USDC", "type": "ACCOUNT_TYPE_VAULT"},
    ],
    "has_next": False,
}


def row(number, kind, amount, currency="USDC", at="2023-12-31T05:20:00Z", status="completed"):
    money = {"amount": amount, "currency": currency}
    return {"id": f"t-{number}", "type": kind, "status": status, "amount": money, "created_at": at, "updated_at": at}


def page(*rows, following=None):
    return {"data": list(rows), "pagination": {"limit": 100, "next_starting_after": following}}


def asked(pages, assets=("USDC",), window=WINDOW):
    """What is read when each account answers with these pages, and what was asked of the accounts."""
    steps, questions = movements(ACCOUNT, window, frozenset(assets)), []
    left = {name: iter(found) for name, found in pages.items()}
    request = next(steps)
    try:
        while True:
            if request.endpoint.path == "/api/v3/brokerage/accounts":
                request = steps.send(Answer(ACCOUNTS))
                continue
            questions.append((request.params["account_id"], request.params.get("starting_after")))
            found = next(left.get(request.params["account_id"], iter(())), page())
            request = steps.throw(found) if isinstance(found, Exception) else steps.send(Answer(found))
    except StopIteration as ended:
        return ended.value, questions


def test_all_but_fills_is_read_with_its_sign():
    found, questions = asked(
        {
            "u-usdc": [
                page(
                    row(1, "send", "-14.008308"),
                    row(2, "receive", "28.31976528"),
                    row(3, "advanced_trade_fill", "-5"),
                    row(4, "interest", "0.01"),
                )
            ],
        }
    )
    assert [(move.id, move.kind, move.asset, move.amount, move.timestamp_ms) for move in found] == [
        ("t-1", "send", "USDC", Decimal("-14.008308"), AT),
        ("t-2", "receive", "USDC", Decimal("28.31976528"), AT),
        ("t-4", "interest", "USDC", Decimal("0.01"), AT),
    ]
    assert questions == [("u-usdc", None)], "no other account, and no vault"


@pytest.mark.parametrize("status", ["pending", "failed", "canceled", "expired", None])
def test_what_is_not_completed_does_not_count(status):
    assert asked({"u-usdc": [page(row(1, "send", "-1", status=status))]})[0] == ()


def test_accounts_are_those_of_the_assets_by_their_usual_names():
    found, questions = asked({"u-celo": [page(row(1, "receive", "3", "CGLD"))]}, assets=("CELO", "EUR"))
    assert [(move.asset, move.amount) for move in found] == [("CELO", Decimal(3))]
    assert questions == [("u-celo", None), ("u-eur", None)]


def test_pages_go_on_to_a_day_before_the_window_and_no_further():
    young = row(1, "receive", "1", at="2023-12-31T08:00:00Z")  # after the window
    early, old = row(2, "receive", "2", at="2023-12-31T00:00:00Z"), row(3, "receive", "3", at="2023-12-30T05:00:00Z")
    found, questions = asked({"u-usdc": [page(young, following="a"), page(early, old, following="b"), page()]})
    assert [move.id for move in found] == ["t-2"]
    assert questions == [("u-usdc", None), ("u-usdc", "a")]


def test_a_cursor_that_stands_still_is_no_progress():
    with pytest.raises(PageStuck):
        asked({"u-usdc": [page(following="a"), page(following="a")]})


def test_a_busy_account_is_not_read_for_ever():
    _, questions = asked({"u-usdc": [page(row(n, "advanced_trade_fill", "1"), following=f"a{n}") for n in range(99)]})
    assert len(questions) == 30


def test_what_the_key_may_not_see_hides_nothing_else():
    found, _ = asked({"u-usdc": [PermissionMissing()], "u-eur": [page(row(1, "fiat_deposit", "114.02", "EUR"))]},
                     assets=("USDC", "EUR"))  # fmt: skip
    assert [(move.kind, move.amount) for move in found] == [("fiat_deposit", Decimal("114.02"))]
