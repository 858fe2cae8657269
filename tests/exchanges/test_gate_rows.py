"""Rows of Gate: each field from where it stands, two readers side by side, and what cannot be read."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Fee, Kind, Product, Trade
from shared.exchanges import load
from shared.exchanges.gate.coins import RENAMED
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json
from tests.exchanges.messages import heard_in, is_rest, markets_of, shown

GATE = load("gate")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "gate.json").read_text())
FILLS = [one for one in SAMPLES if one["expected"]["trades"]]


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def changed(name: str, **changes: Any) -> Heard:
    """The sample's first row with some fields changed; None takes a field away."""
    one = sample(name)
    row = {**(one["raw"] if is_rest(one) else one["raw"]["result"])[0], **changes}
    row = {field: value for field, value in row.items() if value is not None}
    one["raw"] = [row] if is_rest(one) else {**one["raw"], "result": [row]}
    return heard_in("gate", one)


def one_of(name: str, **changes: Any) -> Trade:
    (trade,) = changed(name, **changes).trades
    return trade


# ── ccxt reads the same ───────────────────────────────────────────────────────────────────────────────


def ccxt_client(one: dict[str, Any]) -> Any:
    client = ccxt.gate()
    client.number = str
    own = {
        market["symbol"]: {
            **market,
            "baseId": market["id"].split("_")[0],
            "contractSize": market["contract_size"],
            **{kind: market["type"] == kind for kind in ("spot", "swap", "future", "option")},
            "contract": market["type"] != "spot",
            "precision": {"price": None, "amount": None},
            "limits": {},
        }
        for market in one["markets"]
    }
    client.set_markets(list(own.values()))
    return client


@pytest.mark.parametrize("one", FILLS, ids=lambda one: one["id"])
def test_ccxt_reads_the_same_but_for_what_it_leaves_open(one):
    client = ccxt_client(one)
    for trade in heard_in("gate", one).trades:
        theirs = client.parse_trade(json.loads(encode_json(trade.raw)))
        assert (theirs["id"], theirs["order"], theirs["symbol"]) == (
            trade.exchange_trade_id,
            trade.order_id,
            trade.symbol,
        )
        assert (theirs["side"], theirs["takerOrMaker"]) == (trade.side, trade.taker_or_maker)
        assert theirs["timestamp"] == trade.timestamp_ms
        # ccxt counts contracts.
        counted = trade.amount if trade.contracts is None else trade.contracts
        assert (Decimal(theirs["price"]), Decimal(theirs["amount"])) == (trade.price, counted)
        if trade.product is not Product.INVERSE:  # whose cost ccxt gives in the coin
            assert Decimal(theirs["cost"]) == trade.cost
        # ccxt keeps a fee of zero beside one in another coin, and leaves a coin that is left out open.
        theirs_fees = [(Decimal(fee["cost"]), fee["currency"]) for fee in theirs["fees"]]
        if any(amount for amount, _ in theirs_fees):
            theirs_fees = [(amount, coin) for amount, coin in theirs_fees if amount]
        wanted = [(fee.amount, fee.currency) for fee in trade.fees]
        if trade.product is Product.SPOT and "fee_currency" not in trade.raw:
            wanted = [(amount, None) for amount, _ in wanted]
        assert theirs_fees == wanted


def test_renamed_coins_are_those_of_the_market_table():
    assert dict(RENAMED) == ccxt.gate().commonCurrencies


# ── Fields ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("one", FILLS, ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(one):
    for trade in heard_in("gate", one).trades:
        raw = decode_json(encode_json(trade.raw))
        if is_rest(one):
            (again,) = GATE.read_rest(raw, markets_of(one), None).trades
        else:
            (again,) = GATE.read_stream({**one["raw"], "result": [raw]}, markets_of(one), None).trades
        assert shown(again) == shown(trade)


