"""Rows: every field of an execution is read from where it stands, and what cannot be read is said to be so."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, TakerOrMaker, Trade
from shared.exchanges import load
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json

SAMPLES = json.loads((Path(__file__).parent / "samples" / "bybit.json").read_text())
NEIGHBOURS = Path(__file__).parents[3] / "shared" / "samples" / "bybit.json"
BYBIT = load("bybit")


def markets_of(sample: dict[str, Any]) -> Markets:
    return Markets(
        Market(
            id=row["id"],
            symbol=row["symbol"],
            type=row["type"],
            base=row["base"],
            quote=row["quote"],
            settle=row["settle"],
            contract_size=Decimal(row["contract_size"]) if row["contract_size"] else None,
            linear=row["linear"],
            inverse=row["inverse"],
        )
        for row in sample["markets"]
    )


def heard_in(sample: dict[str, Any], raw: Any = None) -> Heard:
    message = decode_json(json.dumps(sample["raw"] if raw is None else raw))
    read = BYBIT.read_rest if sample["kind"] in {"rest", "rest_fills"} else BYBIT.read_stream
    return read(message, markets_of(sample), None)


def shown(trade: Trade) -> dict[str, Any]:
    """The trade without its raw row, as samples write it; numbers compare by value."""
    return {
        "symbol": trade.symbol,
        "market_id": trade.market_id,
        "product": trade.product,
        "exchange_trade_id": trade.exchange_trade_id,
        "identity": trade.identity,
        "order_id": trade.order_id,
        "client_order_id": trade.client_order_id,
        "side": trade.side,
        "price": trade.price,
        "amount": trade.amount,
        "contracts": trade.contracts,
        "cost": trade.cost,
        "fees": [[fee.amount, fee.currency] for fee in trade.fees],
        "taker_or_maker": trade.taker_or_maker,
        "timestamp_ms": trade.timestamp_ms,
        "kind": trade.kind,
        "provisional": trade.provisional,
    }


def expected(trade: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: Decimal(trade[name]) for name in ("price", "amount", "cost")}
    contracts = Decimal(trade["contracts"]) if trade["contracts"] else None
    return {**trade, **numbers, "contracts": contracts, "fees": [[Decimal(a), c] for a, c in trade["fees"]]}


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def rows_in(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return raw["data"] if "data" in raw else raw["result"]["list"]


def read_changed(name: str, place: int = 0, /, **changes: Any) -> Heard:
    """The sample's row with some fields changed; None takes a field away."""
    one = sample(name)
    row = rows_in(one["raw"])[place]
    row.update(changes)
    for field, value in changes.items():
        if value is None:
            del row[field]
    one["raw"]["data" if "data" in one["raw"] else "result"] = (
        [row] if "data" in one["raw"] else {**one["raw"]["result"], "list": [row]}
    )
    return heard_in(one)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_a_sample_is_read_as_expected(one):
    heard = heard_in(one)
    assert [shown(trade) for trade in heard.trades] == [expected(trade) for trade in one["expected"]["trades"]]
    assert len(heard.unreadable) == one["expected"]["unreadable"]


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(one):
    for trade in heard_in(one).trades:
        again = BYBIT.read_rest if one["kind"] == "rest" else BYBIT.read_stream
        raw = trade.raw if one["kind"] == "rest" else {"topic": "execution", "data": [trade.raw]}
        (same,) = again(decode_json(encode_json(raw)), markets_of(one), None).trades
        assert shown(same) == shown(trade)


@pytest.mark.skipif(not NEIGHBOURS.exists(), reason="the real messages are not here")
def test_real_messages_are_read_as_expected():
    read = 0
    for one in json.loads(NEIGHBOURS.read_text()):
        heard = heard_in(one)
        wanted = one["expected"].get("trades", [])
        assert len(heard.trades) == len(wanted)
        assert heard.unreadable == ()
        for trade, values in zip(heard.trades, wanted, strict=True):
            read += 1
            assert (trade.symbol, trade.exchange_trade_id, trade.order_id, trade.side) == (
                values["symbol"],
                values["exchange_trade_id"],
                values["order_id"],
                values["side"],
            )
            numbers = [Decimal(values[name]) for name in ("price", "amount", "cost", "fee_amount")]
            assert [trade.price, trade.amount, trade.cost, trade.fee] == numbers
            assert trade.fee_currency == values["fee_currency"]
            assert (trade.taker_or_maker, trade.timestamp_ms) == (values["taker_or_maker"], values["timestamp_ms"])
    assert read == 4


