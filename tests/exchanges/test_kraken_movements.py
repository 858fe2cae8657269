"""What Kraken's ledgers tell besides spot trades: which rows, their sign and moment, and how they are asked for."""

from decimal import Decimal
from uuid import UUID

from shared.domain.connections import Account
from shared.domain.trades import Product
from shared.domain.windows import Window
from shared.exchanges import load
from shared.exchanges.kit.contract import Movement
from tests.exchanges.answered import answered

KRAKEN = load("kraken")
ME = Account(connection_id=UUID(int=1), exchange="kraken", products=(Product.SPOT,))
AT = 1_795_168_800_000
# Docs, Get Ledgers Info: field names and an answer as an example, read 2026-11.
DEPOSIT = {"aclass": "currency", "refid": "R1", "subtype": "sub", "time": Decimal("1795168800.7099")} | {
    "type": "deposit", "asset": "XXBT", "amount": "1.5", "fee": "0.0002", "balance": "9"
}  # fmt: skip


def told(*pages):
    """What is read from these pages, and what was asked."""
    return answered(
        KRAKEN.movements(ME, Window(AT, AT + 60_001), frozenset()),
        *(None if page is None else {"error": [], "result": {"ledger": page, "count": 2}} for page in pages),
    )


def test_a_row_moves_its_amount_less_its_fee_at_its_millisecond():
    found, asked = told({"L1": DEPOSIT})
    assert found == (
        Movement(
            account_type="spot", asset="BTC", id="L1", amount=Decimal("1.4998"), timestamp_ms=1_795_168_800_709,
            kind="deposit",
        ),
    )  # fmt: skip
    assert asked == [{"start": 1_795_168_799, "end": 1_795_168_861, "ofs": 0}]


def test_trades_are_left_out_and_what_earns_is_its_coin():
    rows = {
        "L1": {**DEPOSIT, "type": "trade"},
        "L2": {**DEPOSIT, "type": "margin", "asset": "DOT28.S", "amount": "-0.25", "fee": ""},
    }
    (movement,), _ = told(rows)
    assert (movement.id, movement.asset, movement.amount, movement.kind) == ("L2", "DOT", Decimal("-0.25"), "margin")


def test_a_full_page_of_fifty_asks_for_the_next():
    full = {f"L{number}": DEPOSIT for number in range(50)}
    found, asked = told(full, {"L50": DEPOSIT})
    assert [one["ofs"] for one in asked] == [0, 50]
    assert len(found) == 51
    assert told({**{f"L{number}": DEPOSIT for number in range(49)}})[1] == [asked[0]]
    found, asked = told(full, full, {})
    assert ([one["ofs"] for one in asked], len(found)) == ([0, 50, 100], 50)


def test_a_key_that_may_not_see_ledgers_moves_nothing():
    assert told(None)[0] == ()
