"""Rows: every field of a fill is read from where it stands, and what cannot be read is said to be so."""

import copy
import json
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.trades import Kind
from tests.exchanges.messages import OWN, heard_in, shown

SAMPLES = json.loads((OWN / "coinbase.json").read_text())
FILLS = [one for one in SAMPLES if one["kind"] == "rest"]
FIRST = next(one for one in FILLS if one["id"] == "a-buy-as-taker")


def ccxt_reads(one: dict[str, Any], row: dict[str, Any]) -> Any:
    """The second reader: ccxt's own."""
    client = ccxt.coinbase()
    client.number = str
    client.markets_by_id = {
        market["id"]: [{**market, "spot": True, "contract": False, "precision": {}, "limits": {}}]
        for market in one["markets"]
    }
    client.markets = {market["symbol"]: market for market in one["markets"]}
    return client.parse_trade(row)


@pytest.mark.parametrize("one", FILLS, ids=lambda one: one["id"])
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    for trade in heard_in("coinbase", one).trades:
        theirs = ccxt_reads(one, trade.raw)
        # ccxt knows an entry only by the id of its trade, which a reversal shares with what it reverses.
        assert theirs["id"] == trade.exchange_trade_id
        assert theirs["symbol"] == trade.symbol
        assert theirs["order"] == trade.order_id
        assert theirs["side"] == trade.side
        assert theirs["timestamp"] == trade.timestamp_ms
        assert theirs["takerOrMaker"] == trade.taker_or_maker
        assert Decimal(theirs["price"]) == trade.price
        assert Decimal(theirs["amount"]) == trade.amount
        assert Decimal(theirs["cost"]) == trade.cost
        assert Decimal(theirs["fee"]["cost"]) == trade.fee
        assert theirs["fee"]["currency"] == trade.fee_currency


# Each field of the row, and what of the trade follows it. A reader that takes a neighbour's field fails here.
FOLLOWS = {
    "entry_id": ("e-77", {"identity": "spot:e-77"}),
    "trade_id": ("77", {"exchange_trade_id": "77"}),
    "order_id": ("78", {"order_id": "78"}),
    "trade_time": ("2026-11-20T10:00:01Z", {"timestamp_ms": 1795168801000}),
    "trade_type": ("REVERSAL", {"kind": "adjustment"}),
    "price": ("91000.25", {"price": Decimal("91000.25"), "cost": Decimal("364.001")}),
    "size": ("0.5", {"amount": Decimal("0.5"), "cost": Decimal("45500.06")}),
    "commission": ("0.125", {"fees": [(Decimal("0.125"), "USD")]}),
    "side": ("SELL", {"side": "sell"}),
    "liquidity_indicator": ("MAKER", {"taker_or_maker": "maker"}),
}
STILL = {"sequence_timestamp": "2026-11-20T09:00:00Z", "user_id": "u-9", "retail_portfolio_id": "p-9", "new": "1"}


def read(**changes: Any) -> Any:
    raw = copy.deepcopy(FIRST["raw"])
    raw["fills"][0] |= changes
    return heard_in("coinbase", {**FIRST, "raw": raw})


def test_every_field_of_the_trade_follows_its_own_field_of_the_row():
    (before,) = read().trades
    for name, (value, expected) in FOLLOWS.items():
        (after,) = read(**{name: value}).trades
        assert shown(after) == shown(before) | expected, name
    for name, value in STILL.items():
        (after,) = read(**{name: value}).trades
        assert shown(after) == shown(before), name


@pytest.mark.parametrize("name", [*(FOLLOWS.keys() - {"liquidity_indicator"}), "product_id", "size_in_quote"])
def test_a_row_without_a_field_that_must_be_there_is_unreadable(name):
    raw = copy.deepcopy(FIRST["raw"])
    del raw["fills"][0][name]
    heard = heard_in("coinbase", {**FIRST, "raw": raw})
    assert heard.trades == ()
    assert heard.unreadable[0].raw["user_id"] == "u-1"


def test_a_role_that_is_not_told_costs_no_trade():
    for nothing in (None, "", "UNKNOWN_LIQUIDITY_INDICATOR"):
        assert read(liquidity_indicator=nothing).trades[0].taker_or_maker is None
    assert read(liquidity_indicator="NEITHER").trades == ()


def test_a_bare_list_is_read_and_a_refusal_is_not_taken_for_an_empty_page():
    bare = heard_in("coinbase", {**FIRST, "raw": FIRST["raw"]["fills"]})
    assert bare.trades == heard_in("coinbase", FIRST).trades
    for refusal in ({"error": "PERMISSION_DENIED", "message": "no"}, {"errors": [{"id": "rate_limit_exceeded"}]}):
        with pytest.raises(UnreadableRow, match="answered with an error"):
            heard_in("coinbase", {**FIRST, "raw": refusal})


def test_an_adjustment_may_be_of_no_order():
    (trade,) = read(trade_type="SYNTHETIC", order_id="").trades
    assert (trade.kind, trade.order_id) == (Kind.ADJUSTMENT, None)


def test_amount_and_cost_change_places_where_the_size_is_in_quote():
    (trade,) = read(size="30", price="7", size_in_quote=True).trades
    assert trade.cost == 30
    assert str(trade.amount).startswith("4.2857142857142857")


@pytest.mark.parametrize("market", ["BIT-28NOV26-CDE", "BTC-PERP-INTX"])
def test_a_contract_is_no_spot_trade_though_no_list_knows_it(market):
    heard = read(product_id=market)
    assert (heard.trades, heard.unreadable) == ((), ())