def ccxt_reads(one: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The second reader: ccxt's own, given the category that it wants in the row."""
    client = ccxt.bybit()
    client.number = str
    client.markets_by_id = {}
    for market in one["markets"]:
        is_spot = market["type"] == "spot"
        full = {**market, "spot": is_spot, "swap": not is_spot, "contract": not is_spot, "option": False}
        size = market["contract_size"]
        full = {**full, "contractSize": float(size) if size else None, "precision": {}, "limits": {}}
        client.markets_by_id.setdefault(market["id"], []).append(full)
    client.markets = {market["symbol"]: market for market in one["markets"]}
    category = row.get("category") or one["raw"].get("result", {}).get("category")
    return client.parse_trade({**row, "category": category})


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    rows = {row.get("execId"): row for row in rows_in(one["raw"])}
    for trade in heard_in(one).trades:
        row = rows[trade.exchange_trade_id]
        theirs = ccxt_reads(one, row)
        assert theirs["symbol"] == trade.symbol
        assert theirs["id"] == trade.exchange_trade_id
        assert theirs["order"] == trade.order_id
        assert theirs["side"] == trade.side
        assert theirs["timestamp"] == trade.timestamp_ms
        assert theirs["takerOrMaker"] == trade.taker_or_maker
        assert Decimal(theirs["price"]) == trade.price
        if trade.product is Product.INVERSE:
            # ccxt gives the count of contracts as the amount, and the exchange's value (in base) as the cost.
            assert Decimal(theirs["amount"]) == trade.contracts == trade.cost
            assert Decimal(theirs["cost"]) == trade.amount
        else:
            assert Decimal(theirs["amount"]) == trade.amount
            assert Decimal(theirs["cost"]) == trade.cost
        if trade.fees:
            assert Decimal(theirs["fee"]["cost"]) == trade.fee
            # ccxt looks for `feeCoin`, the rows say `feeCurrency`: a fee in a third coin gets the wrong name there.
            assert theirs["fee"]["currency"] == trade.fee_currency or row["feeCurrency"] == "MNT"
        else:
            assert theirs["fee"]["cost"] is None  # the fast topic has no fee


# Each field of the row, and what of the trade follows it. A reader that takes a neighbour's field fails here.
FOLLOWS = {
    "symbol": ("ETHUSDT", {"symbol": "ETH/USDT", "market_id": "ETHUSDT"}),
    "execId": ("77", {"exchange_trade_id": "77"}),
    "orderId": ("78", {"order_id": "78"}),
    "orderLinkId": ("mine", {"client_order_id": "mine"}),
    "side": ("Sell", {"side": "sell"}),
    "execPrice": ("64001.25", {"price": Decimal("64001.25")}),
    "execQty": ("0.7", {"amount": Decimal("0.7")}),
    "execValue": ("999.5", {"cost": Decimal("999.5")}),
    "execFee": ("0.125", {"fees": [[Decimal("0.125"), "BTC"]]}),
    "feeCurrency": ("MNT", {"fees": [[Decimal("0.0002"), "MNT"]]}),
    "isMaker": (True, {"taker_or_maker": "maker"}),
    "execTime": ("1795190411999", {"timestamp_ms": 1795190411999}),
    "execType": ("BlockTrade", {"kind": "block"}),
}
STILL = {
    "isLeverage": "1",
    "orderPrice": "1",
    "orderQty": "1",
    "leavesQty": "1",
    "orderType": "Market",
    "stopOrderType": "Stop",
    "feeRate": "0.5",
    "seq": 1,
    "closedSize": "1",
    "blockTradeId": "b",
    "execPnl": "1",
    "markPrice": "1",
    "execFeeV2": "1",
}


def base_trade(**changes: Any) -> dict[str, Any]:
    one = sample("spot-stream-two-fills")
    one["markets"].append({**one["markets"][0], "id": "ETHUSDT", "symbol": "ETH/USDT", "base": "ETH"})
    one["raw"]["data"] = [{**one["raw"]["data"][1], **changes}]
    (trade,) = heard_in(one).trades
    return shown(trade)


@pytest.mark.parametrize("field", FOLLOWS)
def test_each_field_of_a_row_decides_what_it_should_and_nothing_else(field):
    value, change = FOLLOWS[field]
    before, after = base_trade(), base_trade(**{field: value})
    for trade in (before, after):
        assert trade.pop("identity") == ":".join(
            str(trade[name]) for name in ("product", "market_id", "exchange_trade_id", "order_id", "side")
        )
    changed = {name: after[name] for name in after if after[name] != before[name]}
    assert changed == change


@pytest.mark.parametrize("field", STILL)
def test_a_field_that_says_nothing_about_the_trade_changes_nothing(field):
    assert base_trade(**{field: STILL[field]}) == base_trade()


@pytest.mark.parametrize("field", ["symbol", "execId", "side", "execPrice", "execQty", "execTime", "execType"])
@pytest.mark.parametrize("how", ["missing", "empty", "nonsense"])
def test_a_row_without_what_it_must_have_goes_to_quarantine_whole(field, how):
    change = {"missing": None, "empty": "", "nonsense": "?!"}[how]
    if field == "execId" and how == "nonsense":
        pytest.skip("an id may be any text")
    heard = read_changed("linear-stream", **{field: change})
    assert heard.trades == ()
    (row,) = heard.unreadable
    assert field in row.reason or "market" in row.reason
    assert row.raw["orderId"] == "f6e324ff-99c2-4e89-9739-3086e47f9381"


@pytest.mark.parametrize(
    ("field", "value"),
    [("execPrice", "0"), ("execQty", "-1"), ("execTime", "1795190411"), ("isMaker", "yes"), ("execFee", "NaN")],
)
def test_a_value_that_cannot_be_is_not_believed(field, value):
    heard = read_changed("linear-stream", **{field: value})
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("Trade", Kind.TRADE),
        ("AdlTrade", Kind.ADL),
        ("BustTrade", Kind.LIQUIDATION),
        ("Delivery", Kind.DELIVERY),
        ("Settle", Kind.SETTLEMENT),
        ("BlockTrade", Kind.BLOCK),
        ("MovePosition", Kind.ADJUSTMENT),
        ("FutureSpread", Kind.TRADE),
        ("CorporateAction", Kind.ADJUSTMENT),
    ],
)
def test_each_kind_of_execution_has_our_word(kind, ours):
    (trade,) = read_changed("linear-stream", execType=kind).trades
    assert trade.kind is ours


