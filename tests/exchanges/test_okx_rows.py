"""Rows: every field of a fill is read from where it stands, and what cannot be read is said to be so."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
from ccxt import pro

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, TakerOrMaker
from shared.exchanges import load
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json
from tests.exchanges.messages import heard_in, markets_of, shown

SAMPLES = json.loads((Path(__file__).parent / "samples" / "okx.json").read_text())
OKX = load("okx")


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def read_changed(name: str, place: int = 0, /, **changes: Any) -> Heard:
    """One row of a sample with some fields changed; None takes a field away."""
    one = sample(name)
    row = {**one["raw"]["data"][place], **changes}
    one["raw"]["data"] = [{field: value for field, value in row.items() if value is not None}]
    return heard_in("okx", one)


def shown_changed(name: str, place: int = 0, /, **changes: Any) -> dict[str, Any]:
    (trade,) = read_changed(name, place, **changes).trades
    return shown(trade)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(one):
    for trade in heard_in("okx", one).trades:
        row = decode_json(encode_json(trade.raw))
        again = {**one, "raw": row if one["kind"] == "rest" else {**one["raw"], "data": [row]}}
        assert [shown(same) for same in heard_in("okx", again).trades] == [shown(trade)]


# The second reader


def ccxt_reads(one: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """ccxt's own reading of a row; on the socket of the order that it takes a push for."""
    is_rest = one["kind"] == "rest"
    client = ccxt.okx() if is_rest else pro.okx()
    client.number = str
    for market in one["markets"]:
        is_spot = market["type"] == "spot"
        kind = {"spot": is_spot, "swap": market["type"] == "swap", "future": market["type"] == "future"}
        size = market["contract_size"]
        full = {
            **market,
            **kind,
            "contract": not is_spot,
            "option": False,
            "contractSize": float(size) if size else None,
        }
        client.markets_by_id = {**(client.markets_by_id or {}), market["id"]: [{**full, "precision": {}, "limits": {}}]}
        client.markets = {**(client.markets or {}), market["symbol"]: client.markets_by_id[market["id"]][0]}
    return client.parse_trade(row) if is_rest else client.order_to_trade(client.parse_order(row))


def is_of_fills_channel(one: dict[str, Any]) -> bool:
    """ccxt reads no such channel."""
    return one["raw"].get("arg", {}).get("channel") == "fills"


@pytest.mark.parametrize(
    "one",
    [one for one in SAMPLES if one["expected"]["trades"] and not is_of_fills_channel(one)],
    ids=lambda one: one["id"],
)
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    for trade in heard_in("okx", one).trades:
        theirs = ccxt_reads(one, trade.raw)
        is_rest = one["kind"] == "rest"
        assert theirs["symbol"] == trade.symbol
        assert (theirs["side"], theirs["order"] or None) == (trade.side, trade.order_id)
        assert (theirs["id"] or None) == (None if trade.exchange_trade_id.startswith("bill:") else trade.raw["tradeId"])
        # ccxt takes the time of booking, which a socket does not tell (sheet 3: `fillTime` is the trade's).
        assert theirs["timestamp"] == int(trade.raw["ts"] if is_rest else trade.raw["fillTime"])
        assert (theirs["takerOrMaker"] or None) == trade.taker_or_maker
        assert Decimal(theirs["price"]) == trade.price
        # ccxt counts contracts (sheet 9), and on the socket the whole order's cost (sheet 6).
        assert Decimal(theirs["amount"]) == (trade.amount if trade.contracts is None else trade.contracts)
        if is_rest and trade.product is not Product.INVERSE:
            assert Decimal(theirs["cost"]) == trade.cost
        if trade.fees and theirs["fee"]["cost"] is not None:
            # On the socket ccxt leaves the exchange's sign (sheet 6).
            sign = 1 if is_rest else -1
            assert (sign * Decimal(theirs["fee"]["cost"]), theirs["fee"]["currency"]) == (trade.fee, trade.fee_currency)


# Fields


