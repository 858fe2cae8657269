"""Rows: every field of an execution is read from where it stands, in each of the five shapes it comes in."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Kind, Product, Trade
from shared.exchanges import load
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json

SAMPLES = json.loads((Path(__file__).parent / "samples" / "kucoin.json").read_text())
NEIGHBOURS = Path(__file__).parents[3] / "shared" / "samples" / "kucoin.json"
KUCOIN = load("kucoin")


def markets_of(sample: dict[str, Any]) -> Markets:
    return Markets(
        Market(**{**row, "contract_size": Decimal(row["contract_size"]) if row["contract_size"] else None})
        for row in sample["markets"]
    )


def heard_in(sample: dict[str, Any], product: Product | None = None) -> Heard:
    message = decode_json(json.dumps(sample["raw"]))
    read = KUCOIN.read_rest if sample["kind"] in {"rest", "rest_fills"} else KUCOIN.read_stream
    return read(message, markets_of(sample), product)


def shown(trade: Trade) -> dict[str, Any]:
    """The trade without its raw row, as samples write it; numbers compare by value."""
    names = [name for name in Trade.__struct_fields__ if name not in {"fees", "raw"}]
    fees = [[fee.amount, fee.currency] for fee in trade.fees]
    return {name: getattr(trade, name) for name in names} | {"fees": fees}


def expected(trade: dict[str, Any]) -> dict[str, Any]:
    numbers = {name: Decimal(trade[name]) for name in ("price", "amount", "cost")}
    contracts = Decimal(trade["contracts"]) if trade["contracts"] else None
    return {**trade, **numbers, "contracts": contracts, "fees": [[Decimal(a), c] for a, c in trade["fees"]]}


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def rows_in(raw: dict[str, Any]) -> list[dict[str, Any]]:
    data = raw["d"] if "d" in raw else raw["data"]
    if isinstance(data, dict) and "items" in data:
        data = data["items"]
    return data if isinstance(data, list) else [data]


def row_in(raw: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return rows_in(raw)[place]


def read_changed(name: str, place: int = 0, /, **changes: Any) -> Heard:
    """The sample with some fields of one row changed and its other rows gone; None takes a field away."""
    one = sample(name)
    row = row_in(one["raw"], place)
    row.update(changes)
    for field, value in changes.items():
        if value is None:
            del row[field]
    data = one["raw"].get("data")
    if isinstance(data, dict) and "items" in data:
        data["items"] = [row]
    return heard_in(one)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_a_sample_is_read_as_expected(one):
    heard = heard_in(one)
    assert [shown(trade) for trade in heard.trades] == [expected(trade) for trade in one["expected"]["trades"]]
    assert len(heard.unreadable) == one["expected"]["unreadable"]
    assert heard.history_due == ()


@pytest.mark.parametrize("one", [one for one in SAMPLES if one["kind"] == "rest"], ids=lambda one: one["id"])
def test_a_trade_of_history_is_read_again_from_its_own_raw_row(one):
    for trade in heard_in(one).trades:
        (same,) = KUCOIN.read_rest(decode_json(encode_json(trade.raw)), markets_of(one), None).trades
        assert shown(same) == shown(trade)


@pytest.mark.skipif(not NEIGHBOURS.exists(), reason="the real messages are not here")
def test_real_messages_are_read_as_expected():
    read = 0
    for one in json.loads(NEIGHBOURS.read_text()):
        heard = heard_in(one)
        wanted = one["expected"].get("trades", [])
        assert (len(heard.trades), heard.unreadable) == (len(wanted), ())
        for trade, values in zip(heard.trades, wanted, strict=True):
            read += 1
            numbers = {name: Decimal(values[name]) for name in ("price", "amount", "cost")}
            fee = None if values["fee_amount"] is None else Decimal(values["fee_amount"])
            told = {name: values[name] for name in values if name not in {"cost_from", "fee_amount", "fee_currency"}}
            assert {**told, **numbers} == {name: getattr(trade, name) for name in told}
            assert (trade.fee, trade.fee_currency) == (fee, values["fee_currency"])
    assert read == 3


# ── The second reader ─────────────────────────────────────────────────────────────────────────────────


def ccxt_client(one: dict[str, Any]) -> Any:
    client = ccxt.pro.kucoin()
    client.number = str
    markets = []
    for market in one["markets"]:
        is_spot = market["type"] == "spot"
        markets.append(
            {
                **market,
                "spot": is_spot,
                "margin": False,
                "swap": not is_spot,
                "future": False,
                "option": False,
                "contract": not is_spot,
                "contractSize": None if is_spot else market["contract_size"],
                "precision": {},
                "limits": {},
            }
        )
    client.markets = {market["symbol"]: market for market in markets}
    client.markets_by_id = {market["id"]: [market] for market in markets}
    return client


def ccxt_reads(one: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    client = ccxt_client(one)
    if one["kind"] == "rest":
        return client.parse_trade(row)
    return client.parse_ws_uta_trade(row) if "T" in one["raw"] else client.parse_ws_trade(row)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    trades = heard_in(one).trades
    rows = iter(rows_in(one["raw"]) if trades else ())
    for trade in trades:
        row = next(row for row in rows if trade.exchange_trade_id in map(str, row.values()))
        theirs = ccxt_reads(one, row)
        assert theirs["symbol"] == trade.symbol
        assert theirs["id"] == trade.exchange_trade_id
        assert theirs["side"] == trade.side
        assert Decimal(theirs["price"]) == trade.price
        # ccxt keeps the "0" that stands where there is no order.
        assert theirs["order"] in {trade.order_id, "0" if trade.order_id is None else None}
        # ccxt counts contracts; we count base coins, and keep theirs beside it.
        assert Decimal(theirs["amount"]) == (trade.amount if trade.contracts is None else trade.contracts)
        agrees_on_role(one, row, trade, theirs)
        agrees_on_cost(one, trade, theirs)
        agrees_on_time(one, row, trade, theirs)
        agrees_on_fees(one, trade, theirs)


def agrees_on_role(one, row, trade, theirs):
    if one["id"] == "spot-match-hidden-maker":
        assert (theirs["takerOrMaker"], trade.taker_or_maker) == ("taker", "maker")  # ccxt does not look at feeType
    else:
        assert (theirs["takerOrMaker"] or None) == trade.taker_or_maker


def agrees_on_cost(one, trade, theirs):
    if trade.product is Product.INVERSE:
        assert Decimal(theirs["cost"]) == trade.amount  # ccxt gives the value in base, we the one in quote
    elif one["id"] != "unified-execution-lite" or theirs["cost"] is not None:
        assert Decimal(theirs["cost"]) == trade.cost


def agrees_on_time(one, row, trade, theirs):
    if "tradeTime" in row:
        # ccxt takes the moment the order was made for the trade's.
        assert (theirs["timestamp"], trade.timestamp_ms) == (row["createdAt"], row["tradeTime"] // 1_000_000)
    elif row.get("executionTime") == 1767000000123:
        assert theirs["timestamp"] == 1767000  # ccxt takes every executionTime for nanoseconds
    elif row.get("ts", 0) % 1_000_000 == 999_999:
        assert theirs["timestamp"] == trade.timestamp_ms + 1  # ccxt divides nanoseconds as floats
    else:
        assert theirs["timestamp"] == trade.timestamp_ms


def agrees_on_fees(one, trade, theirs):
    if not trade.fees:
        assert theirs["fee"] is None or theirs["fee"]["cost"] is None
        return
    assert Decimal(theirs["fee"]["cost"]) == trade.fee
    if one["id"] == "futures-recent-fills":
        assert (theirs["fee"]["currency"], trade.fee_currency) == ("BTC", "USDT")  # ccxt guesses from the side
    elif trade.kind != "settlement":
        assert theirs["fee"]["currency"] == trade.fee_currency


# ── Field by field ────────────────────────────────────────────────────────────────────────────────────

D = Decimal
# For each shape: a sample's row; each of its fields with another value, and what of the trade follows it; and the
# fields that decide nothing. A reader that takes a neighbour's field fails here.
SHAPES: dict[str, tuple[str, int, dict[str, tuple[Any, dict[str, Any]]], dict[str, Any]]] = {
    "classic spot history": (
        "spot-fills",
        0,
        {
            "symbol": ("KCS-USDT", {"symbol": "KCS/USDT", "market_id": "KCS-USDT"}),
            "tradeId": (77, {"exchange_trade_id": "77"}),
            "orderId": ("78", {"order_id": "78"}),
            "clientOid": ("mine", {"client_order_id": "mine"}),
            "side": ("sell", {"side": "sell"}),
            "liquidity": ("maker", {"taker_or_maker": "maker"}),
            "price": ("2.25", {"price": D("2.25")}),
            "size": ("0.7", {"amount": D("0.7")}),
            "funds": ("5.5", {"cost": D("5.5")}),
            "fee": ("0.125", {"fees": [[D("0.125"), "USDT"]]}),
            "feeCurrency": ("KCS", {"fees": [[D("12.7999"), "KCS"]]}),
            "tax": ("0.5", {"fees": [[D("12.7999"), "USDT"], [D("0.5"), "USDT"]]}),
            "tradeType": ("MARGIN_ISOLATED_TRADE", {"product": "margin"}),
            "createdAt": (1795190411999, {"timestamp_ms": 1795190411999}),
        },
        {"id": 1, "counterOrderId": "c", "forceTaker": True, "feeRate": "9", "stop": "up", "taxRate": "9", "type": "x"},
    ),
    "classic futures history": (
        "futures-fills",
        0,
        {
            "symbol": ("DOGEUSDTM", {"symbol": "DOGE/USDT:USDT", "market_id": "DOGEUSDTM", "amount": D(300)}),
            "tradeId": ("77", {"exchange_trade_id": "77"}),
            "orderId": ("78", {"order_id": "78"}),
            "clientOid": ("mine", {"client_order_id": "mine"}),
            "side": ("sell", {"side": "sell"}),
            "liquidity": ("maker", {"taker_or_maker": "maker"}),
            "price": ("2.25", {"price": D("2.25")}),
            "size": (7, {"amount": D("0.007"), "contracts": D(7)}),
            "value": ("5.5", {"cost": D("5.5")}),
            "fee": ("0.125", {"fees": [[D("0.125"), "USDT"]]}),
            "feeCurrency": ("XBT", {"fees": [[D("0.1154889"), "BTC"]]}),
            "tradeType": ("settlement", {"kind": "settlement"}),
            "tradeTime": (1795190411999000001, {"timestamp_ms": 1795190411999}),
        },
        {
            "createdAt": 1795190399999,
            "openFeePay": "9",
            "closeFeePay": "9",
            "settleCurrency": "ETH",
            "fixFee": "9",
            "feeRate": "9",
            "orderType": "x",
            "marginMode": "CROSS",
            "forceTaker": False,
        },
    ),
    "unified history": (
        "unified-executions-futures",
        1,
        {
            "symbol": (
                "XBTUSDTM",
                {
                    "symbol": "BTC/USDT:USDT",
                    "market_id": "XBTUSDTM",
                    "product": "linear",
                    "amount": D("0.064"),
                    "cost": D("0.001"),
                },
            ),
            "tradeId": ("77", {"exchange_trade_id": "77"}),
            "orderId": ("78", {"order_id": "78"}),
            "clientOid": ("mine", {"client_order_id": "mine"}),
            "side": ("SELL", {"side": "sell"}),
            "liquidityRole": ("TAKER", {"taker_or_maker": "taker"}),
            "price": ("32000", {"price": D(32000), "amount": D("0.002")}),
            "size": ("32", {"amount": D("0.0005"), "contracts": D(32), "cost": D(32)}),
            "fee": ("0.125", {"fees": [[D("0.125"), "BTC"]]}),
            "feeCurrency": ("USDT", {"fees": [[D("-0.0000001"), "USDT"]]}),
            "tax": ("0.5", {"fees": [[D("-0.0000001"), "BTC"], [D("0.5"), "BTC"]]}),
            "fillType": ("ADL", {"kind": "adl"}),
            "executionTime": ("1795190411999000001", {"timestamp_ms": 1795190411999}),
        },
        {"orderType": "MARKET", "positionSide": "SHORT", "marginMode": "ISOLATED", "value": "9"},
    ),
    "classic spot match": (
        "spot-match",
        0,
        {
            "symbol": ("KCS-USDT", {"symbol": "KCS/USDT", "market_id": "KCS-USDT"}),
            "tradeId": ("77", {"exchange_trade_id": "77"}),
            "orderId": ("78", {"order_id": "78"}),
            "clientOid": ("mine", {"client_order_id": "mine"}),
            "side": ("sell", {"side": "sell"}),
            "feeType": ("makerFee", {"taker_or_maker": "maker"}),
            "matchPrice": ("2.5", {"price": D("2.5"), "cost": D("0.5")}),
            "matchSize": ("2", {"amount": D(2), "cost": D(127999)}),
            "ts": (1795190411999000001, {"timestamp_ms": 1795190411999}),
        },
        {
            "price": "1",
            "size": "9",
            "originSize": "9",
            "filledSize": "9",
            "remainSize": "9",
            "canceledSize": "9",
            "liquidity": "maker",
            "orderTime": 1,
            "orderType": "market",
            "status": "done",
        },
    ),
    "classic futures match": (
        "futures-match",
        0,
        {
            "symbol": (
                "DOGEUSDTM",
                {"symbol": "DOGE/USDT:USDT", "market_id": "DOGEUSDTM", "amount": D(300), "cost": D(19248150)},
            ),
            "tradeId": ("77", {"exchange_trade_id": "77"}),
            "orderId": ("78", {"order_id": "78"}),
            "clientOid": ("mine", {"client_order_id": "mine"}),
            "side": ("sell", {"side": "sell"}),
            "feeType": ("makerFee", {"taker_or_maker": "maker"}),
            "matchPrice": ("2", {"price": D(2), "cost": D("0.006")}),
            "matchSize": ("2", {"amount": D("0.002"), "contracts": D(2), "cost": D("128.321")}),
            "tradeType": ("adl", {"kind": "adl"}),
            "ts": (1795190411999000001, {"timestamp_ms": 1795190411999}),
        },
        {"price": "1", "size": "9", "filledSize": "9", "remainSize": "9", "liquidity": "maker", "orderTime": 1},
    ),
    "unified execution": (
        "unified-execution-spot",
        0,
        {
            "s": ("KCS-USDT", {"symbol": "KCS/USDT", "market_id": "KCS-USDT"}),
            "ti": (9007199254740995, {"exchange_trade_id": "9007199254740995"}),
            "oi": ("78", {"order_id": "78"}),
            "ci": ("mine", {"client_order_id": "mine"}),
            "S": ("SELL", {"side": "sell"}),
            "lR": ("TAKER", {"taker_or_maker": "taker"}),
            "p": ("2", {"price": D(2), "cost": D("0.2")}),
            "q": ("2", {"amount": D(2), "cost": D(128001)}),
            "f": ("-0.125", {"fees": [[D("-0.125"), "USDT"]]}),
            "fC": ("ALT", {"fees": [[D("0.640005"), "APTOSLAUNCHTOKEN"]]}),
            "fT": ("LIQUID", {"kind": "liquidation"}),
            "E": (1795190411999000001, {"timestamp_ms": 1795190411999}),
        },
        {"oT": "MARKET", "fP": "9"},
    ),
}
FOLLOWS = [(shape, field) for shape, (_, _, follows, _) in SHAPES.items() for field in follows]
STILL = [(shape, field) for shape, (_, _, _, still) in SHAPES.items() for field in still]


def trade_of(shape: str, **changes: Any) -> dict[str, Any]:
    name, place, _, _ = SHAPES[shape]
    (trade,) = read_changed(name, place, **changes).trades
    return shown(trade)


@pytest.mark.parametrize(("shape", "field"), FOLLOWS)
def test_each_field_of_a_row_decides_what_it_should_and_nothing_else(shape, field):
    value, change = SHAPES[shape][2][field]
    before, after = trade_of(shape), trade_of(shape, **{field: value})
    for trade in (before, after):
        book = "spot" if trade["contracts"] is None else "futures"
        order = "" if "unified" in shape and trade["kind"] != "trade" else trade["order_id"]
        parts = (book, trade["market_id"], trade["exchange_trade_id"], order, trade["side"])
        assert trade.pop("identity") == ":".join(parts)
    assert {name: after[name] for name in after if after[name] != before[name]} == change


@pytest.mark.parametrize(("shape", "field"), STILL)
def test_a_field_that_says_nothing_about_the_trade_changes_nothing(shape, field):
    assert trade_of(shape, **{field: SHAPES[shape][3][field]}) == trade_of(shape)


MUST = {
    "classic spot history": ("symbol", "tradeId", "side", "price", "size", "createdAt"),
    "classic futures history": ("symbol", "tradeId", "side", "price", "size", "tradeTime", "tradeType"),
    "unified history": ("symbol", "tradeId", "side", "price", "size", "executionTime", "fillType"),
    "classic spot match": ("symbol", "tradeId", "side", "matchPrice", "matchSize", "ts"),
    "classic futures match": ("symbol", "tradeId", "side", "matchPrice", "matchSize", "ts"),
    "unified execution": ("s", "ti", "S", "p", "q", "E"),
}


@pytest.mark.parametrize(("shape", "field"), [(shape, field) for shape, fields in MUST.items() for field in fields])
@pytest.mark.parametrize("how", ["missing", "empty", "nonsense"])
def test_a_row_without_what_it_must_have_goes_to_quarantine_whole(shape, field, how):
    if field in {"tradeId", "ti"} and how == "nonsense":
        pytest.skip("an id may be any text")
    name, place, _, _ = SHAPES[shape]
    heard = read_changed(name, place, **{field: {"missing": None, "empty": "", "nonsense": "?!"}[how]})
    assert heard.trades == ()
    (row,) = heard.unreadable
    assert field in row.reason or "market" in row.reason
    assert "orderId" in row.raw or "oi" in row.raw


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("spot-fills", "price", "0"),
        ("spot-fills", "size", "-1"),
        ("spot-fills", "createdAt", 1795190420),
        ("spot-fills", "tradeType", "GIFT"),
        ("spot-fills", "liquidity", "both"),
        ("spot-fills", "fee", "NaN"),
        ("spot-fills", "feeCurrency", ""),
        ("futures-fills", "tradeType", "funding"),
        ("futures-match", "tradeType", "mystery"),
        ("spot-match", "feeType", "noFee"),
        ("unified-execution-spot", "fT", "GIFT"),
        ("unified-execution-spot", "fT", ""),
        ("unified-executions-spot", "fillType", "FUNDING"),
    ],
)
def test_a_value_that_cannot_be_is_not_believed(name, field, value):
    heard = read_changed(name, **{field: value})
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("trade", Kind.TRADE),
        ("cancel", Kind.TRADE),
        ("liquid", Kind.LIQUIDATION),
        ("liquidation", Kind.LIQUIDATION),
        ("adl", Kind.ADL),
        ("ADL", Kind.ADL),
        ("settlement", Kind.SETTLEMENT),
    ],
)
def test_each_kind_of_a_futures_fill_has_our_word(word, ours):
    assert read_changed("futures-fills", tradeType=word).trades[0].kind is ours
    assert read_changed("futures-match", tradeType=word).trades[0].kind is ours


def test_an_older_order_channel_without_kind_and_fee_type_is_read():
    assert read_changed("futures-match", tradeType=None).trades[0].kind is Kind.TRADE
    (trade,) = read_changed("spot-match", feeType=None, liquidity="maker").trades
    assert trade.taker_or_maker == "maker"
    (trade,) = read_changed("spot-match", feeType=None, liquidity=None).trades
    assert trade.taker_or_maker is None


def test_what_a_socket_leaves_out_makes_a_trade_provisional_and_only_that():
    assert [read_changed("unified-execution-spot", f=value).trades[0].provisional for value in ("", None, "0")] == [
        True,
        True,
        False,
    ]
    assert read_changed("unified-execution-spot", fT=None).trades[0].provisional is True
    assert read_changed("spot-told-fill", fee=None).trades[0].provisional is True


def test_a_fee_of_nothing_in_nothing_is_no_fee():
    assert read_changed("spot-fills", fee="0", feeCurrency="").trades[0].fees == ()


def test_a_cost_that_is_not_told_is_worked_out():
    assert read_changed("spot-fills", funds="").trades[0].cost == Decimal("12799.9")
    assert read_changed("futures-fills", value="").trades[0].cost == Decimal("192.4815")
    assert read_changed("unified-executions-spot", value="").trades[0].cost == Decimal("6400.05")


@pytest.mark.parametrize(
    ("streamed", "read"),
    [
        ("spot-match", "spot-fills"),
        ("spot-match", "spot-old-fills"),
        ("futures-match", "futures-fills"),
        ("unified-execution-spot", "unified-executions-spot"),
        ("unified-execution-liquidation", "unified-executions-futures"),
    ],
)
def test_history_and_stream_give_one_trade_one_identity(streamed, read):
    (one,) = heard_in(sample(streamed)).trades
    other = heard_in(sample(read)).trades[0]
    assert one.identity == other.identity
    assert (one.side, one.price, one.amount, one.kind) == (other.side, other.price, other.amount, other.kind)


def test_a_margin_order_heard_as_spot_has_the_identity_that_history_gives_it():
    heard = read_changed("spot-match", orderId="673f0a11c4b5ff0007a1e4f5", tradeId="11067996711960580")
    read = heard_in(sample("spot-fills")).trades[2]
    assert (heard.trades[0].product, read.product) == (Product.SPOT, Product.MARGIN)
    assert heard.trades[0].identity == read.identity


def test_both_sides_of_a_self_trade_are_two_trades():
    one, two = trade_of("classic spot match"), trade_of("classic spot match", side="sell", orderId="other")
    assert one["identity"] != two["identity"]
    assert one["identity"] != trade_of("classic spot match", side="sell")["identity"]


def test_an_inverse_contract_counts_in_dollars_alike_on_socket_and_in_history():
    (streamed,) = read_changed("futures-match", symbol="XBTUSDM", matchPrice="64000", matchSize="7").trades
    (read,) = read_changed("unified-executions-futures", 1, price="64000", size="7").trades
    assert (streamed.amount, streamed.cost, streamed.contracts) == (Decimal("0.000109375"), Decimal(7), Decimal(7))
    assert (read.amount, read.cost, read.contracts) == (streamed.amount, streamed.cost, streamed.contracts)
    (endless,) = read_changed("futures-match", symbol="XBTUSDM", matchPrice="3", matchSize="1").trades
    assert endless.amount == Decimal("0.333333333333333333")


def test_a_contract_of_unknown_size_is_not_counted():
    one = sample("futures-match")
    for market in one["markets"]:
        market["contract_size"] = None
    assert len(heard_in(one).unreadable) == 1


# ── Messages and responses ────────────────────────────────────────────────────────────────────────────


def test_a_product_given_decides_where_it_can():
    assert heard_in(sample("spot-fills"), Product.MARGIN).trades[0].product is Product.SPOT  # the row's word wins
    assert heard_in(sample("spot-match"), Product.MARGIN).trades[0].product is Product.MARGIN
    assert heard_in(sample("futures-fills"), Product.LINEAR).trades[4].product is Product.INVERSE
    assert len(heard_in(sample("futures-fills"), Product.SPOT).unreadable) == 5
    assert len(heard_in(sample("unified-executions-futures"), Product.SPOT).unreadable) == 2
    assert len(heard_in(sample("unified-execution-liquidation"), Product.SPOT).unreadable) == 1


def test_one_bad_row_costs_no_other():
    one = sample("spot-fills")
    one["raw"]["data"]["items"][1]["side"] = "up"
    one["raw"]["data"]["items"].append("rubbish")
    heard = heard_in(one)
    assert [trade.exchange_trade_id for trade in heard.trades] == ["11067996711960577", "11067996711960580"]
    assert len(heard.unreadable) == 2


def test_a_response_is_read_however_much_of_its_envelope_is_left():
    one = sample("spot-fills")
    raw = decode_json(json.dumps(one["raw"]))
    readings = [
        KUCOIN.read_rest(part, markets_of(one), None).trades for part in (raw, raw["data"], raw["data"]["items"])
    ]
    assert readings[0] == readings[1] == readings[2]
    assert KUCOIN.read_rest(raw["data"]["items"][0], markets_of(one), None).trades == readings[0][:1]


def test_a_response_that_is_an_error_or_no_object_says_so():
    with pytest.raises(UnreadableRow, match="400003 KC-API-KEY not exists"):
        KUCOIN.read_rest({"code": "400003", "msg": "KC-API-KEY not exists"}, Markets(()), None)
    for nonsense in ("text", 7, None):
        with pytest.raises(UnreadableRow):
            KUCOIN.read_rest(nonsense, Markets(()), None)
        with pytest.raises(UnreadableRow):
            KUCOIN.read_stream(nonsense, Markets(()), None)


@pytest.mark.parametrize("data", [None, "text", [], {"symbol": "BTC-USDT"}])
def test_an_order_event_that_is_malformed_is_quarantined(data):
    one = sample("spot-match")
    one["raw"]["data"] = data
    assert len(heard_in(one).unreadable) == 1


def test_a_row_of_wallets_is_no_trade_but_a_fill_without_its_id_is_unreadable():
    rows = [{"currency": "USDT", "balance": "1"}, {"symbol": "BTC-USDT", "currency": "USDT"}]
    heard = KUCOIN.read_rest(rows, markets_of(SAMPLES[0]), None)
    assert (heard.trades, len(heard.unreadable)) == ((), 1)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("XBT", "BTC"),
        ("BCHSV", "BSV"),
        ("BIFI", "BIFIF"),
        ("VAI", "VAIOT"),
        ("WAX", "WAXP"),
        ("ALT", "APTOSLAUNCHTOKEN"),
        ("KALT", "ALT"),
        ("FUD", "FTX Users' Debt"),
        ("KCS", "KCS"),
    ],
)
def test_coins_have_the_names_that_the_market_table_gives_them(theirs, ours):
    assert read_changed("spot-fills", feeCurrency=theirs).trades[0].fee_currency == ours
    assert ccxt.pro.kucoin().safe_currency_code(theirs) == ours


@pytest.mark.parametrize(
    ("word", "product"),
    [("SPOT", "spot"), ("MARGIN", "margin"), ("CROSS", "margin"), ("ISOLATED", "margin"), ("FUTURES", "spot")],
)
def test_what_stands_around_unified_rows_tells_margin_from_spot(word, product):
    one = sample("unified-executions-spot")
    one["raw"]["data"]["tradeType"] = word
    assert {trade.product for trade in heard_in(one).trades} == {product}


def test_one_sign_of_a_shape_is_enough_to_know_it():
    assert read_changed("futures-fills", settleCurrency=None).trades[0].kind is Kind.TRADE
    (trade,) = read_changed("unified-executions-spot", liquidityRole=None).trades
    assert (trade.taker_or_maker, trade.timestamp_ms) == (None, 1795190420999)
    assert read_changed("unified-executions-spot", executionTime=None).unreadable[0].reason.count("executionTime")


def test_a_row_that_tells_its_own_trade_type_keeps_it():
    (trade,) = read_changed("unified-executions-margin", tradeType="SPOT").trades
    assert trade.product is Product.SPOT


def test_a_fill_with_a_currency_beside_its_id_is_still_a_fill():
    heard = KUCOIN.read_rest([{"tradeId": "1", "currency": "USDT"}], markets_of(SAMPLES[0]), None)
    assert len(heard.unreadable) == 1


def test_a_futures_row_that_is_said_to_be_spot_is_looked_for_there_under_its_own_name():
    one = next(one for one in SAMPLES if one["kind"] == "rest" and "tradeTime" in row_in(one["raw"]))
    heard = KUCOIN.read_rest(one["raw"], markets_of(one), Product.SPOT)
    assert heard.trades == ()
    assert row_in(one["raw"])["symbol"] in heard.unreadable[0].reason
