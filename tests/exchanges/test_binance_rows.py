"""Binance's rows: every field from where it stands, and ccxt as the second reader."""

import copy
import json
from decimal import Decimal

import ccxt
import ccxt.pro
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Markets
from shared.domain.trades import Product
from shared.exchanges import load
from shared.exchanges.kit.wire import decode_json
from tests.exchanges.messages import heard_in, is_rest, markets_of, own_samples, shown

BINANCE = load("binance")
SAMPLES = {sample["id"]: sample for name, sample in own_samples() if name == "binance"}
WITH_TRADES = [name for name, sample in SAMPLES.items() if sample["expected"]["trades"]]


def changed(name, **changes):
    """What is read of a sample whose only row has some fields changed; None takes a field away."""
    sample = copy.deepcopy(SAMPLES[name])
    raw = sample["raw"]
    row = raw[0] if isinstance(raw, list) else raw.get("event", raw.get("data", raw.get("o", raw)))
    for field, value in changes.items():
        if value is None:
            del row[field]
        else:
            row[field] = value
    if isinstance(raw, list):
        sample["raw"] = [row]
    return heard_in("binance", sample)


# Which field of the trade follows which field of the row: a reader that takes a neighbour's fails here.
FOLLOWS = {
    "spot-taker-buy": {
        "t": (77, {"exchange_trade_id": "77", "identity": "spot:BTCUSDT:77:3301:buy"}),
        "i": (78, {"order_id": "78", "identity": "spot:BTCUSDT:880123:78:buy"}),
        "c": ("mine", {"client_order_id": "mine"}),
        "S": ("SELL", {"side": "sell", "identity": "spot:BTCUSDT:880123:3301:sell"}),
        "L": ("64001.25", {"price": Decimal("64001.25")}),
        "l": ("0.7", {"amount": Decimal("0.7")}),
        "Y": ("999.5", {"cost": Decimal("999.5")}),
        "n": ("0.125", {"fees": [(Decimal("0.125"), "BNB")]}),
        "N": ("USDT", {"fees": [(Decimal("0.00015"), "USDT")]}),
        "m": (True, {"taker_or_maker": "maker"}),
        "T": (1795190401999, {"timestamp_ms": 1795190401999}),
    },
    "futures-taker-sell": {
        "t": (77, {"exchange_trade_id": "77", "identity": "linear:BTCUSDT:77:912:sell"}),
        "i": (78, {"order_id": "78", "identity": "linear:BTCUSDT:5530011:78:sell"}),
        "c": ("mine", {"client_order_id": "mine"}),
        "S": ("BUY", {"side": "buy", "identity": "linear:BTCUSDT:5530011:912:buy"}),
        "L": ("64000", {"price": Decimal(64000), "cost": Decimal(640)}),
        "l": ("0.02", {"amount": Decimal("0.02"), "cost": Decimal("1280.024")}),
        "n": ("-0.1", {"fees": [(Decimal("-0.1"), "USDT")]}),
        "N": ("BNB", {"fees": [(Decimal("0.25600480"), "BNB")]}),
        "m": (True, {"taker_or_maker": "maker"}),
        "T": (1795190402999, {"timestamp_ms": 1795190402999}),
    },
    "spot-rows": {
        "id": (77, {"exchange_trade_id": "77", "identity": "spot:BTCUSDT:77:3301:buy"}),
        "orderId": (78, {"order_id": "78", "identity": "spot:BTCUSDT:880123:78:buy"}),
        "isBuyer": (False, {"side": "sell", "identity": "spot:BTCUSDT:880123:3301:sell"}),
        "price": ("64001.25", {"price": Decimal("64001.25")}),
        "qty": ("0.7", {"amount": Decimal("0.7")}),
        "quoteQty": ("999.5", {"cost": Decimal("999.5")}),
        "commission": ("0.125", {"fees": [(Decimal("0.125"), "BNB")]}),
        "commissionAsset": ("USDT", {"fees": [(Decimal("0.00015"), "USDT")]}),
        "isMaker": (True, {"taker_or_maker": "maker"}),
        "time": (1795190401999, {"timestamp_ms": 1795190401999}),
    },
    "futures-rows": {
        "id": (77, {"exchange_trade_id": "77", "identity": "linear:BTCUSDT:77:912:sell"}),
        "side": ("BUY", {"side": "buy", "identity": "linear:BTCUSDT:5530011:912:buy"}),
        "maker": (True, {"taker_or_maker": "maker"}),
        "quoteQty": ("999.5", {"cost": Decimal("999.5")}),
        "time": (1795190402999, {"timestamp_ms": 1795190402999}),
    },
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, fields in FOLLOWS.items() for field in fields])
def test_each_field_is_read_from_where_it_stands(name, field):
    value, consequences = FOLLOWS[name][field]
    before = shown(heard_in("binance", SAMPLES[name]).trades[0])
    (after,) = changed(name, **{field: value}).trades
    assert shown(after) == {**before, **consequences}