FOLLOWS = {
    "tradeId": ("77", {"exchange_trade_id": "77"}),
    "ordId": ("78", {"order_id": "78"}),
    "clOrdId": ("mine", {"client_order_id": "mine"}),
    "side": ("sell", {"side": "sell"}),
    "fillPx": ("64000.25", {"price": Decimal("64000.25"), "cost": Decimal("19200.075")}),
    "fillSz": ("0.7", {"amount": Decimal("0.7"), "cost": Decimal(44800)}),
    "execType": ("M", {"taker_or_maker": "maker"}),
    "fillTime": ("1795190441999", {"timestamp_ms": 1795190441999}),
}
REST_FOLLOWS = FOLLOWS | {
    "fee": ("0.5", {"fees": [(Decimal("-0.5"), "BTC")]}),
    "feeCcy": ("OKB", {"fees": [(Decimal("0.0003"), "OKB")]}),
    "subType": ("204", {"kind": "block"}),
}
STREAM_FOLLOWS = FOLLOWS | {
    "fillFee": ("0.5", {"fees": [(Decimal("-0.5"), "BTC")]}),
    "fillFeeCcy": ("OKB", {"fees": [(Decimal("0.0003"), "OKB")]}),
    "category": ("delivery", {"kind": "delivery"}),
}
REST, STREAM = ("spot-rest-buy-and-sell", 1), ("spot-stream-unreadable", 1)
CASES = [
    *((REST, field, *change) for field, change in REST_FOLLOWS.items()),
    *((STREAM, field, *change) for field, change in STREAM_FOLLOWS.items()),
]


@pytest.mark.parametrize(("form", "field", "value", "change"), CASES)
def test_each_field_of_a_row_decides_what_it_should_and_nothing_else(form, field, value, change):
    before, after = shown_changed(*form), shown_changed(*form, **{field: value})
    for trade in (before, after):
        assert trade.pop("identity") == ":".join(
            str(trade[name]) for name in ("product", "market_id", "exchange_trade_id", "order_id", "side")
        )
    assert {name: after[name] for name in after if after[name] != before[name]} == change


STILL = [
    *(
        (REST, field)
        for field in ("billId", "tag", "posSide", "fillPnl", "feeRate", "ts", "tradeQuoteCcy", "fillIdxPx")
    ),
    *((STREAM, field) for field in ("fee", "feeCcy", "accFillSz", "avgPx", "px", "sz", "rebate", "uTime", "state")),
]


@pytest.mark.parametrize(("form", "field"), STILL)
def test_a_field_that_says_nothing_about_the_trade_changes_nothing(form, field):
    assert shown_changed(*form, **{field: "1"}) == shown_changed(*form)


@pytest.mark.parametrize("form", [REST, STREAM], ids=["rest", "stream"])
@pytest.mark.parametrize("field", ["instId", "side", "fillPx", "fillTime"])
@pytest.mark.parametrize("value", [None, "", "?!"])
def test_a_row_without_what_it_must_have_goes_to_quarantine_whole(form, field, value):
    if (form, field, value) == (REST, "fillTime", None):
        pytest.skip("older rows of history have one time only")
    heard = read_changed(*form, **{field: value})
    assert heard.trades == ()
    (row,) = heard.unreadable
    assert field in row.reason or "market" in row.reason
    assert row.raw["ordId"] == "452000000000000001"


@pytest.mark.parametrize("form", [REST, STREAM], ids=["rest", "stream"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("fillPx", "0"), ("fillSz", "-1"), ("fillTime", "1795190441"), ("execType", "X"), ("instType", "OPTION")],
)
def test_a_value_that_cannot_be_is_not_believed(form, field, value):
    heard = read_changed(*form, **{field: value})
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    ("sub_type", "kind"),
    [
        ("1 2 3 4 5 6 270 271 272 273 274 275", Kind.TRADE),
        ("100 101 102 103 104 105 106 107", Kind.LIQUIDATION),
        ("125 126 127 128", Kind.ADL),
        ("112 113", Kind.DELIVERY),
        ("204 205 206 207 208 209", Kind.BLOCK),
        ("118 119 236 237 376 377", Kind.CONVERSION),
        ("324 325 326 327 328 329", Kind.ADJUSTMENT),
    ],
)
def test_each_sub_type_has_our_word(sub_type, kind):
    for one in sub_type.split():
        assert shown_changed(*REST, subType=one)["kind"] == kind


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("normal", Kind.TRADE),
        ("twap", Kind.TRADE),
        ("ddh", Kind.TRADE),
        ("full_liquidation", Kind.LIQUIDATION),
        ("partial_liquidation", Kind.LIQUIDATION),
        ("adl", Kind.ADL),
        ("delivery", Kind.DELIVERY),
        ("auto_conversion", Kind.CONVERSION),
    ],
)
def test_each_category_of_an_order_has_our_word(category, kind):
    assert shown_changed(*STREAM, category=category)["kind"] == kind


