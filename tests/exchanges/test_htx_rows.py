"""Rows: ccxt as a second reader of the same rows, and rows that are read again by themselves."""

import json
from decimal import Decimal
from pathlib import Path

import ccxt
import ccxt.pro
import pytest

from shared.domain.markets import Market, Markets
from shared.exchanges import load
from shared.exchanges.htx.rows import coin
from shared.exchanges.kit.wire import decode_json, encode_json
from tests.exchanges.messages import heard_in, is_rest, markets_of, shown

HTX = load("htx")
SAMPLES = json.loads((Path(__file__).parent / "samples" / "htx.json").read_text())


def client_for(kind, sample):
    client = kind({"api": {}})
    client.number = str
    client.set_markets([
        {
            "id": one["id"], "symbol": one["symbol"], "type": one["type"], "base": one["base"], "spot": False,
            "quote": one["quote"], "settle": one["settle"], "contractSize": one["contract_size"], "active": True,
            one["type"]: True, "contract": one["type"] != "spot", "linear": one["linear"],
            "inverse": one["inverse"], "baseId": one["base"], "quoteId": one["quote"], "settleId": one["settle"],
            "precision": {}, "limits": {}, "info": {}, "lowercaseId": one["id"].lower(),
        }
        for one in sample["markets"]
    ])  # fmt: skip
    return client


def rows_told(sample):
    raw = sample["raw"]
    if is_rest(sample):
        rows = raw if isinstance(raw, list) else raw["data"]
        return rows if isinstance(rows, list) else rows["trades"]
    return raw["data"] if isinstance(raw.get("data"), list) else [raw["data"]]


READABLE = [
    one
    for one in SAMPLES
    # ccxt takes no text with commas for a number, and reads what orders tell of their trades elsewhere.
    if one["expected"]["trades"]
    and one["id"] not in {"v5-rest-fees-in-two-coins", "spot-stream-orders", "old-rest-of-an-order"}
    and not one["id"].startswith("old-stream")
]


@pytest.mark.parametrize("sample", READABLE, ids=lambda one: one["id"])
def test_ccxt_reads_the_same_but_for_what_it_is_known_to_misread(sample):
    client = client_for(ccxt.htx if is_rest(sample) else ccxt.pro.htx, sample)
    parse = client.parse_trade if is_rest(sample) else client.parse_ws_trade
    for row, ours in zip(rows_told(sample), heard_in("htx", sample).trades, strict=True):
        theirs = parse(json.loads(json.dumps(row)))
        names = ("symbol", "side", "order")
        assert [theirs[name] for name in names] == [ours.symbol, ours.side, ours.order_id]
        assert theirs["timestamp"] == ours.timestamp_ms or "updated_time" in row
        assert theirs["takerOrMaker"] == ours.taker_or_maker
        assert Decimal(theirs["price"]) == ours.price
        # It counts contracts where the exchange does.
        assert Decimal(theirs["amount"]) == (ours.amount if ours.contracts is None else ours.contracts)
        # Its sockets' reader leaves the turnover out: price times contracts.
        if is_rest(sample):
            assert Decimal(theirs["cost"]) == ours.cost
        if "id" in row and "-" in str(row["id"]) and not is_rest(sample):
            assert theirs["id"] == row["trade_id"]  # its sockets take another id than its REST
        else:
            assert theirs["id"] == ours.exchange_trade_id
        fee = theirs["fee"] or {"cost": None}
        if fee["cost"] is None or ours.provisional or len(ours.fees) > 1:
            continue  # none is told; or two lines, of which ccxt reads one
        if sample["id"].startswith("v5-rest"):
            assert Decimal(fee["cost"]) == -ours.fee  # it turns V5's sign round: a paid fee looks like a rebate
        elif row.get("feeDeductType"):
            assert Decimal(fee["cost"]) == 0  # it passes over what is deducted instead
        elif "order-id" in row and "fee-currency" not in row:
            assert (Decimal(fee["cost"]), fee["currency"]) == (ours.fee, None)
        else:
            assert (Decimal(fee["cost"]), fee["currency"]) == (ours.fee, ours.fee_currency)


@pytest.mark.parametrize("sample", [one for one in SAMPLES if one["expected"]["trades"]], ids=lambda one: one["id"])
def test_a_trade_read_again_from_its_own_raw_row_is_the_same(sample):
    for trade in heard_in("htx", sample).trades:
        (same,) = HTX.read_rest(decode_json(encode_json(trade.raw)), markets_of(sample), None).trades
        assert shown(same) == shown(trade)


def test_ids_keep_all_their_digits():
    (trade,) = heard_in("htx", next(one for one in SAMPLES if one["id"] == "v5-stream-side")).trades
    assert trade.order_id == "1619705786942156811"


def test_a_trade_id_that_comes_again_on_another_contract_or_order_is_another_trade():
    sample = next(one for one in SAMPLES if one["id"] == "v5-rest")
    row = sample["raw"]["data"][0]
    other = Market("X-USDT", "X/USDT:USDT", "swap", "X", "USDT", "USDT", Decimal(1), linear=True, inverse=False)
    rows = [row, {**row, "order_id": "2"}, {**row, "contract_code": "X-USDT"}]
    heard = HTX.read_rest(rows, Markets([*markets_of(sample).all, other]), None)
    assert len({trade.identity for trade in heard.trades}) == 3


def test_renamed_coins_are_the_ones_that_ccxt_renames():
    renamed = ccxt.htx().commonCurrencies
    assert {code: coin(code.lower()) for code in renamed} == renamed
    assert coin("hbpoint") == "HBPOINT"
