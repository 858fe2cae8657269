"""Rows: every field of a fill is read from where it stands, in each of the three shapes."""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, Trade
from shared.exchanges import load
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json
from tests.exchanges.messages import heard_in, is_rest, markets_of, shown

BITGET = load("bitget")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "bitget.json").read_text())
WITH_TRADES = [one for one in SAMPLES if one["expected"]["trades"]]


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def rows_in(one: dict[str, Any]) -> list[dict[str, Any]]:
    data = one["raw"]["data"]
    return data if isinstance(data, list) else data.get("fillList") or data["list"]


def changed(name: str, place: int = 0, /, **changes: Any) -> Heard:
    """The sample with one of its rows alone, some fields changed; None takes a field away."""
    one = sample(name)
    rows = rows_in(one)
    row = {key: value for key, value in {**rows[place], **changes}.items() if value is not None}
    rows[:] = [row]
    return heard_in("bitget", one)


def trade(name: str, place: int = 0, /, **changes: Any) -> Trade:
    heard = changed(name, place, **changes)
    assert heard.unreadable == ()
    (found,) = heard.trades
    return found


@pytest.mark.parametrize("one", WITH_TRADES, ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(one):
    for first in heard_in("bitget", one).trades:
        row = decode_json(encode_json(first.raw))
        if is_rest(one):
            product = Product.LINEAR if "baseVolume" in row else None
            heard = BITGET.read_rest(row, markets_of(one), product)
        else:
            message = {"arg": {"instType": "UTA", "topic": "fill"}, "data": [row]}
            heard = BITGET.read_stream(message, markets_of(one), None)
        (again,) = heard.trades
        assert shown(again) == shown(first)


# ── The second reader ─────────────────────────────────────────────────────────────────────────────────


def ccxt_reads(row: dict[str, Any], ours: Trade, market: dict[str, Any]) -> dict[str, Any]:
    client = ccxt.bitget()
    client.number = str
    is_spot = market["type"] == "spot"
    full = {**market, "spot": is_spot, "swap": not is_spot, "contract": not is_spot, "precision": {}, "limits": {}}
    return client.parse_trade(row, {**full, "contractSize": None if is_spot else "1"})


def client_code(coin: str) -> str:
    return ccxt.bitget().safe_currency_code(coin)


def pairs() -> Iterator[Any]:
    for one in WITH_TRADES:
        markets = {market["symbol"]: market for market in one["markets"]}
        for ours in heard_in("bitget", one).trades:
            market = markets[ours.symbol]
            yield pytest.param(dict(ours.raw), ours, market, id=f"{one['id']}-{ours.exchange_trade_id}-{ours.side}")


@pytest.mark.parametrize(("row", "ours", "market"), list(pairs()))
def test_the_second_reader_agrees_but_for_what_is_explained(row, ours, market):
    row = dict(row)
    if not row.get("feeDetail"):
        row["feeDetail"] = [{}]  # ccxt stumbles over a list without a line
    elif ours.provisional:
        (row["feeDetail"],) = row["feeDetail"]  # and knows spot's fee as REST tells it only
    theirs = ccxt_reads(row, ours, market)
    assert (theirs["symbol"], theirs["id"], theirs["order"]) == (ours.symbol, ours.exchange_trade_id, ours.order_id)
    assert Decimal(theirs["price"]) == ours.price
    assert Decimal(theirs["amount"]) == ours.amount
    assert Decimal(theirs["cost"]) == ours.cost
    assert theirs["takerOrMaker"] == ours.taker_or_maker
    # ccxt believes `side` where it names the position, and not the direction.
    is_closing_hedged = row.get("posMode") == "hedge_mode" and "close" in row.get("tradeSide", "")
    assert (theirs["side"] == ours.side) is not is_closing_hedged
    if "execTime" not in row:  # ccxt looks for the time of unified rows over REST only
        assert theirs["timestamp"] == ours.timestamp_ms
    if not ours.fees:
        assert theirs["fee"]["cost"] is None
        return
    line = row["feeDetail"] if isinstance(row["feeDetail"], dict) else row["feeDetail"][0]
    fee = Decimal(theirs["fee"]["cost"])
    if "execId" in row or line.get("deduction") == "yes":
        fee = -fee  # ccxt negates every fee, also those that are positive where they are paid
    elif ours.provisional:
        fee = abs(fee)  # the socket's sign is open
    assert (fee, theirs["fee"]["currency"]) == (ours.fee, client_code(line["feeCoin"]))


# ── Each field ────────────────────────────────────────────────────────────────────────────────────────

SPOT_FOLLOWS = {
    "tradeId": ("77", {"exchange_trade_id": "77"}),
    "orderId": ("78", {"order_id": "78"}),
    "side": ("sell", {"side": "sell"}),
    "priceAvg": ("64001.25", {"price": Decimal("64001.25")}),
    "size": ("0.7", {"amount": Decimal("0.7")}),
    "amount": ("999.5", {"cost": Decimal("999.5")}),
    "tradeScope": ("taker", {"taker_or_maker": "taker"}),
    "cTime": ("1795190411999", {"timestamp_ms": 1795190411999}),
    "feeDetail": ({"feeCoin": "USDT", "deduction": "no", "totalFee": "-2"}, {"fees": [(Decimal(2), "USDT")]}),
    "uTime": ("1", {}),
    "orderType": ("market", {}),
    "userId": ("1", {}),
}
UNIFIED_FOLLOWS = {
    "execId": ("77", {"exchange_trade_id": "77"}),
    "orderId": ("78", {"order_id": "78"}),
    "clientOid": ("", {"client_order_id": None}),
    "side": ("buy", {"side": "buy"}),
    "execPrice": ("64001.25", {"price": Decimal("64001.25")}),
    "execQty": ("0.7", {"amount": Decimal("0.7")}),
    "execValue": ("999.5", {"cost": Decimal("999.5")}),
    "tradeScope": ("maker", {"taker_or_maker": "maker"}),
    "createdTime": ("1795190411999", {"timestamp_ms": 1795190411999}),
    "feeDetail": ([{"feeCoin": "BGB", "fee": "-2"}], {"fees": [(Decimal(-2), "BGB")]}),
    "tradeSide": ("reduce_close_long", {"kind": "liquidation"}),
    "updatedTime": ("1", {}),
    "execLinkId": ("1", {}),
    "posSide": ("short", {}),
    "execPnl": ("9", {}),
}


@pytest.mark.parametrize(
    ("name", "place", "field", "value", "change"),
    [
        *(("spot-rest", 2, field, *follows) for field, follows in SPOT_FOLLOWS.items()),
        *(("unified-rest", 1, field, *follows) for field, follows in UNIFIED_FOLLOWS.items()),
    ],
)
def test_each_field_decides_what_it_should_and_nothing_else(name, place, field, value, change):
    if field == "side" and name == "spot-rest":
        place, change = 1, {"side": "sell"}
    if field == "tradeScope" and name == "spot-rest":
        place = 2
    before, after = shown(trade(name, place)), shown(trade(name, place, **{field: value}))
    for one in (before, after):
        parts = [str(one[part]) for part in ("product", "market_id", "exchange_trade_id", "order_id")]
        assert one.pop("identity") == ":".join(parts)
    assert {key: after[key] for key in after if after[key] != before[key]} == change


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("spot-rest", ("symbol", "tradeId", "side", "priceAvg", "size", "cTime")),
        ("contract-stream-hedged", ("symbol", "tradeId", "side", "price", "tradeSide", "posMode", "cTime")),
        ("unified-rest", ("symbol", "side", "execPrice", "execQty", "createdTime", "category")),
    ],
)
@pytest.mark.parametrize("how", ["missing", "empty", "nonsense"])
def test_a_row_without_what_it_must_have_goes_to_quarantine_whole(name, fields, how):
    for field in fields:
        if field == "tradeId" and how == "nonsense":
            continue  # an id may be any text
        heard = changed(name, **{field: {"missing": None, "empty": "", "nonsense": "?!"}[how]})
        assert heard.trades == (), field
        (row,) = heard.unreadable
        assert row.raw["orderId"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priceAvg", "0"),
        ("size", "-1"),
        ("cTime", "1795190411"),
        ("tradeScope", "both"),
        ("feeDetail", "x"),
        ("feeDetail", [7]),
        ("feeDetail", {"totalFee": "-1", "deduction": "no"}),
        ("feeDetail", {"totalFee": "NaN", "feeCoin": "USDT"}),
    ],
)
def test_a_value_that_cannot_be_is_not_believed(field, value):
    heard = changed("spot-rest", 1, **{field: value})
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