def test_the_shape_of_the_row_decides_whatever_it_is_told():
    row = sample("perpetual-rest")["raw"][0]
    markets = markets_of(sample("perpetual-rest"))
    (trade,) = GATE.read_rest([decode_json(json.dumps(row))], markets, Product.SPOT).trades
    assert (trade.product, trade.symbol) == (Product.LINEAR, "BTC/USDT:USDT")


def test_a_spot_row_is_never_a_contract_of_the_same_id():
    one = sample("spot-rest-buy-and-sell")
    markets = Markets(market for market in markets_of(one).all if market.type != "spot")
    heard = GATE.read_rest(one["raw"], markets, None)
    assert (heard.trades, len(heard.unreadable)) == ((), 2)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1795190411777.399200", 1795190411777),
        ("1795190411777.999999", 1795190411777),
        ("1795190411777", 1795190411777),
        (1795190411777, 1795190411777),
    ],
)
def test_digits_below_a_millisecond_are_cut(written, moment):
    assert one_of("spot-rest-buy-and-sell", create_time_ms=written).timestamp_ms == moment


def test_one_trade_with_an_order_of_ones_own_on_both_sides_is_two():
    first, second = heard_in("gate", sample("spot-rest-with-oneself")).trades
    assert first.exchange_trade_id == second.exchange_trade_id
    assert first.identity != second.identity


def test_an_id_above_two_to_the_53rd_keeps_its_last_digit():
    assert one_of("spot-stream").exchange_trade_id == "9007199254740993"


@pytest.mark.parametrize(
    ("side", "written", "fee", "expected"),
    [
        ("buy", None, "0.1", "BTC"),
        ("sell", None, "0.1", "USDT"),
        ("buy", "USDT", "0.1", "USDT"),
        ("sell", "BTC", "0.1", "BTC"),
        ("sell", "MPH", "0.1", "MORPHER"),
    ],
)
def test_the_coin_of_a_fee_is_the_written_one_or_the_received_one(side, written, fee, expected):
    trade = one_of("spot-stream", side=side, fee_currency=written, fee=fee)
    assert trade.fees == (Fee(Decimal(fee), expected),)
    assert trade.provisional is (written is None)


def test_a_fee_of_nothing_without_a_coin_leaves_nothing_to_ask():
    assert one_of("spot-stream", fee="0", fee_currency=None).provisional is False


def test_history_without_a_fee_is_final_and_the_stream_is_not():
    history = one_of("perpetual-rest", fee=None)
    stream = one_of("perpetual-stream", fee=None)
    assert (history.fees, history.provisional) == ((), False)
    assert (stream.fees, stream.provisional) == ((), True)


def test_a_fee_of_zero_alone_stays():
    assert one_of("spot-rest-buy-and-sell", fee="0").fees == (Fee(Decimal(0), "USDT"),)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("liquidation", Kind.LIQUIDATION),
        ("liq-123", Kind.LIQUIDATION),
        ("hedge-liq-1", Kind.LIQUIDATION),
        ("pm_liquidate", Kind.LIQUIDATION),
        ("comb_margin_liquidate", Kind.LIQUIDATION),
        ("scm_liquidate", Kind.LIQUIDATION),
        ("insurance", Kind.LIQUIDATION),
        ("auto_deleveraging", Kind.ADL),
        ("t-liquidation", Kind.TRADE),
        ("web", Kind.TRADE),
        ("-", Kind.TRADE),
        (None, Kind.TRADE),
    ],
)
def test_the_text_of_an_order_tells_who_made_it(text, kind):
    assert one_of("perpetual-rest", text=text).kind is kind
    assert one_of("spot-stream", text=text).kind is kind


@pytest.mark.parametrize(("text", "client"), [("t-abc", "t-abc"), ("apiv4", None), ("-", None), ("", None)])
def test_only_what_users_give_is_their_id(text, client):
    assert one_of("perpetual-stream", text=text).client_order_id == client


