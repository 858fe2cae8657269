"""How the Bitget dialect writes fills and wallets, and what ccxt makes of it."""

from decimal import Decimal
from typing import Any

import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.bitget_clients import (
    DAY_MS,
    MIX_FILLS,
    SPOT_FILLS,
    UNIFIED_FILLS,
    client_of,
    data_of,
    plain_account,
)


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (row,) = rows
    return row


def test_rows_have_the_documented_fields(simulator: SimulatorProcess) -> None:
    classic, unified = plain_account(simulator), plain_account(simulator, "unified")
    for account in (classic, unified):
        for product in ("spot", "linear"):
            simulator.trade(account, product=product, market_id="BTCUSDT", fills=1, maker=False)
    spot = only(data_of(simulator, classic, SPOT_FILLS))
    assert list(spot) == [
        *("userId", "symbol", "orderId", "tradeId", "orderType", "side", "priceAvg", "size", "amount", "feeDetail"),
        *("tradeScope", "cTime", "uTime"),
    ]
    assert list(spot["feeDetail"]) == ["deduction", "feeCoin", "totalDeductionFee", "totalFee"]
    assert all(isinstance(value, str) for value in (*spot["feeDetail"].values(), spot["cTime"]))
    assert spot["cTime"] < spot["uTime"]
    mix = only(data_of(simulator, classic, MIX_FILLS, productType="USDT-FUTURES")["fillList"])
    assert set(mix) == {
        *("tradeId", "symbol", "orderId", "price", "baseVolume", "feeDetail", "side", "quoteVolume", "profit"),
        *("enterPointSource", "tradeSide", "posMode", "tradeScope", "cTime"),
    }
    assert only(mix["feeDetail"])["totalDeductionFee"] is None
    rows = {row["category"]: row for row in data_of(simulator, unified, UNIFIED_FILLS)["list"]}
    assert rows.keys() == {"SPOT", "USDT-FUTURES"}
    assert {row["execId"].isdigit() and len(row["execId"]) for row in rows.values()} == {19}
    assert only(rows["SPOT"]["feeDetail"]).keys() == {"feeCoin", "fee"}
    assert (rows["SPOT"]["tradeSide"], rows["SPOT"]["posSide"]) == ("", "")


@pytest.mark.parametrize(
    ("kind", "single", "hedged"),
    [
        ("trade", ("buy_single", "sell_single"), ("open", "close")),
        ("liquidation", ("burst_buy_single", "burst_sell_single"), ("burst_close_long", "burst_close_short")),
        (
            "adl",
            ("dte_sys_adl_buy_in_single_side_mode", "dte_sys_adl_sell_in_single_side_mode"),
            ("dte_sys_adl_close_long", "dte_sys_adl_close_short"),
        ),
    ],
)
def test_what_a_fill_does_to_a_position_has_its_word(
    simulator: SimulatorProcess, kind: str, single: tuple[str, str], hedged: tuple[str, str]
) -> None:
    accounts = [plain_account(simulator, details={"pos_mode": mode}) for mode in ("one_way_mode", "hedge_mode")]
    for account, words in zip(accounts, (single, hedged), strict=True):
        for _ in range(12):
            for side in ("buy", "sell"):
                simulator.trade(account, product="linear", market_id="BTCUSDT", kind=kind, side=side, fills=1)
        rows = data_of(simulator, account, MIX_FILLS, productType="USDT-FUTURES")["fillList"]
        assert {row["tradeSide"] for row in rows} == set(words)
        true_sides = {trade["exchange_trade_id"]: trade["side"] for trade in simulator.truth(account)["trades"]}
        for row in rows:
            # With two positions the side names the touched one, so that closing turns it around.
            turns = row["posMode"] == "hedge_mode" and "close" in row["tradeSide"]
            assert (row["side"] != true_sides[row["tradeId"]]) is turns


