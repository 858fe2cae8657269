"""ccxt's REST client reads from the Bitget dialect exactly what happened, and is refused as it would be."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import ccxt
import pytest

from tests.fixtures.simulator import SimulatorProcess, SimulatorSaysNo
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import as_read, as_told, assert_reads_the_truth, credentials, pointed_at

HOST = "https://api.bitget.com"
DAY_MS = 86_400_000
SPOT_FILLS, MIX_FILLS, UNIFIED_FILLS = "/api/v2/spot/trade/fills", "/api/v2/mix/order/fills", "/api/v3/trade/fills"
SPOT_ASSETS, SETTINGS = "/api/v2/spot/account/assets", "/api/v3/account/settings"
FREE_OF_FEE = "SOL/USDT:USDT"
"""Its makers pay nothing: their `feeDetail` is an empty list, over which ccxt stumbles (sheet 3)."""


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "bitget", "--no-limits")


def client_of(simulator: SimulatorProcess, account: dict[str, Any] | None = None, **options: Any) -> Any:
    config = credentials(account, **options) if account else {"options": options}
    return pointed_at(simulator, ccxt.bitget(config | {"enableRateLimit": False}), "bitget")


def plain_account(simulator: SimulatorProcess, mode: str = "classic", **options: Any) -> dict[str, Any]:
    """One position a market, and fees in the usual coins: ccxt reads nothing else right (sheet 9)."""
    details = {"discount": False, "pos_mode": "one_way_mode", **options.pop("details", {})}
    return simulator.account("bitget", mode=mode, details=details, **options)


def ask(
    simulator: SimulatorProcess,
    account: dict[str, Any],
    path: str,
    *,
    clock_ms: int = 0,
    unsorted: bool = False,
    **p: Any,
) -> Said:
    """One signed call by hand; `headers` replace others, None leaves one out."""
    headers = p.pop("headers", {})
    pairs = list(p.items()) if unsorted else sorted(p.items())
    asked = f"?{'&'.join(f'{name}={value}' for name, value in pairs)}" if pairs else ""
    stamp = str(simulator.ask("GET", "/clock")["now_ms"] + clock_ms)
    digest = hmac.new(account["secret"].encode(), f"{stamp}GET{path}{asked}".encode(), hashlib.sha256).digest()
    given = {
        "ACCESS-KEY": account["api_key"],
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-TIMESTAMP": stamp,
        "ACCESS-PASSPHRASE": account["passphrase"],
        **headers,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    return call(simulator, "bitget", HOST + path + quote(asked, safe="?&="), headers=kept)


def code_of(*arguments: Any, **options: Any) -> str:
    return ask(*arguments, **options).data["code"]


def data_of(*arguments: Any, **options: Any) -> Any:
    answer = ask(*arguments, **options).data
    assert (answer["code"], answer["msg"]) == ("00000", "success"), answer
    return answer["data"]


def windows(now: int, days: int) -> Iterator[dict[str, int]]:
    """Ninety days in windows that overlap by two milliseconds, since both ends may belong to none."""
    end, wall = now + 1, now - 90 * DAY_MS + 60_000
    while end > wall:
        start = max(wall, end - days * DAY_MS)
        yield {"startTime": start, "endTime": end}
        end = start + 2 if start > wall else wall


def smaller_ids(get: Callable[..., list[dict[str, Any]]], **asked: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window of a classic account."""
    pages, last = [get(**asked)], None
    while pages[-1]:
        smallest = min(int(row["tradeId"]) for row in pages[-1])
        assert last is None or smallest < last
        last = smallest
        pages.append(get(**asked, idLessThan=last))
    return pages[:-1]


def cursors(get: Callable[..., dict[str, Any]], **asked: Any) -> list[list[dict[str, Any]]]:
    """Every page of one window of a unified account."""
    pages, answer = [], get(**asked)
    while answer["list"]:
        pages.append(answer["list"])
        answer = get(**asked, cursor=answer["cursor"])
    return pages


