"""ccxt's REST client reads from the Kraken dialect exactly what happened, and is refused as it would be."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from simulator.kraken.keys import signature
from tests.fixtures.simulator import SimulatorProcess
from tests.simulator.plain import call
from tests.simulator.witnesses import assert_reads_the_truth, credentials, pointed_at

DAY_MS = 86_400_000
ROW = {
    "ordertxid", "postxid", "pair", "time", "type", "ordertype", "price", "cost", "fee", "vol", "margin", "misc",
    "trade_id", "maker",
}  # fmt: skip


@pytest.fixture
def simulator(start_simulator: Any) -> SimulatorProcess:
    return start_simulator("--exchanges", "kraken", "--no-limits")


@pytest.fixture
def keyless(simulator: SimulatorProcess) -> Any:
    client = pointed_at(simulator, ccxt.kraken(), "kraken")
    client.load_markets()
    return client


def client_of(simulator: SimulatorProcess, keyless: Any, account: dict[str, Any]) -> Any:
    client = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    client.set_markets(keyless.markets, keyless.currencies)
    client.options["marketsByAltname"] = keyless.options["marketsByAltname"]
    return client


def ask(client: Any, **params: Any) -> dict[str, Any]:
    return client.privatePostTradesHistory(params)["result"]


def windows(client: Any, start: int, end: int, **params: Any) -> Iterator[dict[str, Any]]:
    """Every row as the fact sheet reads them: halves of more than 500, then offsets; all of a window or none."""
    first = ask(client, start=start, end=end, **params)
    count = int(first["count"])
    if count > 500:
        middle = (start + end) // 2
        yield from windows(client, start, middle, **params)
        yield from windows(client, middle - 1, end, **params)
        return
    found = first["trades"]
    while len(found) < count:
        found = found | ask(client, start=start, end=end, ofs=len(found), **params)["trades"]
    yield from (row | {"id": name} for name, row in found.items())


def everything(client: Any, **params: Any) -> list[dict[str, Any]]:
    now = client.seconds() + 1
    found = {row["id"]: row for row in windows(client, 0, now, **params)}
    return [client.parse_trade(row) for row in found.values()]


def refusal_of(do: Any, *arguments: Any) -> tuple[type, str]:
    """What ccxt makes of a refusal, and the exchange's own words."""
    with pytest.raises(ccxt.BaseError) as refused:
        do(*arguments)
    text = str(refused.value)
    return type(refused.value), json.loads(text[text.index("{") :])["error"][0]


# ── What there is ─────────────────────────────────────────────────────────────────────────────────────


def test_every_market_is_listed_as_ccxt_understands_it(simulator: SimulatorProcess, keyless: Any) -> None:
    listed = {m["market_id"]: m["symbol"] for m in simulator.ask("GET", "/markets")}
    assert {m["id"]: m["symbol"] for m in keyless.markets.values()} == listed
    assert keyless.market("BTC/USD")["id"] == "XXBTZUSD"
    assert keyless.market("LUNC/USD")["info"]["wsname"] == "LUNA/USD"
    assert keyless.market("DOGE/USD")["info"]["wsname"] == "XDG/USD"
    assert set(keyless.publicGetAssetPairs({"pair": "XBTUSD,XETHZUSD"})["result"]) == {"XXBTZUSD", "XETHZUSD"}
    assert refusal_of(keyless.publicGetAssetPairs, {"pair": "NOPE"})[1] == "EQuery:Unknown asset pair"


def test_the_clock_is_told_in_seconds(keyless: Any) -> None:
    assert abs(keyless.fetch_time() - keyless.milliseconds()) < 5_000
    assert keyless.fetch_status()["status"] == "ok"


def test_the_documented_signature_is_made() -> None:
    """The example of docs.kraken.com, spot REST authentication (read 2026-11)."""
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    assert signature(secret, "/0/private/AddOrder", "1616492376594", body) == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


# ── History ───────────────────────────────────────────────────────────────────────────────────────────