@pytest.mark.parametrize("form", [REST, STREAM], ids=["rest", "stream"])
def test_an_unknown_kind_is_quarantined(form):
    field = "subType" if form is REST else "category"
    assert len(read_changed(*form, **{field: "something_new"}).unreadable) == 1


def test_an_older_row_without_a_sub_type_is_a_trade_unless_its_id_says_otherwise():
    assert shown_changed(*REST, subType=None)["kind"] == Kind.TRADE
    assert len(read_changed(*REST, subType=None, tradeId="-5").unreadable) == 1


def test_an_older_row_has_only_the_time_of_booking():
    assert shown_changed(*REST, fillTime=None)["timestamp_ms"] == 1795190441266


def test_a_push_read_again_without_its_envelope_is_still_a_push():
    one = sample("spot-stream-partial-fill")
    (row,) = one["raw"]["data"]
    (trade,) = OKX.read_rest(row, markets_of(one), None).trades
    assert shown(trade) == shown(heard_in("okx", one).trades[0])
    assert OKX.read_rest({**row, "tradeId": "0"}, markets_of(one), None) == Heard()


@pytest.mark.parametrize("sub_type", ["212", "213"])
def test_borrowing_and_repaying_are_no_trades(sub_type):
    assert read_changed(*REST, subType=sub_type, fillPx="") == Heard()


def test_a_fee_of_nothing_in_no_coin_is_none_and_any_other_needs_one():
    assert shown_changed(*REST, fee="0", feeCcy="")["fees"] == []
    assert len(read_changed(*REST, feeCcy="").unreadable) == 1


def test_a_long_fee_keeps_every_digit():
    (trade,) = read_changed(*REST, fee="-1234567890123456789012345678901.123456789").trades
    assert trade.fees == (Fee(Decimal("1234567890123456789012345678901.123456789"), "BTC"),)


def test_a_streamed_row_without_a_fee_waits_for_history_and_a_row_of_history_does_not():
    for absent in (None, ""):
        trade = shown_changed(*STREAM, fillFee=absent)
        assert (trade["fees"], trade["provisional"]) == ([], True)
    assert shown_changed(*STREAM, fillFee="0")["provisional"] is False
    assert shown_changed(*REST, fee=None)["provisional"] is False


def test_who_made_an_order_of_the_exchange_itself_is_left_open():
    assert shown_changed(*REST, execType="")["taker_or_maker"] is None
    assert shown_changed(*REST, execType=None)["taker_or_maker"] is None
    assert shown_changed(*REST, execType="T")["taker_or_maker"] == TakerOrMaker.TAKER


@pytest.mark.parametrize("trade_id", ["", "0", None])
def test_a_fill_without_an_id_of_its_own_on_the_socket_is_for_history_to_tell(trade_id):
    heard = read_changed(*STREAM, tradeId=trade_id)
    assert heard.trades == ()
    assert [(due.feed.key, due.order_id) for due in heard.history_due] == [("spot:BTC-USDT", "452000000000000001")]


def test_a_forced_order_that_has_filled_is_for_history_to_tell_even_where_its_fill_is_left_out():
    (due,) = read_changed(*STREAM, tradeId="0", fillSz="0", accFillSz="3").history_due
    assert due.order_id == "452000000000000001"


@pytest.mark.parametrize("trade_id", ["", "0", None])
def test_a_push_without_a_fill_is_for_nobody(trade_id):
    assert read_changed(*STREAM, tradeId=trade_id, fillSz="0", accFillSz="0") == Heard()
    assert read_changed(*STREAM, tradeId=trade_id, fillSz="", accFillSz="") == Heard()


@pytest.mark.parametrize("trade_id", ["", "0", None])
def test_in_history_a_bill_names_what_has_no_id(trade_id):
    trade = shown_changed(*REST, tradeId=trade_id)
    assert trade["exchange_trade_id"] == "bill:910000000000000011"
    assert len(read_changed(*REST, tradeId=trade_id, billId="").unreadable) == 1


def test_both_sides_of_a_self_trade_are_two_trades():
    identities = {
        shown_changed(*REST, **change)["identity"]
        for change in ({}, {"side": "sell"}, {"ordId": "5"}, {"side": "sell", "ordId": "5"})
    }
    assert len(identities) == 4


def test_spot_and_margin_of_one_pair_are_two_products_with_one_symbol():
    spot, margin = shown_changed(*REST), shown_changed(*REST, instType="MARGIN")
    assert (spot["symbol"], spot["product"]) == (margin["symbol"], "spot")
    assert (margin["product"], margin["identity"].partition(":")[0]) == ("margin", "margin")