def test_fees_are_negative_when_paid_and_a_discount_coin_is_positive(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"discount": True})
    simulator.trade(account, product="spot", market_id="BTCUSDT", maker=False, fills=1)
    simulator.trade(account, product="linear", market_id="ETHUSDT", maker=True, fills=1)
    simulator.trade(account, product="linear", market_id="BTCUSDT", maker=False, fills=1)
    simulator.trade(account, product="linear", market_id="SOLUSDT", maker=True, fills=1)
    told = {trade["symbol"]: trade["fees"] for trade in simulator.truth(account)["trades"]}
    spot = only(data_of(simulator, account, SPOT_FILLS))["feeDetail"]
    deducted = only(told["BTC/USDT"])["amount"]
    assert spot == {"deduction": "yes", "feeCoin": "BGB", "totalDeductionFee": deducted, "totalFee": deducted}
    rows = data_of(simulator, account, MIX_FILLS, productType="USDT-FUTURES")["fillList"]
    fees = {row["symbol"]: [fee["totalFee"] for fee in row["feeDetail"]] for row in rows}
    paid, rebate = only(told["BTC/USDT:USDT"])["amount"], only(told["ETH/USDT:USDT"])["amount"]
    assert rebate.startswith("-")
    assert fees == {"BTCUSDT": [f"-{paid}"], "ETHUSDT": [rebate[1:]], "SOLUSDT": []}
    client = client_of(simulator, account, uta=False)
    client.load_markets()
    # ccxt tests the deduction in a way that is never true, and shows what was paid as a rebate.
    assert only(client.fetch_my_trades("BTC/USDT"))["fee"] == {"currency": "BGB", "cost": f"-{deducted}"}


def test_a_unified_account_may_pay_in_two_coins_of_which_ccxt_sees_one(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, "unified", details={"discount": True}, products=["spot"], history=60)
    two = [trade for trade in simulator.truth(account)["trades"] if len(trade["fees"]) == 2]
    assert two
    start = simulator.ask("GET", "/clock")["now_ms"] - 30 * DAY_MS + 5_000
    rows = data_of(simulator, account, UNIFIED_FILLS, startTime=start)["list"]
    row = next(row for row in rows if len(row["feeDetail"]) == 2)
    told = next(trade for trade in two if trade["exchange_trade_id"] == row["execId"])
    assert {fee["feeCoin"]: fee["fee"] for fee in row["feeDetail"]} == {
        fee["currency"]: fee["amount"] for fee in told["fees"]
    }
    client = client_of(simulator, account, uta=True)
    client.load_markets()
    assert client.parse_trade(row)["fee"]["currency"] == row["feeDetail"][0]["feeCoin"]


# ── Wallets ───────────────────────────────────────────────────────────────────────────────────────────


def told_wallet(simulator: SimulatorProcess, account: dict[str, Any], *wallets: str) -> dict[str, Any]:
    return {
        row["asset"]: (Decimal(row["free"]), Decimal(row["locked"]))
        for row in simulator.truth(account)["balances"]
        if row["wallet"] in wallets
    }


def read_wallet(balance: dict[str, Any]) -> dict[str, Any]:
    return {
        coin: (Decimal(one["free"]), Decimal(one["used"]))
        for coin, one in balance.items()
        if isinstance(one, dict) and "free" in one and Decimal(one["total"])
    }


def test_ccxt_reads_every_wallet_of_a_classic_account(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, history=200)
    simulator.trade(account, count=50)
    simulator.trade(account, product="inverse", market_id="BTCUSD")
    client = client_of(simulator, account, uta=False)
    assert read_wallet(client.fetch_balance()) == told_wallet(simulator, account, "spot")
    contracts = {}
    for product_type in ("USDT-FUTURES", "USDC-FUTURES"):
        contracts |= read_wallet(client.fetch_balance({"type": "swap", "productType": product_type}))
    assert contracts == told_wallet(simulator, account, "linear")
    coins = client.fetch_balance({"type": "swap", "productType": "COIN-FUTURES"})
    assert read_wallet(coins) == told_wallet(simulator, account, "inverse")
    funding = data_of(simulator, account, "/api/v2/account/funding-assets")
    assert [(row["coin"], row["available"]) for row in funding] == [("USDT", "5000")]
    assert client.fetch_balance({"marginMode": "cross"})["info"] == []
    assert {row["accountType"] for row in data_of(simulator, account, "/api/v2/account/all-account-balance")} == {
        *("spot", "futures", "funding", "earn", "bots", "margin")
    }


def test_ccxt_reads_a_unified_account_as_one_wallet(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, "unified", history=200)
    simulator.trade(account, count=50)
    client = client_of(simulator, account, uta=True)
    assert read_wallet(client.fetch_balance()) == told_wallet(simulator, account, "unified")
    assert read_wallet(client.fetch_balance({"type": "funding"})) == told_wallet(simulator, account, "funding")