def test_two_years_are_read_by_windows_and_offsets_to_the_last_trade(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=1_800)
    simulator.trade(account, count=60)
    read = everything(client_of(simulator, keyless, account))
    assert_reads_the_truth(read, simulator.truth(account)["trades"])


def test_ccxt_sees_the_newest_fifty_only(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=120)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    assert_reads_the_truth(client.fetch_my_trades(), told[-50:])
    since = told[100]["timestamp_ms"]
    recent = [trade for trade in told if trade["timestamp_ms"] >= since]
    assert_reads_the_truth(client.fetch_my_trades(None, since), recent)


def test_rows_look_as_captured(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    wish = {"market_id": "XXBTZUSD", "size": "0.5", "price": "64000.1", "maker": True}
    for _ in range(10):
        simulator.trade(account, **wish)
    client = client_of(simulator, keyless, account)
    result = ask(client)
    assert result["count"] == 10
    assert {row["pair"] for row in result["trades"].values()} == {"XXBTZUSD", "XBTUSD"}
    for name, row in result["trades"].items():
        assert set(row) == ROW
        assert re.fullmatch(r"T[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", name)
        assert re.fullmatch(r"O[A-Z2-7]{5}-[A-Z2-7]{5}-[A-Z2-7]{6}", row["ordertxid"])
        assert (row["price"], row["vol"], row["cost"]) == ("64000.10000", "0.50000000", "32000.05000")
        assert row["fee"] == "80.00012"
        assert re.fullmatch(r"\d{10}\.\d{4}", str(row["time"]))
        assert row["maker"] is True
    assert len({row["postxid"] for row in result["trades"].values()}) == 1, "a position is no identity"


def test_numbers_of_trades_repeat_across_books(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=400)
    rows = list(windows(client_of(simulator, keyless, account), 0, keyless.seconds()))
    by_number = {row["trade_id"] for row in rows}
    by_book = {(row["trade_id"], keyless.safe_market(row["pair"])["symbol"]) for row in rows}
    assert len(by_number) < len(rows)
    assert len(by_book) == len(rows) == 400


def test_the_start_is_exclusive_and_the_end_inclusive_by_seconds_or_ids(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("kraken", history=30)
    client = client_of(simulator, keyless, account)
    told = simulator.truth(account)["trades"]
    ids = [trade["exchange_trade_id"] for trade in told]

    def read(**params: Any) -> set[str]:
        return set(ask(client, **params)["trades"])

    assert list(ask(client)["trades"]) == ids[::-1], "newest first"
    assert read(start=ids[9], end=ids[19]) == set(ids[10:20])
    second = told[12]["timestamp_ms"] // 1000
    assert read(start=second, end=second + 1) >= {ids[12]}
    assert ids[12] not in read(end=second)
    assert ids[12] not in read(start=second + 1)
    for wrong in ({"start": "TAAAAA-AAAAA-AAAAAA"}, {"end": "yesterday"}, {"ofs": "-1"}, {"type": "odd"}):
        assert refusal_of(client.privatePostTradesHistory, wrong) == (ccxt.BadRequest, "EGeneral:Invalid arguments")


def test_offsets_end_at_the_count_which_can_be_left_out(simulator: SimulatorProcess, keyless: Any) -> None:
    client = client_of(simulator, keyless, simulator.account("kraken", history=120))
    sizes = [len(ask(client, ofs=offset)["trades"]) for offset in (0, 50, 100, 150)]
    assert sizes == [50, 50, 20, 0]
    assert ask(client, ofs=150)["count"] == 120
    assert "count" not in ask(client, without_count="true")
    assert "count" in ask(client, without_count=True), "Python's True is no word of this exchange"
    assert ask(client, type="closed position") == {"trades": {}, "count": 0}


def test_a_new_trade_moves_every_page_and_a_late_one_loses_a_row(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", history=100)
    client = client_of(simulator, keyless, account)
    ids = [trade["exchange_trade_id"] for trade in simulator.truth(account)["trades"]]
    first = ask(client)
    made = simulator.trade(account, market_id="XXBTZUSD")[0]["exchange_trade_id"]
    second = ask(client, ofs=50)
    assert set(first["trades"]) & set(second["trades"]) == {ids[-50]}
    simulator.weather("late", delay=30)
    hidden = simulator.trade(account, market_id="XXBTZUSD")[0]["exchange_trade_id"]
    simulator.calm()
    simulator.trade(account, market_id="XXBTZUSD")
    latest = ask(client)
    assert latest["count"] == 102
    assert made in latest["trades"]
    assert hidden not in latest["trades"]
    assert len(latest["trades"]) == 50
    simulator.ask("POST", "/clock", skew_ms=31_000)
    later = ask(client)
    assert later["count"] == 103
    assert hidden in later["trades"]


def test_takers_trades_are_put_together_unless_asked_otherwise(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    told = [trade for _ in range(6) for trade in simulator.trade(account, market_id="XETHZUSD", size="2", maker=False)]
    client = client_of(simulator, keyless, account)
    together, apart = ask(client), ask(client, consolidate_taker="false")
    assert ask(client, consolidate_taker=False) == together
    assert set(together["trades"]) == {trade["exchange_trade_id"] for trade in told}
    assert int(apart["count"]) == len(apart["trades"]) == 8
    assert set(together["trades"]) < set(apart["trades"])
    for name in ("vol", "cost", "fee"):
        sums = [sum(Decimal(row[name]) for row in each["trades"].values()) for each in (together, apart)]
        assert sums[0] == sums[1]


def test_a_key_may_see_a_part_of_the_past_only_and_says_so(simulator: SimulatorProcess, keyless: Any) -> None:
    now = keyless.milliseconds()
    since, until = now - 300 * DAY_MS, now - 100 * DAY_MS
    account = simulator.account("kraken", history=200, details={"query_from_ms": since, "query_to_ms": until})
    client = client_of(simulator, keyless, account)
    told = [t for t in simulator.truth(account)["trades"] if since <= t["timestamp_ms"] <= until]
    assert_reads_the_truth(everything(client), told)
    report = client.private_post_getapikeyinfo()["result"]
    assert (report["queryFrom"], report["queryTo"]) == (str(since // 1000), str(until // 1000))


def test_trades_of_a_delisted_pair_stay_and_ccxt_does_not_know_it(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    for _ in range(5):
        simulator.trade(account, market_id="XLTCZUSD")
    simulator.ask("POST", "/markets", exchange="kraken", product="spot", market_id="XLTCZUSD", status="delisted")
    fresh = pointed_at(simulator, ccxt.kraken(credentials(account)), "kraken")
    fresh.load_markets()
    assert "LTC/USD" not in fresh.markets
    read = fresh.fetch_my_trades()
    assert {trade["symbol"] for trade in read} == {"XLTCZUSD", "LTCUSD"}
    assert {trade["fee"]["currency"] for trade in read} == {None}


def test_an_order_tells_what_was_executed_of_it(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    made = simulator.trade(account, market_id="XETHZUSD", size="3", fills=3)
    client = client_of(simulator, keyless, account)
    row = client.privatePostQueryOrders({"txid": made[0]["order_id"], "trades": "true"})["result"][made[0]["order_id"]]
    assert Decimal(row["vol_exec"]) == 3
    assert row["status"] == "closed"
    assert row["trades"] == [trade["exchange_trade_id"] for trade in made]
    assert Decimal(row["fee"]) == sum(Decimal(trade["fees"][0]["amount"]) for trade in made)
    unknown = {"txid": "OAAAAA-AAAAA-AAAAAA"}
    assert refusal_of(client.privatePostQueryOrders, unknown) == (ccxt.InvalidOrder, "EOrder:Unknown order")
    many = {"txid": ",".join(made[0]["order_id"] for _ in range(51))}
    assert refusal_of(client.privatePostQueryOrders, many)[1] == "EGeneral:Invalid arguments"


# ── Balances ──────────────────────────────────────────────────────────────────────────────────────────


def test_balances_are_the_deposits_and_the_trades_and_what_earns_stands_apart(
    simulator: SimulatorProcess, keyless: Any
) -> None:
    account = simulator.account("kraken", history=50)
    simulator.trade(account, count=60)
    balance = client_of(simulator, keyless, account).fetch_balance()
    for told in simulator.truth(account)["balances"]:
        code = told["asset"] + (".F" if told["wallet"] == "earn" else "")
        assert Decimal(balance["free"][code]) == Decimal(told["free"])
        assert Decimal(balance["used"][code]) == Decimal(told["locked"])
    assert "BTC.F" in balance["total"]


# ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("granted", "words"),
    [
        (["read"], {"query-funds", "query-open-trades", "query-closed-trades"}),
        (["read", "trade"], {"modify-trades"}),
        (["read", "withdraw"], {"withdraw-funds"}),
    ],
)
def test_a_key_tells_what_it_may_do(
    simulator: SimulatorProcess, keyless: Any, granted: list[str], words: set[str]
) -> None:
    account = simulator.account("kraken", permissions=granted, addresses=["127.0.0.1"])
    report = client_of(simulator, keyless, account).private_post_getapikeyinfo()["result"]
    assert words <= set(report["permissions"])
    assert ("withdraw-funds" in report["permissions"]) == ("withdraw" in granted)
    assert (report["apiKey"], report["ipAllowlist"]) == (account["api_key"], ["127.0.0.1"])
    assert (report["validUntil"], report["queryFrom"], report["queryTo"]) == ("0", "0", "0")


@pytest.mark.parametrize(
    ("without", "path"),
    [
        ("query-closed-trades", "privatePostTradesHistory"),
        ("query-funds", "privatePostBalanceEx"),
        ("access-websockets", "privatePostGetWebSocketsToken"),
    ],
)
def test_each_call_asks_for_its_permission(simulator: SimulatorProcess, keyless: Any, without: str, path: str) -> None:
    account = simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    getattr(client, path)()
    words = client.private_post_getapikeyinfo()["result"]["permissions"]
    simulator.change(account, details={"permissions": [word for word in words if word != without]})
    assert refusal_of(getattr(client, path)) == (ccxt.PermissionDenied, "EGeneral:Permission denied")
    assert client.private_post_getapikeyinfo()["result"]["apiKey"] == account["api_key"]


def test_each_way_to_be_refused_has_its_words(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    balance = client.privatePostBalanceEx
    balance()
    right = client.secret
    client.secret = "d3Jvbmc="
    assert refusal_of(balance) == (ccxt.ExchangeError, "EAPI:Invalid signature")
    client.secret, client.apiKey = right, "nobody"
    assert refusal_of(balance) == (ccxt.AuthenticationError, "EAPI:Invalid key")
    client.apiKey = account["api_key"]
    for spoil in ("expire", "revoke"):
        simulator.spoil_key(account, spoil)
        assert refusal_of(balance) == (ccxt.AuthenticationError, "EAPI:Invalid key")
        simulator.spoil_key(account, "restore")
    simulator.change(account, addresses=["10.1.2.3"])
    assert refusal_of(balance) == (ccxt.PermissionDenied, "EGeneral:Permission denied")
    simulator.change(account, addresses=[])
    balance()
    assert call(simulator, "kraken", "https://api.kraken.com/0/private/Odd", method="POST").data == {
        "error": ["EGeneral:Unknown method"]
    }


def test_nonces_rise_strictly_for_each_key(simulator: SimulatorProcess, keyless: Any) -> None:
    account, other = simulator.account("kraken"), simulator.account("kraken")
    client, second = client_of(simulator, keyless, account), client_of(simulator, keyless, account)
    third = client_of(simulator, keyless, other)
    given = iter((1000, 1000, 999, 1001, 2**63, 1002))
    client.incrementing_nonce = second.incrementing_nonce = lambda: next(given)
    third.incrementing_nonce = lambda: 5
    client.privatePostBalance()
    assert refusal_of(second.privatePostBalance) == (ccxt.InvalidNonce, "EAPI:Invalid nonce")
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"
    second.privatePostBalance()
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"
    client.privatePostBalance()
    third.privatePostBalance()


def test_a_nonce_window_lets_nonces_fall_back_a_little(simulator: SimulatorProcess, keyless: Any) -> None:
    account = simulator.account("kraken", details={"nonce_window": 10})
    client = client_of(simulator, keyless, account)
    given = iter((1000, 995, 990))
    client.incrementing_nonce = lambda: next(given)
    client.privatePostBalance()
    client.privatePostBalance()
    assert refusal_of(client.privatePostBalance)[1] == "EAPI:Invalid nonce"


def test_a_key_that_is_wrong_again_and_again_is_locked_out(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    account = simulator.account("kraken", details={"tier": "pro"})
    client = client_of(simulator, keyless, account)
    client.privatePostBalance()
    client.incrementing_nonce = lambda: 7
    words = []
    for _ in range(40):
        words.append(refusal_of(client.privatePostBalance)[1])
        if words[-1] == "EGeneral:Temporary lockout":
            break
        if words[-1] == "EAPI:Rate limit exceeded":
            simulator.ask("POST", "/clock", skew_ms=60_000 * len(words))
    assert words.count("EAPI:Invalid nonce") == 20
    del client.incrementing_nonce
    assert refusal_of(client.privatePostBalance) == (ccxt.DDoSProtection, "EGeneral:Temporary lockout")
    simulator.limits(forget=True)
    client.privatePostBalance()


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_counter_fills_by_two_for_history_and_falls_slowly(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    account, other = simulator.account("kraken"), simulator.account("kraken")
    client = client_of(simulator, keyless, account)
    for _ in range(7):
        ask(client)
    assert refusal_of(client.privatePostTradesHistory) == (ccxt.DDoSProtection, "EAPI:Rate limit exceeded")
    assert client.last_http_response.startswith('{"error"')
    client_of(simulator, keyless, other).privatePostBalance()
    simulator.ask("POST", "/clock", skew_ms=4_000)
    assert refusal_of(client.privatePostTradesHistory)[1] == "EAPI:Rate limit exceeded", "who goes on waits longer"
    simulator.ask("POST", "/clock", skew_ms=20_000)
    ask(client)


def test_tiers_have_their_own_counters(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True)
    client = client_of(simulator, keyless, simulator.account("kraken", details={"tier": "pro"}))
    for _ in range(10):
        ask(client)
    assert refusal_of(client.privatePostTradesHistory)[1] == "EAPI:Rate limit exceeded"


def test_an_address_that_asks_too_much_is_refused(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.limits(on=True, forget=True)
    for _ in range(15):
        keyless.publicGetTime()
    assert refusal_of(keyless.publicGetTime) == (ccxt.DDoSProtection, "EGeneral:Too many requests")


def test_troubles_have_this_exchanges_forms(simulator: SimulatorProcess, keyless: Any) -> None:
    simulator.weather("rate_limit", patience=30)
    words = {refusal_of(keyless.publicGetTime)[1] for _ in range(30)}
    assert refusal_of(keyless.publicGetTime)[1] == "EGeneral:Temporary lockout"
    assert "EAPI:Rate limit exceeded" in words
    assert any(re.fullmatch(r"EService: Throttled: \d{10}", word) for word in words)
    simulator.calm()
    simulator.weather("maintenance")
    assert refusal_of(keyless.publicGetTime)[1] == "EService:Unavailable"
    simulator.calm()
    simulator.weather("server_errors", chance=1.0)
    said = [call(simulator, "kraken", "https://api.kraken.com/0/public/Time") for _ in range(30)]
    assert {answer.status for answer in said} == {200, 502, 520}
    assert all(("error" in answer.text) == (answer.status == 200) or "<html>" in answer.text for answer in said)