# ── Fees ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "fee"),
    [
        ({"totalFee": "-2", "deduction": "no"}, "2"),
        ({"totalFee": "2", "deduction": "no"}, "-2"),
        ({"totalFee": "2", "deduction": "yes"}, "2"),
        ({"totalFee": "-2"}, "2"),
        ({"totalFee": "0", "deduction": "no"}, "0"),
    ],
)
def test_a_classic_fee_is_negative_where_it_is_paid_unless_the_discount_coin_pays(line, fee):
    wanted = (Fee(Decimal(fee), "USDT"),)
    assert trade("spot-rest", 1, feeDetail={"feeCoin": "USDT", **line}).fees == wanted
    assert trade("contract-stream-hedged", feeDetail=[{"feeCoin": "USDT", **line}]).fees == wanted


@pytest.mark.parametrize("written", ["2", "-2"])
def test_the_spot_socket_s_fee_is_paid_whatever_its_sign_until_rest_tells(written):
    found = trade("spot-stream", feeDetail=[{"feeCoin": "BTC", "deduction": "no", "totalFee": written}])
    assert (found.fees, found.provisional) == ((Fee(Decimal(2), "BTC"),), True)
    assert trade("spot-stream", feeDetail=[]).provisional


@pytest.mark.parametrize("detail", [[], "", None])
@pytest.mark.parametrize("name", ["spot-rest", "contract-rest-hedged", "unified-rest"])
def test_no_fee_comes_in_several_shapes(name, detail):
    found = trade(name, feeDetail=detail)
    assert (found.fees, found.provisional) == ((), False)


