"""ccxt's REST client reads from the Gate dialect exactly what happened, and is refused as it would be."""

import time
from collections import Counter
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.gate import MY_TRADE, ask, client_of, plain_account, refusal_of
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

WEEK_S, DAY_S = 7 * 86_400, 86_400


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.gate(), "gate")
    client.load_markets()
    return client


def spot_pages(client: Any, since: int, until: int, limit: int = 1000, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window, raw, until a short one."""
    found: list[list[dict[str, Any]]] = []
    while not found or len(found[-1]) == limit:
        asked = {"from": since, "to": until, "limit": limit, "page": len(found) + 1, **params}
        found.append(client.privateSpotGetMyTrades(asked))
    return found


def futures_pages(client: Any, since: int, until: int, limit: int = 1000, **params: Any) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    while not found or len(found[-1]) == limit:
        asked = {"settle": "usdt", "from": since, "to": until, "limit": limit, "offset": len(found) * limit, **params}
        found.append(client.privateFuturesGetSettleMyTradesTimerange(asked))
    return found


def windows(now: int) -> list[tuple[int, int]]:
    return [(now - (place + 1) * WEEK_S, now - place * WEEK_S - 1) for place in range(100)]


def flat(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


# ── Markets ───────────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["product"], m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}

    def product(market: dict[str, Any]) -> str:
        return "spot" if market["spot"] else "linear" if market["linear"] else "inverse"

    assert {(product(m), m["id"], m["symbol"]) for m in keyless.markets.values()} == listed
    assert [m["symbol"] for m in keyless.markets_by_id["BTC_USDT"]] == ["BTC/USDT", "BTC/USDT:USDT"]
    assert keyless.market("GAMECOM/USDT:USDT")["id"] == "GTC_USDT"
    sizes = {symbol: keyless.market(symbol)["contractSize"] for symbol in ("BTC/USDT:USDT", "BTC/USD:BTC")}
    assert sizes == {"BTC/USDT:USDT": "0.001", "BTC/USD:BTC": "1"}
    assert keyless.market("SOL/USDT:USDT")["precision"]["amount"] == "0.1"
    assert "BTC" in keyless.currencies


def test_the_clock_is_told(keyless: Any) -> None:
    assert abs(keyless.fetch_time() - keyless.milliseconds()) < 5_000


def test_a_key_that_is_refused_passes_load_markets_and_hides_its_mode(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, mode="unified", details={"key_mode": 2})
    for secret, is_unified in ((account["secret"], True), ("wrong", False)):
        client = pointed_at(simulator, ccxt.gate(credentials(account) | {"secret": secret}), "gate")
        client.load_markets()
        assert client.options["unifiedAccount"] is is_unified


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["classic", "unified"])
def test_two_years_are_read_by_weeks_and_pages_to_the_last_trade(
    simulator: SimulatorProcess, keyless: Any, mode: str
) -> None:
    account = simulator.account("gate", history=1_500, mode=mode, details={"discount": mode == "classic"})
    client = client_of(simulator, keyless, account)
    read = []
    for since, until in windows(int(time.time())):
        read += client.parse_trades(flat(spot_pages(client, since, until)))
        read += client.parse_trades(flat(futures_pages(client, since, until)))
    assert_reads_the_truth(read, simulator.truth(account)["trades"])
    assert {fee["currency"] for trade in read for fee in trade["fees"]} >= ({"GT"} if mode == "classic" else {"BTC"})


def test_ccxt_reads_its_own_way_and_asks_for_one_account_only(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, mode="unified")
    simulator.trade(account, product="spot", market_id="BTC_USDT", fills=3, size="0.5")
    simulator.trade(account, product="linear", market_id="BTC_USDT", fills=3, size="50")
    told = simulator.truth(account)["trades"]
    now = int(time.time() * 1000)
    bounds = {"since": now - DAY_S * 1000, "limit": 1000, "params": {"until": now + 1000}}
    blind = client_of(simulator, keyless, account, unifiedAccount=False)
    assert blind.fetch_my_trades(**bounds) == [], "account=spot hides what a unified account did"
    client = client_of(simulator, keyless, account, unifiedAccount=True)
    read = client.fetch_my_trades(**bounds)
    bounds["params"] = {**bounds["params"], "type": "swap", "settle": "usdt"}
    assert_reads_the_truth(read + client.fetch_my_trades(**bounds), told)


def test_pages_hold_still_while_trading_goes_on(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    for product in ("spot", "linear"):
        for _ in range(30):
            simulator.trade(account, product=product, market_id="BTC_USDT", fills=4, size="400")
    client = client_of(simulator, keyless, account)
    until = int(time.time())
    for read in (spot_pages, futures_pages):
        pages = read(client, until - DAY_S, until, limit=50)
        assert [len(page) for page in pages] == [50, 50, 20]
        assert len({str(row) for row in flat(pages)}) == 120
        times = [int(Decimal(str(row["create_time"])) * 1000) for row in flat(pages)]
        assert times == sorted(times, reverse=True)


def test_spot_is_filtered_by_the_end_of_the_order(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    client = client_of(simulator, keyless, account)

    def order_ids(**params: Any) -> Counter[str]:
        return Counter(row["order_id"] for row in client.privateSpotGetMyTrades({"limit": 1000, **params}))

    order_ids()
    waiting: list[dict[str, Any]] = []
    while not waiting:
        simulator.trade(account, count=10)
        pairs = client.privateSpotGetOpenOrders()
        waiting = [order for pair in pairs for order in pair["orders"] if Decimal(order["filled_amount"])]
    told = Counter(trade["order_id"] for trade in simulator.truth(account)["trades"])
    open_ids = {order["id"] for pair in pairs for order in pair["orders"]}
    assert order_ids() == {one: count for one, count in told.items() if one not in open_ids}
    order = waiting[0]
    fills = client.privateSpotGetMyTrades({"currency_pair": order["currency_pair"], "order_id": order["id"]})
    assert sum(Decimal(row["amount"]) for row in fills) == Decimal(order["filled_amount"]) < Decimal(order["amount"])
    while order["status"] == "open":
        simulator.trade(account, count=10)
        order = client.privateSpotGetOrdersOrderId({"order_id": order["id"], "currency_pair": order["currency_pair"]})
    ended = int(order["update_time"])
    assert order["id"] in order_ids(**{"from": ended, "to": ended})
    assert order_ids(**{"from": ended + 1, "to": ended + 2})[order["id"]] == 0


def test_a_boundary_second_belongs_to_both_windows(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    simulator.trade(account, product="linear", market_id="BTC_USDT")
    client = client_of(simulator, keyless, account)
    told = {trade["product"]: trade["timestamp_ms"] // 1000 for trade in simulator.truth(account)["trades"]}
    for read, second in ((spot_pages, told["spot"]), (futures_pages, told["linear"])):
        assert flat(read(client, second - 5, second))
        assert flat(read(client, second, second + 5))
        assert not flat(read(client, second + 1, second + 5))


def test_one_end_alone_means_seven_days_and_none_the_last_seven(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=600)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    now = int(time.time())
    middle = now - 200 * DAY_S

    def between(product: str, since: int, until: int) -> set[str]:
        return {
            trade["order_id"]
            for trade in told
            if trade["product"] == product and since <= trade["timestamp_ms"] // 1000 <= until
        }

    def read(product: str, **window: int) -> set[str]:
        if product == "spot":
            return {row["order_id"] for row in client.privateSpotGetMyTrades({"limit": 1000, **window})}
        asked = {"settle": "usdt", "limit": 1000, **window}
        return {row["order_id"] for row in client.privateFuturesGetSettleMyTradesTimerange(asked)}

    for product in ("spot", "linear"):
        assert read(product) == between(product, now - WEEK_S, now)
        assert read(product, **{"from": middle}) == between(product, middle, middle + WEEK_S) != set()
        assert read(product, to=middle) == between(product, middle - WEEK_S, middle) != set()
    half_year = client.privateFuturesGetSettleMyTrades({"settle": "usdt", "limit": 1000})
    assert {row["order_id"] for row in half_year} == between("linear", now - 183 * DAY_S, now)


@pytest.mark.parametrize(
    ("path", "query", "refusal"),
    [
        ("/spot/my_trades", "from=1&to=2592002", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "from=9&to=8", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "from=yesterday", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "limit=1001", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "page=0", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "limit=1000&page=102", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "account=piggy_bank", (400, "INVALID_PARAM_VALUE")),
        ("/spot/my_trades", "currency_pair=NOPE_USDT", (400, "INVALID_CURRENCY_PAIR")),
        ("/spot/my_trades", "order_id=1", (400, "MISSING_REQUIRED_PARAM")),
        ("/spot/my_trades", "currency_pair=BTC_USDT&order_id=1", (404, "ORDER_NOT_FOUND")),
        ("/futures/usdt/my_trades_timerange", "from=1&to=2592002", (400, "INVALID_PARAM_VALUE")),
        ("/futures/usdt/my_trades_timerange", "limit=1001", (400, "INVALID_PARAM_VALUE")),
        ("/futures/usdt/my_trades_timerange", "offset=100001", (400, "INVALID_PARAM_VALUE")),
        ("/futures/usdt/my_trades_timerange", "contract=NOPE_USDT", (400, "CONTRACT_NOT_FOUND")),
        ("/futures/doge/my_trades_timerange", "", (400, "INVALID_PARAM_VALUE")),
        ("/futures/btc/my_trades_timerange", "", (400, "USER_NOT_FOUND")),
        ("/futures/btc/accounts", "", (400, "USER_NOT_FOUND")),
        ("/unified/accounts", "", (400, "USER_NOT_FOUND")),
        ("/spot/my_secrets", "", (404, "NOT_FOUND")),
    ],
)
def test_a_wrong_question_is_refused_by_its_label(
    simulator: SimulatorProcess, path: str, query: str, refusal: tuple[int, str]
) -> None:
    assert refusal_of(ask(simulator, plain_account(simulator, mode="classic"), path, query)) == refusal


def test_the_longest_window_and_the_last_page_are_answered(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    for path, query in (
        ("/spot/my_trades", "from=1&to=2592001"),
        ("/spot/my_trades", "limit=1000&page=101"),
        ("/futures/usdt/my_trades_timerange", "offset=100000"),
    ):
        assert ask(simulator, account, path, query).data == []


def test_a_late_trade_is_shown_when_it_is_visible(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.weather("late", delay=3_600)
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    simulator.trade(account, product="linear", market_id="BTC_USDT")
    assert client.privateSpotGetMyTrades() == client.privateFuturesGetSettleMyTrades({"settle": "usdt"}) == []
    assert len(simulator.truth(account)["trades"]) >= 2


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_have_the_fields_of_the_real_ones(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, details={"discount": True})
    simulator.trade(account, product="spot", market_id="BTC_USDT", side="buy", size="0.5", price="64000")
    client = client_of(simulator, keyless, account)
    (row,) = client.privateSpotGetMyTrades()
    assert set(row) == MY_TRADE
    assert {type(value) for value in row.values()} == {str}
    assert (row["fee"], row["fee_currency"], row["gt_fee"]) == ("0", "BTC", "24")
    moment, below = row["create_time_ms"].split(".")
    assert (moment[:-3], len(below)) == (row["create_time"], 6)


def test_contracts_are_signed_and_rounded_down_unless_decimals_are_asked_for(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    (trade,) = simulator.trade(account, product="linear", market_id="SOL_USDT", side="sell", size="2.7", fills=1)
    for path, name, kind in (("my_trades_timerange", "trade_id", str), ("my_trades", "id", int)):
        (rough,) = ask(simulator, account, f"/futures/usdt/{path}").data
        (exact,) = ask(simulator, account, f"/futures/usdt/{path}", **{"X-Gate-Size-Decimal": "1"}).data
        assert (rough["size"], exact["size"]) == (-2, "-2.7")
        assert (type(rough[name]), str(rough[name])) == (kind, trade["exchange_trade_id"])
        assert int(rough["create_time"] * 1000 + 0.5) == trade["timestamp_ms"]
        assert (type(rough["fee"]), rough["point_fee"]) == (str, "0")
    assert Decimal(trade["amount"]) == Decimal("0.27")


def test_ids_repeat_across_markets_and_on_both_sides_of_a_trade_with_oneself(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator)
    for product in ("spot", "linear"):
        simulator.trade(account, product=product, market_id="BTC_USDT", self_trade=True)
    client = client_of(simulator, keyless, account)
    spot = client.privateSpotGetMyTrades()
    linear = client.privateFuturesGetSettleMyTradesTimerange({"settle": "usdt"})
    assert len({row["id"] for row in spot}) == len({row["trade_id"] for row in linear}) == 1
    assert {(row["side"], row["role"]) for row in spot} in (
        {("buy", "maker"), ("sell", "taker")},
        {("sell", "maker"), ("buy", "taker")},
    )
    assert len({row["order_id"] for row in linear}) == 2
    assert_reads_the_truth(client.parse_trades(spot + linear), simulator.truth(account)["trades"])


def test_fees_are_paid_in_points_or_earned(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, details={"points": True})
    simulator.trade(account, product="spot", market_id="BTC_USDT", side="sell", size="1", price="60000", maker=False)
    simulator.trade(account, product="linear", market_id="BTC_USDT", size="1000", price="60000", maker=False)
    simulator.trade(account, product="linear", market_id="ETH_USDT", size="100", price="3000", maker=True, fills=1)
    client = client_of(simulator, keyless, account)
    (spot,) = client.privateSpotGetMyTrades()
    assert (spot["fee"], spot["point_fee"], spot["gt_fee"]) == ("0", "60", "0")
    rows = client.privateFuturesGetSettleMyTradesTimerange({"settle": "usdt"})
    paid = {row["contract"]: (row["fee"], row["point_fee"]) for row in rows}
    assert paid == {"BTC_USDT": ("0", "30"), "ETH_USDT": ("-0.15", "0")}
    assert_reads_the_truth(client.parse_trades([spot, *rows]), simulator.truth(account)["trades"])


def test_forced_trades_are_told_by_their_text(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    for kind in ("liquidation", "adl"):
        simulator.trade(account, product="linear", market_id="BTC_USDT", kind=kind, fills=1)
    simulator.trade(account, product="linear", market_id="BTC_USDT", client_order_id="t-mine", fills=1, kind="trade")
    rows = client_of(simulator, keyless, account).privateFuturesGetSettleMyTradesTimerange({"settle": "usdt"})
    texts = {row["text"] for row in rows}
    assert {text.partition("-")[0] for text in texts} == {"liq", "auto_deleveraging", "t"}


def test_the_coin_margined_contract_is_read_in_dollars(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    wish = {"product": "inverse", "market_id": "BTC_USD", "side": "sell", "size": "300", "price": "50000", "fills": 1}
    (trade,) = simulator.trade(account, **wish)
    client = client_of(simulator, keyless, account)
    (read,) = client.parse_trades(client.privateFuturesGetSettleMyTradesTimerange({"settle": "btc"}))
    assert (read["symbol"], read["amount"], read["cost"]) == ("BTC/USD:BTC", "300", "0.006")
    assert (trade["contracts"], Decimal(trade["cost"])) == ("300", Decimal("0.006"))
