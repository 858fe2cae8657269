"""ccxt's REST client reads from the Gate dialect exactly what happened, and is refused as it would be."""

import hashlib
import hmac
import time
from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import ccxt
import pytest

from simulator.gate.keys import payload_of, signature_of
from simulator.http import Request
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import Said, call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

WEEK_S, DAY_S = 7 * 86_400, 86_400
API = "https://api.gateio.ws"
MY_TRADE = {
    *("id", "create_time", "create_time_ms", "currency_pair", "side", "role", "amount", "price", "order_id"),
    *("fee", "fee_currency", "point_fee", "gt_fee", "sequence_id", "text", "amend_text"),
}


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "gate", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.gate(), "gate")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any], **options: Any) -> Any:
    client = pointed_at(simulator, ccxt.gate(credentials(account, **options)), "gate")
    client.set_markets(keyless.markets, keyless.currencies)
    return client


def plain_account(simulator: SimulatorProcess, **options: Any) -> dict[str, Any]:
    return simulator.account("gate", details={"discount": False, **options.pop("details", {})}, **options)


def ask(
    simulator: SimulatorProcess, account: dict[str, Any], path: str, query: str = "", *, host: str = API, **spoil: Any
) -> Said:
    """A call signed as the documents say, without any library; `spoil` replaces headers (None: left out)."""
    stamp = str(spoil.pop("Timestamp", int(time.time())))
    body = hashlib.sha512(b"").hexdigest()
    signed = "\n".join(("GET", f"/api/v4{path}", query, body, stamp))
    made = hmac.new(account["secret"].encode(), signed.encode(), hashlib.sha512).hexdigest()
    headers = {"KEY": account["api_key"], "Timestamp": stamp, "SIGN": made} | spoil
    headers = {name: value for name, value in headers.items() if value is not None}
    url = f"{host}/api/v4{path}" + (f"?{quote(query, safe='=&')}" if query else "")
    return call(simulator, "gate", url, headers=headers)


def refusal_of(said: Said) -> tuple[int, str]:
    return said.status, said.data["label"]


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
    assert sum(order_ids(page=1, limit=1000).values()) > 0


