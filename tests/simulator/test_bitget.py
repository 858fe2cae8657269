"""ccxt's REST client reads from the Bitget dialect exactly what happened."""

from decimal import Decimal
from typing import Any

import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.bitget_clients import (
    DAY_MS,
    MIX_FILLS,
    SPOT_FILLS,
    UNIFIED_FILLS,
    ask,
    client_of,
    code_of,
    cursors,
    data_of,
    flat,
    plain_account,
    smaller_ids,
    windows,
)
from tests.simulator.witnesses import as_read, as_told, assert_reads_the_truth

FREE_OF_FEE = "SOL/USDT:USDT"
"""Its makers pay nothing: their `feeDetail` is an empty list, over which ccxt stumbles."""


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


# ── Markets ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("uta", [False, True])
def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, uta: bool) -> None:
    markets = client_of(simulator, uta=uta).load_markets()
    for market in simulator.ask("GET", "/markets"):
        read = markets[market["symbol"]]
        assert read["id"] == market["market_id"] + ("_CM" if uta and market["product"] == "inverse" else "")
        assert (read["spot"], read["linear"], read["inverse"]) == (
            market["product"] == "spot",
            {"linear": True, "inverse": False}.get(market["product"]),
            {"linear": False, "inverse": True}.get(market["product"]),
        )
        assert (read["active"], read["contractSize"]) == (True, None if read["spot"] else 1)
    assert len(markets) == len(simulator.ask("GET", "/markets"))
    assert (markets["BTC/USDT"]["precision"]["price"], markets["BTC/USDT:USDT"]["precision"]["price"]) == (
        "0.01",
        "0.1",
    )
    assert markets["BTC/USDC:USDC"]["id"] == "BTCPERP"


def test_a_halted_market_is_inactive_and_a_delisted_one_is_gone(simulator: SimulatorProcess) -> None:
    for market_id, status in (("ETHUSDT", "halted"), ("BTCUSDT", "delisted")):
        for product in ("spot", "linear"):
            simulator.ask("POST", "/markets", exchange="bitget", product=product, market_id=market_id, status=status)
    markets = client_of(simulator, uta=False).load_markets()
    assert (markets["ETH/USDT"]["active"], markets["ETH/USDT:USDT"]["active"]) == (False, False)
    assert not {"BTC/USDT", "BTC/USDT:USDT"} & markets.keys()


@pytest.mark.parametrize(("mode", "uta"), [("classic", False), ("unified", True)])
def test_ccxt_finds_out_the_mode_by_itself(simulator: SimulatorProcess, mode: str, uta: bool) -> None:
    client = client_of(simulator, plain_account(simulator, mode))
    client.load_markets()
    assert client.options["uta"] is uta


def test_the_clock_is_told(simulator: SimulatorProcess) -> None:
    client = client_of(simulator)
    assert abs(client.fetch_time() - client.milliseconds()) < 5_000


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_ninety_days_of_spot_are_read_by_ids_to_the_last_trade(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, history=1_200, products=["spot"])
    client = client_of(simulator, account, uta=False)
    client.load_markets()

    def get(**asked: Any) -> Any:
        return client.privateSpotGetV2SpotTradeFills(asked | {"limit": 100})["data"]

    (window,) = windows(client.milliseconds(), 90)
    pages = smaller_ids(get, **window)
    assert {len(page) for page in pages[:-1]} == {100}
    spot = {market["id"]: market for market in client.markets.values() if market["spot"]}
    read = [client.parse_trade(row, spot[row["symbol"]]) for row in flat(pages)]
    assert_reads_the_truth(read, simulator.truth(account)["trades"])


