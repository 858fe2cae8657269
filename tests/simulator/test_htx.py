"""ccxt's REST client reads from the HTX dialect exactly what happened, and is refused as it would be."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import ccxt
import pytest

from simulator.htx.keys import signature_of
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
WINDOW_MS = 48 * 3_600_000 - 60_000
SPOT, CONTRACTS = "api.huobi.pro", "api.hbdm.vn"


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "htx", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.htx({"enableRateLimit": False}), "htx")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.htx(credentials(account) | {"enableRateLimit": False}), "htx")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    """An account whose fees are taken in the coins that it trades."""
    return simulator.account("htx", details={"discount": False, **options.pop("details", {})}, **options)


def ask(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str,
    params: dict[str, Any] | None = None,
    *,
    host: str = SPOT,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    behind_s: int = 0,
    **changes: str | None,
) -> Said:
    """One call signed by hand; `changes` replace what is signed and sent, None leaves it out."""
    now = simulator.ask("GET", "/clock")["now_ms"] // 1000 - behind_s
    query: dict[str, Any] = {
        "AccessKeyId": account["api_key"],
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        **(params or {}),
    }
    query |= {name: value for name, value in changes.items() if name != "Signature"}
    pairs = sorted((name, str(value)) for name, value in query.items() if value is not None)
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    payload = f"{method}\n{host}\n{path}\n{text}"
    made = base64.b64encode(hmac.new(account["secret"].encode(), payload.encode(), hashlib.sha256).digest()).decode()
    signature = changes.get("Signature", made)
    if signature is not None:
        text += f"&Signature={quote(signature, safe='')}"
    headers = {"Content-Type": "application/json"} if body is not None else {}
    return call(
        simulator,
        "htx",
        f"https://{host}{path}?{text}",
        method=method,
        headers=headers,
        body=None if body is None else json.dumps(body),
    )


def windows(now: int, reach_ms: int) -> Iterator[tuple[int, int]]:
    """Windows of less than 48 hours, newest first, each a second into the one before."""
    until = now
    while until > now - reach_ms:
        since = max(until - WINDOW_MS, now - reach_ms + 60_000)
        yield since, until
        if since == now - reach_ms + 60_000:
            return
        until = since + 1_000


def spot_pages(client: Any, since: int, until: int, size: int, **params: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window, from the last row's id on; each after the first begins with a row seen before."""
    pages: list[list[dict[str, Any]]] = []
    while True:
        asked = {"start-time": since, "end-time": until, "size": size, **params}
        if pages:
            asked |= {"from": pages[-1][-1]["id"], "direct": "next"}
        pages.append(client.spotPrivateGetV1OrderMatchresults(asked)["data"])
        if len(pages[-1]) < size:
            return pages


def linear_pages(client: Any, code: str, since: int, until: int, limit: int = 100) -> list[list[dict[str, Any]]]:
    pages: list[list[dict[str, Any]]] = []
    while True:
        asked = {"contract_code": code, "start_time": since, "end_time": until, "limit": limit}
        if pages:
            asked |= {"from": pages[-1][-1]["id"], "direct": "next"}
        pages.append(client.contractPrivateGetV5TradeOrderDetails(asked)["data"])
        if len(pages[-1]) < limit:
            return pages