@pytest.mark.parametrize(
    ("name", "field"),
    [("spot-taker-buy", field) for field in "xsSiltLT"]
    + [("futures-taker-sell", field) for field in "xsSiltLT"]
    + [("spot-rows", field) for field in ("symbol", "id", "orderId", "price", "qty", "time")]
    + [("futures-rows", field) for field in ("symbol", "id", "orderId", "price", "qty", "time", "side")],
)
def test_a_row_without_a_field_it_must_have_is_unreadable(name, field):
    heard = changed(name, **{field: None})
    assert heard.trades == ()
    (row,) = heard.unreadable
    assert repr(field) in row.reason


@pytest.mark.parametrize(
    ("name", "field"), [("spot-taker-buy", "m"), ("spot-rows", "isMaker"), ("futures-rows", "maker")]
)
def test_a_role_that_is_not_told_is_not_guessed(name, field):
    (trade,) = changed(name, **{field: None}).trades
    assert trade.taker_or_maker is None


@pytest.mark.parametrize(
    ("name", "field"), [("spot-taker-buy", "Y"), ("spot-rows", "quoteQty"), ("futures-rows", "quoteQty")]
)
def test_a_cost_that_is_not_told_is_the_exact_product(name, field):
    (trade,) = changed(name, **{field: None}).trades
    assert trade.cost == trade.price * trade.amount


def test_a_product_that_is_named_must_fit_the_form_of_the_row():
    spot = decode_json(json.dumps(SAMPLES["spot-taker-buy"]["raw"]))
    markets = markets_of(SAMPLES["spot-taker-buy"])
    assert BINANCE.read_stream(spot, markets, Product.SPOT).trades
    assert not BINANCE.read_stream(spot, markets, Product.LINEAR).trades
    assert BINANCE.read_stream(spot, markets, Product.LINEAR).unreadable


def test_an_error_answer_says_its_reason():
    with pytest.raises(UnreadableRow, match="-2015"):
        BINANCE.read_rest({"code": -2015, "msg": "Invalid API-key"}, markets_of(SAMPLES["spot-rows"]), None)
    with pytest.raises(UnreadableRow, match="restricted location"):
        BINANCE.read_rest({"code": 0, "msg": "Service unavailable from a restricted location"}, Markets([]), None)
    assert not BINANCE.read_rest({"code": 200, "msg": "success"}, Markets([]), None).unreadable


def test_an_event_of_an_unknown_type_that_says_trade_is_not_passed_over():
    heard = BINANCE.read_stream({"e": "executionReportV2", "x": "TRADE"}, markets_of(SAMPLES["spot-rows"]), None)
    assert len(heard.unreadable) == 1


# ccxt, the second reader, reads the same raw rows.
def second_reader(sample, is_futures):
    client = (ccxt if is_rest(sample) else ccxt.pro).binance()
    client.number = str
    table = {}
    for market in sample["markets"]:
        is_spot = market["type"] == "spot"
        table[market["symbol"]] = {
            **market,
            "spot": is_spot,
            "swap": market["type"] == "swap",
            "future": market["type"] == "future",
            "option": False,
            "contract": not is_spot,
            "contractSize": None if is_spot else float(market["contract_size"]),
            "precision": {},
            "limits": {},
        }
    client.markets = table
    client.markets_by_id = {}
    for market in table.values():
        client.markets_by_id.setdefault(market["id"], []).append(market)
    client.options["defaultType"] = "swap" if is_futures else "spot"
    return client


# What ccxt reads otherwise, and why ours is right.
DIFFERS = {
    "spot-cost-of-zero": {"cost": "ccxt believes a cost of zero"},
    "spot-fee-without-coin": {"fee": "ccxt keeps an amount of no coin; we leave the fee to REST"},
    "spot-allocation": {"id": "ccxt takes t, which is -1; the allocation's own id is in a (sheet, 6)"},
    "spot-allocations": {"id": "ccxt does not know allocationId (sheet, 8)"},
    "spot-no-fee": {"fee": "ccxt makes a fee of nothing; N is null where there is none (sheet, 6)"},
    "coin-rows": {
        "amount": "ccxt counts contracts, we give the base coin (baseQty)",
        "cost": "ccxt gives the base coin, we the quote (contracts of 100 dollars)",
    },
}


