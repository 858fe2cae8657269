"""Rows: fills field by field, matches turned to the user's side, and ccxt as second reader of both."""

import copy
import json
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from shared.domain.errors import UnreadableRow
from tests.exchanges.messages import OWN, heard_in, shown

SAMPLES = json.loads((OWN / "coinbaseexchange.json").read_text())
NAMED = {one["id"]: one for one in SAMPLES}
FILL, MATCH = NAMED["a-buy-as-taker"], NAMED["a-match-as-taker"]


def ccxt_reads(one: dict[str, Any], row: dict[str, Any]) -> Any:
    client = ccxt.coinbaseexchange()
    client.number = str
    client.markets_by_id = {
        market["id"]: [{**market, "quoteId": market["quote"], "spot": True, "precision": {}, "limits": {}}]
        for market in one["markets"]
    }
    client.markets = {market["symbol"]: market for market in one["markets"]}
    return client.parse_trade(row)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    for trade in heard_in("coinbaseexchange", one).trades:
        theirs = ccxt_reads(one, trade.raw)
        assert theirs["id"] == trade.exchange_trade_id
        assert theirs["symbol"] == trade.symbol
        assert theirs["timestamp"] == trade.timestamp_ms
        assert Decimal(theirs["price"]) == trade.price
        assert Decimal(theirs["amount"]) == trade.amount
        assert Decimal(theirs["cost"]) == trade.cost
        if one["kind"] == "rest":
            assert theirs["order"] == trade.order_id
            assert theirs["side"] == trade.side
            assert theirs["takerOrMaker"] == trade.taker_or_maker
            assert Decimal(theirs["fee"]["cost"]) == trade.fee
            assert theirs["fee"]["currency"] == trade.fee_currency


FOLLOWS = {
    "trade_id": (77, {"exchange_trade_id": "77", "identity": "spot:BTC-USD:77:o-82047307"}),
    "order_id": ("78", {"order_id": "78", "identity": "spot:BTC-USD:82047307:78"}),
    "liquidity": ("M", {"taker_or_maker": "maker"}),
    "price": ("91001", {"price": Decimal(91001), "cost": Decimal("910.01")}),
    "size": ("0.5", {"amount": Decimal("0.5"), "cost": Decimal(45500)}),
    "fee": ("0.125", {"fees": [(Decimal("0.125"), "USD")]}),
    "side": ("sell", {"side": "sell"}),
    "created_at": ("2026-11-20T10:00:01Z", {"timestamp_ms": 1795168801000}),
}
STILL = {"settled": False, "usd_volume": "1", "profile_id": "p-9", "user_id": "u-9", "funding_currency": "EUR"}


def read(**changes: Any) -> Any:
    return heard_in("coinbaseexchange", {**FILL, "raw": [FILL["raw"][0] | changes]})


def test_every_field_of_the_trade_follows_its_own_field_of_the_row():
    (before,) = read().trades
    for name, (value, expected) in FOLLOWS.items():
        (after,) = read(**{name: value}).trades
        assert shown(after) == shown(before) | expected, name
    for name, value in STILL.items():
        (after,) = read(**{name: value}).trades
        assert shown(after) == shown(before), name


@pytest.mark.parametrize("name", [*FOLLOWS, "product_id"])
def test_a_row_without_a_field_that_must_be_there_is_unreadable(name):
    row = copy.deepcopy(FILL["raw"][0])
    del row[name]
    heard = heard_in("coinbaseexchange", {**FILL, "raw": [row]})
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


def heard(**changes: Any) -> Any:
    return heard_in("coinbaseexchange", {**MATCH, "raw": {**MATCH["raw"], **changes}})


@pytest.mark.parametrize(("told", "own"), [("sell", "buy"), ("buy", "sell")])
def test_a_match_tells_the_makers_side_and_a_taker_has_the_other(told, own):
    (trade,) = heard(side=told).trades
    assert trade.side == own
    (made,) = heard_in("coinbaseexchange", NAMED["a-match-as-maker"]).trades
    assert made.side == NAMED["a-match-as-maker"]["raw"]["side"]


def test_the_fee_of_a_match_is_an_estimate_from_its_rate():
    (trade,) = heard(price="100", size="2", taker_fee_rate="0.006").trades
    assert (trade.fee, trade.fee_currency, trade.provisional) == (Decimal("1.2"), "USD", True)


def test_one_of_both_ids_is_enough_to_know_whose_a_match_is():
    for missing in ("taker_user_id", "taker_profile_id"):
        (trade,) = heard(**{missing: None}).trades
        assert trade.taker_or_maker == "taker"


def test_a_refusal_is_not_taken_for_an_empty_page():
    with pytest.raises(UnreadableRow, match="invalid signature"):
        heard_in("coinbaseexchange", {**FILL, "raw": {"message": "invalid signature"}})


def test_a_match_of_nobody_is_unreadable_and_one_with_oneself_is_left_to_history():
    with pytest.raises(UnreadableRow):
        heard(taker_user_id=None, taker_profile_id=None)
    found = heard(maker_user_id="u-1")
    assert (found.trades, [due.feed.key for due in found.history_due]) == ((), ["spot:BTC-USD"])


@pytest.mark.parametrize("raw", [{"id": "b-1", "currency": "BTC"}, "liquidity", None])
def test_what_is_neither_a_list_nor_a_fill_holds_none(raw):
    heard = heard_in("coinbaseexchange", {**FILL, "raw": raw})
    assert (heard.trades, heard.unreadable) == ((), ())


def test_the_last_match_before_a_subscription_is_read_as_any():
    assert [shown(trade) for trade in heard(type="last_match").trades] == [shown(trade) for trade in heard().trades]


def test_a_fill_may_carry_a_message_and_is_no_refusal():
    row = {**FILL["raw"][0], "message": "settled"}
    heard = heard_in("coinbaseexchange", {**FILL, "raw": row})
    assert [shown(trade) for trade in heard.trades] == [shown(trade) for trade in read().trades]