def test_contracts_are_read_by_weeks_and_by_product_type(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, history=900, products=["linear"])
    for _ in range(5):
        simulator.trade(account, product="inverse", market_id="BTCUSD")
    client = client_of(simulator, account, uta=False)
    client.load_markets()
    read = []
    for product_type, settle in (("USDT-FUTURES", "USDT"), ("USDC-FUTURES", "USDC"), ("COIN-FUTURES", "BTC")):

        def get(product_type: str = product_type, **asked: Any) -> Any:
            found = client.privateMixGetV2MixOrderFills(asked | {"productType": product_type, "limit": 100})["data"]
            assert found["endId"] == min((row["tradeId"] for row in found["fillList"]), default="")
            return found["fillList"]

        rows = [row for window in windows(client.milliseconds(), 7) for row in flat(smaller_ids(get, **window))]
        for row in {row["tradeId"]: row for row in rows}.values():
            market = next(m for m in client.markets_by_id[row["symbol"]] if m["settle"] == settle)
            read.append((row, market))
    assert {market["symbol"] for _, market in read} > {"BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC"}
    told = [as_told(trade) for trade in simulator.truth(account)["trades"]]
    assert sorted(told, key=str) == sorted((as_read_anyway(client, row, market) for row, market in read), key=str)


def as_read_anyway(client: Any, row: dict[str, Any], market: dict[str, Any]) -> tuple[Any, ...]:
    """As ccxt reads it; it stumbles over an empty `feeDetail`, which here means that nothing was paid."""
    if row["feeDetail"] == []:
        with pytest.raises(IndexError):
            client.parse_trade(row, market)
        row = row | {"feeDetail": [{"feeCoin": market["settle"], "totalFee": "0", "deduction": "no", "fee": "0"}]}
    return as_read(client.parse_trade(row, market))


@pytest.mark.parametrize("by_category", [False, True])
def test_a_unified_account_is_read_by_cursors(simulator: SimulatorProcess, by_category: bool) -> None:
    account = plain_account(simulator, "unified", history=900)
    simulator.trade(account, product="inverse", market_id="BTCUSD")
    client = client_of(simulator, account, uta=True)
    client.load_markets()

    def get(**asked: Any) -> Any:
        return client.privateUtaGetV3TradeFills(asked)["data"]

    rows = []
    for category in ("SPOT", "USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES", "MARGIN") if by_category else ("",):
        asked = {"category": category} if category else {}
        for window in windows(client.milliseconds(), 30):
            pages = cursors(get, **window, **asked)
            assert all(len(page) == 100 for page in pages[:-1])
            rows += flat(pages)
    read = []
    for row in {(row["category"], row["symbol"], row["execId"]): row for row in rows}.values():
        kind = "spot" if row["category"] == "SPOT" else "swap"
        market = next(m for m in client.markets_by_id[row["symbol"]] if m["type"] == kind)
        read.append(as_read_anyway(client, row, market))
    # ccxt turns the sign of a unified account's fees around: what was paid shows as a rebate.
    told = [as_told(turned(trade)) for trade in simulator.truth(account)["trades"]]
    assert sorted(read, key=str) == sorted(told, key=str)


def turned(trade: dict[str, Any]) -> dict[str, Any]:
    fees = [{**fee, "amount": str(-Decimal(fee["amount"]))} for fee in trade["fees"]]
    return {**trade, "fees": fees}