def flat(pages: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [row for page in pages for row in page]


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
    """As ccxt reads it; it stumbles over an empty `feeDetail`, which here means that nothing was paid (sheet 3)."""
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
    # ccxt turns the sign of a unified account's fees around: what was paid shows as a rebate (sheet 9).
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
            # With two positions the side names the touched one, so that closing turns it around (sheet 9).
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
    # ccxt tests the deduction in a way that is never true, and shows what was paid as a rebate (sheet 9).
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


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_tells_its_rights(simulator: SimulatorProcess) -> None:
    def rights(mode: str, *permissions: str, **details: Any) -> Any:
        account = plain_account(simulator, mode, permissions=["read", *permissions], details=details)
        path = "/api/v2/spot/account/info" if mode == "classic" else "/api/v3/account/info"
        data = data_of(simulator, account, path)
        assert data["userId"] == account["uid"]
        return data["authorities"] if mode == "classic" else (data["permType"], "withdraw" in data["permissions"])

    assert rights("classic") == ["stor", "coor", "cpor"]
    assert rights("classic", words=True) == ["readonly"]
    assert rights("classic", "trade", words=True) == ["trade"]
    assert "stow" in rights("classic", "trade")
    assert "wwow" in rights("classic", "withdraw")
    assert rights("unified") == ("read-only", False)
    assert rights("unified", "trade") == ("read-and-write", False)
    assert rights("unified", "withdraw") == ("read-and-write", True)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"ACCESS-KEY": None}, "40001"),
        ({"ACCESS-SIGN": None}, "40003"),
        ({"ACCESS-TIMESTAMP": None}, "40005"),
        ({"ACCESS-TIMESTAMP": "now"}, "40005"),
        ({"ACCESS-PASSPHRASE": None}, "40011"),
        ({"ACCESS-KEY": "bg_unknown"}, "40037"),
        ({"ACCESS-KEY": "nonsense"}, "40006"),
        ({"ACCESS-PASSPHRASE": "wrong"}, "40012"),
        ({"ACCESS-SIGN": "wrong"}, "40009"),
        ({"paptrading": "1"}, "40099"),
    ],
)
def test_a_call_that_is_signed_wrongly_is_refused(
    simulator: SimulatorProcess, headers: dict[str, Any], code: str
) -> None:
    answer = ask(simulator, plain_account(simulator), SPOT_ASSETS, headers=headers)
    assert (answer.data["code"], answer.data["data"]) == (code, None)
    assert answer.status in {400, 401}