@pytest.mark.parametrize(
    ("size", "side", "contracts"), [("-3", "sell", 3), (3, "buy", 3), ("0.3", "buy", "0.3"), (-3, "sell", 3)]
)
def test_the_sign_of_a_size_is_the_side(size, side, contracts):
    trade = one_of("perpetual-stream", size=size)
    assert (trade.side, trade.contracts) == (side, Decimal(contracts))
    assert trade.amount == Decimal(contracts) * Decimal("0.0001")


def test_a_contract_of_unknown_worth_is_not_guessed():
    one = sample("perpetual-rest")
    for market in one["markets"]:
        market["contract_size"] = None
    assert len(heard_in("gate", one).unreadable) == 2


@pytest.mark.parametrize("field", ["id", "order_id", "currency_pair", "side", "price", "amount"])
def test_a_spot_row_that_lacks_what_must_be_there_is_unreadable(field):
    heard = changed("spot-stream", **{field: None})
    assert heard.trades == ()
    assert field in heard.unreadable[0].reason


@pytest.mark.parametrize("field", ["id", "order_id", "size", "price"])
def test_a_contract_row_that_lacks_what_must_be_there_is_unreadable(field):
    heard = changed("perpetual-stream", **{field: None})
    assert heard.trades == ()
    assert field in heard.unreadable[0].reason


@pytest.mark.parametrize("moments", [{"create_time_ms": 1795190411, "create_time": None}, {"create_time_ms": "soon"}])
def test_a_moment_in_the_wrong_unit_is_unreadable(moments):
    assert changed("spot-stream", **moments).trades == ()


@pytest.mark.parametrize("result", [None, {}, "rows"])
def test_an_update_without_rows_is_unreadable(result):
    with pytest.raises(UnreadableRow, match="result"):
        GATE.read_stream({"channel": "spot.usertrades", "event": "update", "result": result}, Markets([]), None)


@pytest.mark.parametrize("nothing", [None, "", "maker"])
@pytest.mark.parametrize("name", ["spot-stream", "perpetual-stream"])
def test_a_role_that_is_not_told_costs_no_trade(name, nothing):
    trade = one_of(name, role=nothing)
    assert trade.taker_or_maker == (nothing or None)
    assert not changed(name, role="neither").trades


def test_the_sooner_channel_tells_the_same_without_a_fee():
    one = sample("spot-stream-without-fee")
    (usual,) = heard_in("gate", one).trades
    one["raw"]["channel"] = "spot.usertrades_v2"
    assert heard_in("gate", one).trades == (usual,)
    assert usual.provisional


def test_a_refusal_is_not_taken_for_an_empty_page():
    with pytest.raises(UnreadableRow, match="INVALID_KEY"):
        GATE.read_rest({"label": "INVALID_KEY", "message": "Invalid key provided"}, Markets([]), None)


@pytest.mark.parametrize("response", [[], [{"currency": "BTC", "available": "1"}], {"total": "1", "user": 7}])
def test_other_responses_hold_no_trade(response):
    assert GATE.read_rest(response, Markets([]), None) == Heard()


def test_a_role_that_is_not_told_is_none_whatever_stands_beside_it():
    name = next(one["id"] for one in FILLS if is_rest(one))
    assert one_of(name, role=None, text="t-mine").taker_or_maker is None


def test_a_fee_in_a_coin_of_the_market_has_the_name_that_the_market_gives_it():
    one = sample(next(one["id"] for one in FILLS if is_rest(one) and "currency_pair" in one["raw"][0]))
    row, pair = one["raw"][0], one["raw"][0]["currency_pair"]
    one["raw"] = [{**row, "fee_currency": pair.split("_")[0], "fee": "0.5"}]
    one["markets"] = [{**market, "base": "OTHER"} for market in one["markets"] if market["id"] == pair]
    (trade,) = heard_in("gate", one).trades
    assert trade.fees[0] == Fee(Decimal("0.5"), "OTHER")