def test_a_funding_payment_is_no_trade_and_nothing_to_look_at():
    heard = read_changed("linear-stream", execType="Funding", side="None", execPrice="0")
    assert heard == Heard()


@pytest.mark.parametrize("kind", ["UNKNOWN", "SomethingNew", ""])
def test_an_unknown_kind_of_a_contract_is_quarantined(kind):
    heard = read_changed("linear-stream", execType=kind)
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    ("side", "maker", "rate", "fee", "currency"),
    [
        ("Buy", False, "0.001", "0.0002", "BTC"),
        ("Sell", False, "0.001", "12.8", "USDT"),
        ("Buy", True, "0.001", "0.0002", "BTC"),
        ("Sell", True, "0.001", "12.8", "USDT"),
        ("Buy", True, "-0.0001", "-1.28", "USDT"),
        ("Sell", True, "-0.0001", "-0.00002", "BTC"),
        ("Buy", False, "-0.0001", "0.0002", "BTC"),
        ("Buy", True, "0.001", "-0.0002", "BTC"),
        ("Buy", True, "", "-1.28", "USDT"),
        ("Sell", True, "", "-0.00002", "BTC"),
    ],
)
def test_a_spot_fee_without_a_currency_follows_the_documented_rule(side, maker, rate, fee, currency):
    trade = base_trade(feeCurrency="", side=side, isMaker=maker, feeRate=rate, execFee=fee)
    assert trade["fees"] == [[Decimal(fee), currency]]


def test_the_spot_leg_of_a_spread_pays_its_own_fee():
    assert base_trade(execType="FutureSpread", execFee="", execFeeV2="0.5")["fees"] == [[Decimal("0.5"), "BTC"]]
    assert base_trade(execType="FutureSpread", execFee="0.4", execFeeV2="0.5")["fees"] == [[Decimal("0.5"), "BTC"]]
    assert base_trade(execType="FutureSpread", execFee="0.4", execFeeV2="")["fees"] == [[Decimal("0.4"), "BTC"]]


@pytest.mark.parametrize("extra", ["", [], None, "[]"])
def test_no_extra_fees_come_in_several_shapes(extra):
    heard = read_changed("spot-rest-third-coin", extraFees=extra)
    assert heard.trades[0].fees == (Fee(Decimal("0.55"), "MNT"),)