def test_a_clock_may_be_half_a_minute_off(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    codes = [code_of(simulator, account, SPOT_ASSETS, clock_ms=ms) for ms in (-29_000, 28_000, -31_000, 32_000)]
    assert codes == ["00000", "00000", "40008", "40008"]


def test_the_query_is_signed_in_the_order_of_its_names(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert code_of(simulator, account, SPOT_FILLS, symbol="BTCUSDT", limit=5) == "00000"
    assert code_of(simulator, account, SPOT_FILLS, unsorted=True, symbol="BTCUSDT", limit=5) == "40009"


def test_a_spoilt_key_is_refused_and_ccxt_knows_why(simulator: SimulatorProcess) -> None:
    def failure(account: dict[str, Any]) -> tuple[type, str]:
        client = client_of(simulator, account, uta=False)
        with pytest.raises(ccxt.BaseError) as refused:
            client.privateSpotGetV2SpotAccountAssets()
        text = str(refused.value)
        return type(refused.value), json.loads(text[text.index("{") :])["code"]

    account = plain_account(simulator)
    simulator.spoil_key(account, "revoke")
    assert failure(account) == (ccxt.AuthenticationError, "40037")
    simulator.spoil_key(account, "restore")
    simulator.spoil_key(account, "expire")
    assert failure(account) == (ccxt.AuthenticationError, "40006")
    assert failure(plain_account(simulator, addresses=["203.0.113.9"])) == (ccxt.PermissionDenied, "40018")
    assert failure(plain_account(simulator, permissions=["trade"])) == (ccxt.PermissionDenied, "40014")
    assert failure(plain_account(simulator, "unified")) == (ccxt.PermissionDenied, "40085")


def test_a_demo_key_needs_the_demo_header(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"demo": True})
    assert code_of(simulator, account, SPOT_ASSETS) == "40099"
    client = client_of(simulator, account, uta=False)
    client.options["sandboxMode"] = True
    assert client.privateSpotGetV2SpotAccountAssets()["code"] == "00000"


# ── Modes ─────────────────────────────────────────────────────────────────────────────────────────────


def test_each_mode_has_its_own_interface(simulator: SimulatorProcess) -> None:
    classic, unified = plain_account(simulator), plain_account(simulator, "unified")
    assert code_of(simulator, unified, SPOT_ASSETS) == "40085"
    assert code_of(simulator, unified, MIX_FILLS, productType="USDT-FUTURES") == "40085"
    assert code_of(simulator, classic, SETTINGS) == "40084"
    assert data_of(simulator, unified, SETTINGS)["accountMode"] == "unified"
    with pytest.raises(SimulatorSaysNo, match="no mode"):
        simulator.change(classic, mode="hybrid")


def test_a_change_of_mode_keeps_history_and_holdings(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, history=100)
    assert code_of(simulator, account, SPOT_FILLS) == "00000"
    simulator.change(account, mode="unified")
    assert code_of(simulator, account, SPOT_FILLS) == "40085"
    simulator.trade(account, product="spot", market_id="BTCUSDT", fills=1)
    trades = simulator.truth(account)["trades"]

    def get(**asked: Any) -> Any:
        return data_of(simulator, account, UNIFIED_FILLS, **asked)

    now = simulator.ask("GET", "/clock")["now_ms"]
    found = {row["execId"] for window in windows(now, 30) for row in flat(cursors(get, **window))}
    assert found == {trade["exchange_trade_id"] for trade in trades}
    held = {
        row["coin"]: Decimal(row["equity"]) for row in data_of(simulator, account, "/api/v3/account/assets")["assets"]
    }
    told: dict[str, Decimal] = {}
    for row in simulator.truth(account)["balances"]:
        if row["wallet"] != "funding":
            told[row["asset"]] = told.get(row["asset"], Decimal(0)) + Decimal(row["free"]) + Decimal(row["locked"])
    assert held == {coin: amount for coin, amount in told.items() if amount}


def test_the_other_interface_may_answer_without_data(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, "unified", details={"null_data": True})
    answer = ask(simulator, account, SPOT_FILLS)
    assert (answer.status, answer.data["code"], answer.data["data"]) == (200, "00000", None)


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_may_ask_so_often_a_second(simulator: SimulatorProcess) -> None:
    simulator.limits(on=True)
    asking, other = plain_account(simulator), plain_account(simulator)
    path = "/api/v2/spot/account/info"
    answers = [ask(simulator, asking, path) for _ in range(3)]
    assert (answers[0].status, answers[1].status, answers[1].data["code"]) == (200, 429, "429")
    assert ask(simulator, other, path).status == 200


def test_an_address_that_asks_too_often_waits_for_minutes(start_simulator: Any) -> None:
    simulator = start_simulator("--exchanges", "bitget")
    account = plain_account(simulator)
    simulator.weather("rate_limit", patience=3)
    statuses = [ask(simulator, account, SPOT_ASSETS).status for _ in range(5)]
    assert statuses == [429, 429, 429, 403, 403]
    simulator.calm()
    assert ask(simulator, account, SPOT_ASSETS).status == 200


@pytest.mark.parametrize(
    ("name", "known"), [("maintenance", {"40200"}), ("server_errors", {"40015", "40725", "45001"})]
)
def test_what_passes_has_its_codes(simulator: SimulatorProcess, name: str, known: set[str]) -> None:
    account = plain_account(simulator)
    simulator.weather(name, **({"chance": 1.0} if name == "server_errors" else {}))
    answers = [ask(simulator, account, SPOT_ASSETS) for _ in range(20)]
    assert {said.data["code"] for said in answers if said.text.startswith("{")} <= known
    assert all(said.status >= 400 for said in answers)