def test_a_boundary_second_belongs_to_both_windows(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    simulator.trade(account, product="spot", market_id="BTC_USDT")
    simulator.trade(account, product="linear", market_id="BTC_USDT")
    client = client_of(simulator, keyless, account)
    for read, trade in zip((spot_pages, futures_pages), simulator.truth(account)["trades"], strict=False):
        second = trade["timestamp_ms"] // 1000
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


# ── Wallets and keys ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["classic", "unified"])
def test_balances_are_the_deposits_and_all_trades_together(
    simulator: SimulatorProcess, keyless: Any, mode: str
) -> None:
    account = simulator.account("gate", history=500, mode=mode, details={"discount": True, "points": True})
    simulator.trade(account, count=100)
    client = client_of(simulator, keyless, account, unifiedAccount=False)
    told: dict[str, dict[str, Decimal]] = {}
    for row in simulator.truth(account)["balances"]:
        told.setdefault(row["wallet"], {})[row["asset"]] = Decimal(row["free"]) + Decimal(row["locked"])

    def held(**params: Any) -> dict[str, Decimal]:
        totals = client.fetch_balance(params)["total"]
        return {asset: Decimal(str(amount)) for asset, amount in totals.items() if Decimal(str(amount or 0))}

    futures = {"type": "swap", "settle": "usdt"}
    if mode == "unified":
        assert held(unifiedAccount=True) == told["unified"]
        assert held() == held(**futures) == {}
    else:
        assert held() == told["spot"]
        assert held(**futures) == {"USDT": told["futures_usdt"]["USDT"]}
        overview = client.privateFuturesGetSettleAccounts({"settle": "usdt"})
        assert (Decimal(overview["point"]), str(overview["user"])) == (
            told["futures_usdt"].get("GATEPOINT", 0),
            account["uid"],
        )
    for params in ({"marginMode": "isolated"}, {"marginMode": "cross"}, {"type": "funding"}):
        assert held(**params) == {}


def test_the_mode_is_told_by_one_call_and_not_by_the_key(simulator: SimulatorProcess) -> None:
    for mode, details, word in (
        ("classic", {}, "classic"),
        ("unified", {}, "multi_currency"),
        ("unified", {"unified_mode": "portfolio"}, "portfolio"),
    ):
        account = plain_account(simulator, mode=mode, details=details)
        assert ask(simulator, account, "/unified/unified_mode").data["mode"] == word
        told = ask(simulator, account, "/account/detail").data
        assert (str(told["user_id"]), told["key"]) == (account["uid"], {"mode": 1})


def entries_of(simulator: SimulatorProcess, account: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """All keys that are told, and those that may be the calling one."""
    told = ask(simulator, account, "/account/main_keys").data
    entries = told if isinstance(told, list) else [told]
    return entries, [one for one in entries if account["api_key"].startswith(one["key"].rstrip("*"))]


@pytest.mark.parametrize(
    ("permissions", "writes"),
    [
        (["read"], set()),
        (["read", "trade"], {"spot", "futures"}),
        (["read", "futures"], {"futures"}),
        (["read", "transfer"], {"wallet"}),
        (["read", "withdraw"], {"withdrawal"}),
    ],
)
def test_a_key_tells_what_it_may_do(simulator: SimulatorProcess, permissions: list[str], writes: set[str]) -> None:
    account = plain_account(simulator, permissions=permissions, addresses=["127.0.0.1"])
    entries, (own,) = entries_of(simulator, account)
    assert len(entries) == 2
    assert {one["name"] for one in own["perms"] if not one["read_only"]} == writes
    assert (own["state"], str(own["user_id"]), own["ip_whitelist"]) == (1, account["uid"], ["127.0.0.1"])


@pytest.mark.parametrize(("form", "counts"), [("object", (1, 1)), ("list", (2, 1)), ("twins", (2, 2)), ("sub", (1, 0))])
def test_the_list_of_keys_has_several_forms(simulator: SimulatorProcess, form: str, counts: tuple[int, int]) -> None:
    entries, own = entries_of(simulator, plain_account(simulator, details={"main_keys": form}))
    assert (len(entries), len(own)) == counts


def test_a_key_of_few_scopes_is_forbidden_the_rest(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"scopes": ["spot"]})
    assert ask(simulator, account, "/spot/my_trades").status == 200
    for path in ("/account/detail", "/account/main_keys", "/unified/unified_mode", "/futures/usdt/accounts"):
        assert refusal_of(ask(simulator, account, path)) == (403, "FORBIDDEN")


def test_a_list_of_pairs_hides_all_others(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator, details={"currency_pairs": ["ETH_USDT"]})
    for market in ("BTC_USDT", "ETH_USDT"):
        simulator.trade(account, product="spot", market_id=market)
    assert {row["currency_pair"] for row in ask(simulator, account, "/spot/my_trades").data} == {"ETH_USDT"}
    assert ask(simulator, account, "/account/detail").data["currency_pairs"] == ["ETH_USDT"]


def test_the_documented_signature_is_the_one_that_is_checked() -> None:
    request = Request(
        method="GET",
        host="api.gateio.ws",
        path="/api/v4/futures/orders",
        query="contract=BTC_USD&status=finished&limit=50",
        headers={},
    )
    assert signature_of("secret", payload_of(request, "1541993715")) == (
        "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6"
        "fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a"
    )


def test_the_query_is_signed_unescaped_and_in_the_order_of_the_address(simulator: SimulatorProcess) -> None:
    account = plain_account(simulator)
    assert ask(simulator, account, "/spot/my_trades", "limit=5&currency_pair=BTC_USDT").status == 200
    assert refusal_of(ask(simulator, account, "/spot/my_trades", "currency_pair=BTC/USDT")) == (
        400,
        "INVALID_CURRENCY_PAIR",
    )


def test_each_way_to_be_refused_has_its_label(simulator: SimulatorProcess, keyless: Any) -> None:
    account = plain_account(simulator)
    now = int(time.time())

    def tried(**spoil: Any) -> tuple[int, str]:
        said = ask(simulator, account, "/spot/accounts", **spoil)
        return (said.status, "") if said.status == 200 else refusal_of(said)

    assert tried() == tried(Timestamp=now - 50) == tried(Timestamp=now + 50) == tried(Timestamp=f"{now}.5") == (200, "")
    assert tried(KEY=None) == tried(SIGN=None) == (401, "MISSING_REQUIRED_HEADER")
    assert tried(Timestamp=now - 70) == tried(Timestamp=now + 70) == (401, "REQUEST_EXPIRED")
    assert tried(Timestamp=now * 1000) == tried(Timestamp="noon") == (401, "REQUEST_EXPIRED")
    assert tried(KEY="nobody") == (401, "INVALID_KEY")
    assert tried(SIGN="00") == (401, "INVALID_SIGNATURE")
    for how in ("expire", "revoke"):
        simulator.spoil_key(account, how)
        assert tried() == (401, "INVALID_KEY")
        simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert tried() == (401, "IP_FORBIDDEN")
    client = client_of(simulator, keyless, account, unifiedAccount=False)
    with pytest.raises(ccxt.AuthenticationError, match="IP_FORBIDDEN"):
        client.fetch_balance()


def test_a_key_is_known_at_home_only(simulator: SimulatorProcess) -> None:
    homes = {
        "gate": API,
        "testnet": "https://api-testnet.gateapi.io",
        "gateeu": "https://api.gateeu.com",
    }
    for home in homes:
        account = plain_account(simulator, details={"entity": home})
        for entity, host in homes.items():
            said = ask(simulator, account, "/spot/accounts", host=host)
            assert (said.status == 200) is (entity == home)


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "limit"), [("/spot/my_trades", 200), ("/futures/usdt/my_trades_timerange", 200), ("/account/detail", 150)]
)
def test_each_path_has_a_quota_of_its_own_and_headers_tell_it(
    simulator: SimulatorProcess, path: str, limit: int
) -> None:
    simulator.limits(on=True, forget=True)
    account, other = plain_account(simulator), plain_account(simulator)
    first = ask(simulator, account, path)
    names = ("x-gate-ratelimit-limit", "x-gate-ratelimit-requests-remain")
    assert [first.headers[name] for name in names] == [str(limit), str(limit - 1)]
    assert {ask(simulator, account, path).status for _ in range(limit - 1)} == {200}
    broken = ask(simulator, account, path)
    assert refusal_of(broken) == (429, "TOO_MANY_REQUESTS")
    assert 0 < int(broken.headers["x-gate-ratelimit-reset-timestamp"]) - time.time() <= 11
    assert "retry-after" not in broken.headers
    assert ask(simulator, account, "/spot/accounts").status == ask(simulator, other, path).status == 200


def test_ccxt_understands_that_it_asked_too_often(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.weather("rate_limit", seconds=30)
    for _ in range(6):
        with pytest.raises(ccxt.RateLimitExceeded):
            keyless.fetch_time()
