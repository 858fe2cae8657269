"""ccxt's REST client reads from the HTX dialect's history exactly what happened, by its windows and pages."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.htx_clients import (
    CONTRACTS,
    DAY_MS,
    WINDOW_MS,
    ask,
    client_of,
    fee_as_paid,
    keyless_client,
    linear_pages,
    plain_account,
    spot_pages,
    told,
    unique,
    windows,
)
from tests.simulator.witnesses import assert_reads_the_truth


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    return keyless_client(simulator)


# ── Spot history ──────────────────────────────────────────────────────────────────────────────────────


def test_four_months_of_spot_are_read_by_two_days_and_row_ids_to_the_last_trade(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("htx", history=1_500, products=["spot"], details={"discount": True})
    client = client_of(simulator, keyless, account)
    found = [spot_pages(client, *window, 10) for window in windows(client.milliseconds(), 120 * DAY_MS)]
    rows = unique([page for pages in found for page in pages])
    assert_reads_the_truth(client.parse_trades(rows), told(simulator, account, "spot"))
    ids = [row["trade-id"] for row in rows]
    assert len(set(ids)) < len(ids), "trade ids of different markets must meet, or nobody notices mixing them"


def test_a_page_goes_on_from_a_row_whatever_happened_in_the_same_instant(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["spot"])
    for _ in range(15):
        simulator.trade(account, market_id="btcusdt", fills=8, size="0.001")
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    pages = spot_pages(client, now - DAY_MS, now + 1_000, 7)
    assert all(after[0] == before[-1] for before, after in pairwise(pages))
    assert_reads_the_truth(client.parse_trades(unique(pages)), told(simulator, account, "spot"))
    ids = [int(row["id"]) for row in unique(pages)]
    assert ids not in (sorted(ids), sorted(ids, reverse=True)), "row ids are in no order"
    assert all(len(str(one)) > 16 for one in ids), "row ids are more than a float holds"


def test_prev_leads_back_to_newer_rows(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"], history=300)
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    rows = unique(spot_pages(client, now - WINDOW_MS, now, 500))
    assert len(rows) > 2
    asked = {"start-time": now - WINDOW_MS, "end-time": now, "size": 2, "from": rows[2]["id"], "direct": "prev"}
    assert client.spotPrivateGetV1OrderMatchresults(asked)["data"] == rows[1:3]


def test_the_wildcard_of_markets_may_be_missing(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"], details={"symbol_required": True})
    simulator.trade(account, market_id="btcusdt", fills=1)
    client = client_of(simulator, keyless, account)
    with pytest.raises(ccxt.BadSymbol, match="require-symbol"):
        client.fetch_my_trades()
    assert len(client.fetch_my_trades("BTC/USDT")) == 1
    assert client.fetch_my_trades("ETH/USDT") == []


def test_one_bound_alone_means_two_days_and_an_old_start_is_passed_over(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, history=600, products=["spot"])
    client = client_of(simulator, keyless, account)
    trades, now = told(simulator, account, "spot"), client.milliseconds()

    def between(since: int, until: int) -> set[Any]:
        return {(t["market_id"], t["exchange_trade_id"]) for t in trades if since <= t["timestamp_ms"] <= until}

    def ids(**params: Any) -> set[Any]:
        asked = {name.replace("_", "-"): value for name, value in params.items()}
        rows = client.spotPrivateGetV1OrderMatchresults({"size": 500, **asked})["data"]
        return {(row["symbol"], str(row["trade-id"])) for row in rows}

    recent = between(now - 2 * DAY_MS, now)
    assert ids() == recent != set()
    assert ids(start_time=now - 10 * DAY_MS) == recent
    assert ids(end_time=now - 9 * DAY_MS) == between(now - 11 * DAY_MS, now - 9 * DAY_MS) != set()
    assert client.fetch_my_trades(None, now - 10 * DAY_MS, 500) != [], "what ccxt makes of it looks like an answer"


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        (-2 * DAY_MS - 1, 0, "invalid-interval"),
        (0, -1, "invalid-interval"),
        (-121 * DAY_MS, -120 * DAY_MS, "invalid-start-date"),
    ],
)
def test_a_window_is_two_days_and_four_months_back_at_most(
    simulator: SimulatorProcess, since: int, until: int, code: str
) -> None:
    account = plain_account(simulator)
    now = simulator.ask("GET", "/clock")["now_ms"]
    asked = {"start-time": now + since, "end-time": now + until}
    said = ask(simulator, account, "/v1/order/matchresults", asked)
    assert said.status == 200
    assert (said.data["status"], said.data["err-code"].replace("_", "-")) == ("error", code)


def test_bounds_are_part_of_a_window_and_an_empty_one_is_no_end(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=3, products=["spot"])
    client = client_of(simulator, keyless, account)
    moment = told(simulator, account, "spot")[1]["timestamp_ms"]

    def rows(since: int, until: int) -> list[Any]:
        return client.spotPrivateGetV1OrderMatchresults({"start-time": since, "end-time": until})["data"]

    assert len(rows(moment, moment)) >= 1
    assert rows(moment + 1, moment + DAY_MS) == []


def test_spot_rows_look_as_documented(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    simulator.trade(account, market_id="ethusdt", side="buy", size="9.1155", price="100.1", maker=False, fills=1)
    said = ask(simulator, account, "/v1/order/matchresults")
    (row,) = said.data["data"]
    assert set(row) == {
        "id", "order-id", "match-id", "symbol", "type", "source", "price", "filled-amount", "filled-fees",
        "created-at", "trade-id", "role", "filled-points", "fee-deduct-currency", "fee-deduct-state", "fee-currency",
    }  # fmt: skip
    assert all(isinstance(row[name], int) for name in ("id", "order-id", "match-id", "created-at", "trade-id"))
    assert (row["filled-fees"], row["fee-currency"], row["role"]) == ("0.018231", "eth", "taker")
    assert (row["filled-points"], row["fee-deduct-currency"], row["fee-deduct-state"]) == ("0.0", "", "done")


def test_fees_in_tokens_and_points_stand_beside_the_usual_ones(simulator: SimulatorProcess, keyless: Any) -> None:
    for details, coin in (({"discount": True}, "HT"), ({"points": True}, "HBPOINT")):
        account = simulator.account("htx", products=["spot"], details=details)
        simulator.trade(account, market_id="btcusdt", side="buy", size="0.5", price="64000", maker=False, fills=1)
        client = client_of(simulator, keyless, account)
        (row,) = client.spotPrivateGetV1OrderMatchresults()["data"]
        assert (row["filled-fees"], row["fee-deduct-currency"], row["fee-currency"]) == ("0", coin.lower(), "btc")
        assert row["fee-deduct-state"] == "ongoing"
        assert_reads_the_truth(client.parse_trades([row]), told(simulator, account, "spot"))


def test_a_fee_may_come_after_its_row(simulator: SimulatorProcess) -> None:
    details = {"discount": True, "slow_deduction": True}
    account = simulator.account("htx", products=["spot"], details=details)
    simulator.trade(account, market_id="btcusdt", side="buy", maker=False, fills=1)
    (first,) = ask(simulator, account, "/v1/order/matchresults").data["data"]
    assert (first["fee-deduct-state"], first["filled-points"]) == ("ongoing", "0.0")
    simulator.ask("POST", "/clock", skew_ms=4_000)
    (later,) = ask(simulator, account, "/v1/order/matchresults").data["data"]
    (fee,) = told(simulator, account, "spot")[0]["fees"]
    assert (later["fee-deduct-state"], later["filled-points"]) == ("done", fee["amount"])


def test_a_rebate_is_negative_and_in_the_other_coin(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["spot"])
    simulator.trade(account, market_id="ethusdc", side="buy", size="2", price="3000", maker=True, fills=1)
    client = client_of(simulator, keyless, account)
    (trade,) = client.fetch_my_trades("ETH/USDC")
    assert (Decimal(trade["fee"]["cost"]), trade["fee"]["currency"]) == (Decimal("-0.6"), "USDC")


def test_both_halves_of_a_trade_with_oneself_have_one_id(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    for product, market in (("spot", "btcusdt"), ("linear", "BTC-USDT")):
        simulator.trade(account, product=product, market_id=market, self_trade=True)
    client = client_of(simulator, keyless, account)
    spot = client.spotPrivateGetV1OrderMatchresults()["data"]
    linear = client.contractPrivateGetV5TradeOrderDetails({"contract_code": "BTC-USDT"})["data"]
    for rows, trade, order in ((spot, "trade-id", "order-id"), (linear, "trade_id", "order_id")):
        assert len(rows) == 2
        assert len({row[trade] for row in rows}) == 1
        assert len({row[order] for row in rows}) == len({row["id"] for row in rows}) == 2


def test_an_order_tells_its_matches_and_stands_in_the_history_of_orders(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["spot"])
    made = simulator.trade(account, market_id="btcusdt", fills=3, size="0.9", client_order_id="mine")
    simulator.trade(account, market_id="ethusdt")
    client = client_of(simulator, keyless, account)
    assert_reads_the_truth(client.fetch_order_trades(made[0]["order_id"]), made)
    rows = client.spotPrivateGetV1OrderHistory()["data"]
    assert [row["symbol"] for row in rows] == ["ethusdt", "btcusdt"]
    assert rows[1]["client-order-id"] == "mine"


# ── Contracts ─────────────────────────────────────────────────────────────────────────────────────────


def test_three_days_of_contracts_are_read_with_what_the_bills_name(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, history=400, products=["linear"])
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    reach = list(windows(now, 3 * DAY_MS))
    codes: set[str] = set()
    for since, until in reach:
        asked: dict[str, Any] = {"start_time": since, "end_time": until, "limit": 100}
        while True:
            bills = client.contractPrivateGetV5AccountBills(asked)["data"]
            codes |= {row["contract_code"] for row in bills}
            if len(bills) < 100:
                break
            asked["from"] = bills[-1]["id"]
    rows = [row for code in codes for window in reach for row in unique(linear_pages(client, code, *window, 10))]
    read = list({row["id"]: row for row in rows}.values())
    assert_reads_the_truth(fee_as_paid(client.parse_trades(read)), told(simulator, account, "linear"))
    assert len(codes) > 5


def test_what_is_older_than_three_days_is_not_shown_and_nobody_says_so(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["linear"])
    simulator.trade(account, market_id="BTC-USDT", fills=1)
    client = client_of(simulator, keyless, account)
    now = client.milliseconds()
    asked = {"contract_code": "BTC-USDT", "start_time": now - DAY_MS, "end_time": now + 60_000}
    assert len(client.contractPrivateGetV5TradeOrderDetails(asked)["data"]) == 1
    simulator.ask("POST", "/clock", skew_ms=4 * DAY_MS)
    ahead = {"host": CONTRACTS, "behind_s": -4 * DAY_MS // 1000}
    later = ask(simulator, account, "/v5/trade/order/details", asked, **ahead)
    assert (later.data["code"], later.data["data"]) == (200, [])
    bills = ask(simulator, account, "/v5/account/bills", asked, **ahead).data["data"]
    assert len(bills) == 1, "the money is still told of"


def test_contract_rows_look_as_recorded(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    simulator.trade(account, market_id="BTC-USDT", side="sell", size="2", price="62688.2", maker=False, fills=1)
    client = client_of(simulator, keyless, account)
    (row,) = client.contractPrivateGetV5TradeOrderDetails({"contract_code": "BTC-USDT"})["data"]
    assert set(row) == {
        "id", "contract_code", "order_id", "trade_id", "side", "position_side", "order_type", "margin_mode", "type",
        "role", "trade_price", "trade_volume", "trade_turnover", "created_time", "updated_time", "order_source",
        "fee_currency", "trade_fee", "deduction_price", "profit", "contract_type",
    }  # fmt: skip
    assert (row["trade_turnover"], row["trade_fee"], row["role"]) == ("125.3764", "0.07522584", "TAKER")
    (read,) = client.fetch_my_trades("BTC/USDT:USDT")
    assert read["fee"]["cost"] == "-0.07522584", "ccxt takes what was paid for a rebate (sheet 9)"


def test_each_kind_has_its_number(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    numbers = {"trade": "1", "liquidation": "3", "delivery": "4", "adl": "22"}
    for kind in numbers:
        simulator.trade(account, market_id="BTC-USDT-281229", kind=kind, fills=1)
    client = client_of(simulator, keyless, account)
    rows = client.contractPrivateGetV5TradeOrderDetails({"contract_code": "BTC-USDT-281229"})["data"]
    assert [row["order_type"] for row in reversed(rows)] == list(numbers.values())
    assert {row["contract_type"] for row in rows} == {"quarter"}


def test_a_page_of_contracts_holds_ten_rows_unless_more_are_asked_for(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["linear"])
    for _ in range(30):
        simulator.trade(account, market_id="BTC-USDT", fills=4, size="50")
    client = client_of(simulator, keyless, account)
    for limit, count in ((None, 10), (50, 50), (1000, 100)):
        asked = {"contract_code": "BTC-USDT", **({"limit": limit} if limit else {})}
        assert len(client.contractPrivateGetV5TradeOrderDetails(asked)["data"]) == count


def test_a_contract_or_an_order_must_be_named_or_not(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    (made,) = simulator.trade(account, market_id="BTC-USDT", fills=1)
    client = client_of(simulator, keyless, account)
    with pytest.raises(ccxt.BadSymbol, match="1066"):
        client.contractPrivateGetV5TradeOrderDetails()
    with pytest.raises(ccxt.BadSymbol, match="1013"):
        client.contractPrivateGetV5TradeOrderDetails({"contract_code": "NOPE-USDT"})
    (row,) = client.contractPrivateGetV5TradeOrderDetails({"order_id": made["order_id"]})["data"]
    assert row["trade_id"] == made["exchange_trade_id"]
    simulator.change(account, details={"contract_optional": True})
    assert client.contractPrivateGetV5TradeOrderDetails()["data"] == [row]


def test_open_positions_name_their_contracts(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator, products=["linear"])
    simulator.trade(account, market_id="ETH-USDT", side="buy", size="5", fills=1)
    client = client_of(simulator, keyless, account)
    (row,) = client.contractPrivateGetV5TradePositionOpens()["data"]
    assert (row["contract_code"], row["direction"], row["volume"]) == ("ETH-USDT", "buy", "5")
    with pytest.raises(ccxt.BadSymbol):
        client.contractPrivateGetV5TradeOrderHistory({"contract_code": "ETH-USDT"})
    orders = client.contractPrivateGetV5TradeOrderHistory({"contract_code": "ETH-USDT", "margin_mode": "cross"})
    assert [one["contract_code"] for one in orders["data"]] == ["ETH-USDT"]


def test_an_account_of_the_old_interface_is_read_there_and_pays_in_negative_numbers(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator, products=["linear"], details={"legacy": True})
    for _ in range(30):
        simulator.trade(account, market_id="BTC-USDT", fills=2, size="50")
    with pytest.raises(ccxt.BadRequest, match="4007"):
        client_of(simulator, keyless, account).fetch_balance({"type": "swap"})
    path = "/linear-swap-api/v3/swap_cross_matchresults"

    def page(**body: Any) -> Any:
        return ask(simulator, account, path, host=CONTRACTS, method="POST", body=body).data

    assert page(contract="BTC-USDT")["err_code"] == 1066
    rows = page(contract="BTC-USDT", trade_type=0)["data"]
    assert len(rows) == 50
    rows += page(contract="BTC-USDT", trade_type=0, from_id=rows[-1]["query_id"])["data"]
    read = {(row["order_id_str"], row["match_id"]): -Decimal(str(row["trade_fee"])) for row in rows}
    fees = [Decimal(fee["amount"]) for trade in told(simulator, account, "linear") for fee in trade["fees"]]
    assert sorted(read.values()) == sorted(fees)
    moved = plain_account(simulator)
    said = ask(simulator, moved, path, host=CONTRACTS, method="POST", body={"contract": "BTC-USDT", "trade_type": 0})
    assert said.data["err_code"] == 4007
