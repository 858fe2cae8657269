"""ccxt's REST client reads from the Binance dialect exactly what happened."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "binance")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(
        simulator, ccxt.binance({"options": {"fetchMarkets": {"types": ["spot", "linear"]}}}), "binance"
    )
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.binance(credentials(account)), "binance")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def every_trade_by_id(client: Any, symbols: Iterator[str]) -> list[dict[str, Any]]:
    """Pages by id from the first on, as far as there are rows."""
    rows: list[dict[str, Any]] = []
    for symbol in symbols:
        first, before = 0, ""
        while page := client.fetch_my_trades(symbol, None, 1000, {"fromId": first}):
            rows += page
            if len(page) < 1000 or page[-1]["id"] == before:
                break
            before = page[-1]["id"]
            first = int(before) + 1
    return rows


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["product"], m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}
    seen = {("spot" if m["spot"] else "linear", m["id"], m["symbol"]) for m in keyless.markets.values()}
    assert {one for one in listed if one[0] != "inverse"} == seen
    bitcoin = keyless.market("BTC/USDT:USDT")
    assert bitcoin["linear"]
    assert bitcoin["contractSize"] == "1"
    precision = keyless.market("BTC/USDT")["precision"]
    assert [Decimal(precision[name]) for name in ("amount", "price")] == [Decimal("0.00001"), Decimal("0.01")]


def test_the_spot_history_is_read_by_id_to_its_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance", history=6_000, products=["spot"])
    client = client_of(simulator, keyless, account)
    symbols = (market["symbol"] for market in keyless.markets.values() if market["spot"])
    read = every_trade_by_id(client, symbols)
    assert_reads_the_truth(read, simulator.truth(account)["trades"])
    ids = [(row["symbol"], row["id"]) for row in read]
    assert len({one for _, one in ids}) < len(ids), (
        "ids of different symbols must collide, or nobody notices mixing them"
    )


def test_the_futures_history_is_read_by_weeks(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance", history=1_500, products=["linear"])
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    read = []
    for symbol in (market["symbol"] for market in keyless.markets.values() if market["swap"]):
        for week in range(13):
            until = now - week * 7 * DAY_MS
            since = until - 7 * DAY_MS + 1
            read += client.fetch_my_trades(symbol, since, 1000, {"until": until})
    assert_reads_the_truth(read, simulator.truth(account)["trades"])


def test_the_income_names_every_futures_symbol_that_was_traded(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance", history=300, products=["linear"])
    client = client_of(simulator, keyless, account)
    since = client.milliseconds() - 90 * DAY_MS
    rows, page = [], 1
    while batch := client.fapiPrivateGetIncome(
        {"incomeType": "COMMISSION", "startTime": since, "limit": 100, "page": page}
    ):
        rows += batch
        page += 1
    trades = simulator.truth(account)["trades"]
    paid = {(t["market_id"], t["exchange_trade_id"]): -Decimal(t["fees"][0]["amount"]) for t in trades if t["fees"]}
    assert {(row["symbol"], row["tradeId"]): Decimal(row["income"]) for row in rows} == paid


def test_balances_are_the_deposits_and_all_trades_together(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance", history=2_000)
    simulator.trade(account, count=300)
    client = client_of(simulator, keyless, account)
    told: dict[str, dict[str, Decimal]] = {}
    for row in simulator.truth(account)["balances"]:
        told.setdefault(row["wallet"], {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    for wallet, params in (("spot", {}), ("futures", {"type": "swap"}), ("funding", {"type": "funding"})):
        balance = client.fetch_balance(params)["total"]
        held = {asset: Decimal(str(amount)) for asset, amount in balance.items() if Decimal(str(amount or 0))}
        assert held == told[wallet]


def test_wallets_hold_what_the_trades_left(simulator: SimulatorProcess) -> None:
    account = simulator.account("binance", history=1_000, products=["spot"])
    simulator.trade(account, count=500)
    truth = simulator.truth(account)
    sums: dict[str, Decimal] = {}

    def add(asset: str, amount: Decimal) -> None:
        sums[asset] = sums.get(asset, Decimal(0)) + amount

    for deposit in truth["deposits"]:
        if deposit["wallet"] == "spot":
            add(deposit["asset"], Decimal(deposit["amount"]))
    for trade in truth["trades"]:
        base, quote = trade["symbol"].split("/")
        sign = 1 if trade["side"] == "buy" else -1
        add(base, sign * Decimal(trade["amount"]))
        add(quote, -sign * Decimal(trade["cost"]))
        for fee in trade["fees"]:
            add(fee["currency"], -Decimal(fee["amount"]))
    held = {
        row["asset"]: Decimal(row["free"]) + Decimal(row["locked"])
        for row in truth["balances"]
        if row["wallet"] == "spot"
    }
    assert held == {asset: amount for asset, amount in sums.items() if amount}


def test_the_key_tells_what_it_may_do(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance", permissions=["read", "trade", "withdraw"], addresses=["127.0.0.1"])
    told = client_of(simulator, keyless, account).sapiGetAccountApiRestrictions()
    asked = ("ipRestrict", "enableReading", "enableSpotAndMarginTrading", "enableWithdrawals", "enableFutures")
    assert [told[name] for name in asked] == [True, True, True, True, False]


def test_a_name_that_is_not_ascii_is_signed_and_found(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("binance")
    made = simulator.trade(account, product="spot", market_id="币安人生USDT", side="buy", size="12.5")
    read = client_of(simulator, keyless, account).fetch_my_trades("币安人生/USDT")
    assert_reads_the_truth(read, made)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_keys_of_other_kinds_sign_too(simulator: SimulatorProcess, keyless: Any, kind: str) -> None:
    account = simulator.account("binance", history=20, products=["spot"], details={"key_type": kind})
    client = client_of(simulator, keyless, account)
    balance = client.fetch_balance()
    assert Decimal(str(balance["total"]["BTC"])) > 0
    assert str(balance["info"]["uid"]) == account["uid"]