@pytest.mark.parametrize("extra", ["{", "7", {"fee": "1"}, ["x"], [{"fee": "1"}], [{"fee": "x", "feeCoin": "USDT"}]])
def test_extra_fees_that_cannot_be_read_are_not_dropped_silently(extra):
    heard = read_changed("spot-rest-third-coin", extraFees=extra)
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


def test_a_streamed_row_without_a_fee_waits_for_history_and_a_row_of_history_does_not():
    (streamed,) = read_changed("linear-stream", execFee="").trades
    assert (streamed.fees, streamed.provisional) == ((), True)
    (read,) = read_changed("linear-rest-usdc", execFee="").trades
    assert (read.fees, read.provisional) == ((), False)


def test_a_streamed_row_that_says_its_kind_is_believed_without_a_fee():
    (trade,) = read_changed("linear-stream", execType="AdlTrade", execFee=None).trades
    assert (trade.kind, trade.provisional) == (Kind.ADL, True)


def test_a_contract_may_be_worth_more_than_one_dollar():
    one = sample("inverse-rest-funding-and-bust")
    one["markets"][0]["contract_size"] = "10"
    assert [(trade.contracts, trade.cost) for trade in heard_in(one).trades] == [(Decimal(1000), Decimal(10000))]


def test_the_raw_row_keeps_the_product_that_stood_around_it():
    assert heard_in(sample("spot-rest-third-coin")).trades[0].raw["category"] == "spot"
    assert heard_in(sample("linear-stream")).trades[0].raw["category"] == "linear"
    assert heard_in(sample("inverse-rest-funding-and-bust")).trades[0].raw["category"] == "inverse"
    assert read_changed("spot-rest-third-coin", category="linear").trades[0].raw["category"] == "linear"


def test_a_row_of_history_must_say_its_kind():
    heard = read_changed("linear-rest-usdc", execType=None, execFee=None)
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


def test_a_row_without_an_order_still_has_one_identity():
    (trade,) = read_changed("linear-stream", orderId="").trades
    assert trade.order_id is None
    assert trade.identity == "linear:XRPUSDT:7e2ae69c-4edf-5800-a352-893d52b446aa::sell"


def test_a_row_that_does_not_say_who_took_leaves_it_open():
    (trade,) = read_changed("linear-stream", isMaker=None).trades
    assert trade.taker_or_maker is None


def test_both_sides_of_a_self_trade_are_two_trades():
    assert base_trade()["identity"] != base_trade(side="Sell", orderId="1795190000112")["identity"]
    assert base_trade()["identity"] != base_trade(orderId="1795190000112")["identity"]
    assert base_trade()["identity"] != base_trade(side="Sell")["identity"]


def test_history_and_stream_give_one_trade_one_identity():
    one = sample("spot-stream-two-fills")
    streamed = heard_in(one).trades[0]
    row = {name: value for name, value in one["raw"]["data"][1].items() if name != "category"}
    read = BYBIT.read_rest({"result": {"category": "spot", "list": [row]}}, markets_of(one), None).trades[0]
    assert shown(read) == shown(streamed)


@pytest.mark.parametrize("category", ["spot", "linear"])
def test_the_product_on_the_result_decides_where_two_markets_share_an_id(category):
    one = sample("spot-rest-third-coin")
    one["raw"]["result"]["category"] = category
    (trade,) = heard_in(one).trades
    assert trade.product == category
    assert trade.symbol == {"spot": "BTC/USDT", "linear": "BTC/USDT:USDT"}[category]


def test_without_a_product_the_shape_of_the_row_decides():
    one = sample("spot-rest-third-coin")
    row = one["raw"]["result"]["list"][0]
    spot = BYBIT.read_rest([row], markets_of(one), None).trades[0]
    contract = BYBIT.read_rest({**row, "createType": "CreateByUser"}, markets_of(one), None).trades[0]
    told = BYBIT.read_rest([row], markets_of(one), Product.LINEAR).trades[0]
    assert [spot.product, contract.product, told.product] == [Product.SPOT, Product.LINEAR, Product.LINEAR]


def test_a_topic_that_names_its_product_decides():
    one = sample("spot-stream-two-fills")
    for row in one["raw"]["data"]:
        del row["category"]
    one["raw"]["topic"] = "execution.linear"
    assert {trade.product for trade in heard_in(one).trades} == {Product.LINEAR}
    one["raw"]["topic"] = "execution.fast.spot"
    assert {trade.product for trade in heard_in(one).trades} == {Product.SPOT}


