"""Rows: ccxt as second reader of the same raw rows, names of pairs, and what cannot be read."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest
from ccxt.pro import kraken as sockets

from shared.domain.errors import UnreadableRow
from shared.domain.markets import Market, Markets
from shared.domain.trades import Kind, Product
from shared.exchanges import load
from shared.exchanges.kit.wire import decode_json
from shared.exchanges.kraken.names import coin, market_of_pair
from tests.exchanges.messages import heard_in

KRAKEN = load("kraken")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "kraken.json").read_text())
LISTED = Markets(
    [
        Market("XXBTZUSD", "BTC/USD", "spot", "BTC", "USD"),
        Market("XTZUSD", "XTZ/USD", "spot", "XTZ", "USD"),
        Market("USDTZUSD", "USDT/USD", "spot", "USDT", "USD"),
    ]
)


def sample(name: str) -> dict[str, Any]:
    return next(copy.deepcopy(one) for one in SAMPLES if one["id"] == name)


def history_row(**changes: Any) -> dict[str, Any]:
    row = sample("rest-buy-taker")["raw"]["result"]["trades"]["TA2BCD-EFGHI-JKLMNO"]
    return {"txid": "T1", **decode_json(json.dumps(row)), **changes}


def second_reader(client: Any, one: dict[str, Any]) -> Any:
    client.number = str
    full = [
        {**row, "spot": True, "precision": {}, "limits": {}, "taker": None, "maker": None} for row in one["markets"]
    ]
    client.markets = {row["symbol"]: row for row in full}
    client.markets_by_id = {row["id"]: [row] for row in full}
    client.options["marketsByAltname"] = {}
    return client


@pytest.mark.parametrize("name", ["rest-buy-taker", "rest-margin-closing"])
def test_ccxt_reads_a_row_of_history_alike(name):
    one = sample(name)
    client = second_reader(ccxt.kraken(), one)
    for trade in heard_in("kraken", one).trades:
        theirs = client.parse_trade(
            {**one["raw"]["result"]["trades"][trade.exchange_trade_id], "id": trade.exchange_trade_id}
        )
        assert (theirs["symbol"], theirs["id"], theirs["order"]) == (
            trade.symbol,
            trade.exchange_trade_id,
            trade.order_id,
        )
        assert (theirs["side"], theirs["takerOrMaker"]) == (trade.side, trade.taker_or_maker)
        ours = [trade.price, trade.amount, trade.cost, trade.fee]
        assert [Decimal(theirs[key]) for key in ("price", "amount", "cost")] + [Decimal(theirs["fee"]["cost"])] == ours
        assert theirs["fee"]["currency"] == trade.fee_currency
        assert theirs["timestamp"] == trade.timestamp_ms


def test_ccxt_pro_reads_an_execution_alike():
    one = sample("stream-buy-taker")
    client = second_reader(sockets(), one)
    (trade,) = heard_in("kraken", one).trades
    theirs = client.parse_ws_trade(one["raw"]["data"][0])
    assert (theirs["id"], theirs["order"], theirs["side"]) == (trade.exchange_trade_id, trade.order_id, trade.side)
    assert (theirs["symbol"], theirs["takerOrMaker"]) == (trade.symbol, trade.taker_or_maker)
    assert [Decimal(theirs[key]) for key in ("price", "amount", "cost")] == [trade.price, trade.amount, trade.cost]
    assert theirs["timestamp"] == trade.timestamp_ms


def test_where_ccxt_pro_guesses_we_say_that_nobody_told():
    """It calls who is not told a maker, takes the first fee for all, and knows no renamed coin on sockets."""
    one = sample("stream-fees-of-two-coins")
    client = second_reader(sockets(), one)
    (trade,) = heard_in("kraken", one).trades
    theirs = client.parse_ws_trade(one["raw"]["data"][0])
    assert (theirs["takerOrMaker"], trade.taker_or_maker) == ("maker", None)
    assert (theirs["fee"]["currency"], [fee.currency for fee in trade.fees]) == ("FEE", ["KFEE", "USD"])
    renamed = sample("stream-renamed-coin")
    (trade,) = heard_in("kraken", renamed).trades
    theirs = second_reader(sockets(), renamed).parse_ws_trade(renamed["raw"]["data"][0])
    assert (theirs["symbol"], trade.symbol) == ("LUNA/USD", "LUNC/USD")


@pytest.mark.parametrize(
    ("pair", "symbol", "market_id"),
    [
        ("XXBTZUSD", "BTC/USD", "XXBTZUSD"),
        ("XBTUSD", "BTC/USD", "XXBTZUSD"),
        ("XTZUSD", "XTZ/USD", "XTZUSD"),
        ("USDTUSD", "USDT/USD", "USDTZUSD"),
        ("XTZGBP", "XTZ/GBP", "XTZGBP"),
        ("XREPXXBT", "REP/BTC", "XREPXXBT"),
        ("REPXBT", "REPV1/BTC", "REPXBT"),
        ("XXDGXXBT", "DOGE/BTC", "XXDGXXBT"),
        ("LUNA2USDT", "LUNA/USDT", "LUNA2USDT"),
        ("ICNETH", "ICN/ETH", "ICNETH"),
    ],
)
def test_a_pair_is_found_by_any_of_its_names_also_when_it_is_gone(pair, symbol, market_id):
    (trade,) = KRAKEN.read_rest(history_row(pair=pair), LISTED, None).trades
    assert (trade.symbol, trade.market_id) == (symbol, market_id)
    assert trade.fees[0].currency == symbol.split("/")[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"pair": "NOBODYKNOWS"},
        {"pair": "USD"},
        {"pair": ""},
        {"txid": ""},
        {"type": "both"},
        {"price": "0"},
        {"vol": "-1"},
        {"time": None},
        {"time": 1_795_168_800_709},
        {"fee": "some"},
        {"maker": 1},
        {"cost": "much"},
    ],
)
def test_a_row_of_history_that_cannot_be_read_says_so(changes):
    heard = KRAKEN.read_rest(history_row(**changes), LISTED, None)
    assert (len(heard.trades), len(heard.unreadable)) == (0, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"exec_id": ""},
        {"liquidity_ind": "x"},
        {"fees": [{"qty": 1}]},
        {"fees": {"USD": 1}},
        {"last_price": None},
        {"side": None},
        {"exec_type": None},
        {"timestamp": "2026-13-01T00:00:00Z"},
    ],
)
def test_an_execution_that_cannot_be_read_says_so(changes):
    row = {**decode_json(json.dumps(sample("stream-buy-taker")["raw"]["data"][0])), **changes}
    heard = KRAKEN.read_stream({"channel": "executions", "data": [row]}, LISTED, None)
    assert (len(heard.trades), len(heard.unreadable)) == (0, 1)


def test_a_position_is_margin_and_spot_is_not():
    def product(**changes: Any) -> Product:
        return KRAKEN.read_rest(history_row(**changes), LISTED, None).trades[0].product

    assert product() is Product.SPOT
    assert product(margin="12.5") is Product.MARGIN
    assert product(misc="closing") is Product.MARGIN


def test_an_error_is_no_history():
    with pytest.raises(UnreadableRow, match="Invalid key"):
        KRAKEN.read_rest({"error": ["EAPI:Invalid key"]}, LISTED, None)
    with pytest.raises(UnreadableRow, match="Invalid key"):
        KRAKEN.read_rest({"error": "EAPI:Invalid key"}, LISTED, None)


def execution_row(**changes: Any) -> dict[str, Any]:
    return {**decode_json(json.dumps(sample("stream-buy-taker")["raw"]["data"][0])), **changes}


def heard(row: dict[str, Any]) -> Any:
    return KRAKEN.read_stream({"channel": "executions", "data": [row]}, LISTED, None)


@pytest.mark.parametrize(
    "word",
    ["pending_new", "new", "filled", "canceled", "expired", "amended", "restated", "iceberg_refill", "status"],
)
def test_what_else_happens_to_an_order_is_no_trade(word):
    found = heard(execution_row(exec_type=word))
    assert (found.trades, found.unreadable) == ((), ())


@pytest.mark.parametrize(("told", "cost"), [("799.5", "799.5"), (None, "800.005")])
def test_the_cost_is_what_is_told_and_price_times_amount_otherwise(told, cost):
    for found in (KRAKEN.read_rest(history_row(cost=told), LISTED, None), heard(execution_row(cost=told))):
        assert found.trades[0].cost == Decimal(cost)


def test_a_row_of_history_that_tells_no_role_has_none():
    row = {name: value for name, value in history_row().items() if name != "maker"}
    assert KRAKEN.read_rest(row, LISTED, None).trades[0].taker_or_maker is None


def test_a_margin_below_one_is_a_margin():
    assert KRAKEN.read_rest(history_row(margin="0.5"), LISTED, None).trades[0].product is Product.MARGIN


@pytest.mark.parametrize(
    ("changes", "product"),
    [
        ({"margin": False}, Product.SPOT),
        ({"margin": True}, Product.MARGIN),
        ({"position_status": "opened"}, Product.MARGIN),
    ],
)
def test_an_execution_is_of_margin_when_it_says_so_or_has_a_position(changes, product):
    plain = {name: value for name, value in execution_row().items() if name not in {"margin", "position_status"}}
    (trade,) = heard({**plain, **changes}).trades
    assert (trade.product, trade.kind) == (product, Kind.TRADE)
    assert heard({**plain, **changes, "liquidated": True}).trades[0].kind is Kind.LIQUIDATION


OLDEST = ["ETC", "ETH", "LTC", "MLN", "XLM", "XMR", "XRP", "ZEC"]
MONEY = ["AUD", "CAD", "EUR", "GBP", "JPY", "KRW", "USD"]


# Docs, Get Asset Info (altname), read 2026-11; the names that the market list has are ccxt's.
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        *(
            (f"X{name}", name)
            for name in ["ETC", "ETH", "ICN", "LTC", "MLN", "NMC", "XLM", "XMR", "XRP", "XVN", "ZEC", "DAO"]
        ),
        *((f"Z{name}", name) for name in MONEY),
        ("XXBT", "BTC"),
        ("XBT", "BTC"),
        ("XXDG", "DOGE"),
        ("XDG", "DOGE"),
        ("LUNA", "LUNC"),
        ("LUNA2", "LUNA"),
        ("UST", "USTC"),
        ("REP", "REPV1"),
        ("REPV2", "REP"),
        ("XREP", "REP"),
        ("FEE", "KFEE"),
        ("SOL", "SOL"),
    ],
)
def test_a_coin_has_one_name_however_it_is_written(theirs, ours):
    assert coin(theirs) == ours


@pytest.mark.parametrize(
    "quote",
    [
        *[
            "AUD",
            "CAD",
            "EUR",
            "GBP",
            "JPY",
            "KRW",
            "USD",
            "CHF",
            "AED",
            "USDT",
            "USDC",
            "DAI",
            "PYUSD",
            "RLUSD",
            "ETH",
            "DOT",
            "SOL",
        ],
    ],
)
def test_a_pair_that_is_gone_is_taken_apart_at_any_quote(quote):
    market = market_of_pair(Markets([]), f"FOO{quote}")
    assert market == Market(id=f"FOO{quote}", symbol=f"FOO/{quote}", type="spot", base="FOO", quote=quote, active=False)


def test_only_the_oldest_coins_and_tethers_have_quotes_with_a_letter_before():
    assert market_of_pair(Markets([]), "USDTZUSD").symbol == "USDT/USD"
    assert market_of_pair(Markets([]), "XREPZUSD").symbol == "REP/USD"
    assert market_of_pair(Markets([]), "FOOZUSD").symbol == "FOOZ/USD"


def test_a_listed_pair_is_what_the_list_says():
    listed = Market("ODDUSD", "EVEN/USD", "spot", "EVEN", "USD")
    assert market_of_pair(Markets([listed]), "ODDUSD") is listed