def test_a_row_that_does_not_say_what_it_is_of_follows_who_asked():
    one = sample("spot-rest-buy-and-sell")
    row = {name: value for name, value in one["raw"]["data"][1].items() if name != "instType"}
    read = {who: OKX.read_rest([row], markets_of(one), who).trades[0] for who in (None, Product.SPOT, Product.MARGIN)}
    assert [trade.product for trade in read.values()] == [Product.SPOT, Product.SPOT, Product.MARGIN]


def test_a_contract_of_unknown_size_is_not_guessed():
    one = sample("swap-rest-block")
    one["markets"][0]["contract_size"] = None
    assert len(heard_in("okx", one).unreadable) == 1


def test_an_inverse_amount_is_what_its_dollars_buy():
    trade = shown_changed("inverse-rest-swap-and-delivery", 1, fillPx="63000", fillSz="1")
    assert (trade["contracts"], trade["cost"]) == (Decimal(1), Decimal(100))
    assert trade["amount"] == Decimal("0.001587301587301587301587301587")


@pytest.mark.parametrize(
    "message",
    [
        "pong",
        {"event": "login", "code": "0", "msg": "", "connId": "a"},
        {"event": "channel-conn-count", "channel": "orders", "connCount": "1", "connId": "a"},
        {"arg": {"channel": "account", "uid": "1"}, "data": [{"details": []}]},
    ],
)
def test_other_messages_hold_no_trade(message):
    assert OKX.read_stream(message, markets_of(sample("stream-acknowledgement")), None) == Heard()


@pytest.mark.parametrize(
    "response",
    [{"code": "0", "msg": "", "data": []}, {"code": "0", "msg": "", "data": [{"ts": "1795190441263"}]}, []],
)
def test_other_answers_hold_no_trade(response):
    assert OKX.read_rest(response, markets_of(sample("rest-no-trade-and-unreadable")), None) == Heard()


@pytest.mark.parametrize("number", ["0", "7", "269", "276", "99", "108", "111", "114", "124", "129", "203", "210"])
def test_a_number_beside_those_of_a_kind_is_not_taken_for_it(number):
    heard = read_changed(HISTORY, subType=number)
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize("number", ["117", "120", "235", "238", "323", "330", "375", "378"])
def test_nor_is_one_beside_conversions_and_moved_positions(number):
    assert len(read_changed(HISTORY, subType=number).unreadable) == 1


HISTORY = next(one["id"] for one in SAMPLES if one["kind"] == "rest" and one["expected"]["trades"])


@pytest.mark.parametrize(("linear", "product"), [(True, Product.LINEAR), (False, Product.INVERSE)])
def test_a_contract_is_none_of_the_spot_markets_that_may_share_its_name(linear, product):
    spot = Market(id="X-Y", symbol="X/Y", type="spot", base="X", quote="Y")
    contract = Market(
        id="X-Y", symbol="X/Y:Y", type="swap", base="X", quote="Y", settle="Y", contract_size=Decimal(1),
        linear=linear, inverse=not linear,
    )  # fmt: skip
    row = sample(HISTORY)["raw"]["data"][0] | {"instId": "X-Y", "instType": "SWAP"}
    (trade,) = OKX.read_rest(row, Markets([spot, contract]), None).trades
    assert trade.product is product


def test_an_answer_that_is_an_error_is_no_empty_history():
    with pytest.raises(UnreadableRow, match="50011"):
        OKX.read_rest({"code": "50011", "msg": "Too Many Requests", "data": []}, Markets([]), None)
    for good in (0, "0"):
        assert OKX.read_rest({"code": good, "msg": "", "data": []}, Markets([]), None).trades == ()


@pytest.mark.parametrize("mark", ["fillPx", "billId", "tradeId"])
def test_any_field_of_a_fill_makes_a_row_one_that_wants_to_be_read(mark):
    assert len(OKX.read_rest([{mark: "1"}], Markets([]), None).unreadable) == 1
    assert OKX.read_rest([{"uid": "1"}], Markets([]), None).unreadable == ()


def test_a_push_with_an_id_and_nothing_filled_holds_no_fill():
    name = next(one["id"] for one in SAMPLES if one["kind"] == "stream" and one["expected"]["trades"])
    heard = read_changed(name, fillSz="0")
    assert (heard.trades, heard.unreadable) == ((), ())