@pytest.mark.parametrize(("name", "is_provisional"), [("contract-stream-hedged", True), ("unified-stream", True)])
def test_a_fill_heard_without_any_word_of_a_fee_waits_for_rest_and_one_that_is_free_does_not(name, is_provisional):
    assert trade(name, feeDetail=None).provisional is is_provisional
    assert trade(name, feeDetail=[]).provisional is False


def test_all_lines_of_a_fee_are_kept():
    lines = [{"feeCoin": "USDT", "totalFee": "-1"}, {"feeCoin": "BGB", "totalFee": "2", "deduction": "yes"}]
    assert trade("contract-stream-hedged", feeDetail=lines).fees == (Fee(Decimal(1), "USDT"), Fee(Decimal(2), "BGB"))


# ── Sides and kinds ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "word", "mode", "ours", "kind"),
    [
        ("buy", "open", "hedge_mode", Side.BUY, Kind.TRADE),
        ("buy", "close", "hedge_mode", Side.SELL, Kind.TRADE),
        ("sell", "close", "hedge_mode", Side.BUY, Kind.TRADE),
        ("buy", "close", "one_way_mode", Side.BUY, Kind.TRADE),
        ("buy", "burst_close_long", "hedge_mode", Side.SELL, Kind.LIQUIDATION),
        ("sell", "reduce_close_short", "hedge_mode", Side.BUY, Kind.LIQUIDATION),
        ("buy", "offset_close_long", "hedge_mode", Side.SELL, Kind.ADJUSTMENT),
        ("buy", "delivery_close_long", "hedge_mode", Side.SELL, Kind.DELIVERY),
        ("sell", "dte_sys_adl_close_short", "hedge_mode", Side.BUY, Kind.ADL),
        ("sell", "sell_single", "one_way_mode", Side.SELL, Kind.TRADE),
        ("buy", "reduce_buy_single", "one_way_mode", Side.BUY, Kind.LIQUIDATION),
        ("buy", "dte_sys_adl_buy_in_single_side_mode", "one_way_mode", Side.BUY, Kind.ADL),
    ],
)
def test_what_a_fill_does_to_a_position_decides_side_and_kind(side, word, mode, ours, kind):
    found = trade("contract-stream-hedged", side=side, tradeSide=word, posMode=mode)
    assert (found.side, found.kind) == (ours, kind)


