"""Rows: every field of an execution is read from where it stands, out of protobuf, numbers and texts alike."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest
from ccxt.protobuf.mexc import PushDataV3ApiWrapper_pb2

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Fee, Kind, Product, Side, TakerOrMaker
from shared.exchanges import load
from shared.exchanges.kit.contract import Heard
from shared.exchanges.kit.wire import decode_json, encode_json

SAMPLES = json.loads((Path(__file__).parent / "samples" / "mexc.json").read_text())
MEXC = load("mexc")
DEAL = bytes.fromhex(
    "0a1c73706f7440707269766174652e6465616c732e76332e6170692e70621a074254435553445430fbd8c1a28c349213670a0836"
    "343235302e31301205302e3030321a083132382e3530303220013a1437303030303030303030303030303030303158314a1a4330"
    "325f5f3730303030303030303030303030303030313131395209302e303634323530315a045553445460e4d8c1a28c34"
)


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def markets_of(one: dict[str, Any]) -> Markets:
    return Markets(
        Market(**{**row, "contract_size": Decimal(row["contract_size"]) if row["contract_size"] else None})
        for row in one["markets"]
    )


def heard_in(one: dict[str, Any], product: Product | None = None) -> Heard:
    message = decode_json(json.dumps(one["raw"]))
    read = MEXC.read_rest if one["kind"] == "rest" else MEXC.read_stream
    return read(message, markets_of(one), product)


def rows_in(raw: Any) -> list[dict[str, Any]]:
    if isinstance(raw, list):
        return raw
    for name in ("privateDeals", "d", "data", "resultList"):
        if name in raw:
            return rows_in(raw[name]) if isinstance(raw[name], list) or "resultList" in raw[name] else [raw[name]]
    return [raw]


def read_changed(name: str, **changes: Any) -> Heard:
    """The sample's first row with some fields changed; None takes a field away."""
    one = sample(name)
    row = rows_in(one["raw"])[0]
    row.update(changes)
    for field, value in changes.items():
        if value is None:
            del row[field]
    return heard_in(one)


# ── Protobuf ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_pushed_fill_is_read_from_its_bytes():
    markets = Markets([Market("BTCUSDT", "BTC/USDT", "spot", "BTC", "USDT")])
    (trade,) = MEXC.read_stream(MEXC.decode(DEAL), markets, None).trades
    assert (trade.price, trade.amount, trade.cost) == (Decimal("64250.10"), Decimal("0.002"), Decimal("128.5002"))
    assert (trade.side, trade.taker_or_maker, trade.fees) == (
        Side.BUY,
        TakerOrMaker.TAKER,
        (Fee(Decimal("0.0642501"), "USDT"),),
    )
    assert (trade.exchange_trade_id, trade.order_id) == ("700000000000000001X1", "C02__700000000000000001119")
    assert trade.timestamp_ms == 1_790_000_000_100


@pytest.mark.parametrize("one", [one for one in SAMPLES if "privateDeals" in one["raw"]], ids=lambda one: one["id"])
def test_bytes_of_the_generated_classes_are_the_message_that_was_written(one):
    """ccxt carries the classes that were generated from the exchange's own files: a second reader of the numbers."""
    raw = one["raw"]
    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(
        channel=raw["channel"], symbol=raw["symbol"], sendTime=raw["sendTime"], privateDeals=raw["privateDeals"]
    )
    assert MEXC.decode(wrapper.SerializeToString()) == raw


def test_prices_and_sums_are_told_from_fills():
    wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel="spot@public", sendTime=5)
    wrapper.publicMiniTicker.symbol, wrapper.publicMiniTicker.price = "BTCUSDT", "64000.1"
    assert MEXC.decode(wrapper.SerializeToString())["publicMiniTicker"] == {"symbol": "BTCUSDT", "price": "64000.1"}
    for body in ("privateOrders", "privateAccount"):
        wrapper = PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel="spot@private")
        getattr(wrapper, body).SetInParent()
        assert MEXC.read_stream(MEXC.decode(wrapper.SerializeToString()), Markets([]), None) == Heard()


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        DEAL[:60],
        b"\x0a\x02ab",
        PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel="c", publicSpotKline={}).SerializeToString(),
        "neither JSON nor known",
    ],
    ids=["empty", "half", "no body", "a body that nobody asked for", "text"],
)
def test_a_frame_that_is_not_understood_is_said_to_be_so(frame):
    with pytest.raises(UnreadableRow):
        MEXC.decode(frame)