def test_fetch_my_trades_reads_single_markets(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    simulator.trade(account, count=60)
    client = client_of(simulator, account, uta=False)
    client.load_markets()
    told = [trade for trade in simulator.truth(account)["trades"] if trade["symbol"] != FREE_OF_FEE]
    symbols = sorted({trade["symbol"] for trade in told})
    read = [trade for symbol in symbols for trade in client.fetch_my_trades(symbol, None, 100)]
    assert_reads_the_truth(read, told)


def test_a_market_whose_name_is_not_ascii_is_asked_for_and_found(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    simulator.trade(account, product="spot", market_id="币安人生USDT")
    client = client_of(simulator, account, uta=False)
    client.load_markets()
    assert_reads_the_truth(client.fetch_my_trades("币安人生/USDT"), simulator.truth(account)["trades"])


@pytest.mark.parametrize(("mode", "path", "more"), [("classic", SPOT_FILLS, {}), ("unified", UNIFIED_FILLS, {})])
def test_trades_of_one_moment_are_split_over_pages_and_none_is_lost(
    simulator: SimulatorProcess, mode: str, path: str, more: dict[str, Any]
) -> None:
    account = plain_account(simulator, mode, products=["spot"])
    for _ in range(15):
        simulator.trade(account, market_id="BTCUSDT", fills=7, size="0.1")

    def get(**asked: Any) -> Any:
        return data_of(simulator, account, path, limit=10, **asked)

    pages = smaller_ids(get) if mode == "classic" else cursors(get)
    name = "tradeId" if mode == "classic" else "execId"
    assert [len(page) for page in pages] == [10] * 10 + [5]
    ids = [row[name] for row in flat(pages)]
    assert sorted(ids) == sorted(trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"])
    assert any([row[name] for row in page] != sorted((row[name] for row in page), reverse=True) for page in pages), (
        "no document promises an order within a page"
    )


def test_the_same_id_may_be_a_trade_on_spot_and_another_of_a_contract(simulator: SimulatorProcess) -> None:
    trades = simulator.truth(plain_account(simulator, history=400))["trades"]
    spot, linear = ({t["exchange_trade_id"] for t in trades if t["product"] == kind} for kind in ("spot", "linear"))
    assert spot & linear
    assert len(spot) + len(linear) == len(trades)


def test_both_ends_of_a_window_stay_outside(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, products=["spot"])
    (made,) = simulator.trade(account, market_id="BTCUSDT", fills=1)
    moment = made["timestamp_ms"]

    def found(start: int, end: int) -> int:
        return len(data_of(simulator, account, SPOT_FILLS, startTime=start, endTime=end))

    assert (found(moment - 1, moment + 1), found(moment, moment + 1), found(moment - 1, moment)) == (1, 0, 0)


@pytest.mark.parametrize(
    ("mode", "path", "days", "more"),
    [
        ("classic", SPOT_FILLS, 90, {}),
        ("classic", MIX_FILLS, 7, {"productType": "USDT-FUTURES"}),
        ("classic", "/api/v2/mix/order/fill-history", 7, {"productType": "usdt-futures"}),
        ("unified", UNIFIED_FILLS, 30, {}),
    ],
)
def test_windows_have_a_longest_span_and_a_wall(
    simulator: SimulatorProcess, mode: str, path: str, days: int, more: dict[str, Any]
) -> None:
    account = plain_account(simulator, mode)
    now = simulator.ask("GET", "/clock")["now_ms"] + 5_000

    def code(**asked: Any) -> str:
        return code_of(simulator, account, path, **more, **asked)

    assert code(startTime=now - days * DAY_MS, endTime=now) == "00000"
    assert code(startTime=now - days * DAY_MS - 1, endTime=now) == "40705"
    assert code(startTime=now, endTime=now - 1) == "40707"
    assert code(startTime=now - 91 * DAY_MS, endTime=now - 90 * DAY_MS) == "40704"
    assert code(startTime="yesterday") == "40017"
    assert [code(limit=limit) for limit in (0, 100, 101, "all")] == ["40017", "00000", "40017", "40017"]


def test_what_is_asked_wrongly_is_refused(simulator: SimulatorProcess) -> None:
    classic, unified = plain_account(simulator), plain_account(simulator, "unified")
    assert code_of(simulator, classic, MIX_FILLS) == "40019"
    assert code_of(simulator, classic, MIX_FILLS, productType="SPOT") == "40017"
    assert code_of(simulator, classic, SPOT_FILLS, symbol="NOPEUSDT") == "40034"
    assert code_of(simulator, classic, SPOT_FILLS, idLessThan="last") == "40017"
    assert code_of(simulator, classic, "/api/v2/margin/crossed/fills", symbol="BTCUSDT") == "40019"
    assert code_of(simulator, unified, UNIFIED_FILLS, category="GALACTIC") == "40017"
    assert code_of(simulator, unified, UNIFIED_FILLS, cursor="made up") == "40700"
    missing = ask(simulator, classic, "/api/spot/v1/trade/fills")
    assert (missing.status, missing.data["code"]) == (404, "40404")


def test_one_order_is_found_by_its_id(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, products=["spot"])
    simulator.trade(account, count=10)
    made = simulator.trade(account, market_id="BTCUSDT", fills=3, size="0.5")
    found = data_of(simulator, account, SPOT_FILLS, orderId=made[0]["order_id"])
    assert {row["tradeId"] for row in found} == {trade["exchange_trade_id"] for trade in made}


def test_rest_shows_a_trade_later_than_it_was_made(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    simulator.weather("late", delay=600)
    simulator.trade(account, product="spot", market_id="BTCUSDT")
    assert data_of(simulator, account, SPOT_FILLS) == []