def unique(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return list({row["id"]: row for page in pages for row in page}.values())


def told(simulator: SimulatorProcess, account: dict[str, Any], product: str) -> list[dict[str, Any]]:
    return [trade for trade in simulator.truth(account)["trades"] if trade["product"] == product]


def fee_as_paid(trades: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """ccxt takes V5's `trade_fee` for what it was before V5, where paid was negative (sheet 9, ccxt bug)."""
    for trade in trades:
        fee = trade["fee"] | {"cost": str(-Decimal(trade["fee"]["cost"]))}
        trade |= {"fee": fee, "fees": [fee]}
    return trades


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {(m["market_id"], m["symbol"]) for m in simulator.ask("GET", "/markets")}
    markets = [one for one in keyless.markets.values() if not one["inverse"]]
    assert {(m["id"], m["symbol"]) for m in markets} == listed
    assert keyless.market("BTC/USDT:USDT")["contractSize"] == "0.001"
    assert keyless.market("BTC/USDT:USDT-281229")["id"] == "BTC-USDT-281229"
    assert {one["id"] for one in keyless.markets.values() if one["inverse"]} == {"BTC-USD", "BTC281229"}
    assert keyless.market("BTC/USDT")["precision"]["amount"] == "0.00001"
    assert {"BTC", "USDT", "HT"} <= set(keyless.currencies)


def test_perpetuals_alone_are_listed_unless_all_are_asked_for(keyless: Any) -> None:
    rows = keyless.contractPublicGetLinearSwapApiV1SwapContractInfo()["data"]
    assert {row["business_type"] for row in rows} == {"swap"}


def test_the_clock_is_told(keyless: Any) -> None:
    for kind in ("spot", "swap"):
        assert abs(keyless.fetch_time({"type": kind}) - keyless.milliseconds()) < 5_000


def test_all_spot_prices_are_told_at_once(simulator: SimulatorProcess, keyless: Any) -> None:
    rows = keyless.spotPublicGetMarketTickers()["data"]
    listed = {m["market_id"] for m in simulator.ask("GET", "/markets") if m["product"] == "spot"}
    assert {row["symbol"] for row in rows} == listed
    assert all(Decimal(row["bid"]) < Decimal(row["ask"]) for row in rows)


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


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_all_trades_together(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("htx", history=600, details={"points": True})
    simulator.trade(account, count=200)
    client = client_of(simulator, keyless, account)
    truth: dict[str, dict[str, Decimal]] = {"point": {}}
    for row in simulator.truth(account)["balances"]:
        wallet = "point" if row["asset"] == "HBPOINT" else row["wallet"]
        truth.setdefault(wallet, {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])
    for kind, wallet in (("spot", "spot"), ("swap", "linear"), ("point", "point")):
        params = {"type": kind}
        if kind == "point":
            ids = {one["type"]: one["id"] for one in client.spotPrivateGetV1AccountAccounts()["data"]}
            params = {"type": "spot", "account-id": ids["point"]}
        total = client.fetch_balance(params)["total"]
        assert {coin: Decimal(held) for coin, held in total.items() if Decimal(held)} == truth[wallet]
    assert truth["point"]


def test_an_account_list_begins_with_another_wallet_and_balances_hold_many_zeros(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    accounts = ask(simulator, account, "/v1/account/accounts").data["data"]
    assert accounts[0]["type"] != "spot"
    (own,) = [one["id"] for one in accounts if one["type"] == "spot"]
    rows = ask(simulator, account, f"/v1/account/accounts/{own}/balance").data["data"]["list"]
    assert sum(row["balance"] == "0" for row in rows) > 500
    said = ask(simulator, account, "/v1/account/accounts/1/balance").data
    assert said["status"] == "error"


@pytest.mark.parametrize(
    ("permissions", "words"),
    [
        (["read"], "readOnly"),
        (["read", "trade"], "readOnly,trade"),
        (["read", "trade", "withdraw"], "readOnly,trade,withdraw"),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, permissions: list[str], words: str
) -> None:
    account = plain_account(simulator, permissions=permissions)
    client = client_of(simulator, keyless, account)
    uid = client.spotPrivateGetV2UserUid()["data"]
    assert str(uid) == account["uid"]
    (row,) = client.spotPrivateGetV2UserApiKey({"uid": uid, "accessKey": account["api_key"]})["data"]
    assert set(row) == {
        "accessKey", "note", "permission", "ipAddresses", "validDays", "status", "createTime", "updateTime",
    }  # fmt: skip
    assert (row["permission"], row["accessKey"], row["status"]) == (words, account["api_key"], "normal")
    assert 0 < int(row["validDays"]) <= 90
    keys = client.spotPrivateGetV2UserApiKey({"uid": uid})["data"]
    assert len({one["accessKey"] for one in keys}) == 2


def test_a_bound_key_is_good_for_ever_and_a_sub_accounts_key_tells_nothing(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, addresses=["127.0.0.1"])
    asked = {"uid": account["uid"], "accessKey": account["api_key"]}
    (row,) = ask(simulator, account, "/v2/user/api-key", asked).data["data"]
    assert (row["ipAddresses"], row["validDays"]) == ("127.0.0.1", -1)
    assert ask(simulator, account, "/v2/user/api-key", asked | {"uid": "1"}).data["code"] == 2002
    simulator.change(account, details={"sub_account": True})
    assert ask(simulator, account, "/v2/user/api-key", asked).data["code"] == 1002


# ── Who is refused ────────────────────────────────────────────────────────────────────────────────────


def refusals(simulator: SimulatorProcess, account: dict[str, Any], **changes: Any) -> tuple[Any, ...]:
    """What the three systems say to one call: code and words of spot, of V5 and of the old contracts."""
    spot = ask(simulator, account, "/v1/account/accounts", **changes)
    v5 = ask(simulator, account, "/v5/account/balance", host=CONTRACTS, **changes)
    old = ask(simulator, account, "/swap-api/v1/swap_account_info", host=CONTRACTS, method="POST", **changes)
    assert {spot.status, v5.status, old.status} == {200}
    return spot.data.get("err-code"), spot.data.get("err-msg"), v5.data["code"], old.data.get("err_code")


def test_each_way_to_be_refused_has_its_words(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert refusals(simulator, account) == (None, None, 200, None)
    wrong = "api-signature-not-valid"
    assert refusals(simulator, account, Signature="AAAA")[0] == wrong
    assert refusals(simulator, account, Signature="AAAA")[1:] == (
        "Signature not valid: Verification failure [校验失败]",
        1003,
        403,
    )
    assert refusals(simulator, account, SignatureVersion="1")[0] == wrong
    assert refusals(simulator, account, Signature=None)[0] == "login-required"
    assert refusals(simulator, account, AccessKeyId="nobody")[:2] == (
        wrong,
        "Signature not valid: Incorrect Access key [Access key错误]",
    )
    for stamp in ("2020-01-01T00:00:00", "1790000000", None):
        assert "submission time" in refusals(simulator, account, Timestamp=stamp)[1]
    assert "submission time" in refusals(simulator, account, behind_s=301)[1]
    assert refusals(simulator, account, behind_s=290)[0] is None
    assert refusals(simulator, account, behind_s=-290)[0] is None
    simulator.change(account, addresses=["10.1.2.3"])
    assert "Incorrect IP address [IP地址错误]:127.0.0.1" in refusals(simulator, account)[1]
    simulator.change(account, addresses=[], permissions=[])
    assert "API key has no permission" in refusals(simulator, account)[1]
    simulator.change(account, permissions=["read"])
    for how, words in (("expire", "expired"), ("revoke", "Incorrect Access key")):
        simulator.spoil_key(account, how)
        assert words in refusals(simulator, account)[1]
        simulator.spoil_key(account, "restore")
    assert refusals(simulator, account)[0] is None


def test_ccxt_understands_its_refusals(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    client.secret = "wrong"
    for kind in ("spot", "swap"):
        with pytest.raises(ccxt.AuthenticationError):
            client.fetch_balance({"type": kind})
    simulator.change(account, permissions=[])
    client.secret = account["secret"]
    with pytest.raises(ccxt.PermissionDenied):
        client.fetch_balance()


def test_the_host_is_part_of_the_signature(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    for spot, contract in (("api-aws.huobi.pro", "api.hbdm.com"), ("api.huobi.pro", "api.hbdm.vn")):
        client.urls["hostnames"] = {"spot": spot, "contract": contract}
        assert client.fetch_balance()["total"]
        assert client.fetch_balance({"type": "swap"})["total"]
    client.urls["api"]["spot"] = client.urls["api"]["spot"].replace("{hostname}", "api-aws.huobi.pro")
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()


def test_a_signature_is_made_as_the_documents_spell_it_out() -> None:
    """Four lines; names sorted by their bytes, colons and commas escaped in upper case."""
    stamp = "2017-05-11T15:19:30"
    pairs = [("order-id", "1234567890"), ("Timestamp", stamp), ("SignatureVersion", "2"), ("AccessKeyId", "e2xxxxxx")]
    pairs += [("SignatureMethod", "HmacSHA256"), ("types", "buy-limit,sell-limit")]
    text = (
        "GET\napi.huobi.pro\n/v1/order/orders\nAccessKeyId=e2xxxxxx&SignatureMethod=HmacSHA256&SignatureVersion=2"
        "&Timestamp=2017-05-11T15%3A19%3A30&order-id=1234567890&types=buy-limit%2Csell-limit"
    )
    wanted = base64.b64encode(hmac.new(b"b0xxxxxx", text.encode(), hashlib.sha256).digest()).decode()
    assert signature_of("b0xxxxxx", "GET", "api.huobi.pro", "/v1/order/orders", pairs) == wanted


def test_a_late_trade_is_shown_when_it_is_visible(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.weather("late", delay=3_600)
    simulator.trade(account, product="spot", market_id="btcusdt")
    simulator.trade(account, product="linear", market_id="BTC-USDT")
    assert client.fetch_my_trades("BTC/USDT") == client.fetch_my_trades("BTC/USDT:USDT") == []


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_headers_tell_what_is_left_of_each_systems_quota(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    spot = ask(simulator, account, "/v1/order/matchresults").headers
    now = simulator.ask("GET", "/clock")["now_ms"]
    assert spot["x-hb-ratelimit-requests-remain"] == "19"
    assert 0 < int(spot["x-hb-ratelimit-requests-expire"]) - now <= 2_000
    contract = ask(simulator, account, "/v5/account/balance", host=CONTRACTS).headers
    wanted = {"ratelimit-limit": "144", "ratelimit-interval": "3000", "ratelimit-remaining": "143"}
    assert {name: contract[name] for name in wanted} == wanted
    assert "recovery-time" not in contract


def test_who_asks_too_often_is_refused_in_one_of_several_ways_and_blocked_in_the_end(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.limits(on=True, forget=True)
    seen, refused = set(), 0
    while refused < 30:
        try:
            client.spotPrivateGetV2UserUid()
        except ccxt.RateLimitExceeded:
            refused += 1
            seen.add((client.last_http_response[:16], json.loads(client.last_http_response)["err-code"]))
    assert {code for _, code in seen} == {
        "rate-too-many-requests", "base-request-exceed-frequency-limit", "invalid-parameter",
    }  # fmt: skip
    blocked = ask(simulator, account, "/v2/user/uid")
    assert (blocked.status, blocked.text[:6]) == (403, "<html>")
    simulator.limits(forget=True)
    assert ask(simulator, account, "/v2/user/uid").data["code"] == 200


def test_contracts_refuse_with_a_status(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    simulator.limits(on=True, forget=True)
    simulator.weather("rate_limit", exchange="htx", patience=1)
    said = ask(simulator, account, "/v5/account/balance", host=CONTRACTS)
    assert (said.status, said.data["code"]) == (429, 1032)


def test_trouble_is_told_in_each_systems_envelope(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    client = client_of(simulator, keyless, account)
    simulator.weather("maintenance")
    with pytest.raises(ccxt.OnMaintenance):
        client.fetch_balance()
    assert ask(simulator, account, "/v5/account/balance", host=CONTRACTS).data["code"] == 1004
    assert client.fetch_balance({"type": "swap"})["total"] == {}, "ccxt takes an unknown code of V5 for an answer"
    simulator.calm()
    assert call(simulator, "htx", "https://api.huobi.pro/v1/nothing").status == 404