def test_an_unknown_market_or_product_is_not_guessed():
    assert len(read_changed("linear-stream", symbol="NOPEUSDT").unreadable) == 1
    assert len(read_changed("linear-stream", category="galactic").unreadable) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c"},
        {"req_id": "h", "op": "pong", "args": ["1795190412000"], "conn_id": "c"},
        {"topic": "wallet", "data": [{"coin": []}]},
        {"topic": "order", "data": [{"symbol": "BTCUSDT"}]},
        {"topic": "execution", "data": []},
    ],
)
def test_other_messages_hold_no_trade(message):
    assert BYBIT.read_stream(message, Markets([]), None) == Heard()


@pytest.mark.parametrize("response", [{"result": {"list": []}}, {"result": {}}, {"retCode": 0, "result": {}}, []])
def test_an_empty_response_holds_no_trade(response):
    assert BYBIT.read_rest(response, Markets([]), None) == Heard()


def test_a_maker_is_told_from_a_taker():
    assert base_trade(isMaker=True)["taker_or_maker"] == TakerOrMaker.MAKER
    assert base_trade(isMaker=False)["taker_or_maker"] == TakerOrMaker.TAKER


@pytest.mark.parametrize("code", [10_003, "10006", [], {}])
def test_an_answer_that_is_an_error_is_no_empty_history(code: Any):
    with pytest.raises(UnreadableRow, match="error"):
        BYBIT.read_rest({"retCode": code, "retMsg": "API key is invalid.", "result": {}}, Markets([]), None)


def test_a_kind_that_is_told_counts_whatever_else_is_empty():
    assert read_changed("spot-rest-classic", execType="BlockTrade").trades[0].kind is Kind.BLOCK


def _contract(market_id: str, *, inverse: bool, size: str | None = "1") -> Market:
    settle = "BTC" if inverse else "USD"
    return Market(
        id=market_id, symbol=f"BTC/USD:{settle}", type="swap", base="BTC", quote="USD", settle=settle,
        contract_size=Decimal(size) if size else None, linear=not inverse, inverse=inverse,
    )  # fmt: skip


SHAPELESS = {"symbol": "BTCUSD", "side": "Buy", "orderId": "o", "execId": "e", "execPrice": "50000"} | {
    "execQty": "100", "execValue": "0.002", "execFee": "1", "feeCurrency": "BTC", "execTime": "1795190450000",
    "execType": "Trade",
}  # fmt: skip


def test_where_an_id_is_of_several_products_the_row_says_which_is_likely():
    spot = Market(id="BTCUSD", symbol="BTC/USD", type="spot", base="BTC", quote="USD")
    linear, inverse = _contract("BTCUSD", inverse=False), _contract("BTCUSD", inverse=True)

    def product_of(*markets: Market, **changes: str) -> Product:
        return BYBIT.read_rest([{**SHAPELESS, **changes}], Markets(markets), None).trades[0].product

    assert product_of(spot, inverse) is Product.SPOT
    assert product_of(spot, inverse, createType="CreateByUser") is Product.INVERSE
    assert product_of(inverse, linear) is Product.LINEAR
    assert product_of(inverse, linear, createType="CreateByUser") is Product.LINEAR


def test_an_inverse_contract_of_untold_size_is_of_one_dollar():
    (trade,) = BYBIT.read_rest([SHAPELESS], Markets([_contract("BTCUSD", inverse=True, size=None)]), None).trades
    assert (trade.amount, trade.contracts, trade.cost) == (Decimal("0.002"), Decimal(100), Decimal(100))


def test_a_frame_of_another_topic_is_no_row_though_it_names_an_execution():
    heard = BYBIT.read_stream({"topic": "order", "execId": "e"}, Markets([]), None)
    assert (heard.trades, heard.unreadable) == ((), ())


def test_a_good_code_may_be_a_text():
    one = sample("spot-rest-third-coin")
    assert len(heard_in(one, {**one["raw"], "retCode": "0"}).trades) == 1


def test_rows_of_one_instant_that_do_not_tell_the_open_rest_stay_where_they_are():
    rows = [{**SHAPELESS, "execId": "first"}, {**SHAPELESS, "execId": "second", "leavesQty": "0"}]
    for placed in (rows, rows[::-1]):
        trades = BYBIT.read_rest(placed, Markets([_contract("BTCUSD", inverse=True)]), None).trades
        assert [trade.exchange_trade_id for trade in trades] == [row["execId"] for row in placed]