def test_a_body_that_nobody_reads_holds_no_trade_unless_fills_were_due():
    def frame(channel: str) -> bytes:
        return PushDataV3ApiWrapper_pb2.PushDataV3ApiWrapper(channel=channel, publicSpotKline={}).SerializeToString()

    told = MEXC.decode(frame("spot@public.kline.v3.api.pb@BTCUSDT@Min15"))
    assert MEXC.read_stream(told, Markets([]), None) == Heard()
    due = MEXC.read_stream(MEXC.decode(frame("spot@private.deals.v3.api.pb")), Markets([]), None)
    assert [row.reason for row in due.unreadable] == ["'privateDeals' is not an object"]


def test_what_is_said_about_a_listen_key_holds_no_trade_in_text_or_bytes():
    for frame in ("Invalid listen key", b"Invalid listen key\n"):
        assert MEXC.read_stream(MEXC.decode(frame), Markets([]), None) == Heard()


# ── Fields ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "wanted"), [(1, Side.BUY), ("2", Side.BUY), (3, Side.SELL), ("4", Side.SELL)], ids=str
)
def test_opening_and_closing_are_buying_and_selling(side, wanted):
    (trade,) = read_changed("futures-deal", side=side).trades
    assert trade.side is wanted


@pytest.mark.parametrize(
    ("category", "kind"), [(1, Kind.TRADE), (2, Kind.LIQUIDATION), ("3", Kind.TRADE), (4, Kind.ADL), (None, Kind.TRADE)]
)
def test_the_category_tells_why(category, kind):
    (trade,) = read_changed("futures-deal", category=category).trades
    assert trade.kind is kind


@pytest.mark.parametrize("name", ["spot-deal", "spot-deal-old", "futures-deal", "futures-deals-paged"])
def test_what_must_be_there_is_missed_by_name(name):
    optional = {
        *("clientOrderId", "orderId", "isSelfTrade", "amount", "feeAmount", "category", "profit", "positionMode"),
        *("isSelf", "opponentUid", "c", "i", "a", "n", "st", "fee"),
    }
    roles = {"m", "isMaker", "isTaker", "taker"}
    for field in rows_in(sample(name)["raw"])[0].keys() - optional - roles:
        heard = read_changed(name, **{field: None})
        assert len(heard.unreadable) == 1, field
    for field in rows_in(sample(name)["raw"])[0].keys() & roles:
        (trade,) = read_changed(name, **{field: None}).trades[:1]
        # A push that is written as JSON leaves out what is false.
        assert trade.taker_or_maker is (TakerOrMaker.TAKER if name == "spot-deal" else None), field


def test_a_socket_that_does_not_tell_the_fee_leaves_it_to_history():
    told = {"spot-deal": "feeAmount", "spot-deal-old": "n", "futures-deal": "fee"}
    for name, field in told.items():
        (trade,) = read_changed(name, **{field: None}).trades
        assert (trade.fees, trade.provisional) == ((), True), name
    (row,) = read_changed("spot-deal", feeAmount="").trades
    assert not row.provisional
    assert not any(trade.provisional for trade in read_changed("futures-deals", fee=None).trades)


def test_a_page_without_a_list_is_an_empty_one():
    for data in (None, [], {}, {"resultList": None}, {"resultList": []}):
        assert MEXC.read_rest({"success": True, "code": 0, "data": data}, Markets([]), None) == Heard()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("spot-deal", {"tradeType": 0}),
        ("spot-deal", {"isMaker": "false"}),
        ("spot-deal", {"price": "0"}),
        ("spot-deal", {"quantity": "-1"}),
        ("spot-deal", {"time": 1_795_190_420}),
        ("futures-deal", {"side": 0}),
        ("futures-deal", {"side": 1.5}),
        ("futures-deal", {"category": 5}),
        ("futures-deal", {"taker": 1, "isTaker": "yes"}),
        ("futures-deal", {"symbol": "ETH_USDT"}),
        ("spot-trades", {"isBuyer": "true"}),
        ("spot-trades", {"commissionAsset": ""}),
    ],
)
def test_nothing_is_guessed(name, changes):
    heard = read_changed(name, **changes)
    assert len(heard.unreadable) == 1


@pytest.mark.parametrize(("name", "field"), [("spot-deal", "amount"), ("spot-trades", "quoteQty")])
def test_a_sum_that_is_told_stands(name, field):
    assert read_changed(name, **{field: "192.63"}).trades[0].cost == Decimal("192.63")