@pytest.mark.parametrize("word", ["close", "burst_close_short", "open"])
def test_a_unified_row_names_the_true_side(word):
    assert trade("unified-rest", 1, tradeSide=word).side is Side.SELL


@pytest.mark.parametrize("word", ["swallow", "burst", "close_sideways", "buy_double"])
def test_an_unknown_word_for_a_position_is_never_guessed(word):
    for name in ("contract-stream-hedged", "unified-stream"):
        assert changed(name, tradeSide=word).trades == ()


# ── Markets ───────────────────────────────────────────────────────────────────────────────────────────

BOTH = Markets(
    [
        Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT"),
        Market("BTCUSDT", "BTC/USDT:USDT", "swap", "BTC", "USDT", "USDT", linear=True),
    ]
)


def test_a_row_alone_tells_spot_from_contracts_by_its_shape():
    spot, contract = rows_in(sample("spot-rest"))[0], rows_in(sample("contract-rest-hedged"))[0]
    assert BITGET.read_rest(spot, BOTH, None).trades[0].symbol == "BTC/USDT"
    assert BITGET.read_rest([contract], BOTH, None).trades[0].symbol == "BTC/USDT:USDT"
    only_spot = Markets(BOTH.of(Product.SPOT))
    assert BITGET.read_rest(contract, only_spot, None).trades == ()


def test_a_streamed_row_is_of_the_list_that_was_subscribed_whatever_its_shape():
    inverse = Market("BTCUSDT", "BTC/USDT:BTC", "swap", "BTC", "USDT", "BTC", inverse=True)
    (row,) = rows_in(sample("contract-stream-hedged"))
    for name, symbol in (("USDT-FUTURES", "BTC/USDT:USDT"), ("COIN-FUTURES", "BTC/USDT:BTC")):
        message = {"arg": {"instType": name, "channel": "fill", "instId": "default"}, "data": [row]}
        (found,) = BITGET.read_stream(message, Markets([*BOTH.all, inverse]), None).trades
        assert (found.symbol, found.raw["instType"]) == (symbol, name)


def test_ids_of_spot_and_contracts_may_be_the_same_and_their_trades_are_two():
    trades = heard_in("bitget", sample("unified-rest")).trades
    same = [one for one in trades if one.exchange_trade_id == "1310000000000000901"]
    assert len({one.identity for one in same}) == 2


def test_a_refused_answer_is_not_an_answer_without_trades():
    with pytest.raises(UnreadableRow, match="40085"):
        BITGET.read_rest({"code": "40085", "msg": "You are in Unified Account mode", "data": None}, BOTH, None)
    with pytest.raises(UnreadableRow):
        BITGET.read_rest({"code": "00000", "data": None}, BOTH, None)


def test_the_cost_that_is_told_stands_in_each_shape():
    for name, field in (
        ("spot-rest", "amount"),
        ("contract-stream-hedged", "quoteVolume"),
        ("unified-rest", "execValue"),
    ):
        (one,) = changed(name, **{field: "123.5"}).trades
        assert one.cost == Decimal("123.5"), field