@pytest.mark.parametrize("name", WITH_TRADES)
def test_the_second_reader_agrees_but_for_what_is_explained(name):
    sample = SAMPLES[name]
    raw = json.loads(json.dumps(sample["raw"]))
    if is_rest(sample):
        rows = [row for row in raw if Decimal(row["price"]) > 0]
    else:
        event = raw.get("event", raw.get("data", raw))
        rows = [event.get("o") if isinstance(event.get("o"), dict) else event]
    trades = heard_in("binance", sample).trades
    is_futures = trades[0].product is not Product.SPOT
    client = second_reader(sample, is_futures)
    market = client.markets[trades[0].symbol]
    differences = set()
    for trade, row in zip(trades, rows, strict=True):
        theirs = client.parse_trade(row, market) if is_rest(sample) else client.parse_ws_trade(row, market)
        for field, own, other in (
            ("symbol", trade.symbol, theirs["symbol"]),
            ("id", trade.exchange_trade_id, theirs["id"]),
            ("order", trade.order_id, theirs["order"]),
            ("side", trade.side.value, theirs["side"]),
            ("role", trade.taker_or_maker.value, theirs["takerOrMaker"]),
            ("timestamp", trade.timestamp_ms, theirs["timestamp"]),
            ("price", trade.price, Decimal(theirs["price"])),
            ("amount", trade.amount, Decimal(theirs["amount"])),
            ("cost", trade.cost, theirs["cost"] and Decimal(theirs["cost"])),
        ):
            if own != other:
                differences.add(field)
        fee = theirs["fee"] or {}
        told = (Decimal(fee["cost"]), fee["currency"]) if fee.get("cost") is not None else None
        if told != ((trade.fee, trade.fee_currency) if trade.fees else None):
            differences.add("fee")
    assert differences == set(DIFFERS.get(name, {}))


def test_an_error_answer_is_refused_in_the_exchanges_own_words():
    with pytest.raises(UnreadableRow, match="-2015 Invalid API-key"):
        BINANCE.read_rest(
            {"code": -2015, "msg": "Invalid API-key, IP, or permissions"}, markets_of({"markets": []}), None
        )


@pytest.mark.parametrize(
    "word",
    [
        "NEW",
        "CANCELED",
        "REPLACED",
        "REJECTED",
        "EXPIRED",
        "TRADE_PREVENTION",
        "AMENDMENT",
        "PENDING_NEW",
        "PENDING_CANCEL",
    ],
)
def test_what_else_happens_to_an_order_is_no_fill(word):
    heard = changed("spot-taker-buy", x=word)
    assert (heard.trades, heard.unreadable) == ((), ())


@pytest.mark.parametrize(("number", "spot", "futures"), [(-1, 0, 0), (0, 1, 0), (1, 1, 1)])
def test_a_fill_has_an_id_that_counts_from_nought_on_spot_and_from_one_on_futures(number, spot, futures):
    assert len(changed("spot-taker-buy", t=number).trades) == spot
    assert len(changed("futures-taker-sell", t=number).trades) == futures


def test_an_unknown_event_that_says_trade_is_kept_and_one_that_says_nothing_is_none():
    for event in ({"e": "NEWS", "x": "TRADE"}, {"e": "NEWS", "o": {"x": "TRADE"}}):
        assert len(BINANCE.read_stream(event, Markets([]), None).unreadable) == 1
    for event in ({"e": "NEWS", "x": "NEW"}, {"e": "NEWS", "o": {"x": "NEW"}}, {"e": "NEWS"}):
        heard = BINANCE.read_stream(event, Markets([]), None)
        assert (heard.trades, heard.unreadable) == ((), ())


def test_an_event_that_names_itself_is_not_looked_for_in_an_envelope():
    sample = SAMPLES["spot-taker-buy"]
    event = sample["raw"]["event"]
    (trade,) = BINANCE.read_stream({**event, "data": {"e": "else"}}, markets_of(sample), None).trades
    assert trade.exchange_trade_id == str(event["t"])


def test_an_answer_is_an_error_by_a_code_of_nought_or_less_and_may_hold_its_rows_as_a_result():
    sample = SAMPLES["spot-rows"]
    markets, rows = markets_of(sample), decode_json(json.dumps(sample["raw"]))
    assert len(BINANCE.read_rest({"id": 1, "status": 200, "result": rows}, markets, None).trades) == len(rows)
    assert BINANCE.read_rest({"code": 200, "msg": "fine"}, markets, None).trades == ()
    for code in (-1, 0):  # nought refuses a whole country
        with pytest.raises(UnreadableRow):
            BINANCE.read_rest({"code": code, "msg": "no"}, markets, None)


def test_a_fill_of_margin_has_the_shape_of_spots():
    sample = SAMPLES["spot-rows"]
    rows = decode_json(json.dumps(sample["raw"]))
    heard = BINANCE.read_rest(rows, markets_of(sample), Product.MARGIN)
    assert {trade.product for trade in heard.trades} == {Product.MARGIN}