def test_a_sum_that_is_not_told_is_price_times_amount():
    (trade,) = read_changed("spot-deal", amount="").trades
    assert trade.cost == Decimal("192.6315")


def test_a_product_given_decides_and_contracts_come_together():
    assert heard_in(sample("spot-deal"), Product.SPOT).trades
    for product in (Product.LINEAR, Product.INVERSE):
        assert heard_in(sample("futures-adl-inverse"), product).trades[0].product is Product.INVERSE
    assert heard_in(sample("futures-deal"), Product.SPOT).unreadable


def test_an_error_is_no_empty_history():
    for raw in ({"success": False, "code": 602, "message": "no"}, {"code": 700002, "msg": "no"}):
        with pytest.raises(UnreadableRow):
            MEXC.read_rest(raw, Markets([]), None)


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(one):
    for trade in heard_in(one).trades:
        raw = decode_json(encode_json(trade.raw))
        if one["kind"] == "rest":
            (same,) = MEXC.read_rest(raw, markets_of(one), None).trades
        else:
            frame = raw if trade.contracts is None else {"channel": "push.personal.order.deal", "data": raw}
            (same,) = MEXC.read_stream(frame, markets_of(one), None).trades
        assert [getattr(same, name) for name in ("identity", "price", "amount", "cost", "fees", "kind")] == [
            getattr(trade, name) for name in ("identity", "price", "amount", "cost", "fees", "kind")
        ]


# ── The second reader ─────────────────────────────────────────────────────────────────────────────────


def ccxt_client(one: dict[str, Any]) -> Any:
    client = ccxt.pro.mexc()
    client.number = str
    markets = []
    for market in one["markets"]:
        is_spot = market["type"] == "spot"
        kinds = {"spot": is_spot, "swap": not is_spot, "contract": not is_spot, "contractSize": market["contract_size"]}
        markets.append(
            {**market, **kinds, "margin": False, "future": False, "option": False, "precision": {}, "limits": {}}
        )
    client.markets = {market["symbol"]: market for market in markets}
    client.markets_by_id = {market["id"]: [market] for market in markets}
    return client


@pytest.mark.parametrize("one", SAMPLES, ids=lambda one: one["id"])
def test_the_second_reader_agrees_but_for_what_is_explained(one):
    client = ccxt_client(one)
    for place, trade in enumerate(heard_in(one).trades):
        row = rows_in(one["raw"])[place]
        is_pushed_spot = one["kind"] == "stream" and trade.product is Product.SPOT
        theirs = client.parse_ws_trade(row, client.market(trade.symbol)) if is_pushed_spot else client.parse_trade(row)
        assert theirs["symbol"] == trade.symbol
        assert theirs["id"] == trade.exchange_trade_id
        assert theirs["order"] == trade.order_id
        assert theirs["timestamp"] == trade.timestamp_ms
        assert Decimal(theirs["price"]) == trade.price
        # ccxt counts contracts; we count base coins, and keep theirs beside it.
        assert Decimal(theirs["amount"]) == (trade.amount if trade.contracts is None else trade.contracts)
        if trade.contracts is None:
            assert theirs["side"] == trade.side
            assert Decimal(theirs["cost"]) == trade.cost
        else:
            # ccxt takes the four numbers of opening and closing for the two of spot: 2 is closing a short, so buying.
            assert theirs["side"] == {1: "buy", 2: "sell", 3: "3", 4: "4"}[int(row["side"])]
        if is_pushed_spot and "privateDeals" in one["raw"]:
            assert theirs["takerOrMaker"] == "taker"  # ccxt looks for the letter that the JSON of old had
        else:
            assert theirs["takerOrMaker"] == trade.taker_or_maker
        if trade.fees:
            assert Decimal(theirs["fee"]["cost"]) == trade.fee
            assert theirs["fee"]["currency"] == trade.fee_currency


def test_renamed_coins_are_ccxts():
    for raw, name in ccxt.pro.mexc().commonCurrencies.items():
        (trade,) = read_changed("futures-deal", feeCurrency=raw).trades
        assert (trade.fee_currency, raw) == (name, raw)


def test_the_sum_of_the_old_words_stands():
    (trade,) = read_changed("spot-deal-old", a="123.5").trades
    assert trade.cost == Decimal("123.5")
