"""Rows of Kraken's futures: forms of one fill that samples leave out."""

from decimal import Decimal
from typing import Any

import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Kind, Trade
from shared.exchanges import load

FUTURES = load("krakenfutures")
MARKETS = Markets(
    [
        Market("PF_ETHEUR", "ETH/USD:EUR", "swap", "ETH", "USD", settle="EUR", linear=True),
        Market("PF_TENUSD", "TEN/USD:USD", "swap", "TEN", "USD", settle="USD", linear=True, contract_size=Decimal(10)),
    ]
)
# Docs, Fills (WebSocket), read 2026-11.
FILL = {"instrument": "PF_ETHEUR", "time": 1_795_168_800_709, "price": 64000.5, "seq": 100, "buy": True, "qty": 3} | {
    "fee_currency": "xbt", "order_id": "o-1", "cli_ord_id": "my-1", "fill_id": "f-1", "fill_type": "taker",
    "fee_paid": 8,
}  # fmt: skip


def read(**changes: Any) -> Trade:
    row = {name: value for name, value in {**FILL, "price": Decimal(2000), **changes}.items() if value is not None}
    (trade,) = FUTURES.read_stream({"feed": "fills", "fills": [row]}, MARKETS, None).trades
    return trade


def test_a_fee_is_in_the_currency_that_the_fill_names_and_in_what_settles_otherwise():
    assert read().fee_currency == "BTC"
    assert read(fee_currency=None).fee_currency == "EUR"


@pytest.mark.parametrize(("size", "amount"), [("PF_ETHEUR", "3"), ("PF_TENUSD", "30")])
def test_a_contract_is_of_one_coin_unless_the_market_says_of_more(size, amount):
    trade = read(instrument=size)
    assert (trade.amount, trade.cost) == (Decimal(amount), Decimal(amount) * 2000)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("takerAfterEdit", Kind.TRADE),
        ("liquidation", Kind.LIQUIDATION),
        ("assignor", Kind.LIQUIDATION),
        ("unwindBankrupt", Kind.LIQUIDATION),
        ("assignee", Kind.ADL),
        ("unwindCounterparty", Kind.ADL),
    ],
)
def test_how_a_fill_came_about_is_its_kind(word, kind):
    assert read(fill_type=word).kind is kind


def test_an_error_is_no_history_and_says_which():
    with pytest.raises(UnreadableRow, match="apiLimitExceeded"):
        FUTURES.read_rest({"result": "error", "error": "apiLimitExceeded", "serverTime": "t"}, MARKETS, None)
